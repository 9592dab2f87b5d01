"""One pass through a video's frames, with jumps to keyframes; every frame comes with its number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from xdub_core.errors import MediaError
from xdub_core.media.container.opening import FFmpegError, open_input, reason
from xdub_core.media.video.damage import Damage, decodable_frames, use_threads
from xdub_core.media.video.frame_index import FrameIndex

log = logging.getLogger(__name__)


_MOST_JUMPS = 8  # if so many fail, the file is no good for seeking
_SEEK_MARGINS = (0.0, 0.5, 2.0)  # seconds; MPEG program and transport streams land behind what is sought


class Decoder(Protocol):
    """What `VideoReader` needs of a source of stored pictures.

    Attributes:
        position: the number of the frame that `read` gives next.
    """

    position: int

    def read(self) -> tuple[int, Any] | None:
        """The next frame's number and PyAV frame; None behind the last one."""

    def seek(self, frame: int) -> None:
        """Go to a frame, or to one before it from which decoding can start."""

    def close(self) -> None:
        """Close what is open."""


OpenDecoder = Callable[[], Decoder]


class _DamageFoundError(Exception):
    """Several threads met damage."""


class FrameDecoder:
    """Decodes a container's stream forward from the start or from a keyframe, and gives every frame of its index.

    In place of a frame that cannot be decoded it gives the one before, or at the very start the one after it, so that
    damage costs no time on the clock; `damage` learns of it.
    """

    def __init__(self, path: Path, stream: int, index: FrameIndex, damage: Damage) -> None:
        self.position = 0
        self._path = path
        self._stream_number = stream
        self._index = index
        self._damage = damage
        self._nothing_is_predicted = len(index.keyframes) == len(index)
        self._last: Any = None  # the frame before `position`
        self._ahead: tuple[int, Any] | None = None  # a frame that came out before its turn
        self._frames: Iterator[tuple[int, Any]]
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def read(self) -> tuple[int, Any] | None:
        """The next frame and its number, in presentation order; None at the end.

        Raises:
            MediaError: no frame at all comes out of the decoder.
        """
        number = self.position
        if number >= len(self._index):
            return None
        found = self._peek()
        if (found is None or found[0] != number) and not self._one_thread:
            self._damage.found = True  # threads may lose frames without an error
            found = self._peek()
        if found is not None and found[0] == number:
            self._last, self._ahead = found[1], None
        else:
            self._damage.add_lost(number)
            self._last = self._last or (found and found[1])
        if self._last is None:
            raise MediaError(f"{self._path}: no frame of this video can be decoded; the file is damaged")
        self.position += 1
        return number, self._last

    def seek(self, frame: int) -> None:
        """Go to the keyframe before a frame, so that reading on gives that frame and all after it."""
        try:
            self._seek(frame)
        except _DamageFoundError:
            self._seek(frame)  # now on one thread

    def _seek(self, frame: int) -> None:
        keyframe = self._index.keyframe_before(frame)
        for _ in range(_MOST_JUMPS):
            if keyframe == 0:
                break
            if self._jump(keyframe):
                return
            # A seek may land behind its target: the file's own index is coarse. Try from further ahead.
            keyframe = self._index.keyframe_before(keyframe - 1)
        self._restart()

    def _jump(self, keyframe: int) -> bool:
        if self._one_thread != self._damage.found:
            self._restart()
        target = self._index.stamp(keyframe)
        for margin in _SEEK_MARGINS if self._index.pts is not None else _SEEK_MARGINS[:1]:
            try:
                early = target - round(margin / self._index.time_base)
                self._container.seek(early, stream=self._stream)
            except (FFmpegError, OSError) as error:
                log.debug("%s: seeking to frame %d failed (%s)", self._path, keyframe, reason(error))
                return False
            self._begin(keyframe)
            self._ahead = next(self._frames, None)
            if self._ahead is not None and self._ahead[0] == keyframe:
                # What a decoder puts in place of a damaged part comes from the picture before.
                return not self._ahead[1].is_corrupt
        return False

    def _peek(self) -> tuple[int, Any] | None:
        if self._damage.found and not self._one_thread:
            self._go_on_with_one_thread()
        if self._ahead is None:
            try:
                self._ahead = next(self._frames, None)
            except _DamageFoundError:
                self._go_on_with_one_thread()
        return self._ahead

    def _go_on_with_one_thread(self) -> None:
        due, last = self.position, self._last
        self._seek(max(0, due - 1))
        self._frames = (item for item in self._frames if item[0] >= due)
        if self._ahead is None or self._ahead[0] < due:
            self._ahead = next(self._frames, None)
        self.position, self._last = due, last

    def _open(self) -> None:
        self._one_thread = self._damage.found
        self._container = open_input(self._path)
        self._stream = self._container.streams[self._stream_number]
        use_threads(self._stream, many=not self._one_thread)
        self._begin(0)

    def _begin(self, number: int) -> None:
        # Frames that are shown before a keyframe may lack what they were predicted from.
        self._frames = self._numbered_frames(number)
        self._ahead = self._last = None
        self.position = number

    def _restart(self) -> None:
        self._container.close()
        self._open()

    def _numbered_frames(self, first: int) -> Iterator[tuple[int, Any]]:
        """Frames from `first` on, in ascending order."""
        counted, due, clean = first, first, False
        for frame in decodable_frames(self._container, self._stream, self._note_error):
            if self._index.pts is None and counted == first > 0 and not frame.key_frame:
                continue  # shown before the keyframe from which counting starts
            number = counted if self._index.pts is None else self._index.number(frame.pts)
            counted += 1
            if number is None or not due <= number < len(self._index):
                continue
            if frame.is_corrupt and clean:
                if self._nothing_is_predicted:
                    continue  # there is no guess in the damaged part of it, not even the picture before
                self._damage.add_patched(number)
                self._leave_threads()
            clean = clean or not frame.is_corrupt  # a file may begin with what is not whole yet
            due = number + 1
            yield number, frame

    def _note_error(self, error: Exception) -> None:
        self._damage.add_error(reason(error))
        self._leave_threads()

    def _leave_threads(self) -> None:
        self._damage.found = True
        if not self._one_thread:
            raise _DamageFoundError
