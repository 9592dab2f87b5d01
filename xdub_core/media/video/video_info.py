"""What a video file holds: found by reading its packets and decoding its first frames, not by trusting headers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from xdub_core.errors import MediaError
from xdub_core.media.container.audio_streams import best_audio
from xdub_core.media.container.input_rules import check_input_path
from xdub_core.media.container.opening import is_there, open_input
from xdub_core.media.container.video_streams import Head, first_frames
from xdub_core.media.picture.color import FULL, HD_VIDEO, UNTAGGED, ColorTags, YuvMeaning, yuv_meaning
from xdub_core.media.picture.orientation import UPRIGHT, Orientation, display_matrix, orientation_from_matrix
from xdub_core.media.picture.pixel_layout import bits_of, chroma_of
from xdub_core.media.video.alpha import (
    ALPHA_IS_DROPPED,
    has_alpha_channel,
    is_transparent,
    side_alpha_is_transparent,
)
from xdub_core.media.video.animated_webp import AnimatedWebP, WebPDecoder, find_frames
from xdub_core.media.video.damage import Damage
from xdub_core.media.video.decoder import Decoder, FrameDecoder, OpenDecoder
from xdub_core.media.video.frame_index import FrameIndex
from xdub_core.media.video.index_packets import index_frames
from xdub_core.media.video.numbered_pictures import (
    PictureDecoder,
    Pictures,
    find_pictures,
    is_pattern,
    is_wildcard,
    suggestion,
)

log = logging.getLogger(__name__)

_DOLBY_VISION_TAGS = ("dvhe", "dvh1", "dav1", "dva1", "dvav")


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video.

    Attributes:
        width, height: pixels as displayed, after rotation (not stretched by `sample_aspect_ratio`).
        fps: average frames a second.
        duration: seconds from the first frame's appearance to the end of the last one.
        frames: how many frames there are, counted.
        start: seconds of the first frame on the container's own clock.
        rotation: clockwise degrees by which stored pictures are turned for display; mirrored: and mirrored.
        bit_depth: bits of a sample; frames deeper than 8 bits are read as uint16.
        color: the stream's tags; yuv: what they mean, with players' guesses where they say nothing.
        sample_aspect_ratio: a displayed pixel's width over its height.
        has_alpha: whether it is transparent anywhere, as far as its first and some more frames tell.
        stream: the video stream's place among all of the file's; None for numbered pictures and animated WebP.
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
    interlaced: bool = False
    has_alpha: bool = False
    start: float = 0.0
    stream: int | None = 0
    audio_start: float | None = None


@dataclass(frozen=True)
class ScannedVideo:
    """Everything that reading a video needs.

    Attributes:
        info: its facts.
        index: which frames there are, and when.
        orientation: how stored frames are turned upright.
        damage: what could not be decoded, gathered by all who read it.
        open_decoder: opens one pass through the stored frames.
    """

    info: VideoInfo
    index: FrameIndex
    orientation: Orientation
    damage: Damage
    open_decoder: OpenDecoder


def probe_video(path: str | Path) -> VideoInfo:
    """The facts of a video. MediaError (one line) where the file is missing, no video, or damaged from the start."""
    return scan_video(path).info


def scan_video(path: str | Path, stream: int | None = None) -> ScannedVideo:
    """The facts of a video and the index of its frames; what a dub loses of it is logged as a warning.

    Args:
        path: a video, an animated picture, or numbered pictures by a pattern such as frames/%04d.png (25 a second).
        stream: which of the video streams in the file, from 0 on, cover art not counted; None: the one that players
            show, or where that cannot be decoded the best that can.

    Raises:
        MediaError: as `probe_video`; also where there is no such stream.
    """
    path = Path(path)
    check_input_path(path)
    damage = Damage(path)
    if stream and (is_pattern(path) or find_frames(path)):
        raise MediaError(f"{path}: there is no video stream {stream} in it; pictures have but one, 0")
    if is_pattern(path):
        return _scan_pictures(find_pictures(path), damage)
    animation = find_frames(path)
    if animation is not None:
        return _scan_animation(animation, damage)
    if is_wildcard(path):
        raise MediaError(f"{path}: there is no such file{suggestion(path.parent)}")
    if is_there(path) and path.is_dir():
        raise MediaError(f"{path}: this is a folder, not a video or audio file{suggestion(path)}")
    return _scan_container(path, stream, damage)


@dataclass(frozen=True)
class _Stated:
    """What container and codec say of a stream's pictures; `pixel_shape`: a stored pixel's width over its height."""

    codec: str
    color: ColorTags
    pixel_shape: Fraction = Fraction(1)

    @classmethod
    def of(cls, head: Head, path: Path) -> _Stated:
        codec = head.stream.codec_context.name
        return cls(codec, _color_tags(head.stream, head.frames[0], path), _pixel_shape(head.stream))


def _scan_container(path: Path, wanted: int | None, damage: Damage) -> ScannedVideo:
    with open_input(path) as container:
        head = first_frames(container, path, wanted)
        stated, number = _Stated.of(head, path), head.stream.index
        alpha = side_alpha_is_transparent(head.stream, head.packets)
        audio_start = _audio_start(container)
    index = index_frames(path, number, head, damage)

    def open_decoder() -> Decoder:
        return FrameDecoder(path, number, index, damage)

    alpha = alpha or is_transparent(head.frames, index, open_decoder)
    scanned = _scanned(path, head.frames[0], stated, index, damage, open_decoder, alpha)
    audio_start = None if audio_start is None else audio_start - index.start
    return replace(scanned, info=replace(scanned.info, stream=number, audio_start=audio_start))


def _scan_pictures(pictures: Pictures, damage: Damage) -> ScannedVideo:
    index = pictures.index()

    def open_decoder() -> Decoder:
        return PictureDecoder(pictures, damage)

    first = next(file for file in pictures.files if file is not None)
    with open_input(first) as container:
        head = first_frames(container, first, None)
        stated = _Stated.of(head, first)
    alpha = is_transparent(head.frames, index, open_decoder)
    if pictures.gaps:
        log.warning(
            "%s: pictures are missing (%s); the one before is shown in their place",
            pictures.pattern,
            pictures.gaps,
        )
    return _scanned(pictures.pattern, head.frames[0], stated, index, damage, open_decoder, alpha)


def _scan_animation(animation: AnimatedWebP, damage: Damage) -> ScannedVideo:
    index = animation.index()

    def open_decoder() -> Decoder:
        return WebPDecoder(animation, damage)

    found = open_decoder().read()
    assert found is not None
    if damage.found:
        raise MediaError(f"{animation.path}: its first frame cannot be decoded; the file is damaged")
    alpha = is_transparent([found[1]], index, open_decoder)
    stated = _Stated("webp", ColorTags(range=FULL))
    return _scanned(animation.path, found[1], stated, index, damage, open_decoder, alpha)


def _scanned(
    path: Path,
    frame: Any,
    stated: _Stated,
    index: FrameIndex,
    damage: Damage,
    open_decoder: OpenDecoder,
    has_alpha: bool,
) -> ScannedVideo:
    """The whole by the first frame and the index, without what only a container knows; warns of what a dub lacks."""
    orientation = _orientation(frame, damage)
    if has_alpha and not has_alpha_channel(frame):  # what is in the frames is for the output to keep
        damage.warn_once("alpha", ALPHA_IS_DROPPED)
    if frame.interlaced_frame:
        damage.warn_once(
            "interlacing", "it is interlaced; deinterlace it first (ffmpeg -vf bwdif) for clean edges"
        )
    stored = (frame.width, frame.height)
    width, height = stored[::-1] if orientation.transpose else stored
    info = VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=index.average_fps,
        duration=float(index.seconds[-1] + index.last_duration),
        frames=len(index),
        codec=stated.codec,
        pixel_format=frame.format.name,
        bit_depth=bits_of(frame.format),
        color=stated.color,
        yuv=yuv_meaning(stated.color, *stored),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        sample_aspect_ratio=1 / stated.pixel_shape if orientation.transpose else stated.pixel_shape,
        interlaced=frame.interlaced_frame,
        has_alpha=has_alpha,
        start=index.start,
        stream=None,
    )
    return ScannedVideo(info, index, orientation, damage, open_decoder)


def _color_tags(stream: Any, frame: Any, path: Path) -> ColorTags:
    context = stream.codec_context
    if str(context.codec_tag) in _DOLBY_VISION_TAGS:
        raise MediaError(
            f"{path}: Dolby Vision cannot be read as ordinary colour; export it as SDR (BT.709) first"
        )
    full = frame.format.name.startswith("yuvj") or frame.format.is_rgb
    if chroma_of(frame.format.name) == "gray" and not int(context.color_range):
        full = True  # as pictures have it, and FFmpeg takes it
    return ColorTags(
        matrix=int(context.colorspace),
        transfer=int(context.color_trc),
        primaries=int(context.color_primaries),
        range=FULL if full else int(context.color_range),
    )


def _pixel_shape(stream: Any) -> Fraction:
    # FFmpeg's guess, by which ffplay goes: the container's word, and the codec's where the container says nothing.
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Fraction(ratio) if ratio and ratio > 0 else Fraction(1)


def _orientation(frame: Any, damage: Damage) -> Orientation:
    matrix = display_matrix(frame)
    orientation = UPRIGHT if matrix is None else orientation_from_matrix(matrix)
    if orientation is None:
        damage.warn_once("angle", "the video asks to be turned by an odd angle; it is shown as it is stored")
    return orientation or UPRIGHT


def _audio_start(container: Any) -> float | None:
    stream = best_audio(container)
    if stream is None:
        return None
    return float((stream.start_time or 0) * (stream.time_base or 0))
