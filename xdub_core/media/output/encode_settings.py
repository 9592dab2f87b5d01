"""How an output file is encoded, and what containers and codecs there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av

from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.output.encode_format import (
    FormatLimits,
    SourceFormat,
    check_format,
    choose_format,
    loses_chroma,
)
from xdub_core.media.picture.pixel_layout import bits_of, is_pixel_format

_PLAIN, _PLAIN_LIMITS = SourceFormat(), FormatLimits()
_ANY = frozenset({".mp4", ".mov", ".mkv"})
_COPIED_TO_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})


@dataclass(frozen=True)
class Codec:
    """A video codec: FFmpeg's encoders for it (best first), containers, constant-quality scale and formats.

    `even` says that sizes must be even where chroma is halved, because the codec cannot crop. `pixel_shapes`: suffixes
    of the containers in which pixels that are not square stay so; PyAV hands their shape to the codec alone.
    `alpha`: those in which transparency does.
    """

    encoders: tuple[str, ...]
    suffixes: frozenset[str]
    quality: int | None
    worst_quality: int
    limits: FormatLimits = _PLAIN_LIMITS
    even: bool = False
    pixel_shapes: frozenset[str] = frozenset()
    alpha: frozenset[str] = frozenset()


CODECS = {
    "h264": Codec(("libx264",), _ANY, 16, 51, even=True, pixel_shapes=_ANY),
    "hevc": Codec(("libx265",), _ANY, 18, 51, even=True, pixel_shapes=_ANY),
    "vp9": Codec(
        ("libvpx-vp9",),
        frozenset({".webm", ".mkv", ".mp4"}),
        18,
        63,
        FormatLimits(alpha=frozenset({"420"}), deepest=8),
        pixel_shapes=frozenset({".mp4"}),
        alpha=frozenset({".webm", ".mkv"}),
    ),
    "av1": Codec(
        ("libsvtav1", "libaom-av1"),
        frozenset({".webm", ".mkv", ".mp4"}),
        20,
        63,
        even=True,
        pixel_shapes=frozenset({".mp4"}),
    ),
    "prores": Codec(
        ("prores_ks",),
        frozenset({".mov", ".mkv"}),
        None,
        0,
        FormatLimits("422", alpha=frozenset({"444"}), deepest=12),
        even=True,
        pixel_shapes=frozenset({".mov"}),
        alpha=frozenset({".mov", ".mkv"}),
    ),
    "ffv1": Codec(
        ("ffv1",),
        frozenset({".mkv"}),
        None,
        0,
        FormatLimits(None, alpha=frozenset({"420", "422", "444"}), deepest=16, gray=True),
        alpha=frozenset({".mkv"}),
    ),
}


@dataclass(frozen=True)
class Container:
    """A file format: FFmpeg's name, audio codecs copied into it (None: all) and the encoder for the others."""

    format: str
    copied_audio: frozenset[str] | None
    audio_encoder: str

    def copies(self, codec: str) -> bool:
        """Whether a codec's packets go into it as they are, so far as its muxer takes them.

        TTA never does: Matroska has no room for its number of samples, and readers guess it from the video's length.
        """
        return codec != "tta" and (self.copied_audio is None or codec in self.copied_audio)


CONTAINERS = {
    ".mp4": Container("mp4", _COPIED_TO_MP4, "aac"),
    ".mov": Container(
        "mov",
        frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
        | {"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"},
        "aac",
    ),
    ".mkv": Container("matroska", None, "aac"),
    ".webm": Container("webm", frozenset({"opus", "vorbis"}), "libopus"),
}
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip


@dataclass(frozen=True)
class EncodeSettings:
    """How to encode a video.

    Attributes:
        codec: "auto", or a key of CODECS. Auto is H.264, which everything plays; HEVC Main 10 for sources deeper than
            8 bits, because few devices play 10-bit H.264 and 8 bits would drop what the source has; VP9 for .webm.
        quality: constant quality on the codec's own scale (CRF; lower is better), None for a visually lossless one.
            ProRes (422 HQ, 4444) and FFV1 (lossless) have none.
        preset: speed of H.264 and HEVC, one of PRESETS.
        bit_depth: 8, 10 or 12; None: 10 for deep sources with HEVC, AV1, ProRes and auto, as many as the source has
            with FFV1, else 8. A deep source written with 8 bits is dithered, and a warning logged.
        pixel_format: FFmpeg's name of a format, e.g. "yuv420p", instead of the one that keeps the source's chroma and
            transparency as far as the codec can.
        audio: "auto" copies packets where the container takes the codec and encodes otherwise; "copy" refuses to
            encode; "encode" always encodes.
        audio_bitrate: bits a second where audio is encoded (AAC, Opus).
        keyframes: H.264's and HEVC's, one in so many frames at least; None: as the encoder has it. Players find a frame
            the faster the more there are.

    Raises:
        SettingsError: a value is out of range, or values contradict each other.
    """

    codec: str = "auto"
    quality: int | None = None
    preset: str = "medium"
    bit_depth: int | None = None
    pixel_format: str | None = None
    audio: str = "auto"
    audio_bitrate: int = 256_000
    keyframes: int | None = None

    def __post_init__(self) -> None:
        _one_of("codec", self.codec, ("auto", *CODECS))
        _one_of("preset", self.preset, PRESETS)
        _one_of("audio", self.audio, ("auto", "copy", "encode"))
        if self.bit_depth not in (None, 8, 10, 12):
            raise SettingsError(f"bit_depth {self.bit_depth} is not possible; choose 8, 10 or 12")
        if not 8_000 <= self.audio_bitrate <= 1_024_000:
            raise SettingsError(
                f"audio_bitrate {self.audio_bitrate} is not between 8000 and 1024000 bits a second"
            )
        if self.pixel_format is not None and not is_pixel_format(self.pixel_format):
            raise SettingsError(
                f"pixel_format {self.pixel_format!r} is unknown; leave it out, or e.g. yuv420p"
            )
        if self.quality is not None:
            self._check_quality(self.quality)

    def _check_quality(self, quality: int) -> None:
        best = CODECS["h264" if self.codec == "auto" else self.codec]
        if best.quality is None:
            raise SettingsError(f"quality does not apply to {self.codec}; leave it out")
        if not 0 <= quality <= best.worst_quality:
            raise SettingsError(f"quality {quality} is not between 0 (best) and {best.worst_quality}")


@dataclass(frozen=True)
class EncodePlan:
    """Settings resolved for one output file.

    Attributes:
        padding: rows and columns that are added for codecs that need even sizes.
        drops_depth: 8 bits are written of a deeper source.
        drops_chroma: fewer chroma samples are written than the source has, and not because that was asked for.
        drops_alpha: transparency is not written though the source has it.
        keeps_pixel_shape: pixels need not be square.
    """

    encoder: str
    codec: str
    container: Container
    pixel_format: str
    options: dict[str, str]
    padding: tuple[int, int]
    drops_depth: bool
    drops_chroma: bool
    drops_alpha: bool
    keeps_pixel_shape: bool


def container_for(path: Path) -> Container:
    """The container that a file's suffix names. MediaError for others."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise MediaError(
            f"{path}: output files end in {', '.join(CONTAINERS)}, not in {path.suffix or 'nothing'!r}"
        )
    return container


def plan_encoding(
    path: Path, settings: EncodeSettings, size: tuple[int, int] = (0, 0), source: SourceFormat = _PLAIN
) -> EncodePlan:
    """Settle codec, pixel format and encoder options for a file.

    Args:
        size: width and height of the pictures.
        source: what is known of them.

    Raises:
        MediaError: the suffix is unknown, or PyAV was built without the encoder.
        SettingsError: container, codec, pixel format and bit depth do not go together.
    """
    container = container_for(path)
    suffix = path.suffix.lower()
    deep = source.bits > 8
    name = settings.codec
    if name == "auto":
        name = "vp9" if suffix == ".webm" else "hevc" if deep and settings.bit_depth != 8 else "h264"
    codec = CODECS[name]
    if suffix not in codec.suffixes:
        takers = ", ".join(suffix for suffix in CONTAINERS if suffix in codec.suffixes)
        raise SettingsError(f"{path}: {suffix} files cannot hold {name}; use {takers}, or another codec")
    encoder = _first_built_in(name, codec)
    pixel_format = _pixel_format(name, encoder, settings, source, suffix)
    form = av.VideoFormat(pixel_format, 16, 16)
    return EncodePlan(
        encoder=encoder,
        codec=name,
        container=container,
        pixel_format=pixel_format,
        options=_options(name, codec, settings, form, size),
        padding=_padding(size, form) if codec.even else (0, 0),
        drops_depth=deep and bits_of(form) <= 8,
        drops_chroma=settings.pixel_format is None and loses_chroma(source.layout, pixel_format),
        drops_alpha=source.alpha and not any(component.is_alpha for component in form.components),
        keeps_pixel_shape=suffix in codec.pixel_shapes,
    )


def _pixel_format(
    name: str, encoder: str, settings: EncodeSettings, source: SourceFormat, suffix: str
) -> str:
    if settings.pixel_format is not None:
        return check_format(name, encoder, settings.pixel_format)
    codec = CODECS[name]
    if suffix not in codec.alpha:
        source = replace(source, alpha=False)
    bits = settings.bit_depth
    if bits is None and name == "h264":  # few devices play it with more
        bits = 8
    return choose_format(name, encoder, source, codec.limits, bits)


def _cuts_chroma(size: tuple[int, int], form: av.VideoFormat) -> bool:
    """Whether the last chroma samples belong to fewer pixels than the others; FFV1 then knows no slices."""
    across, down = 16 // form.chroma_width(16), 16 // form.chroma_height(16)
    return bool(size[0] % across or size[1] % down)


def _padding(size: tuple[int, int], form: av.VideoFormat) -> tuple[int, int]:
    """Rows and columns to add where chroma is halved and the size is odd."""
    width, height = size
    halved = form.chroma_width(16) < 16, form.chroma_height(16) < 16
    return (height % 2 if halved[1] else 0, width % 2 if halved[0] else 0)


def _options(
    name: str, codec: Codec, settings: EncodeSettings, form: av.VideoFormat, size: tuple[int, int]
) -> dict[str, str]:
    quality = str(codec.quality if settings.quality is None else settings.quality)
    keyframes = {} if settings.keyframes is None else {"g": str(settings.keyframes)}
    return {
        "h264": {"crf": quality, "preset": settings.preset, **keyframes},
        "hevc": {"crf": quality, "preset": settings.preset, "x265-params": "log-level=none", **keyframes},
        "vp9": {"crf": quality, "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"},
        "av1": {"crf": quality, "preset": "6"}
        if _first_built_in(name, codec) == "libsvtav1"
        else {"crf": quality},
        "prores": {"profile": "4" if "444" in form.name else "3", "vendor": "apl0"},
        "ffv1": {"level": "3", "slices": "1" if _cuts_chroma(size, form) else "4", "slicecrc": "1"},
    }[name]


def _first_built_in(name: str, codec: Codec) -> str:
    for encoder in codec.encoders:
        if encoder in av.codecs_available:
            return encoder
    raise MediaError(
        f"this PyAV has no encoder for {name} ({' or '.join(codec.encoders)}); choose another codec"
    )


def _one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{what} {value!r} is unknown; choose one of {', '.join(choices)}")
