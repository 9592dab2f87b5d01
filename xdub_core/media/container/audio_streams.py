"""The audio streams of an open file: which there are, which one is taken, and what its channels are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdub_core.errors import MediaError
from xdub_core.media.container.dispositions import disposition_of, is_default

_IMPAIRED = (1 << 7) | (1 << 8)  # FFmpeg's dispositions: for who hears, or sees, badly


def audio_stream(container: Any, path: Path, number: int | None = None) -> Any:
    """An audio stream that can be decoded.

    Args:
        container: the open file.
        path: its path, for messages.
        number: which of its audio streams, from 0; None for the one that players take (`best_audio`).

    Raises:
        MediaError: there is none, none of that number, or it is in an unknown codec.
    """
    streams = container.streams.audio
    if not streams:
        raise MediaError(f"{path}: no sound in this file; choose one with an audio track")
    if number is not None and not 0 <= number < len(streams):
        listed = ", ".join(f"{each} ({_described(stream)})" for each, stream in enumerate(streams))
        raise MediaError(f"{path}: there is no audio stream {number}; it has {listed}")
    stream = best_audio(container) if number is None else streams[number]
    if stream.codec_context is None:
        raise MediaError(f"{path}: the sound is in a codec that this build of FFmpeg cannot read")
    return stream


def best_audio(container: Any) -> Any:
    """Of several audio streams the one that players take: marked as default, or of the most channels; None for none.

    Where nothing of it can be decoded, `place_sound` takes the next of `by_preference`.
    """
    if not container.streams.audio:
        return None
    return container.streams.best("audio") or container.streams.audio[0]


def by_preference(container: Any) -> list[int]:
    """The numbers of all audio streams: the one that players take, then the next best."""
    streams = list(container.streams.audio)
    best = best_audio(container).index
    ranks = {number: _rank(stream) for number, stream in enumerate(streams)}
    return sorted(ranks, key=lambda number: (streams[number].index == best, *ranks[number]), reverse=True)


@dataclass(frozen=True)
class Channels:
    """A stream's channels by their FFmpeg names, in order; and whether that order is none of FFmpeg's layouts."""

    names: tuple[str, ...]
    free_order: bool


def channels_of(stream: Any) -> Channels:
    """A stream's channels, so far as its container tells; to be asked before decoding and before anything of layouts.

    PyAV 18 frees the list of a free order (a .mov may say "right, left, centre") twice, which ends the process. So
    the decoder is told of nothing but a number of channels.
    """
    context = stream.codec_context
    layout = context.layout
    free_order = " channels (" in layout.name
    names = tuple(channel.name for channel in layout.channels)
    if free_order:
        context.layout = f"{layout.nb_channels} channels"
    return Channels(names, free_order)


def _rank(stream: Any) -> tuple[bool, bool, int]:
    """Higher is better: as FFmpeg ranks them, by the flags, then by how much there is to hear."""
    if stream.codec_context is None:
        return False, False, 0
    return not disposition_of(stream) & _IMPAIRED, is_default(stream), len(channels_of(stream).names)


def _described(stream: Any) -> str:
    """A stream in words, for choosing it."""
    context = stream.codec_context
    if context is None:
        return "unknown codec"
    channels = len(channels_of(stream).names)
    facts = [context.name, f"{channels} channel{'s' if channels > 1 else ''}"]
    facts += [stream.metadata.get("language", ""), stream.metadata.get("title", "")]
    facts += ["default"] if is_default(stream) else []
    return ", ".join(fact for fact in facts if fact and fact != "und")
