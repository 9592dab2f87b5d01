"""A recording through the encoders: lazily, or all at once onto disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch

from xdub_core.audio.features import (
    AudioFeatures,
    ChunkedFeatures,
    JoinedFeatures,
    clamped_rows,
)
from xdub_core.audio.log_mel import LogMel
from xdub_core.audio.recording import Recording
from xdub_core.audio.spool import RowSpool
from xdub_core.audio.wav2vec import ChunkPlan, SoundNorm, Wav2VecEncoder
from xdub_core.audio.whisper import WhisperAudioEncoder

_BLOCK_ROWS = 1500  # rows that are asked for at a time; thirty seconds


class EncodedAudio(JoinedFeatures):
    """What X-Dub hears: Whisper's features (1280 wide), then wav2vec2's (768), of one recording.

    Rows are computed when they are read; see `spooled_features` to have them all at once, on disk. The recording must
    stay open meanwhile.
    """

    def __init__(
        self,
        recording: Recording,
        whisper: WhisperAudioEncoder,
        wav2vec: Wav2VecEncoder,
        plan: ChunkPlan | None = None,
    ) -> None:
        super().__init__([whisper_features(recording, whisper), wav2vec_features(recording, wav2vec, plan)])


def whisper_features(recording: Recording, encoder: WhisperAudioEncoder) -> ChunkedFeatures:
    """Whisper's features of a recording, in its own chunks of thirty seconds.

    An odd last mel frame makes no row, but the encoder hears it with the chunk that it belongs to.
    """
    log_mel = LogMel(recording, encoder.sizes.mels)

    def compute(start: int, stop: int) -> torch.Tensor:  # noqa: ARG001 (always a whole chunk, or what there is of it)
        first = 2 * start
        return encoder.encode(log_mel.read(first, min(first + encoder.chunk_frames, log_mel.frames)))

    return ChunkedFeatures(log_mel.frames // 2, encoder.width, encoder.sizes.positions, compute)


def wav2vec_features(
    recording: Recording, encoder: Wav2VecEncoder, plan: ChunkPlan | None = None
) -> ChunkedFeatures:
    """wav2vec2's features of a recording: in one pass where it is short enough, else in overlapping chunks."""
    plan = plan or ChunkPlan()
    rows = encoder.rows(recording.samples)
    norm: list[SoundNorm] = []

    def compute(start: int, stop: int) -> torch.Tensor:
        if not norm:
            norm.append(encoder.sound_norm(recording))
        return encoder.encode(recording, norm[0], start, stop, plan.context_rows)

    return ChunkedFeatures(rows, encoder.width, plan.chunk_rows(rows), compute)


def log_mel_features(recording: Recording, width: int, seed: int = 0) -> ChunkedFeatures:
    """Features that need no weights, for tests and for the demonstration with an untrained model.

    Each row is two log-mel frames under a seeded random projection: they follow the sound, deterministically, but
    carry none of what Whisper or wav2vec2 have learnt. No model was trained on them.
    """
    log_mel = LogMel(recording)
    values = 2 * log_mel.bins
    projection = torch.randn(values, width, generator=torch.Generator().manual_seed(seed)) / values**0.5

    def compute(start: int, stop: int) -> torch.Tensor:
        return log_mel.read(2 * start, 2 * stop).T.reshape(-1, values) @ projection

    return ChunkedFeatures(log_mel.frames // 2, width, _BLOCK_ROWS, compute)


class SpooledFeatures:
    """Features that lie in an anonymous temporary file; a context manager. Made by `spooled_features`.

    `key`: what tells them from others where they are kept elsewhere as well; None where they are not.
    """

    def __init__(self, spool: RowSpool, key: str | None = None) -> None:
        self.key = key
        self.rows = spool.rows
        self.width = spool.width
        self._spool = spool

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows [start, stop), clamped."""
        wanted = clamped_rows(start, stop, self.rows)
        if not len(wanted):
            return torch.zeros(0, self.width)
        first = int(wanted[0])
        return torch.from_numpy(self._spool.read(first, int(wanted[-1]) + 1))[wanted - first]

    def close(self) -> None:
        """Remove the temporary file."""
        self._spool.close()

    def __enter__(self) -> SpooledFeatures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def spooled_features(
    features: AudioFeatures,
    spool_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SpooledFeatures:
    """Compute all rows now, onto disk, so that the encoders can be freed before anything else runs.

    Takes 1.5 GB of disk for an hour at X-Dub's width of 2048, and no RAM that grows with the length.

    Args:
        features: read once, in order.
        spool_dir: folder of the temporary file; None takes the system's.
        progress: called with (rows done, rows in all); whatever it raises stops the work and frees the file.

    Raises:
        MediaError: the temporary folder cannot be written to, or is full.
    """
    spool = RowSpool(features.width, spool_dir)
    try:
        for start in range(0, features.rows, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, features.rows)
            spool.append(features.read(start, stop).numpy())
            if progress is not None:
                progress(stop, features.rows)
    except BaseException:
        spool.close()
        raise
    return SpooledFeatures(spool, getattr(features, "key", None))
