"""What goes along with the picture of a source: its other sound, subtitles, chapters, timecode, title and the like."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from xdub_core.errors import MediaError
from xdub_core.media.container.audio_streams import best_audio
from xdub_core.media.container.dispositions import is_cover_art
from xdub_core.media.container.opening import FFmpegError, open_input, reason
from xdub_core.media.output.audio_packets import PacketSource, open_audio
from xdub_core.media.output.encode_settings import Container, EncodeSettings
from xdub_core.media.output.subtitles import add_subtitles
from xdub_core.media.output.tags import film_tags, moved_chapters, timecode_at, timecode_of, track_tags
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.video_info import VideoInfo

log = logging.getLogger(__name__)

_REFUSED = (FFmpegError, OSError, ValueError, AttributeError)
"""What PyAV raises for a stream that a container does not take, or that this PyAV cannot copy."""
_ATTACHED_PICTURE = 1 << 10
_COVERS = {"mjpeg": "jpeg", "png": "png"}


@dataclass(frozen=True)
class SourceTracks:
    """A source whose clock an output keeps from its first frame on, for `seconds`; then its tracks end.

    0 seconds: the output has another clock. Nothing that has a time goes along then. `own_frames`: whether the output's
    frames are the source's, one for one, until then.
    """

    video: VideoInfo
    seconds: float
    own_frames: bool = False


def add_source_tracks(
    output: Any,
    picture: Any,
    tracks: SourceTracks,
    container: Container,
    settings: EncodeSettings,
    fps: float,
) -> list[PacketSource]:
    """Take over into an output that has not begun what its container can hold; one warning names the rest.

    The sound that players take is not taken over: the dub's own stands in its place, and the others follow it.

    Args:
        output: the open file, its own streams added already.
        picture: its video stream.
        tracks: where from, and how far.
        container, settings: how the output is written.
        fps: frames a second of the output, by which its timecode counts.

    Returns: what gives the packets of all that was added.
    """
    taken = _Taken(output, tracks, container, settings)
    with open_input(tracks.video.path) as source:
        taken.add_tags(source, picture, fps)
        default_sound = best_audio(source)
        for stream in source.streams:
            if stream.index != tracks.video.stream and stream is not default_sound:
                taken.add(source, stream)
    if taken.left_out:
        log.warning(
            "%s: not taken over, since %s files cannot hold it or PyAV cannot copy it: %s",
            tracks.video.path,
            container.format,
            ", ".join(taken.left_out),
        )
    if taken.out_of_step:
        log.warning(
            "%s: not taken over, since the video is slowed: %s",
            tracks.video.path,
            ", ".join(taken.out_of_step),
        )
    return taken.added


class _Taken:
    """Collects what was taken over, and the names of what was not."""

    def __init__(
        self, output: Any, tracks: SourceTracks, container: Container, settings: EncodeSettings
    ) -> None:
        self._output = output
        self._tracks = tracks
        self._path = tracks.video.path
        self._shift = -Fraction(tracks.video.start).limit_denominator(10**6)
        self._container = container
        self._settings = settings
        self.added: list[PacketSource] = []
        self.left_out: list[str] = []
        self.out_of_step: list[str] = []

    def add_tags(self, source: Any, picture: Any, fps: float) -> None:
        """Title and the like, the picture's language, timecode and chapters."""
        own = next((stream for stream in source.streams if stream.index == self._tracks.video.stream), None)
        stream_tags = {} if own is None else dict(own.metadata)
        self._output.metadata.update(film_tags(source.metadata))
        picture.metadata.update(track_tags(stream_tags))
        timecode = timecode_of(stream_tags, source.metadata, *(stream.metadata for stream in source.streams))
        if timecode is not None:
            own_fps = self._tracks.video.fps
            picture.metadata["timecode"] = timecode_at(
                timecode, own_fps, own_fps if self._tracks.own_frames else fps
            )
        if not hasattr(source, "chapters"):
            return
        chapters = moved_chapters(source.chapters(), self._shift, self._tracks.seconds)
        if chapters:
            self._output.set_chapters(chapters)

    def add(self, source: Any, stream: Any) -> None:
        """Take over one stream, if that can be."""
        kind = "cover" if stream.type == "video" and is_cover_art(stream) else stream.type
        if kind in ("audio", "subtitle") and not self._tracks.seconds:
            self.out_of_step.append(_name_of(stream))
            return
        if kind == "data" and _describes_others(stream, source):
            return
        add = {
            "audio": self._add_sound,
            "subtitle": self._add_subtitles,
            "cover": self._add_cover,
            "attachment": self._add_attachment if self._container.format == "matroska" else None,
        }.get(kind)
        try:
            if add is None:
                raise ValueError("no container is known to take it")
            add(stream)
        except (MediaError, KeyError, *_REFUSED) as error:
            log.info("%s: stream %d is not taken over (%s)", self._path, stream.index, reason(error))
            self.left_out.append(_name_of(stream))

    def _add_sound(self, stream: Any) -> None:
        number = list(stream.container.streams.audio).index(stream)
        track = place_sound(self._path, self._tracks.video, number, warn=False)
        audio = open_audio(self._output, track, self._container, self._settings)
        self._keep(_Until(audio, self._tracks.seconds), stream)

    def _add_subtitles(self, stream: Any) -> None:
        name, shift, until = self._container.format, self._shift, self._tracks.seconds
        source = open_input(self._path)
        try:
            own = source.streams[stream.index]
            with av.open(io.BytesIO(), "w", format=name) as trial:  # muxers refuse some only as they begin
                add_subtitles(trial, name, source, own, shift, until)
                trial.start_encoding()
            self._keep(add_subtitles(self._output, name, source, own, shift, until), stream)
        except BaseException:
            source.close()
            raise

    def _add_attachment(self, stream: Any) -> None:
        self._output.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)

    def _add_cover(self, stream: Any) -> None:
        source = open_input(self._path)
        try:
            own = source.streams[stream.index]
            picture = next((bytes(packet) for packet in source.demux(own) if packet.size), b"")
            if self._container.format == "matroska":
                kind = _COVERS[stream.codec_context.name]
                self._output.add_attachment(f"cover.{kind}", f"image/{kind}", picture)
            elif self._container.format != "mp4":
                raise ValueError("FFmpeg writes none there")
            else:
                out = self._output.add_stream_from_template(own, opaque=True)
                out.disposition = _ATTACHED_PICTURE
                self.added.append(_OnePacket(picture, out))
        finally:
            source.close()

    def _keep(self, track: PacketSource, stream: Any) -> None:
        list(self._output.streams)[-1].metadata.update(track_tags(stream.metadata))
        self.added.append(track)


class _OnePacket:
    """A track of one packet at the beginning."""

    def __init__(self, content: bytes, out: Any) -> None:
        self._content: bytes | None = content
        self._out = out

    def packets(self, until: float) -> Iterator[Any]:  # noqa: ARG002 (a `PacketSource`)
        if self._content is not None:
            packet = av.Packet(self._content)
            self._content = None
            packet.stream, packet.time_base = self._out, Fraction(1, 1000)
            packet.pts = packet.dts = 0
            packet.is_keyframe = True
            yield packet

    def last_packets(self) -> Iterator[Any]:
        return iter(())

    def close(self) -> None:
        pass


class _Until:
    """A track that ends at a second of the output."""

    def __init__(self, track: PacketSource, seconds: float) -> None:
        self._track = track
        self._seconds = seconds

    def packets(self, until: float) -> Iterator[Any]:
        return self._track.packets(min(until, self._seconds))

    def last_packets(self) -> Iterator[Any]:
        return self._track.last_packets()

    def close(self) -> None:
        self._track.close()


def _describes_others(stream: Any, source: Any) -> bool:
    """Whether a data stream is a timecode's, or the names of chapters: these are taken over in another way."""
    if timecode_of(stream.metadata) is not None:
        return True
    return stream.name == "bin_data" and bool(source.chapters() if hasattr(source, "chapters") else True)


def _name_of(stream: Any) -> str:
    """What an artist would call a stream."""
    context = stream.codec_context
    codec = getattr(context, "name", None) or getattr(stream, "name", None) or "unknown"
    language = stream.metadata.get("language", "")
    if stream.type == "video":
        what = "the cover picture" if is_cover_art(stream) else f"another video track ({codec})"
    elif stream.type == "attachment":
        what = f"the attachment {Path(str(stream.metadata.get('filename', codec))).name}"
    else:
        what = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, "a data track") + f" ({codec})"
    return f"{what} in {language}" if language not in ("", "und") else what
