"""Peak memory and speed of audio features over a long recording.

    python benchmarks/audio_memory.py --minutes 60
    python benchmarks/audio_memory.py --minutes 6 --whisper-width 1280 --wav2vec-width 768

The sound is generated, the encoders are seeded and untrained: memory and speed depend on sizes alone. Each stage's
peak is its own, beyond the encoders' weights and the libraries.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from feature_speed import rows_per_second
from peak_memory import peak_bytes, reset_peak, resident_bytes

from xdub_core.audio.encoded import EncodedAudio, wav2vec_features, whisper_features
from xdub_core.audio.features import ROWS_PER_SECOND
from xdub_core.audio.recording import Recording, recording_from_waveform
from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.audio.whisper import WhisperAudioEncoder, WhisperSizes
from xdub_core.audio.windows import audio_windows


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    stage: str
    seconds: float
    peak_mb: float
    note: str = ""


def main() -> None:
    """Parse the arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--whisper-width", type=int, default=64, help="1280 is large-v2's")
    parser.add_argument("--whisper-layers", type=int, default=1)
    parser.add_argument("--wav2vec-width", type=int, default=64, help="768 is base's")
    parser.add_argument("--wav2vec-layers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    whisper, wav2vec = _encoders(args)
    weights_mb = sum(p.numel() * p.element_size() for m in (whisper, wav2vec) for p in m.parameters()) / 2**20
    base_mb = resident_bytes() / 2**20
    print(
        f"{args.minutes:g} minutes of sound; encoders' weights {weights_mb:.0f} MB, process {base_mb:.0f} MB before"
    )
    rows = list(_measure(args.minutes, whisper, wav2vec, base_mb))
    print(f"{'stage':<34}{'seconds':>9}{'peak MB':>9}  note")
    for row in rows:
        print(f"{row.stage:<34}{row.seconds:>9.1f}{row.peak_mb:>9.0f}  {row.note}")
    worst = max(row.peak_mb for row in rows)
    print(f"largest peak beyond weights and libraries: {worst:.0f} MB (limit 2048 MB)")
    sys.exit(worst > 2048)


def _measure(
    minutes: float, whisper: WhisperAudioEncoder, wav2vec: Wav2VecEncoder, base_mb: float
) -> Iterator[Row]:
    recordings: list[Recording] = []
    yield _timed("recording to disk", base_mb, lambda: recordings.append(_long_recording(minutes)))
    recording = recordings[0]
    for name, features in (
        ("Whisper, all rows", whisper_features(recording, whisper)),
        ("wav2vec2, all rows", wav2vec_features(recording, wav2vec)),
    ):
        yield _timed(name, base_mb, lambda features=features: _speed(features))
    both = EncodedAudio(recording, whisper, wav2vec)
    yield _timed(
        "windows of every clip, both", base_mb, lambda: _every_window(both, recording.samples // 640)
    )
    recording.close()


def _every_window(features: EncodedAudio, frames: int) -> str:
    clips = range(0, frames, 72)
    for start_frame in clips:
        audio_windows(features, start_frame, 20)
    return f"{len(clips)} clips"


def _speed(features: Any) -> str:
    speed = rows_per_second(features)
    return f"{speed:.0f} rows/s, {speed / ROWS_PER_SECOND:.1f} times real time"


def _timed(stage: str, base_mb: float, work: Callable[[], Any]) -> Row:
    reset_peak()
    begin = time.perf_counter()
    note = work()
    return Row(stage, time.perf_counter() - begin, peak_bytes() / 2**20 - base_mb, note or "")


def _long_recording(minutes: float) -> Recording:
    """Noise in syllables, 44.1 kHz stereo fed through a lazily generated waveform, as a long file would come."""
    return recording_from_waveform(_Generated(round(minutes * 60 * 44100)), 44100, name="generated sound")


class _Generated:
    """Looks like a [2, T] array, but makes each slice when it is asked for."""

    def __init__(self, samples: int) -> None:
        self.shape = (2, samples)

    def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
        start, stop, _ = index[1].indices(self.shape[1])
        noise = np.random.default_rng(start).standard_normal((2, stop - start), dtype=np.float32)
        return 0.1 * noise * (1 + np.sin(np.arange(start, stop) / 3000)).astype(np.float32)


def _encoders(args: argparse.Namespace) -> tuple[WhisperAudioEncoder, Wav2VecEncoder]:
    from transformers import Wav2Vec2Config

    torch.manual_seed(0)
    width = args.whisper_width
    sizes = WhisperSizes(width=width, heads=max(1, width // 64), layers=args.whisper_layers, inner=4 * width)
    width = args.wav2vec_width
    config = Wav2Vec2Config(
        hidden_size=width,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        num_hidden_layers=args.wav2vec_layers,
        conv_dim=((512,) if width >= 768 else (32,)) * 7,
        mask_time_prob=0.0,
    )
    return WhisperAudioEncoder(sizes).to(args.device), Wav2VecEncoder(config).to(args.device)


if __name__ == "__main__":
    main()
