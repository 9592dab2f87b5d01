"""How an output file is encoded, and what containers and codecs there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av

from xdub_core.errors import MediaError, SettingsError

_ANY = frozenset({".mp4", ".mov", ".mkv"})
_COPIED_TO_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})


@dataclass(frozen=True)
class Codec:
    """A video codec: FFmpeg's encoders for it (best first), containers, constant-quality scale and formats.

    `even` says that sizes must be even, because chroma is halved and the codec cannot crop. `pixel_shapes`: suffixes of
    the containers in which pixels that are not square stay so; PyAV hands their shape to the codec alone.
    """

    encoders: tuple[str, ...]
    suffixes: frozenset[str]
    quality: int | None
    worst_quality: int
    format_8: str | None
    format_10: str | None
    even: bool = False
    pixel_shapes: frozenset[str] = frozenset()


CODECS = {
    "h264": Codec(("libx264",), _ANY, 16, 51, "yuv420p", "yuv420p10le", True, _ANY),
    "hevc": Codec(("libx265",), _ANY, 18, 51, "yuv420p", "yuv420p10le", True, _ANY),
    "vp9": Codec(
        ("libvpx-vp9",),
        frozenset({".webm", ".mkv", ".mp4"}),
        18,
        63,
        "yuv420p",
        None,
        pixel_shapes=frozenset({".mp4"}),
    ),
    "av1": Codec(
        ("libsvtav1", "libaom-av1"),
        frozenset({".webm", ".mkv", ".mp4"}),
        20,
        63,
        "yuv420p",
        "yuv420p10le",
        even=True,
        pixel_shapes=frozenset({".mp4"}),
    ),
    "prores": Codec(
        ("prores_ks",),
        frozenset({".mov", ".mkv"}),
        None,
        0,
        None,
        "yuv422p10le",
        even=True,
        pixel_shapes=frozenset({".mov"}),
    ),
    "ffv1": Codec(("ffv1",), frozenset({".mkv"}), None, 0, "bgr0", "gbrp16le"),
}


@dataclass(frozen=True)
class Container:
    """A file format: FFmpeg's name, audio codecs copied into it (None: all) and the encoder for the others."""

    format: str
    copied_audio: frozenset[str] | None
    audio_encoder: str

    def copies(self, codec: str) -> bool:
        """Whether a codec's packets go into it as they are, so far as its muxer takes them."""
        return self.copied_audio is None or codec in self.copied_audio


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
            ProRes (always 422 HQ) and FFV1 (lossless, stores RGB exactly) have none.
        preset: speed of H.264 and HEVC, one of PRESETS.
        bit_depth: 8 or 10; None: 10 for deep sources with HEVC, AV1, ProRes and auto, else 8. A deep source written
            with 8 bits is dithered, and a warning logged.
        pixel_format: FFmpeg's name of a format instead of the codec's usual one, e.g. "yuv444p".
        audio: "auto" copies packets where the container takes the codec and encodes otherwise; "copy" refuses to
            encode; "encode" always encodes.
        audio_bitrate: bits a second where audio is encoded (AAC, Opus).

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

    def __post_init__(self) -> None:
        _one_of("codec", self.codec, ("auto", *CODECS))
        _one_of("preset", self.preset, PRESETS)
        _one_of("audio", self.audio, ("auto", "copy", "encode"))
        if self.bit_depth not in (None, 8, 10):
            raise SettingsError(f"bit_depth {self.bit_depth} is not possible; choose 8 or 10")
        if not 8_000 <= self.audio_bitrate <= 1_024_000:
            raise SettingsError(
                f"audio_bitrate {self.audio_bitrate} is not between 8000 and 1024000 bits a second"
            )
        if self.pixel_format is not None and not _is_pixel_format(self.pixel_format):
            raise SettingsError(
                f"pixel_format {self.pixel_format!r} is unknown; leave it out, or e.g. yuv444p"
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

    `drops_depth`: 8 bits are written of a deeper source; `keeps_pixel_shape`: pixels need not be square.
    """

    encoder: str
    codec: str
    container: Container
    pixel_format: str
    options: dict[str, str]
    even: bool
    drops_depth: bool
    keeps_pixel_shape: bool


def container_for(path: Path) -> Container:
    """The container that a file's suffix names. MediaError for others."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise MediaError(
            f"{path}: output files end in {', '.join(CONTAINERS)}, not in {path.suffix or 'nothing'!r}"
        )
    return container


def plan_encoding(path: Path, settings: EncodeSettings, deep: bool) -> EncodePlan:
    """Settle codec, pixel format and encoder options for a file.

    Args:
        deep: whether the source has more than 8 bits.

    Raises:
        MediaError: the suffix is unknown, or PyAV was built without the encoder.
        SettingsError: container, codec and bit depth do not go together.
    """
    container = container_for(path)
    suffix = path.suffix.lower()
    name = settings.codec
    if name == "auto":
        name = "vp9" if suffix == ".webm" else "hevc" if deep and settings.bit_depth != 8 else "h264"
    codec = CODECS[name]
    if suffix not in codec.suffixes:
        takers = ", ".join(suffix for suffix in CONTAINERS if suffix in codec.suffixes)
        raise SettingsError(f"{path}: {suffix} files cannot hold {name}; use {takers}, or another codec")
    pixel_format = settings.pixel_format or _usual_format(name, codec, settings, deep)
    return EncodePlan(
        encoder=_first_built_in(name, codec),
        codec=name,
        container=container,
        pixel_format=pixel_format,
        options=_options(name, codec, settings),
        even=codec.even and not pixel_format.startswith(("yuv444", "gbr", "bgr")),
        drops_depth=deep and _bits(pixel_format) <= 8,
        keeps_pixel_shape=suffix in codec.pixel_shapes,
    )


def _usual_format(name: str, codec: Codec, settings: EncodeSettings, deep: bool) -> str:
    keeps_depth = settings.codec == "auto" or name != "h264"
    bits = settings.bit_depth or (10 if deep and keeps_depth else 8)
    chosen = codec.format_10 if bits == 10 else codec.format_8
    if chosen is None and settings.bit_depth is not None:
        raise SettingsError(
            f"{name} is not written with {bits} bits here; choose hevc, or leave bit_depth out"
        )
    usual = chosen or codec.format_8 or codec.format_10
    assert usual is not None
    return usual


def _options(name: str, codec: Codec, settings: EncodeSettings) -> dict[str, str]:
    quality = str(codec.quality if settings.quality is None else settings.quality)
    return {
        "h264": {"crf": quality, "preset": settings.preset},
        "hevc": {"crf": quality, "preset": settings.preset, "x265-params": "log-level=none"},
        "vp9": {"crf": quality, "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"},
        "av1": {"crf": quality, "preset": "6"}
        if _first_built_in(name, codec) == "libsvtav1"
        else {"crf": quality},
        "prores": {"profile": "3", "vendor": "apl0"},
        "ffv1": {"level": "3", "slices": "4", "slicecrc": "1"},
    }[name]


def _first_built_in(name: str, codec: Codec) -> str:
    for encoder in codec.encoders:
        if encoder in av.codecs_available:
            return encoder
    raise MediaError(
        f"this PyAV has no encoder for {name} ({' or '.join(codec.encoders)}); choose another codec"
    )


def _bits(pixel_format: str) -> int:
    return max(component.bits for component in av.VideoFormat(pixel_format, 16, 16).components)


def _is_pixel_format(name: str) -> bool:
    try:
        av.VideoFormat(name, 16, 16)
    except ValueError:
        return False
    return True


def _one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{what} {value!r} is unknown; choose one of {', '.join(choices)}")
