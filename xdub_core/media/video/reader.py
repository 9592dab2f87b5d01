"""Frames of a video in any order, upright and in RGB, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.picture.color import YuvMeaning
from xdub_core.media.picture.frame import SourceFrame, StoredPicture
from xdub_core.media.picture.rgb_conversion import ToRgb, eight_bits, sixteen_bits
from xdub_core.media.timeline import MODEL_FPS, Timeline, timeline_from_timestamps
from xdub_core.media.video.alpha import ALPHA_IS_DROPPED, has_alpha_channel, is_transparent_anywhere
from xdub_core.media.video.decoder import Decoder
from xdub_core.media.video.hdr import check_hdr
from xdub_core.media.video.video_info import ScannedVideo, VideoInfo, scan_video

_KEPT_BYTES = 200 * 2**20
_MOST_KEPT = 512
_WORTH_A_SEEK = 16  # frames
_LARGEST_STEP_BACK = 64  # frames between two of a backward run: what a source of 1600 fps shows at 25


class VideoReader:
    """Reads a video's frames in the order asked for.

    Forward runs decode every frame once. Backward runs (ping-pong) are decoded in chunks from the keyframe before
    them; a chunk keeps at most `kept_bytes` of pictures as they are stored. Files with few keyframes cost more
    there: a backward run of n frames in one group costs about n^2 / 2c decoded frames for chunks of c.

    Args:
        path: the video, or what `scan_video` said of it (saves reading its packets again).
        fps: rate of `timeline`.
        kept_bytes: memory for backward runs.

    Raises:
        MediaError: as `probe_video`; also for HDR (PQ, HLG), with the command that makes it SDR.
    """

    def __init__(
        self, path: str | Path | ScannedVideo, *, fps: float = MODEL_FPS, kept_bytes: int = _KEPT_BYTES
    ) -> None:
        scanned = path if isinstance(path, ScannedVideo) else scan_video(path)
        self.info: VideoInfo = scanned.info
        check_hdr(self.info)
        self.timeline: Timeline = timeline_from_timestamps(scanned.index.seconds, self.info.duration, fps)
        self._index = scanned.index
        self._orientation = scanned.orientation
        self._damage = scanned.damage
        self._watch_alpha = not self.info.has_alpha  # what was opaque may become transparent
        self._most_kept = _frames_in(kept_bytes, self.info)
        self._kept: dict[int, Any] = {}
        self._last: tuple[int, SourceFrame] | None = None
        self._to_rgb: ToRgb | None = None
        self._decoder: Decoder = scanned.open_decoder()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, let go of kept frames, and warn of what could not be decoded."""
        self._kept.clear()
        self._last = None
        self._decoder.close()
        self._damage.warn(self._index.seconds)

    def frames(self, source_indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order: [H, W, 3] RGB, uint8 (uint16 full range for deeper videos).

        Each array is the caller's own. Up to some hundred indices are taken ahead of the frames given. In place of a
        frame that cannot be decoded comes the one before; a frame that is stored in another size or format than the
        first is brought to the first's. Both are logged as warnings, once for the file.

        Raises:
            MediaError: the file cannot be opened any more, or nothing at all comes out of the decoder.
            IndexError: an index is not that of a frame.
        """
        return (frame.rgb for frame in self.source_frames(source_indices))

    def source_frames(self, source_indices: Iterable[int]) -> Iterator[SourceFrame]:
        """The same frames, each with the picture that the file stores of it, which the decoder may still need."""
        indices = iter(source_indices)
        ahead: deque[int] = deque()
        while True:
            ahead.extend(int(index) for index in islice(indices, self._most_kept - len(ahead)))
            if not ahead:
                return
            yield self._frame(ahead)
            ahead.popleft()

    def _frame(self, ahead: deque[int]) -> SourceFrame:
        """The frame that is first in `ahead`; the others tell what is worth keeping."""
        wanted = ahead[0]
        if not 0 <= wanted < self.info.frames:
            raise IndexError(f"frame {wanted} of a video with {self.info.frames} frames")
        if self._last is not None and self._last[0] == wanted:
            return replace(self._last[1], rgb=self._last[1].rgb.copy())
        stored = self._kept.pop(wanted, None)
        if stored is None:
            stored = self._decode(wanted, _backward_run(ahead))
        frame = self._converted(stored, wanted)
        # A copy is only needed when the frame is asked for again.
        again = len(ahead) > 1 and ahead[1] == wanted
        self._last = (wanted, replace(frame, rgb=frame.rgb.copy())) if again else None
        return frame

    def _decode(self, wanted: int, run: set[int]) -> Any:
        """Decode up to `wanted`, keeping the other frames of the `run` that begins with it."""
        self._kept.clear()
        lowest = max(0, min(run))
        position = self._decoder.position
        far = self._index.keyframe_before(lowest) > position + _WORTH_A_SEEK
        if lowest < position or far:
            self._decoder.seek(lowest)
        while True:
            found = self._decoder.read()
            if found is None:
                raise MediaError(f"{self.info.path}: the file has lost its frames from {wanted} on")
            number, frame = found
            if number == wanted:
                return frame
            if number in run:
                self._kept[number] = frame

    def _converted(self, frame: Any, number: int) -> SourceFrame:
        found = (frame.format.name, frame.width, frame.height)
        if self._to_rgb is None or found != self._to_rgb.accepts:
            self._to_rgb = ToRgb(*found, self._meaning(found[0]))
        if self._watch_alpha and has_alpha_channel(frame) and is_transparent_anywhere(frame):
            self._watch_alpha = False
            self._damage.warn_once("alpha", ALPHA_IS_DROPPED)
        picture = self._orientation.apply(self._to_rgb(frame))
        if self._is_like_the_first(picture) and self._meaning(found[0]) == self.info.yuv:
            return SourceFrame(picture, StoredPicture(frame, self._orientation))
        return SourceFrame(self._like_the_first(picture, frame, number))

    def _meaning(self, pixel_format: str) -> YuvMeaning:
        """What a format's numbers mean: FFmpeg's formats of full range may come and go within a stream."""
        full, began_full = (name.startswith("yuvj") for name in (pixel_format, self.info.pixel_format))
        return self.info.yuv if full == began_full else replace(self.info.yuv, full_range=full)

    def _is_like_the_first(self, picture: np.ndarray) -> bool:
        dtype = np.uint16 if self.info.bit_depth > 8 else np.uint8
        return picture.dtype == dtype and picture.shape == (self.info.height, self.info.width, 3)

    def _like_the_first(self, picture: np.ndarray, frame: Any, number: int) -> np.ndarray:
        """A picture of another size or depth, stretched and converted as ffmpeg does."""
        info = self.info
        self._damage.warn_once(
            "size",
            f"its pictures change to {frame.width}x{frame.height} {frame.format.name} at frame {number} "
            f"({self._index.seconds[number]:.2f} s); they are scaled and converted to those at its start",
        )
        if picture.shape[:2] != (info.height, info.width):
            smaller = info.height * info.width < picture.shape[0] * picture.shape[1]
            method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            picture = cv2.resize(picture, (info.width, info.height), interpolation=method)
        return sixteen_bits(picture) if info.bit_depth > 8 else eight_bits(picture)


def _backward_run(ahead: Iterable[int]) -> set[int]:
    """The frames of the run at the beginning of `ahead` that does not ascend, up to a jump to elsewhere."""
    run: set[int] = set()
    last: int | None = None
    for index in ahead:
        if last is not None and not 0 <= last - index <= _LARGEST_STEP_BACK:
            break
        run.add(index)
        last = index
    return run


def _frames_in(kept_bytes: int, info: VideoInfo) -> int:
    planes = av.VideoFormat(info.pixel_format, info.width, info.height).components
    one = sum(plane.width * plane.height * (2 if plane.bits > 8 else 1) for plane in planes)
    return int(min(_MOST_KEPT, max(2, kept_bytes // one)))
