"""The engine's speed and memory in one run: DiT forward, audio features, and crop + colour match + paste-back.

    python benchmarks/engine.py
    python benchmarks/engine.py --device cuda --dtype bfloat16 --full-size

Features are measured at Whisper large's and wav2vec2-base's real widths, with random weights, so no file is needed.
Each part can be run by itself: dit_forward.py, compose_speed.py, audio_memory.py; memory_over_time.py shows that
memory does not grow with length.
"""

from __future__ import annotations

import argparse
import platform

import compose_speed
import dit_forward
import torch
from feature_speed import rows_per_second
from rich.console import Console
from rich.table import Table

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.encoded import ChunkedFeatures, wav2vec_features, whisper_features
from xdub_core.audio.features import ROWS_PER_SECOND
from xdub_core.audio.recording import recording_from_waveform
from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.audio.whisper import WhisperAudioEncoder, WhisperSizes
from xdub_core.heads.drawn_head import make_voice

FULL_SIZE = dit_forward.Case(3072, 24, 30, frames=20, size=32)
SECONDS = 30.0


def features_table(device: str, layers: int) -> Table:
    """Rows (50 a second) per second of each encoder over 30 seconds of sound."""
    from transformers.models.wav2vec2 import Wav2Vec2Config

    table = Table(title=f"audio features, {layers or 'all'} layers", title_justify="left")
    for column in ("encoder", "features/s", "times real time"):
        table.add_column(column, justify="left" if column == "encoder" else "right")
    torch.manual_seed(0)
    whisper = WhisperAudioEncoder(WhisperSizes(layers=layers or 32)).to(device)
    wav2vec = Wav2VecEncoder(Wav2Vec2Config(num_hidden_layers=layers or 12)).to(device)
    with recording_from_waveform(make_voice(SECONDS)[None], SAMPLE_RATE) as recording:
        encoders: dict[str, ChunkedFeatures] = {
            "Whisper large": whisper_features(recording, whisper),
            "wav2vec2-base": wav2vec_features(recording, wav2vec),
        }
        for name, features in encoders.items():
            speed = rows_per_second(features)
            table.add_row(name, f"{speed:.0f}", f"{speed / ROWS_PER_SECOND:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--full-size", action="store_true", help="the real DiT, 30 blocks (for a GPU)")
    parser.add_argument("--audio-layers", type=int, default=2, help="of each audio encoder; 0: all")
    options = parser.parse_args()

    console = Console()
    where = torch.cuda.get_device_name() if options.device.startswith("cuda") else platform.processor()
    console.print(f"torch {torch.__version__}, {options.device} {where}, {torch.get_num_threads()} threads")
    cases = (FULL_SIZE,) if options.full_size else dit_forward.DEFAULT_CASES
    chosen = {"device": options.device, "dtype": options.dtype}
    console.print(dit_forward.table(tuple(dit_forward.Case(**{**vars(case), **chosen}) for case in cases)))
    console.print(features_table(options.device, options.audio_layers))
    console.print(compose_speed.table(1920, 1080, box=600, crop=512, frames=200))


if __name__ == "__main__":
    main()
