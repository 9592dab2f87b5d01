"""Which sound of a file is taken, and where it lies on the clock of a dub."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.container.audio_streams import audio_stream, by_preference
from xdub_core.media.container.dispositions import is_cover_art
from xdub_core.media.container.ogg_chain import open_sound
from xdub_core.media.sound.sound_blocks import first_sound

if TYPE_CHECKING:
    from xdub_core.media.video.video_info import VideoInfo

LARGEST_OFFSET = 86_400.0
"""Seconds; what `place_sound` takes at most, either way."""
# Longer than any encoder's padding; shorter than a track that begins late on purpose, as a rule.
_LONGEST_PADDING = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioTrack:
    """A recording's part that goes with a video, for hearing and for writing.

    Attributes:
        path: any file with sound.
        start: second of the recording that goes with the first frame; 0 is its first sample without encoder padding.
        delay: seconds of silence before that.
        duration: seconds that are taken at most, from the first frame on; the video's end cuts as well.
        number: which of the file's audio streams; None for the one that players take (`best_audio`).
        intact: whether its packets may be copied (`SoundReport.intact`); None where nobody has read it yet.
    """

    path: Path
    start: float = 0.0
    delay: float = 0.0
    duration: float = math.inf
    number: int | None = None
    intact: bool | None = None


def check_offset(offset: float) -> None:
    """Raise SettingsError where an offset in seconds is no number, or beyond a day."""
    if not abs(offset) <= LARGEST_OFFSET:
        raise SettingsError(
            f"an audio offset of {offset:g} seconds is not possible: give one within {LARGEST_OFFSET:.0f}, a day"
        )


def place_sound(
    path: str | Path,
    video: VideoInfo | None = None,
    number: int | None = None,
    offset: float = 0.0,
    warn: bool = True,
) -> AudioTrack:
    """A file's sound on the clock of a dub, whose time 0 is the video's first frame.

    The recording's time 0 is its file's: the earliest start of its tracks. Sound that begins late in its own file
    has silence before it, as players play it. Where the recording is the dubbed video itself, its clock is the
    video's: flash and click stay together.

    Args:
        path: the recording.
        video: the video that is dubbed; None for none.
        number: which of the file's audio streams, from 0; None for the one that players take, or where nothing of
            that can be decoded, for the best of the others, with a warning.
        offset: seconds by which the sound comes later; negative: earlier, its beginning is cut.
        warn: whether to warn of sound that lies before the first picture and is cut.

    Raises:
        SettingsError: the offset is no number, or beyond a day.
        MediaError: no such file or stream, or no sound in it that can be decoded.
    """
    path = Path(path)
    check_offset(offset)
    number, first = _chosen(path, number)
    zero = _start_of_file(path, number, first)
    if video is not None and _same_file(path, video.path):
        zero = video.start
        if warn and zero - first > _LONGEST_PADDING:
            _log.warning(
                "%s: %.2f seconds of its sound lie before the first picture; they are cut", path, zero - first
            )
    lead = first - zero + offset
    return AudioTrack(path, start=max(0.0, -lead), delay=max(0.0, lead), number=number)


def _chosen(path: Path, number: int | None) -> tuple[int, float]:
    """The number of a stream that can be decoded, and its first sample's time."""
    with open_sound(path) as container:
        if number is not None or not container.streams.audio:
            audio_stream(container, path, number)
        wanted = by_preference(container) if number is None else [number]
        known = [each for each in wanted if container.streams.audio[each].codec_context is not None]
    for each in known:
        first = first_sound(path, each)
        if first is not None:
            if each != wanted[0]:
                _log.warning(
                    "%s: nothing of its audio stream %d can be decoded; stream %d is taken",
                    path,
                    wanted[0],
                    each,
                )
            return each, first
    which = f"audio stream {number}" if number is not None else "its sound"
    raise MediaError(
        f"{path}: nothing of {which} can be decoded: it is empty, damaged or in an unknown codec"
    )


def _start_of_file(path: Path, number: int, first: float) -> float:
    """The earliest start of a file's tracks, given the chosen audio stream's first sample: without encoder padding."""
    with open_sound(path) as container:
        chosen = container.streams.audio[number]
        padding = first - _start(chosen, first)
        padding = padding if 0 < padding < _LONGEST_PADDING else 0.0
        others = [_start(stream, first) for stream in container.streams.video if not is_cover_art(stream)]
        others += [
            _start(stream, first) + padding for stream in container.streams.audio if stream is not chosen
        ]
    return min([first, *others])


def _start(stream: Any, unknown: float) -> float:
    return unknown if stream.start_time is None else float(stream.start_time * stream.time_base)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
