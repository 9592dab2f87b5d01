"""The command line on files of the real layouts and sizes: does it work, how long does it take, what does it hold?

    python benchmarks/full_size.py                          # in a temporary folder, deleted at the end
    python benchmarks/full_size.py --folder /big/disk/xdub --steps 2 --threads 4

Writes random numbers under the released files' names (27 GB of disk; what nobody reads of the text encoder is a hole),
then runs `models`, `info` of every file, and `dub` at a small crop with the three branches batched and one by one. Each
runs in a process of its own; its memory is what it owns (resident and not mapped from a file: Linux's RssAnon and
RssShmem, elsewhere psutil's unique set), read ten times a second. The dub is noise: nothing was learnt.

Exit code 1 when a command fails, when batched is slower than one by one, or a dub owns more than 4 GB.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX
from xdub_core.heads.drawn_head import SAMPLE_BOX, write_sample
from xdub_core.model.config import RELEASED
from xdub_core.model.dit import XDubDiT
from xdub_core.released.empty_prompt import UMT5_VOCABULARY
from xdub_core.released.manifest import find_files, human_size, released_file
from xdub_core.vae.wan import wan_network_class

LARGEST_OWNED = 4_000_000_000
"""What a dub may own at most, in bytes."""
SLOWER_ALLOWED = 1.1
"""How much longer than one by one a batched dub may take: two runs of one thing differ by that."""
TILE = 2**20
"""Random numbers are drawn once and repeated: values hardly matter, and drawing 14 billion would take longer."""

KEEP_PROMPT = """
import sys
from pathlib import Path
from xdub_core.released.manifest import find_file
from xdub_core.released.empty_prompt import EMPTY_PROMPT_FILE, empty_prompt_context
folder = Path(sys.argv[1])
empty_prompt_context(folder / EMPTY_PROMPT_FILE, find_file("text", folder))
"""
"""What the first dub does with the text encoder: apart, so that both dubs that are compared find the prompt kept."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Measured:
    """One command: its exit code, its seconds, those of them that it computed (all threads together), and the most
    memory that it owned, in bytes. What the system does not tell is None."""

    code: int
    seconds: float
    computed: float | None
    owned: int | None
    output: str


def tile(dtype: torch.dtype, seed: int = 0) -> Tensor:
    """TILE small numbers, spread evenly around 0: sums over a few thousand of them stay near 1."""
    values = torch.rand(TILE, generator=torch.Generator().manual_seed(seed))
    return ((values - 0.5) * 0.06).to(dtype)


def constant(name: str, shape: tuple[int, ...]) -> float | None:
    """What a tensor holds throughout: 1 for variances and the norms' weights, else None (random numbers)."""
    is_norm = (len(shape) == 1 and name.endswith("weight")) or name.endswith(
        ("gamma", "running_var", "weight_g")
    )
    return 1.0 if is_norm else None


def random_tensor(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor in memory of what `constant` and `tile` say; counts are 0."""
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    value, numbers = constant(name, shape), math.prod(shape)
    if value is not None:
        return torch.full(shape, value, dtype=dtype)
    return tile(dtype).repeat(-(-numbers // TILE))[:numbers].reshape(shape).clone()


def write_safetensors(path: Path, shapes: Shapes, dtype: torch.dtype, holes: tuple[str, ...] = ()) -> None:
    """Write random tensors, holding one tile at a time. Those whose names hold one of `holes` are skipped over."""
    name_of = {torch.bfloat16: "BF16", torch.float32: "F32", torch.float16: "F16"}[dtype]
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": name_of, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    described = json.dumps(header).encode()
    random = tile(dtype)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(described)) + described)
        for name, shape in shapes.items():
            numbers, value = math.prod(shape), constant(name, shape)
            if any(part in name for part in holes):
                file.seek(numbers * dtype.itemsize, os.SEEK_CUR)
            else:
                _write_repeated(file, random if value is None else torch.full_like(random, value), numbers)
        file.truncate(8 + len(described) + offset)


def _write_repeated(file: BinaryIO, values: Tensor, numbers: int) -> None:
    data = values.view(torch.uint8).numpy().tobytes()
    left = numbers * values.itemsize
    while left:
        left -= file.write(data[:left])


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's tensors, by name."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def text_encoder_shapes(
    width: int = 4096, hidden: int = 10240, blocks: int = 24
) -> dict[str, tuple[int, ...]]:
    """umt5-xxl's encoder under Wan's names."""
    shapes: dict[str, tuple[int, ...]] = {"token_embedding.weight": (UMT5_VOCABULARY, width)}
    for block in range(blocks):
        start = f"blocks.{block}."
        shapes |= {f"{start}attn.{name}.weight": (width, width) for name in "qkvo"}
        shapes |= {f"{start}norm{number}.weight": (width,) for number in (1, 2)}
        shapes |= {f"{start}ffn.{name}.weight": (hidden, width) for name in ("gate.0", "fc1")}
        shapes[f"{start}ffn.fc2.weight"] = (width, hidden)
        shapes[f"{start}pos_embedding.embedding.weight"] = (32, 64)
    return shapes | {"norm.weight": (width,)}


def whisper_checkpoint() -> dict[str, Any]:
    """OpenAI's large-v2: `dims` and the state of encoder and decoder, in float16."""
    width, layers, mels, positions, words = 1280, 32, 80, 1500, 51865

    def block(start: str, cross: bool) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for attention in ("attn", "cross_attn") if cross else ("attn",):
            for part in ("query", "key", "value", "out"):
                shapes[f"{start}{attention}.{part}.weight"] = (width, width)
                if part != "key":
                    shapes[f"{start}{attention}.{part}.bias"] = (width,)
            shapes |= {f"{start}{attention}_ln.{part}": (width,) for part in ("weight", "bias")}
        shapes |= {f"{start}mlp.0.weight": (4 * width, width), f"{start}mlp.0.bias": (4 * width,)}
        shapes |= {f"{start}mlp.2.weight": (width, 4 * width), f"{start}mlp.2.bias": (width,)}
        return shapes | {f"{start}mlp_ln.{part}": (width,) for part in ("weight", "bias")}

    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (width, mels, 3),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width,),
        "encoder.positional_embedding": (positions, width),
        "encoder.ln_post.weight": (width,),
        "encoder.ln_post.bias": (width,),
        "decoder.token_embedding.weight": (words, width),
        "decoder.positional_embedding": (448, width),
        "decoder.ln.weight": (width,),
        "decoder.ln.bias": (width,),
    }
    for number in range(layers):
        shapes |= block(f"encoder.blocks.{number}.", cross=False)
        shapes |= block(f"decoder.blocks.{number}.", cross=True)
    dims = {
        "n_mels": mels,
        "n_vocab": words,
        "n_audio_ctx": positions,
        "n_audio_state": width,
        "n_audio_head": 20,
    }
    dims |= {"n_audio_layer": layers, "n_text_ctx": 448, "n_text_state": width, "n_text_head": 20}
    state = {name: random_tensor(name, shape, torch.float16) for name, shape in shapes.items()}
    return {"dims": dims | {"n_text_layer": layers}, "model_state_dict": state}


def write_wav2vec(folder: Path) -> None:
    """wav2vec2-base-960h as Hugging Face keeps it, weight norm under its old names."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    config = Wav2Vec2Config()
    with torch.device("meta"):
        shapes = shapes_of(Wav2Vec2ForCTC(config))
    parts = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, old in parts.items():
        shapes = {name.replace(new, old): shape for name, shape in shapes.items()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config.to_dict(), default=str))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    write_safetensors(folder / "model.safetensors", shapes, torch.float32)


def write_detector(path: Path, network: nn.Module) -> None:
    """A `.pth` as OpenMMLab publishes them."""
    state = {name: random_tensor(name, tuple(x.shape), x.dtype) for name, x in network.state_dict().items()}
    torch.save({"meta": {"epoch": 300, "dataset_meta": {"CLASSES": ("person",)}}, "state_dict": state}, path)


def write_release(folder: Path) -> Iterator[Path]:
    """Write all the released files into `folder`, yielding each path when it is there."""
    paths = {
        key: folder / released_file(key).path
        for key in ("model", "vae", "text", "whisper", "wav2vec", "person_detector", "pose")
    }
    paths["whisper"].parent.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        vae, detector, pose = wan_network_class()(), YOLOX(), RTMW()
    write_safetensors(paths["model"], shapes_of(XDubDiT(RELEASED, device="meta")), torch.bfloat16)
    yield paths["model"]
    write_safetensors(paths["vae"], shapes_of(vae), torch.float32)
    yield paths["vae"]
    # Of the empty prompt's one token, queries, keys and positions play no part, and of all tokens it needs one.
    holes = ("token_embedding", "attn.q", "attn.k", "pos_embedding")
    write_safetensors(paths["text"], text_encoder_shapes(), torch.bfloat16, holes)
    yield paths["text"]
    torch.save(whisper_checkpoint(), paths["whisper"])
    yield paths["whisper"]
    write_wav2vec(paths["wav2vec"])
    yield paths["wav2vec"]
    write_detector(paths["person_detector"], detector)
    yield paths["person_detector"]
    write_detector(paths["pose"], pose)
    yield paths["pose"]


def owned_bytes(process_id: int) -> int | None:
    """The memory that a process owns now, mapped files left aside; None where that cannot be told."""
    status = Path(f"/proc/{process_id}/status")
    try:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return sum(int(lines[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))
    except (OSError, KeyError):
        pass
    try:
        import psutil

        return int(psutil.Process(process_id).memory_full_info().uss)
    except Exception:  # the process is gone, or psutil is not there
        return None


def run(arguments: list[str], threads: int) -> Measured:
    """Run `python ARGUMENTS` and watch what it owns."""
    environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        started, owned, computed = time.perf_counter(), 0, _computed_by_children()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=output, env=environment
        )
        while process.poll() is None:
            owned = max(owned, owned_bytes(process.pid) or 0)
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        after = _computed_by_children()
        output.seek(0)
        return Measured(
            process.returncode,
            seconds,
            None if after is None or computed is None else after - computed,
            owned or None,
            output.read(),
        )


def _computed_by_children() -> float | None:
    """Seconds of CPU of all processes that this one has waited for; not on Windows."""
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def work_of(measured: Measured) -> float:
    """What a command cost in seconds: computed ones, where they are known, which other programs hardly change."""
    return measured.seconds if measured.computed is None else measured.computed


def rehearse(folder: Path, options: argparse.Namespace, console: Console) -> bool:
    """Write, run and tell. Whether everything was as it should be."""
    models = options.models_dir or folder / "models"
    if options.models_dir is None:
        models.mkdir()
        started = time.perf_counter()
        for path in write_release(models):
            console.print(f"written: {path.name}, {time.perf_counter() - started:.0f} s", highlight=False)
    paths = [status.path for status in find_files(models) if status.path is not None]
    work = folder / "work"
    work.mkdir()
    video, voice = write_sample(work, options.seconds)
    given = ["--models-dir", str(models)]
    dub = [
        "dub",
        "--video",
        str(video),
        "--audio",
        str(voice),
        *given,
        "--box",
        ",".join(map(str, SAMPLE_BOX)),
    ]
    dub += ["--crop-size", str(options.crop_size), "--clip-frames", str(options.clip_frames)]
    dub += ["--motion-frames", "5" if options.clip_frames > 5 else "1"]
    dub += ["--steps", str(options.steps), "--preset", "ultrafast", "--dtype", options.dtype]
    commands = {"models": ["models", *given]} | {f"info {path.name}": ["info", str(path)] for path in paths}
    python = {name: ["-m", "xdub_core", *command] for name, command in commands.items()}
    python["the empty prompt, once"] = ["-c", KEEP_PROMPT, str(models)]
    python["dub, batched"] = ["-m", "xdub_core", *dub, "--out", str(work / "batched.mp4")]
    python["dub, --low-memory"] = ["-m", "xdub_core", *dub, "--low-memory", "--out", str(work / "single.mp4")]
    results = {}
    for name, command in python.items():
        results[name] = measured = run(command, options.threads)
        memory = "" if measured.owned is None else human_size(measured.owned)
        console.print(f"{name}: exit {measured.code}, {measured.seconds:.1f} s, {memory}", highlight=False)
        if measured.code or options.verbose:
            console.print(measured.output[-3000:], highlight=False, markup=False)
    console.print(table(results, options))
    batched, one_by_one = results["dub, batched"], results["dub, --low-memory"]
    return (
        not any(measured.code for measured in results.values())
        and work_of(batched) <= SLOWER_ALLOWED * work_of(one_by_one)
        and max(measured.owned or 0 for measured in results.values()) <= LARGEST_OWNED
    )


def table(results: Mapping[str, Measured], options: argparse.Namespace) -> Table:
    """What each command took."""
    title = f"files of the real sizes; crop {options.crop_size}, clips of {options.clip_frames} frames"
    result = Table(title=f"{title}, {options.steps} steps, {options.dtype}", title_justify="left")
    result.add_column("command")
    for column in ("exit", "seconds", "of CPU", "owned"):
        result.add_column(column, justify="right")
    for name, measured in results.items():
        memory = "?" if measured.owned is None else human_size(measured.owned)
        computed = "?" if measured.computed is None else f"{measured.computed:.1f}"
        result.add_row(name, str(measured.code), f"{measured.seconds:.1f}", computed, memory)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="a new folder to write to, deleted afterwards")
    parser.add_argument("--models-dir", type=Path, help="measure the files in this folder, and write none")
    parser.add_argument("--seconds", type=float, default=0.4, help="of video and speech")
    parser.add_argument("--crop-size", type=int, default=64)
    parser.add_argument("--clip-frames", type=int, default=13)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="of each command; 0: PyTorch's choice")
    parser.add_argument("--verbose", action="store_true", help="show what the commands print")
    options = parser.parse_args()
    console = Console()
    if options.folder is not None:
        options.folder.mkdir(parents=True)  # and nobody else's is ever deleted
    with tempfile.TemporaryDirectory(prefix="full-size-", dir=options.folder) as folder:
        passed = rehearse(Path(folder), options, console)
    if options.folder is not None:
        options.folder.rmdir()
    sys.exit(not passed)


if __name__ == "__main__":
    main()
