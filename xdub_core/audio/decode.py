"""Any sound that PyAV can read, as a stream of 16 kHz mono float32 blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mix_to_mono
from xdub_core.media.sound.resample import Resampler
from xdub_core.media.sound.sound_blocks import SoundReport, sound_blocks
from xdub_core.media.sound.sound_place import AudioTrack

SAMPLE_RATE = 16000  # released model §3: both encoders hear 16 kHz mono


def decode_mono(track: AudioTrack, report: SoundReport) -> Iterator[np.ndarray]:
    """Yield a file's sound as 16 kHz mono float32 blocks [n], in one streaming pass.

    Silence for the track's delay comes first; then the sound from the track's start on, as `sound_blocks` reads it.

    Raises:
        MediaError: as `sound_blocks`.
    """
    yield from _silence(round(track.delay * SAMPLE_RATE))
    skip = round(track.start * SAMPLE_RATE)
    for block in _resampled(track, report):
        skipped = min(skip, len(block))
        skip -= skipped
        yield block[skipped:]


def decode_waveform(track: AudioTrack) -> tuple[np.ndarray, int]:
    """A file's sound, whole and in memory: float32 [C, n] in its own channels, and its own rate.

    Silence for the track's delay comes first; then the sound from the track's start on. Where the rate or the
    channels change on the way, what comes later is brought to the first ones.

    Raises:
        MediaError: as `sound_blocks`; also where the file holds no samples.
    """
    report = SoundReport()
    blocks = sound_blocks(Path(track.path), track.number, report)
    begin = next(blocks, None)
    if begin is None:
        raise MediaError(f"{track.path} is empty: it holds no sound at all.")
    channels = len(begin.samples)
    parts = [np.zeros((channels, round(track.delay * begin.rate)), np.float32), begin.samples]
    resampler: Resampler | None = None
    for block in blocks:
        if (block.rate, len(block.samples)) == (begin.rate, channels) and resampler is None:
            parts.append(block.samples)
            continue
        if resampler is None or resampler.rate != block.rate:
            parts += [] if resampler is None else list(resampler.flush())
            resampler = Resampler(block.rate, begin.rate)
        parts += resampler.feed(mix_to_mono(block.samples, block.names)[None])
    parts += [] if resampler is None else list(resampler.flush())
    report.warn(track.path)
    whole = np.concatenate([np.broadcast_to(part, (channels, part.shape[1])) for part in parts], axis=1)
    return whole[:, round(track.start * begin.rate) :], begin.rate


def _resampled(track: AudioTrack, report: SoundReport) -> Iterator[np.ndarray]:
    resampler: Resampler | None = None
    for block in sound_blocks(Path(track.path), track.number, report):
        if resampler is None or resampler.rate != block.rate:
            if resampler is not None:  # some streams change their rate on the way
                yield from _mono(resampler.flush())
            resampler = Resampler(block.rate, SAMPLE_RATE)
        yield from _mono(resampler.feed(mix_to_mono(block.samples, block.names)[None]))
    if resampler is not None:
        yield from _mono(resampler.flush())


def _mono(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    return (block[0] for block in blocks)


def _silence(samples: int) -> Iterator[np.ndarray]:
    while samples > 0:
        yield np.zeros(min(samples, SAMPLE_RATE), np.float32)
        samples -= SAMPLE_RATE
