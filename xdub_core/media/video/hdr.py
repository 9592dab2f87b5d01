"""HDR is refused: its numbers mean other light than the model learned, and an 8-bit file would damage them."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from xdub_core.errors import MediaError
from xdub_core.media.picture.color import FULL, LUMA_COEFFICIENTS, ColorTags
from xdub_core.media.video.video_info import VideoInfo

_SAME_CONTAINER = (".mp4", ".m4v", ".mov", ".mkv")
"""Into these every sound goes as it is that came out of one of the same kind."""
_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}
_PRIMARIES = {1: "bt709", 9: "bt2020", 12: "smpte432"}
_MATRICES = {1: "bt709", 9: "bt2020nc", 10: "bt2020c"}


def check_hdr(info: VideoInfo) -> None:
    """Refuse HDR.

    Raises:
        MediaError: with the command that tone-maps the file to one beside it.
    """
    if info.color.hdr is not None:
        raise MediaError(
            f"{info.path}: this is HDR video ({info.color.hdr}), which cannot be dubbed without harm to its tones; "
            f"make it SDR first: {_in_words(tone_mapping_command(info))}"
        )


def tone_mapping_command(info: VideoInfo) -> list[str]:
    """FFmpeg's command line that makes an SDR file of an HDR one, beside it, and replaces nothing.

    All sound goes along: as it is where the container stays the same, else, in .mkv, as FLAC.
    """
    path = info.path
    same = path.suffix.lower() in _SAME_CONTAINER
    target = path.with_name(f"{path.stem}.sdr{path.suffix if same else '.mkv'}")
    sound = ["-map", "0:s?", "-c:a", "copy", "-c:s", "copy"] if same else ["-c:a", "flac"]
    return [
        "ffmpeg", "-n", "-i", _as_argument(path), "-map", "0:V:0", "-map", "0:a?", *sound,
        "-vf", _filters(info), "-c:v", "libx264", "-crf", "14", _as_argument(target),
    ]  # fmt: skip


def _filters(info: VideoInfo) -> str:
    """What the source is, is stated: many files say it in part, and the filters refuse to guess."""
    tags = info.color
    steps = [
        f"setparams=range={'pc' if tags.range == FULL else 'tv'}:color_primaries={_primaries(tags)}:"
        f"color_trc={_TRANSFERS[tags.transfer]}:colorspace={_matrix(tags)}",
        "zscale=t=linear:npl=100",
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
    ]
    if info.width % 2 or info.height % 2:  # H.264 of halved chroma has none such
        steps.insert(0, "crop=trunc(iw/2)*2:trunc(ih/2)*2")
    return ",".join([*steps, "format=yuv420p"])


def _primaries(tags: ColorTags) -> str:
    return _PRIMARIES.get(tags.primaries, "bt2020")


def _matrix(tags: ColorTags) -> str:
    return _MATRICES.get(tags.matrix, "bt2020nc") if tags.matrix in LUMA_COEFFICIENTS else "bt2020nc"


def _as_argument(path: Path) -> str:
    """A path that FFmpeg takes for nothing else: no option, and no protocol."""
    text = str(path)
    return f"file:{text}" if text.startswith("-") or (":" in text and os.name != "nt") else text


def _in_words(command: list[str]) -> str:
    """A command as the user's shell takes it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
