"""Writes a video frame by frame, with its sound, so that the output is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.container.opening import FFmpegError, file_url, reason
from xdub_core.media.output.audio_packets import PacketSource, open_audio
from xdub_core.media.output.encode_format import SourceFormat, source_format
from xdub_core.media.output.encode_frame import ToEncode
from xdub_core.media.output.encode_settings import EncodeSettings, plan_encoding
from xdub_core.media.output.losses import warn_of_losses
from xdub_core.media.output.origin import Origin
from xdub_core.media.output.output_file import HiddenFile
from xdub_core.media.output.source_tracks import SourceTracks, add_source_tracks
from xdub_core.media.picture.color import FULL, ColorTags, YuvMeaning, tags_for_output, yuv_meaning
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.mix import Sound
from xdub_core.media.timeline import FrameClock
from xdub_core.media.video.video_info import VideoInfo

log = logging.getLogger(__name__)

_DEFAULTS = EncodeSettings()
_BITEXACT = (
    1 << 10
)  # FFmpeg's flag for muxers: without it, Matroska files differ by random numbers in every run
_FURTHEST_REORDERING = 64  # frames
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS)


class VideoWriter:
    """A context manager: frames go into a hidden file beside the output, which takes the output's place at the end.

    Leaving the context by an exception (KeyboardInterrupt too) removes the hidden file and leaves an older output as
    it was; leaving it without one does `finish` and `keep`. Where chroma is halved, codecs need even sizes: the last
    column or row is then repeated once, so that every pixel stays and every player plays the file (the other way,
    4:4:4, plays in few).

    Args:
        path: the output; its suffix names the container (.mp4, .mov, .mkv, .webm).
        width, height: pixels of the frames that will come.
        clock: when the frames appear, as many as will come; or how many there are a second.
        settings: codec, quality and so on.
        audio: the sound; it is cut where the video ends (a copied last packet may overhang).
        like: the source's facts, whose colour tags, pixel shape and depth the output takes over. A warning is logged
            where it cannot take the pixel shape (VP9, AV1, ProRes and FFV1 in most containers) or the depth.
        overwrite: whether a file that is at `path` in the end is replaced; if not, the finished one stays hidden.
        quiet: do not warn of what the output cannot hold of the source; for a second output like the first.
        tracks: the source whose other sound, subtitles, chapters, timecode and title go along.
        origin: what the file says of where it comes from.

    Raises:
        MediaError: the output or the sound cannot be opened, or, later, the disk is full.
        SettingsError: settings that contradict each other or the suffix.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        clock: FrameClock | float | Fraction = 25,
        settings: EncodeSettings = _DEFAULTS,
        audio: Sound | None = None,
        like: VideoInfo | None = None,
        overwrite: bool = True,
        quiet: bool = False,
        tracks: SourceTracks | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames = 0
        self._end = 0.0  # seconds
        self._packets = 0
        self._size = (width, height)
        self._clock = clock if isinstance(clock, FrameClock) else None
        self._fps = Fraction(clock.rate if isinstance(clock, FrameClock) else clock).limit_denominator(1001)
        self._time_base = 1 / self._fps if self._clock is None else self._clock.time_base
        steps = np.ones(1, np.int64) if self._clock is None else np.diff(self._clock.ticks)
        self._longest = int(steps.max())  # ticks that a frame stays
        self._durations: dict[int, int] | None = None if self._longest == steps.min() else {}  # by timestamp
        self._plan = plan_encoding(
            self.path, settings, self._size, SourceFormat() if like is None else source_format(like)
        )
        self._padding = self._plan.padding
        self._quiet = quiet
        self._settings = settings
        self._track = audio
        self._like = like
        self._overwrite = overwrite
        self._finished = False
        self._tracks = tracks
        self._origin = origin
        self._unsigned: MediaError | None = None
        self._audio: PacketSource | None = None
        self._companions: list[PacketSource] = []
        self._container: Any = None
        self._hidden: HiddenFile | None = None

    def __enter__(self) -> VideoWriter:
        self._hidden = HiddenFile(self.path, self._overwrite)
        try:
            with self._disk_errors():
                self._open()
        except BaseException:
            self._abort()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            self.finish()
        except BaseException:
            self._abort()
            raise
        self.keep()

    def write(self, frame: np.ndarray | FinishedFrame) -> None:
        """Add a frame: [H, W, 3] RGB, uint8, or uint16 full range.

        Of a finished frame, everything that was not changed is written as `like`'s file stores it, where the output's
        pixel format can hold that.

        Raises:
            MediaError: the disk is full, or the encoder fails.
            ValueError: the frame is of another size or type.
        """
        width, height = self._size
        finished = frame if isinstance(frame, FinishedFrame) else FinishedFrame(frame)
        rgb = finished.rgb
        if rgb.shape != (height, width, 3) or rgb.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"a frame [{height}, {width}, 3] of uint8 or uint16 is due, not {rgb.shape} {rgb.dtype}"
            )
        self.write_picture(self._to_encode(finished))

    def write_picture(self, picture: Any) -> None:
        """Add a PyAV VideoFrame that has the output's size, pixel format and colours already. Raises MediaError."""
        start, stop = self._tick(self.frames), self._tick(self.frames + 1)
        picture.pts, picture.time_base = start, self._time_base
        _tag(picture, self._tags)
        self.frames += 1
        self._end = float(stop * self._time_base)
        if self._durations is not None:
            self._durations[start] = stop - start
        with self._disk_errors():
            self._mux(self._video_packets(picture))
            if self._audio is not None:
                self._mux(self._audio.packets(self._end))
            for companion in list(self._companions):
                self._mux_companion(companion, companion.packets(self._end))

    def finish(self) -> None:
        """Write the file's end. It stays hidden, and goes again where the context is left by an exception.

        Raises:
            MediaError: there is no frame, the disk is full, or the encoder fails.
        """
        if self._finished:
            return
        if not self.frames:
            raise MediaError(f"{self.path}: there is no frame to write")
        assert self._hidden is not None
        with self._disk_errors():
            self._mux(self._video_packets(None))
            if self._audio is not None:
                self._mux(self._audio.last_packets())
                self._audio.close()
            for companion in list(self._companions):
                self._mux_companion(companion, companion.last_packets())
                companion.close()
            self._container.close()
            if self._origin is not None:
                self._origin.seal(self._hidden.path, self._plan.container.format)
        self._finished = True
        self._sign()

    @property
    def hidden(self) -> Path:
        """The file that is written, before it takes the output's place."""
        assert self._hidden is not None
        return self._hidden.path

    def keep(self) -> None:
        """Let the finished file take the output's place. MediaError that names the file where it cannot.

        A file that could not be signed takes its place all the same, and MediaError is raised then.
        """
        assert self._hidden is not None
        self._hidden.keep()
        if self._unsigned is not None:
            raise self._unsigned

    @property
    def is_signed(self) -> bool:
        """Whether a signature that was asked for is there; also where none was."""
        return self._unsigned is None

    def _sign(self) -> None:
        if self._origin is None or self._origin.signature is None:
            return
        assert self._hidden is not None
        container, said = self._plan.container.format, self._origin.source_type
        try:
            self._origin.signature.sign(self._hidden.path, container, self.path.name, said)
        except MediaError as error:  # the work of hours is not lost for that
            self._unsigned = error

    def _open(self) -> None:
        assert self._hidden is not None
        faststart = {"movflags": "+faststart"} if self._plan.container.format in ("mp4", "mov") else {}
        self._container = av.open(
            file_url(self._hidden.path), "w", format=self._plan.container.format, container_options=faststart
        )
        self._container.flags |= _BITEXACT
        width, height = self._size[0] + self._padding[1], self._size[1] + self._padding[0]
        self._tags, meaning = self._colors(width, height)
        self._stream = self._add_video(width, height)
        self._to_encode = ToEncode(
            self._plan.pixel_format, *self._size, self._padding, meaning, self._stored_yuv()
        )
        if self._track is not None:
            self._audio = open_audio(self._container, self._track, self._plan.container, self._settings)
        for stream in self._container.streams:  # so far the dub's own
            _mark_as_default(stream)
        if self._tracks is not None:
            self._companions = add_source_tracks(
                self._container,
                self._stream,
                self._tracks,
                self._plan.container,
                self._settings,
                float(self._fps),
            )
        if self._origin is not None:
            tags = self._origin.tags(self._container.metadata, self._plan.container.format)
            self._container.metadata.update(tags)
        if not self._quiet:
            warn_of_losses(self.path, self._plan, self._size, self._like)
        # Now and not with the first packet: what a container refuses must show before hours of work.
        self._container.start_encoding()

    def _add_video(self, width: int, height: int) -> Any:
        stream = self._container.add_stream(self._plan.encoder, rate=self._fps, options=self._plan.options)
        context = stream.codec_context
        stream.width, stream.height = width, height
        stream.pix_fmt = self._plan.pixel_format
        context.time_base = self._time_base
        # Slices alone, PyAV's default, make x264 slower and its files larger.
        context.thread_type = "AUTO"
        _tag(context, self._tags)
        if self._like is not None and self._like.sample_aspect_ratio != 1:
            context.sample_aspect_ratio = self._like.sample_aspect_ratio
        if self._plan.codec == "hevc" and self._plan.container.format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the tag without which Apple's players refuse HEVC
        return stream

    def _colors(self, width: int, height: int) -> tuple[ColorTags, YuvMeaning]:
        like, source = self._like, self._stored_yuv()
        tags = tags_for_output(None if like is None else like.color, source, width, height)
        meaning = yuv_meaning(tags, width, height)
        if av.VideoFormat(self._plan.pixel_format, 16, 16).is_rgb:
            tags = ColorTags(0, tags.transfer, tags.primaries, FULL)
        return tags, meaning

    def _stored_yuv(self) -> YuvMeaning | None:
        """What YUV numbers mean in the source; None without one, and where it stores RGB."""
        if self._like is None or av.VideoFormat(self._like.pixel_format, 16, 16).is_rgb:
            return None
        return self._like.yuv

    def _abort(self) -> None:
        assert self._hidden is not None
        # What went wrong is being reported already; closing writes the file's end, which may fail again.
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            for source in (self._audio, *self._companions):
                if source is not None:
                    source.close()
            if self._container is not None:
                self._container.close()
        self._hidden.discard()

    def _video_packets(self, picture: Any) -> Iterator[Any]:
        for packet in self._stream.encode(picture):
            # x265 gives videos of one or two frames random decoding times: give them its usual ones.
            if packet.dts is None or packet.pts - packet.dts > _FURTHEST_REORDERING * self._longest:
                packet.dts = min(packet.pts, self._tick(self._packets - 2))
            if self._durations is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._packets += 1
            yield packet

    def _tick(self, frame: int) -> int:
        """When a frame appears, or the one before ends, in units of the time base."""
        if self._clock is None or frame < 0:
            return frame * self._longest
        return int(self._clock.ticks[frame])

    def _mux(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            self._container.mux(packet)

    def _mux_companion(self, companion: PacketSource, packets: Iterable[Any]) -> None:
        """As `_mux`, but a track of the source that is damaged on its way only ends there: the dub goes on."""
        try:
            self._mux(packets)
        except FFmpegError as error:
            if error.errno in _DISK_ERRORS:
                raise
            self._companions.remove(companion)
            companion.close()
            log.warning(
                "%s: a track taken over from the source ends at %.2f s (%s)",
                self.path,
                self._end,
                reason(error),
            )

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            full = error.errno in _DISK_ERRORS
            remedy = (
                "free some disk space or choose another place"
                if full
                else "choose another codec or container"
            )
            raise MediaError(f"{self.path}: writing failed ({reason(error)}); {remedy}") from error


def _mark_as_default(stream: Any) -> None:
    """Let players take this stream, whatever others there are. PyAV before 15 cannot say so."""
    with contextlib.suppress(AttributeError):
        stream.disposition = 1


def _tag(target: Any, tags: ColorTags) -> None:
    """Tag an encoder or a frame."""
    target.colorspace, target.color_range = tags.matrix, tags.range
    if hasattr(target, "color_trc"):  # frames have it since PyAV 16
        target.color_trc, target.color_primaries = tags.transfer, tags.primaries
