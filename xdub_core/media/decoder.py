"""One pass through a video's frames, with jumps to keyframes; every frame comes with its number."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xdub_core.media.containers import FFmpegError, open_input, reason, video_stream
from xdub_core.media.index import FrameIndex

log = logging.getLogger(__name__)

_MOST_ERRORS = 200  # in a row: the rest of the file is lost


class FrameDecoder:
    """Decodes forward from the start or from a keyframe.

    Attributes:
        position: the number of the frame that `read` gives next, if the file is whole.
        trouble: what the decoder said of the first packet that it could not decode, None so far.
    """

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self._path = path
        self._index = index
        self.trouble: str | None = None
        self.position = 0
        self._warned = False
        self._pending: tuple[int, Any] | None = None
        self._frames: Iterator[tuple[int, Any]]
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def read(self) -> tuple[int, Any] | None:
        """The next frame and its number, in presentation order; None at the end."""
        found: tuple[int, Any] | None
        if self._pending is not None:
            found, self._pending = self._pending, None
        else:
            found = next(self._frames, None)
        if found is not None:
            self.position = found[0] + 1
        return found

    def seek(self, frame: int) -> None:
        """Go to the keyframe before a frame, so that reading on gives that frame and all after it."""
        keyframe = self._index.keyframe_before(frame)
        while keyframe > 0 and self._index.pts is not None:
            if self._jump(keyframe):
                return
            # A seek may land behind its target: the file's own index is coarse. Try from further ahead.
            keyframe = self._index.keyframe_before(keyframe - 1)
        self._restart()

    def _jump(self, keyframe: int) -> bool:
        assert self._index.pts is not None
        try:
            self._container.seek(int(self._index.pts[keyframe]), stream=self._stream)
        except (FFmpegError, OSError) as error:
            log.debug("%s: seeking to frame %d failed (%s)", self._path, keyframe, reason(error))
            return False
        # Frames that are shown before the keyframe may lack what they were predicted from.
        self._frames = (item for item in self._decode() if item[0] >= keyframe)
        self._pending = next(self._frames, None)
        self.position = keyframe
        return self._pending is not None and self._pending[0] == keyframe

    def _open(self) -> None:
        self._container = open_input(self._path)
        self._stream = video_stream(self._container, self._path)
        self._stream.thread_type = "AUTO"
        self._frames = self._decode()
        self._pending = None
        self.position = 0

    def _restart(self) -> None:
        self._container.close()
        self._open()

    def _decode(self) -> Iterator[tuple[int, Any]]:
        counted = 0
        for frame in self._raw_frames():
            number = counted if self._index.pts is None else self._index.number(frame.pts)
            counted += 1
            if number is None or number >= len(self._index):
                continue
            if frame.is_corrupt and not self._warned:
                self._warned = True
                log.warning(
                    "%s: frame %d is damaged in the file; it is shown as a player would", self._path, number
                )
            yield number, frame

    def _raw_frames(self) -> Iterator[Any]:
        errors = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                    errors = 0
                except FFmpegError as error:
                    errors += 1
                    self.trouble = self.trouble or reason(error)
                    if errors > _MOST_ERRORS:
                        return
        except (FFmpegError, OSError) as error:
            self.trouble = self.trouble or reason(error)
