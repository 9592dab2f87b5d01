"""Seconds a step and peak memory of the DiT's forward, beside a forward that keeps per-token modulation.

    python benchmarks/dit_forward.py                     # several sizes
    python benchmarks/dit_forward.py --dim 3072 --heads 24 --layers 2 --device cuda --dtype bfloat16
    git worktree add ../before COMMIT
    python benchmarks/dit_forward.py --against ../before # the same sizes by both trees in turn, medians

"Per token" is the same model, but with a modulation row for each token, as the release computes it (released model §2).
Memory is what the forward adds to the weights, inputs and the clip's constants.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from peak_memory import in_fresh_process, peak_bytes, reset_peak, resident_bytes
from per_token import per_token_forward
from rich.console import Console
from rich.table import Table
from torch import Tensor
from two_trees import comparison_table, serve

from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import ClipConstants, XDubDiT


@dataclass(frozen=True)
class Case:
    """A model size and a clip size. `size`: the latents' height and width; a 512-pixel crop has 32. `text`: rows of the
    prompt, of which all but the first are the same, as in the empty prompt's. `ffn`: 0 for the released proportion.
    `whole_blocks`: run each as a host with patches runs it, so that the last one computes the reference's half, too."""

    dim: int
    heads: int
    layers: int
    frames: int
    size: int
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 0
    branches: int = 3
    text: int = 512
    ffn: int = 0
    whole_blocks: bool = False

    @property
    def tokens(self) -> int:
        return 2 * self.frames * (self.size // 2) ** 2

    @property
    def title(self) -> str:
        shape = f"{self.dim} x {self.layers}, latents {self.frames}x{self.size}x{self.size}, {self.dtype}"
        return f"{shape}, branches {self.branches}" + ", whole blocks" * self.whole_blocks


class Measurement(NamedTuple):
    seconds: float
    bytes: int


class Inputs(NamedTuple):
    """What a step is given besides the constants."""

    latents: Tensor
    timestep: Tensor
    constants: ClipConstants


DEFAULT_CASES = (
    Case(256, 4, 2, frames=4, size=16),
    Case(512, 4, 2, frames=10, size=16),
    Case(512, 4, 2, frames=20, size=16),
    Case(1024, 8, 1, frames=20, size=16),
)
MINI = Case(256, 8, 4, frames=20, size=16, text=1, ffn=768)
"""The built-in model's sizes."""
COMPARED_CASES = (
    MINI,
    Case(512, 4, 4, frames=20, size=16),
    Case(512, 4, 4, frames=20, size=16, whole_blocks=True),
    Case(1024, 8, 2, frames=20, size=16, whole_blocks=True),
    Case(1024, 8, 1, frames=20, size=32, branches=1, whole_blocks=True),
    Case(3072, 24, 1, frames=4, size=32, branches=1, whole_blocks=True),
)


def model_and_inputs(case: Case) -> tuple[XDubDiT, Inputs]:
    """A model of seeded random weights, and a step's inputs. `torch.inference_mode` is the caller's."""
    if case.threads:
        torch.set_num_threads(case.threads)
    device, dtype = torch.device(case.device), getattr(torch, case.dtype)
    ffn = case.ffn or case.dim * 14 // 3
    config = DiTConfig(dim=case.dim, heads=case.heads, layers=case.layers, ffn_dim=ffn, audio_layers=1)
    torch.manual_seed(0)
    model = XDubDiT(config, device=device, dtype=dtype).eval()
    shape = (case.branches, config.latent_channels, case.frames, case.size, case.size)
    latents = torch.randn(shape).to(device, dtype)
    audio = torch.randn(case.branches, case.frames, 8, config.audio_dim).to(device, dtype)
    context = torch.zeros(1, case.text, config.text_dim).to(device, dtype)
    context[:, 0] = torch.randn(config.text_dim).to(device, dtype)
    timestep = torch.full((case.branches,), 500.0, device=device)
    return model, Inputs(latents, timestep, model.prepare(context, audio, latents.shape))


def measure(case: Case, per_token: bool, repeats: int = 2) -> Measurement:
    """Best seconds and peak added bytes of one step of `case`."""
    forward = per_token_forward if per_token else XDubDiT.forward
    seconds = []
    with torch.inference_mode():
        model, (latents, timestep, constants) = model_and_inputs(case)
        device = latents.device
        before = _start_counting(device)
        for _ in range(repeats):
            start = time.perf_counter()
            forward(model, latents, latents, timestep, constants, 2)
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_bytes()
    return Measurement(min(seconds), peak - before)


@torch.inference_mode()
def serve_steps(case: Case, result: Path) -> None:
    """What a process of `two_trees` does."""
    model, (latents, timestep, constants) = model_and_inputs(case)
    run = (lambda _, block, x: block(x)) if case.whole_blocks else None

    def step() -> Tensor:
        velocity = model(latents, latents, timestep, constants, 2, run)
        if velocity.device.type == "cuda":
            torch.cuda.synchronize()
        return velocity

    serve(step, result)


def _start_counting(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    reset_peak()
    return resident_bytes()


def table(cases: tuple[Case, ...]) -> Table:
    """Measure all cases, each in a process of its own."""
    result = Table(title="DiT forward, one step", title_justify="left")
    for column in (
        "dim x layers",
        "latents",
        "tokens",
        "s/step",
        "peak MB",
        "per token: s/step",
        "peak MB",
        "memory",
    ):
        result.add_column(column, justify="right")
    for case in cases:
        ours = in_fresh_process(measure, case, False)
        theirs = in_fresh_process(measure, case, True)
        result.add_row(
            f"{case.dim} x {case.layers}",
            f"{case.frames}x{case.size}x{case.size}",
            str(case.tokens),
            f"{ours.seconds:.2f}",
            f"{ours.bytes / 1e6:.0f}",
            f"{theirs.seconds:.2f}",
            f"{theirs.bytes / 1e6:.0f}",
            f"{ours.bytes / theirs.bytes:.0%}",
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"dim": 0, "heads": 8, "layers": 2, "frames": 20, "size": 32, "threads": 0}
    for name, default in (sizes | {"branches": 3, "text": 512, "ffn": 0}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument(
        "--whole-blocks", action="store_true", help="compare without what only the last block saves"
    )
    parser.add_argument("--against", type=Path, help="a folder with another tree of this project")
    parser.add_argument("--repeats", type=int, default=5, help="steps of each tree, with --against")
    parser.add_argument("--steps-of", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps_of is not None:
        serve_steps(Case(**options.steps_of), options.result)
        return
    given = Case(**{name: getattr(options, name) for name in Case.__dataclass_fields__})
    console = Console(width=160)
    if options.against is None:
        console.print(table((given,) if given.dim else DEFAULT_CASES))
        return
    cases = (given,) if given.dim else COMPARED_CASES
    described = {case.title: asdict(case) for case in cases}
    console.print(comparison_table(options.against, described, options.repeats))


if __name__ == "__main__":
    main()
