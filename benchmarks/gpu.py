"""What X-Dub's real size takes on a GPU: seconds and memory of a prediction, a clip, the VAE, and small cards.

    python benchmarks/gpu.py                             # on a GPU: under 6 minutes on an H100
    python benchmarks/gpu.py --tiny --out FOLDER         # the same program to its end on a CPU, in seconds

Weights are random: time and memory do not depend on them. It needs PyTorch, safetensors and this project alone (and
diffsynth for the VAE's rows), and neither PyAV nor OpenCV. Each row is measured by itself: one that fails says why, and
one for which no time is left says so. A table and JSON go into `results/`, named after the card.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from per_token import per_token_forward  # noqa: E402

from xdub_core.model.config import RELEASED, DiTConfig  # noqa: E402
from xdub_core.model.dit import ClipConstants, XDubDiT  # noqa: E402
from xdub_core.model.float8 import multiplies_float8, store_in_float8  # noqa: E402
from xdub_core.model.offload import BlockOffload  # noqa: E402
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip  # noqa: E402
from xdub_core.sampling.denoiser import DiTDenoiser  # noqa: E402
from xdub_core.sampling.reuse import SPEEDS, predictions_planned  # noqa: E402

GIB = 2**30
CAPS_GIB = (24, 12, 8, 6)
ACTIVATIONS_GIB = 3.0
"""What a prediction of one branch is given beside the blocks that stay on a card."""


@dataclass(frozen=True)
class Size:
    """A model and a clip: latents of `frames` times `side` times `side`."""

    config: DiTConfig
    frames: int
    side: int
    steps: int
    text: int


FULL = Size(RELEASED, frames=20, side=32, steps=30, text=512)
TINY = Size(
    DiTConfig(64, 2, 2, 128, 32, 16, 20, 32, 16, 1), frames=3, side=4, steps=4, text=16
)  # fmt: skip


@dataclass
class Row:
    """One measurement: the median of `seconds`, the most memory that was taken, and what there is to say."""

    what: str
    seconds: float | None = None
    peak_gib: float | None = None
    note: str = ""


@dataclass
class Bench:
    """The rows so far, until `deadline` (seconds of `time.monotonic`)."""

    device: torch.device
    dtype: torch.dtype
    size: Size
    deadline: float
    rows: list[Row] = field(default_factory=list)

    def row(self, what: str, measure: Callable[[Row], None]) -> None:
        """Measure a row, or say in it why not."""
        row = Row(what)
        self.rows.append(row)
        if time.monotonic() > self.deadline:
            row.note = "not measured: no time was left"
        else:
            self._start_counting()
            try:
                measure(row)
            except Exception as error:  # out of memory, most of all: the next row may well fit
                row.seconds = None
                said = next(iter(str(error).strip().splitlines()), "")
                row.note = f"failed: {type(error).__name__}: {said[:160]}"
            if self.device.type == "cuda":
                row.peak_gib = torch.cuda.max_memory_allocated() / GIB
        print(as_line(row), flush=True)

    def timed(self, row: Row, step: Callable[[], Any], repeats: int = 3) -> Any:
        """The median of `repeats` steps after one that is not counted goes into the row. What the last one made."""
        made = step()
        seconds = []
        for _ in range(repeats):
            self.synchronize()
            started = time.perf_counter()
            made = step()
            self.synchronize()
            seconds.append(time.perf_counter() - started)
        row.seconds = median(seconds)
        return made

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _start_counting(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


class Predictions:
    """A model of random weights, and predictions of one clip by it."""

    def __init__(self, bench: Bench) -> None:
        size, config = bench.size, bench.size.config
        torch.manual_seed(0)
        self.bench = bench
        self.model = XDubDiT(config, device=bench.device, dtype=bench.dtype).eval().requires_grad_(False)
        like = {"device": bench.device, "dtype": bench.dtype}
        self.latents, self.reference = torch.randn(
            2, 1, config.latent_channels, size.frames, size.side, size.side, **like
        )
        self.audio = torch.randn(1, size.frames, 8, config.audio_dim, **like)
        self.context = torch.zeros(1, size.text, config.text_dim, **like)
        self.context[:, 0] = torch.randn(config.text_dim, **like)

    def constants(self, batch: int = 1, **options: Any) -> ClipConstants:
        audio = self.audio.expand(batch, -1, -1, -1)
        return self.model.prepare(self.context, audio, (batch, *self.latents.shape[1:]), **options)

    def step(self, constants: ClipConstants, batch: int = 1, forward: Any = None, **options: Any) -> Tensor:
        """A prediction of `batch` branches."""
        latents, reference = (x.repeat(batch, 1, 1, 1, 1) for x in (self.latents, self.reference))
        timestep = torch.full((batch,), 500.0, device=self.bench.device)
        call = self.model if forward is None else forward
        return call(latents, reference, timestep, constants, 0, **options)


def error(result: Tensor, exact: Tensor | None) -> str:
    """How far a velocity is from the exact one, as a part of the largest number in it."""
    if exact is None:
        return "nothing to compare with"
    return (
        f"differs from exact by {float((result - exact).float().abs().max() / exact.float().abs().max()):.1e}"
    )


def measure_forward(bench: Bench) -> Tensor | None:
    """One branch and three; each way of computing them. The exact velocity."""
    made: dict[str, Tensor] = {}
    clip: list[Predictions] = []

    def build(row: Row) -> None:
        clip.append(Predictions(bench))
        bench.synchronize()
        row.note = f"{sum(x.numel() for x in clip[0].model.parameters()) / 1e9:.2f} billion parameters"

    def exact(row: Row) -> None:
        constants = clip[0].constants(merge_text=False)
        made["exact"] = bench.timed(row, lambda: clip[0].step(constants))

    def per_token(row: Row) -> None:
        constants, model = clip[0].constants(merge_text=False), clip[0].model

        def forward(*arguments: Any) -> Tensor:
            return per_token_forward(model, *arguments)

        row.note = error(
            bench.timed(row, lambda: clip[0].step(constants, forward=forward)), made.get("exact")
        )

    def merged(row: Row) -> None:
        constants = clip[0].constants()
        row.note = error(bench.timed(row, lambda: clip[0].step(constants)), made.get("exact"))

    def batched(row: Row) -> None:
        constants = clip[0].constants(batch=3)
        bench.timed(row, lambda: clip[0].step(constants, batch=3))

    def one_by_one(row: Row) -> None:
        constants = clip[0].constants()
        bench.timed(row, lambda: [clip[0].step(constants) for _ in range(3)])

    def compiled(row: Row) -> None:
        constants = clip[0].constants()
        backend = "inductor" if bench.device.type == "cuda" else "aot_eager"
        started = time.perf_counter()
        for block in clip[0].model.blocks:
            block.compile(backend=backend, dynamic=False)
        try:
            clip[0].step(constants)
            seconds = time.perf_counter() - started
            row.note = error(bench.timed(row, lambda: clip[0].step(constants)), made.get("exact"))
            row.note += f"; {backend}, {seconds:.0f} s to compile"
        finally:
            for block in clip[0].model.blocks:
                block._compiled_call_impl = None

    bench.row("model", build)
    bench.row("one branch, exact", exact)
    bench.row("one branch, modulation per token, as the release", per_token)
    bench.row("one branch, equal tokens of the prompt merged", merged)
    bench.row("three branches as a batch", batched)
    bench.row("three branches one by one", one_by_one)
    measure_clips(bench, clip)
    bench.row("one branch, blocks compiled", compiled)
    measure_caps(bench, clip)
    clip.clear()
    return made.get("exact")


def measure_clips(bench: Bench, clip: list[Predictions]) -> None:
    """A clip by each speed, branches as a batch."""
    for speed, reuse in SPEEDS.items():
        settings = SamplerSettings(bench.size.steps, reuse=reuse)

        def sample(row: Row, settings: SamplerSettings = settings) -> None:
            one, like = clip[0], {"device": bench.device, "dtype": torch.float32}
            inputs = ClipInputs(one.reference.to(**like), one.audio.to(**like))
            planned = sum(
                predictions_planned(settings.guidance, settings.reuse, settings.sigmas[:-1].tolist())
            )
            row.note = f"{planned} predictions in {settings.steps} steps"
            bench.timed(
                row, lambda: sample_clip(DiTDenoiser(one.model, one.context), inputs, settings), repeats=1
            )

        bench.row(f"a clip, {speed}", sample)


def measure_caps(bench: Bench, clip: list[Predictions]) -> None:
    """One branch within the memory of smaller cards, with as many blocks resting as that takes."""
    if bench.device.type != "cuda":
        for cap in CAPS_GIB:
            bench.row(f"within {cap} GB", lambda row: setattr(row, "note", "not measured: no GPU"))
        return
    total = torch.cuda.get_device_properties(bench.device).total_memory
    for cap in CAPS_GIB:

        def capped(row: Row, cap: int = cap) -> None:
            one = clip[0]
            block = sum(x.nbytes for x in one.model.blocks[0].parameters())
            fit = max(0, int((cap - ACTIVATIONS_GIB) * GIB / block) - 2)  # two more are on their way
            resident = min(fit, len(one.model.blocks))
            runner = BlockOffload(one.model, bench.device, resident)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.set_per_process_memory_fraction(min(1.0, cap * GIB / total))
            try:
                row.note = f"{resident} of {len(one.model.blocks)} blocks stay on the card"
                constants = one.constants(by_block=True)
                bench.timed(row, lambda: one.step(constants, run_block=runner), repeats=1)
            finally:
                runner.rest()
                torch.cuda.set_per_process_memory_fraction(1.0)

        bench.row(f"within {cap} GB", capped)


def measure_float8(bench: Bench, exact: Tensor | None) -> None:
    """One branch with weights in 8 bits, multiplied in 8 bits where the GPU does."""

    def float8(row: Row) -> None:
        one = Predictions(bench)
        store_in_float8(one.model.blocks)
        bench._start_counting()
        constants = one.constants()
        how = "multiplied in 8 bits" if multiplies_float8(bench.device) else "widened for each product"
        row.note = f"{how}; {error(bench.timed(row, lambda: one.step(constants)), exact)}"

    bench.row("one branch, float8", float8)


def measure_vae(bench: Bench) -> None:
    """A clip's frames to latents and back, the latter as a stream."""
    side = bench.size.side * 16
    vae: list[Any] = []

    def encode(row: Row) -> None:
        from xdub_core.vae.wan import WanVAE, wan_network_class

        network = wan_network_class()(
            **({} if bench.size is FULL else {"dim": 8, "dec_dim": 8, "num_res_blocks": 1})
        )
        vae.append(WanVAE(network.to(bench.device, bench.dtype)))
        frames = torch.rand(4 * (bench.size.frames - 1) + 1, side, side, 3, device=bench.device)
        row.note = f"{len(frames)} frames of {side} pixels"
        bench.timed(row, lambda: vae[0].encode(frames), repeats=1)

    def decode(row: Row) -> None:
        if not vae:
            raise RuntimeError("there is no VAE: see the row before")
        latents = torch.randn(1, 48, bench.size.frames, bench.size.side, bench.size.side, device=bench.device)

        def stream() -> None:
            decoder = vae[0].stream()
            for latent in latents.split(1, dim=2):
                decoder.decode(latent)

        bench.timed(row, stream, repeats=1)

    bench.row("VAE: encode a clip", encode)
    bench.row("VAE: decode a clip as a stream", decode)


def as_line(row: Row) -> str:
    """A row of the table."""
    seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
    peak = "" if row.peak_gib is None else f"{row.peak_gib:.2f}"
    return f"| {row.what} | {seconds} | {peak} | {row.note} |"


def machine(device: torch.device) -> str:
    """What the figures were measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {platform.machine()}, {torch.get_num_threads()} threads"


def write(bench: Bench, tiny: bool, folder: Path) -> Path:
    """The table and its JSON; the table's path."""
    named, when = machine(bench.device), datetime.now(timezone.utc).date().isoformat()
    size = "a tiny model: these figures say nothing of the real one" if tiny else "the released model's size"
    title = f"{named}, PyTorch {torch.__version__}, {bench.dtype}, {when}; {size}"
    lines = [f"# {named}", "", title, "", "| what | seconds | peak GiB | |", "| --- | ---: | ---: | --- |"]
    lines += map(as_line, bench.rows)
    name = re.sub(r"[^a-z0-9]+", "-", named.lower()).strip("-") + "-tiny" * tiny
    folder.mkdir(parents=True, exist_ok=True)
    data = {"machine": named, "torch": torch.__version__, "date": when, "tiny": tiny}
    rows = [asdict(row) for row in bench.rows]
    (folder / f"{name}.json").write_text(json.dumps(data | {"rows": rows}, indent=1) + "\n")
    path = folder / f"{name}.md"
    path.write_text("\n".join(lines) + "\n")
    return path


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to see the program run")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="where the table goes")
    parser.add_argument("--seconds", type=float, default=330, help="no measurement begins after so many")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cpu" and not options.tiny:
        parser.error(
            "there is no GPU here, and the full size takes hours on a CPU: use --tiny to see the program run"
        )
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    size = TINY if options.tiny else FULL
    bench = Bench(device, dtype, size, time.monotonic() + options.seconds)
    exact = measure_forward(bench)
    measure_float8(bench, exact)
    measure_vae(bench)
    print(f"written: {write(bench, options.tiny, options.out)}")


if __name__ == "__main__":
    main()
