"""Subtitles of a source, on their way into an output: as they are, or as plain text where its container wants that."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from xdub_core.media.container.opening import FFmpegError

_TEXT = {
    "subrip": "subrip",
    "srt": "subrip",
    "ass": "ass",
    "ssa": "ass",
    "webvtt": "webvtt",
    "mov_text": "mov_text",
}
"""FFmpeg's names of decoders of text, and of what they decode."""
_WANTED = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt", "matroska": "subrip"}
"""The text that a container takes; Matroska takes all but mov_text as they are."""
_MILLISECOND = Fraction(1, 1000)
_ASS_FIELDS = 8  # commas before the text of an event
_LONGEST_TEXT = 65_535  # bytes that mov_text can count
_MOV_TEXT_STYLE = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


class Subtitles:
    """A source of subtitle packets, in step with the video (a `PacketSource`).

    Args:
        source: the open file; closed with this.
        stream: its subtitle stream.
        out: the output's.
        shift: seconds that are added to every time.
        until: seconds of the output at which they end; what lasts longer is shortened.
        convert: what makes a packet's content that of the output.
    """

    def __init__(
        self, source: Any, stream: Any, out: Any, shift: Fraction, until: float, convert: Any = bytes
    ) -> None:
        self._source = source
        self._out = out
        self._shift = shift
        self._until = Fraction(until).limit_denominator(10**6)
        self._convert = convert
        self._packets = self._read(stream)
        self._pending: Any = None

    def packets(self, until: float) -> Iterator[Any]:
        """Packets of the texts that begin before `until` (seconds of the output) and were not given yet."""
        while True:
            if self._pending is None:
                self._pending = next(self._packets, None)
            if self._pending is None or self._pending.pts * _MILLISECOND >= until:
                return
            packet, self._pending = self._pending, None
            yield packet

    def last_packets(self) -> Iterator[Any]:
        """Nothing: texts are not held back, as an encoder's packets are."""
        return iter(())

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _read(self, stream: Any) -> Iterator[Any]:
        latest = -1
        try:
            for packet in self._source.demux(stream):
                if packet.pts is None or not packet.size:
                    continue
                begin = packet.pts * packet.time_base + self._shift
                end = begin + (packet.duration or 0) * packet.time_base  # pictures mostly state no end
                content = self._convert(packet)
                start = max(0, round(begin / _MILLISECOND))
                if start <= latest or begin >= self._until or (packet.duration and end <= 0) or not content:
                    continue
                latest = start
                yield self._made(content, start, max(0, round(min(end, self._until) / _MILLISECOND) - start))
        except (FFmpegError, OSError):
            return  # a file that is cut short has no more of them

    def _made(self, content: bytes, start: int, duration: int) -> Any:
        made = av.Packet(content)
        made.stream = self._out
        made.time_base = _MILLISECOND
        made.pts = made.dts = start
        made.duration = duration
        made.is_keyframe = True
        return made


def add_subtitles(
    output: Any, container: str, source: Any, stream: Any, shift: Fraction, until: float
) -> Subtitles:
    """Add a stream to an output that has not begun, for those of an open file.

    Args:
        container: FFmpeg's name of the output's format.
        source, stream, shift, until: as `Subtitles` has them.

    Raises:
        ValueError: the container does not take them.
    """
    kind = _TEXT.get(stream.codec_context.name) if stream.codec_context is not None else None
    wanted = _WANTED[container]
    if kind is None and container != "matroska":
        raise ValueError("pictures are no text")
    if kind == wanted or (container == "matroska" and kind != "mov_text"):
        out = output.add_stream_from_template(stream)
        return Subtitles(source, stream, out, shift, until, _without_gaps if kind == "mov_text" else bytes)
    if wanted == "mov_text":
        out = output.add_stream("mov_text")
        out.codec_context.subtitle_header = _MOV_TEXT_STYLE
    else:
        out = output.add_mux_stream(wanted)
    out.time_base = _MILLISECOND

    def convert(packet: Any) -> bytes:
        text = plain_text(bytes(packet), kind or "", tags=wanted == "subrip" and kind != "ass")
        return _with_length(text) if wanted == "mov_text" else text.encode()

    return Subtitles(source, stream, out, shift, until, convert)


def plain_text(content: bytes, kind: str, tags: bool = False) -> str:
    """What a packet shows, "" for nothing.

    Args:
        kind: "subrip", "ass", "webvtt" or "mov_text".
        tags: leave markup such as <i> in its place.
    """
    if kind == "mov_text":
        if len(content) < 2:
            return ""
        (length,) = struct.unpack_from(">H", content)
        return content[2 : 2 + length].decode(errors="replace").strip()
    text = content.decode(errors="replace").replace("\r\n", "\n")
    if kind == "ass":
        text = text.split(",", _ASS_FIELDS)[-1]
        text = text.replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    text = re.sub(r"\{\\[^}]*\}", "", text)
    return (text if tags else re.sub(r"</?[a-zA-Z][^>]*>", "", text)).strip()


def _without_gaps(packet: Any) -> bytes:
    """The content of a mov_text packet; nothing of one that fills the time between two of them."""
    content = bytes(packet)
    return content if plain_text(content, "mov_text") else b""


def _with_length(text: str) -> bytes:
    encoded = text.encode()[:_LONGEST_TEXT].decode(errors="ignore").encode()
    return struct.pack(">H", len(encoded)) + encoded if encoded else b""
