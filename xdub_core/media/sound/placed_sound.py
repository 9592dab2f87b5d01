"""A recording's sound on the clock of a dub, at one rate and in one layout."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mix_to_layout, written_layout
from xdub_core.media.sound.resample import Resampler
from xdub_core.media.sound.sound_blocks import SoundBlock, SoundReport, sound_blocks
from xdub_core.media.sound.sound_place import AudioTrack


def own_kind(track: AudioTrack) -> tuple[int, str]:
    """A recording's own rate, and the layout in which its channels are written (`written_layout`).

    Raises MediaError where it holds no samples, and as `sound_blocks`.
    """
    blocks = sound_blocks(Path(track.path), track.number, SoundReport())
    begin = next(blocks, None)
    blocks.close()
    if begin is None:
        raise MediaError(f"{track.path}: the audio holds no samples")
    return begin.rate, written_layout(len(begin.samples), begin.names)


def placed_sound(track: AudioTrack, rate: int, layout: str) -> Generator[np.ndarray, None, None]:
    """float32 [C, n] arrays from the dub's time 0 on: silence for the delay, then the recording from its start on."""
    channels = av.AudioLayout(layout).nb_channels
    blocks = sound_blocks(Path(track.path), track.number, SoundReport())
    try:
        silence = round(track.delay * rate)
        while silence > 0:
            yield np.zeros((channels, min(silence, rate)), np.float32)
            silence -= rate
        skip = round(track.start * rate)
        for chunk in resampled(blocks, rate, layout):
            kept = chunk[:, min(skip, chunk.shape[1]) :]
            skip -= chunk.shape[1] - kept.shape[1]
            if kept.shape[1]:
                yield kept
    finally:
        blocks.close()


def resampled(blocks: Iterable[SoundBlock], rate: int, layout: str) -> Iterator[np.ndarray]:
    """Blocks of any rates and channels as float32 [C, n] of one rate and layout."""
    resampler: Resampler | None = None
    for block in blocks:
        if resampler is None or block.rate != resampler.rate:
            if resampler is not None:
                yield from resampler.flush()
            resampler = Resampler(block.rate, rate, layout)
        yield from resampler.feed(mix_to_layout(block.samples, block.names, layout))
    if resampler is not None:
        yield from resampler.flush()
