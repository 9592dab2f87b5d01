"""A video file, or a part of it, as something that can be gone through several times at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.picture.frame import SourceFrame
from xdub_core.media.timeline import MODEL_FPS, Timeline, timeline_from_timestamps
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import ScannedVideo

_ROUNDING = 1e-6  # seconds; sums of decimal fractions are a little off


class VideoPasses:
    """The engine's `FrameSource` of a video file: each pass over it has a reader of its own.

    Attributes:
        timeline: the source frame that each slot of the model's 25 fps shows.
        part: the numbers of the source frames that belong to the wanted part.

    Args:
        scanned: the video.
        start: seconds on the file's own clock at which the wanted part begins.
        duration: seconds that it lasts; 0 for all the rest.
        nearest: how slots are chosen, see `timeline_from_timestamps`.

    Raises:
        MediaError: as `VideoReader`; also where no frame lies in that part.
    """

    def __init__(
        self, scanned: ScannedVideo, start: float = 0.0, duration: float = 0.0, nearest: bool = False
    ) -> None:
        self._scanned = scanned
        with VideoReader(scanned) as reader:
            whole = reader.timeline
        if nearest:
            whole = timeline_from_timestamps(scanned.index.seconds, scanned.info.duration, nearest=True)
        self.timeline, self.part = whole, range(len(scanned.index))
        if start > 0 or duration > 0:
            self.timeline, self.part = _part(scanned, start, duration)

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order."""
        with VideoReader(self._scanned) as reader:
            yield from reader.frames(indices)

    def source_frames(self, indices: Iterable[int]) -> Iterator[SourceFrame]:
        """The same frames, each with the picture that the file stores of it."""
        with VideoReader(self._scanned) as reader:
            yield from reader.source_frames(indices)


def _part(scanned: ScannedVideo, start: float, duration: float) -> tuple[Timeline, range]:
    """The timeline of the frames that appear in [start, start + duration), and their numbers."""
    seconds, info = scanned.index.seconds, scanned.info
    first_second = start - scanned.index.start
    stop_second = first_second + duration if duration > 0 else float("inf")
    first, stop = np.searchsorted(seconds, np.array([first_second, stop_second]) - _ROUNDING)
    if first == stop:
        raise MediaError(
            f"{info.path}: there is no frame from second {start:g} on for {duration:g} s, the video lasts "
            f"{info.duration:g} s: trim it less"
        )
    end = min(info.duration, stop_second)
    part = timeline_from_timestamps(seconds[first:stop], end - float(seconds[first]), MODEL_FPS)
    return Timeline(part.source_index + int(first), part.fps), range(int(first), int(stop))
