"""What of a video cannot be decoded: gathered by all passes over it, warned of once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.media.container.opening import FFmpegError
from xdub_core.media.container.video_streams import packet_decoder

log = logging.getLogger(__name__)

_MOST_PLACES = 4  # in a message


class Damage:
    """Frames that cannot be decoded, or only in part.

    Shared by all who read a file, so that what one found is not reported again by another, and so that none of them
    decodes on several threads, with which errors come late and take good frames along.

    Attributes:
        found: whether anything could not be decoded so far.
        lost: the numbers of the frames that could not be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.found = False
        self.lost: set[int] = set()
        self._path = path
        self._patched: set[int] = set()
        self._warned: set[int] = set()
        self._reason = ""
        self._subjects: set[str] = set()

    def add_error(self, reason: str) -> None:
        """Note that the decoder refused a packet, and why; which frame that costs shows later."""
        self.found = True
        self._reason = self._reason or reason

    def add_lost(self, frame: int) -> None:
        """Note a frame that does not come out of the decoder."""
        self.lost.add(frame)

    def add_patched(self, frame: int) -> None:
        """Note a frame of which the decoder could read a part only."""
        self._patched.add(frame)

    def warn_once(self, subject: str, message: str) -> None:
        """Log a warning about the file, the first one of its `subject` only."""
        if subject not in self._subjects:
            self._subjects.add(subject)
            log.warning("%s: %s", self._path, message)

    def warn(self, seconds: np.ndarray) -> None:
        """Warn of what has been found and was not warned of yet; `seconds` are the frames' times."""
        lost, patched = self.lost - self._warned, self._patched - self.lost - self._warned
        if lost:
            log.warning(
                "%s: %d of %d frames %s: %s; the picture before is shown in their place",
                self._path,
                len(lost),
                len(seconds),
                f"cannot be decoded ({self._reason})" if self._reason else "hold no picture",
                _places(lost, seconds),
            )
        if patched:
            log.warning(
                "%s: %d of %d frames are damaged in part and shown as players show them: %s",
                self._path,
                len(patched),
                len(seconds),
                _places(patched, seconds),
            )
        self._warned |= lost | patched


def use_threads(stream: Any, many: bool) -> None:
    """Decode a stream that is about to be read on many threads, or on one."""
    stream.codec_context.thread_type = "AUTO" if many else "NONE"
    if not many:
        stream.codec_context.thread_count = 1  # AV1's and VP9's decoders have threads of their own


def decodable_frames(container: Any, stream: Any, on_error: Callable[[Exception], None]) -> Iterator[Any]:
    """The frames that can be decoded, going on behind what cannot.

    `on_error` hears of each packet that is refused and of a file that ends early, but not of those before the first
    frame: a file may begin amid a group.
    """
    started, decode = False, packet_decoder(stream)
    try:
        for packet in container.demux(stream):
            try:
                for frame in decode(packet):
                    started = True
                    yield frame
            except FFmpegError as error:
                if started:
                    on_error(error)
    except (FFmpegError, OSError) as error:
        on_error(error)


def _places(frames: Iterable[int], seconds: np.ndarray) -> str:
    places = runs(sorted(frames))
    said = [
        f"frame {first} at {seconds[first]:.2f} s"
        if first == last
        else f"frames {first} to {last} from {seconds[first]:.2f} s on"
        for first, last in places[:_MOST_PLACES]
    ]
    more = len(places) - len(said)
    return ", ".join(said) + (f", and {more} more places" if more else "")


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and last numbers of each unbroken run of ascending numbers."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
