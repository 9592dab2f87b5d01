"""What a video file holds: found by reading its packets and decoding its first frames, not by trusting headers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.color import FULL, HD_VIDEO, UNTAGGED, ColorTags, YuvMeaning, yuv_meaning
from xdub_core.media.containers import FFmpegError, best_audio, open_input, reason, video_stream
from xdub_core.media.index import FrameIndex, index_frames
from xdub_core.media.orientation import Orientation, display_matrix, orientation_from_matrix

log = logging.getLogger(__name__)

_HEAD_FRAMES = 5
_HEAD_PACKETS = 500
_DOLBY_VISION_TAGS = ("dvhe", "dvh1", "dav1", "dva1", "dvav")


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video.

    Attributes:
        width, height: pixels as displayed, after rotation (not stretched by `sample_aspect_ratio`).
        fps: average frames a second; variable_rate: whether frames come at uneven times.
        duration: seconds from the first frame's appearance to the end of the last one.
        frames: how many frames there are, counted.
        start: seconds of the first frame on the container's own clock.
        rotation: clockwise degrees by which stored pictures are turned for display; mirrored: and mirrored.
        bit_depth: bits of a sample; frames deeper than 8 bits are read as uint16.
        color: the stream's tags; yuv: what they mean, with players' guesses where they say nothing.
        sample_aspect_ratio: a displayed pixel's width over its height.
        audio_start: seconds from the first frame to the first sound of the file's own audio (`best_audio`), None
            without audio.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration: float
    frames: int
    codec: str
    pixel_format: str = "yuv420p"
    bit_depth: int = 8
    color: ColorTags = UNTAGGED
    yuv: YuvMeaning = HD_VIDEO
    rotation: int = 0
    mirrored: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    variable_rate: bool = False
    interlaced: bool = False
    has_alpha: bool = False
    start: float = 0.0
    audio_start: float | None = None

    @property
    def has_audio(self) -> bool:
        """Whether the file has sound of its own."""
        return self.audio_start is not None


@dataclass(frozen=True)
class ScannedVideo:
    """Everything that reading a video needs: its facts, its frames' index, and how frames are turned upright."""

    info: VideoInfo
    index: FrameIndex
    orientation: Orientation


def probe_video(path: str | Path) -> VideoInfo:
    """The facts of a video. MediaError (one line) where the file is missing, no video, or damaged from the start."""
    return scan_video(path).info


def scan_video(path: str | Path) -> ScannedVideo:
    """The facts of a video and the index of its frames; errors as `probe_video`."""
    path = Path(path)
    with open_input(path) as container:
        stream = video_stream(container, path)
        head = _first_frames(container, stream, path)
        codec, color, sar = (
            stream.codec_context.name,
            _color_tags(stream, head[0], path),
            _pixel_shape(stream),
        )
        audio_start = _audio_start(container)
    index = index_frames(path, [frame.pts for frame in head])
    orientation = _orientation(head[0], path)
    stored = (head[0].width, head[0].height)
    width, height = stored[::-1] if orientation.transpose else stored
    samples = head[0].format.components
    info = VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=_average_fps(index),
        duration=float(index.seconds[-1] + index.last_duration),
        frames=len(index),
        codec=codec,
        pixel_format=head[0].format.name,
        bit_depth=max(sample.bits for sample in samples),
        color=color,
        yuv=yuv_meaning(color, *stored),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        sample_aspect_ratio=1 / sar if orientation.transpose else sar,
        variable_rate=_is_variable(index),
        interlaced=head[0].interlaced_frame,
        has_alpha=any(sample.is_alpha for sample in samples),
        start=index.start,
        audio_start=None if audio_start is None else audio_start - index.start,
    )
    return ScannedVideo(info, index, orientation)


def _first_frames(container: Any, stream: Any, path: Path) -> list[Any]:
    """Decode the first few frames: they tell what headers do not (rotation, pixel format, what can be decoded)."""
    frames: list[Any] = []
    trouble = "it holds no frames"
    try:
        for number, packet in enumerate(container.demux(stream)):
            try:
                frames += packet.decode()
            except FFmpegError as error:
                trouble = reason(error)
            if len(frames) >= _HEAD_FRAMES or (number >= _HEAD_PACKETS and not frames):
                break
    except (FFmpegError, OSError) as error:
        trouble = reason(error)
    if not frames:
        raise MediaError(
            f"{path}: no frame of this video can be decoded ({trouble}); the file is empty or damaged"
        )
    return frames[:_HEAD_FRAMES]


def _color_tags(stream: Any, frame: Any, path: Path) -> ColorTags:
    context = stream.codec_context
    if str(context.codec_tag) in _DOLBY_VISION_TAGS:
        raise MediaError(
            f"{path}: Dolby Vision cannot be read as ordinary colour; export it as SDR (BT.709) first"
        )
    full = frame.format.name.startswith("yuvj") or frame.format.is_rgb
    return ColorTags(
        matrix=int(context.colorspace),
        transfer=int(context.color_trc),
        primaries=int(context.color_primaries),
        range=FULL if full else int(context.color_range),
    )


def _pixel_shape(stream: Any) -> Fraction:
    ratio = stream.codec_context.sample_aspect_ratio or stream.sample_aspect_ratio
    return Fraction(ratio) if ratio and ratio > 0 else Fraction(1)


def _orientation(frame: Any, path: Path) -> Orientation:
    matrix = display_matrix(frame)
    orientation = Orientation() if matrix is None else orientation_from_matrix(matrix)
    if orientation is None:
        log.warning("%s: the video asks to be turned by an odd angle; it is shown as it is stored", path)
        return Orientation()
    return orientation


def _audio_start(container: Any) -> float | None:
    stream = best_audio(container)
    if stream is None:
        return None
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _average_fps(index: FrameIndex) -> float:
    if len(index) > 1:
        return float((len(index) - 1) / index.seconds[-1])
    return 1 / index.last_duration


def _is_variable(index: FrameIndex) -> bool:
    gaps = np.diff(index.seconds)
    if len(gaps) < 2:
        return False
    typical = float(np.median(gaps))
    return bool(np.any(np.abs(gaps - typical) > 0.1 * typical + 0.0011))
