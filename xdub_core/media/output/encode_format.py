"""Which pixel format an output is encoded in: one that loses nothing of the source, where its codec has one."""

from __future__ import annotations

from dataclasses import dataclass

import av

from xdub_core.errors import SettingsError
from xdub_core.media.picture.pixel_layout import PixelLayout, format_has_alpha, layout_of
from xdub_core.media.video.video_info import VideoInfo

_KEEPING = {
    "420": ("420", "422", "444"),
    "422": ("422", "444", "420"),
    "444": ("444", "422", "420"),
    "440": ("440", "444", "420"),
    "411": ("411", "422", "444", "420"),
    "410": ("410", "420", "422", "444"),
    "gray": ("gray", "420", "422", "444"),
}
"""For each chroma of a source, those that keep most of it, best first."""
_LOSSLESS_RGB = {
    (False, False): "bgr0",
    (False, True): "bgra",
    (True, False): "gbrp16le",
    (True, True): "gbrap16le",
}
"""FFV1's formats for pictures that are RGB, by (deep, transparent)."""


@dataclass(frozen=True)
class SourceFormat:
    """What is known of the pictures that are to be encoded.

    `layout`: of the stored pictures, upright; None for RGB. `bits`: of a sample. `alpha`: whether they are transparent
    anywhere, and say so themselves.
    """

    layout: PixelLayout | None = None
    bits: int = 8
    alpha: bool = False


def source_format(info: VideoInfo) -> SourceFormat:
    """What is known of a video's pictures."""
    layout = layout_of(info.pixel_format)
    if layout is not None and info.rotation in (90, 270):
        layout = layout.turned
    return SourceFormat(layout, info.bit_depth, info.has_alpha and format_has_alpha(info.pixel_format))


@dataclass(frozen=True)
class FormatLimits:
    """What a codec is to be used for, of all that its encoder can do.

    `usual`: chroma of pictures that are not stored as luma and chroma, None for storing them as RGB. `alpha`: chroma of
    its formats with transparency. `deepest`: bits of a sample that are taken without being asked for.
    """

    usual: str | None = "420"
    alpha: frozenset[str] = frozenset()
    deepest: int = 10
    gray: bool = False


def choose_format(
    codec: str, encoder: str, source: SourceFormat, limits: FormatLimits, bits: int | None
) -> str:
    """The name of the format that keeps most of a source: transparency first, then chroma, then depth.

    Args:
        codec, encoder: our name of the codec, FFmpeg's of the encoder.
        bits: those that were asked for.

    Raises:
        SettingsError: the encoder has no format of so many bits.
    """
    deep = (bits or source.bits) > 8
    if source.layout is None and limits.usual is None:
        return _LOSSLESS_RGB[deep, source.alpha]
    chroma = source.layout.chroma if source.layout else "444" if source.alpha else limits.usual or "444"
    offered = _offered(encoder)
    wanted_bits = (bits,) if bits else _depths(min(source.bits, limits.deepest), offered)
    for alpha in (True, False) if source.alpha and limits.alpha else (False,):
        for kept in _KEEPING[chroma]:
            if (alpha and kept not in limits.alpha) or (kept == "gray" and not limits.gray):
                continue
            for depth in wanted_bits:
                layout = PixelLayout(kept, depth, alpha)
                if layout in offered:
                    return layout.name
    raise SettingsError(f"{codec} is not written with {bits} bits here; choose hevc, or leave bit_depth out")


def loses_chroma(source: PixelLayout | None, pixel_format: str) -> bool:
    """Whether a format has fewer chroma samples, across or down, than the source's."""
    written = layout_of(pixel_format)
    if source is None or written is None or source.chroma == "gray":
        return False
    return any(new > old for new, old in zip(written.divisors, source.divisors, strict=True))


def check_format(codec: str, encoder: str, pixel_format: str) -> str:
    """The format itself. SettingsError with those to choose from where the encoder does not take it."""
    formats = [form.name for form in av.codec.Codec(encoder, "w").video_formats or ()]
    if pixel_format in formats:
        return pixel_format
    choice = ", ".join(name for name in formats if not name.startswith(("yuvj", "nv")))
    raise SettingsError(f"{codec} is not written in the pixel format {pixel_format}; choose one of {choice}")


def _offered(encoder: str) -> frozenset[PixelLayout]:
    """The planar layouts of luma and chroma that an encoder takes."""
    found = set()
    for form in av.codec.Codec(encoder, "w").video_formats or ():
        layout = layout_of(form.name)
        if layout is not None and layout.name == form.name:
            found.add(layout)
    return frozenset(found)


def _depths(wanted: int, offered: frozenset[PixelLayout]) -> tuple[int, ...]:
    """The wanted depth, then deeper ones, then what is left: more bits lose nothing."""
    depths = {layout.bits for layout in offered}
    return (*sorted(depth for depth in depths if depth >= wanted), *sorted(
        (depth for depth in depths if depth < wanted), reverse=True
    ))  # fmt: skip
