"""Damaged model files through the command line: every one ends in a result or in one line of error.

    python benchmarks/damaged_models.py                     # 300 files, seeds 0 to 299
    python benchmarks/damaged_models.py --first 1000 --count 50

Small files of the real layouts (X-Dub's checkpoint, Whisper's .pt, wav2vec2's folder, the Wan2.2 VAE, umT5, the kept
prompt, YOLOX's and RTMW's .pth) and the built-in model's own are damaged, one at a time, as `mutations.py` does it,
and by edits that leave the container whole: of a safetensors header, of an archive's member, of a JSON file. Each is
given to `info`, `models` and `dub`. A case fails by a traceback, an exit code other than 0 and 2, several lines of
error, a minute without an end, a file left behind, or an input that was changed. A seed names a case.

The files are small, so sizes are not compared with the released ones', and the VAE and the detectors are built small.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback
import warnings
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutations import mutate

LONGEST_SECONDS = 60
"""What a command may take at most."""
WHISPER, WAV2VEC, LATENTS = 16, 16, 48
"""Widths of the small encoders' features, and the VAE's channels."""
MINI_PARTS = (
    "codec.safetensors",
    "phonemes.safetensors",
    "landmarks_far.safetensors",
    "landmarks_near.safetensors",
    "dit.safetensors",
    "lip_expert.safetensors",
    "texture_expert.safetensors",
    "mini.json",
)
BOX = ("--box", "16,8,80,72")
QUICK = (
    "--crop-size",
    "64",
    "--clip-frames",
    "5",
    "--motion-frames",
    "1",
    "--steps",
    "1",
    "--preset",
    "ultrafast",
)


@dataclass(frozen=True)
class Subject:
    """A file to damage: its place in the case's folder, and the options of `dub` that read it."""

    path: str
    dub: tuple[str, ...]
    without: tuple[str, ...] = ()
    """Files that would be read in its stead."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `failure` is empty where all was well."""

    seed: int
    subject: str
    failure: str = ""
    refused: bool = False
    """Whether a command ended in a line of error; damage to a weight's own bits mostly passes for a weight."""


RELEASE = ("--models-dir", "models", *BOX)
SUBJECTS = (
    Subject("models/X-Dub_model.safetensors", RELEASE),
    Subject("models/X-Dub_model.safetensors", ("--model", "models/X-Dub_model.safetensors", *RELEASE)),
    Subject("models/Wan2.2_VAE.safetensors", RELEASE),
    Subject(
        "models/models_t5_umt5-xxl-enc-bf16.safetensors",
        RELEASE,
        without=("models/empty_prompt.safetensors",),
    ),
    Subject("models/empty_prompt.safetensors", RELEASE),
    Subject("models/whisper/large-v2.pt", RELEASE),
    Subject("models/wav2vec2-base-960h/model.safetensors", RELEASE),
    Subject("models/wav2vec2-base-960h/config.json", RELEASE),
    Subject("models/wav2vec2-base-960h/preprocessor_config.json", RELEASE),
    Subject("models/yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth", RELEASE[:2]),
    Subject("models/rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth", RELEASE[:2]),
    *(Subject(f"mini/{part}", ("--model", "mini", *BOX)) for part in MINI_PARTS),
    Subject("mini/landmarks_far.safetensors", ("--model", "mini")),
)


def edit_tensors_header(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file whose header is JSON of the right length, and states something else."""
    length = int.from_bytes(data[:8], "little")
    header = edited_json(json.loads(data[8 : 8 + length]), rng)
    described = json.dumps(header).encode()
    return struct.pack("<Q", len(described)) + described + data[8 + length :]


def edit_archive(data: bytes, rng: random.Random) -> bytes:
    """A torch file whose archive is whole and one of whose members is damaged, its pickle more often than others."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        names = source.namelist()
        chosen = next(n for n in names if n.endswith("data.pkl")) if rng.random() < 0.7 else rng.choice(names)
        for name in names:
            content = source.read(name)
            target.writestr(name, mutate(content, rng) if name == chosen else content)
    return out.getvalue()


def edit_json(data: bytes, rng: random.Random) -> bytes:
    """A JSON file that states something else."""
    return json.dumps(edited_json(json.loads(data), rng)).encode()


ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, 1, -1, 3.5, 10**12, 10**400, float("nan"), float("inf"), "", "text", "F32", [], [1, 2, 3], {},
)  # fmt: skip


def edited_json(value: Any, rng: random.Random) -> Any:
    """`value` with one place of it changed: another value, one too many, one too few, a number a little off."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        changed = dict(value)
        if rng.random() < 0.15:
            del changed[name]
        elif rng.random() < 0.15:
            changed[rng.choice(("unknown", name + ".", ""))] = rng.choice(ODD_VALUES)
        else:
            changed[name] = edited_json(value[name], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], edited_json(value[place], rng), *value[place + 1 :]]
    if isinstance(value, str) and value[:1] in "{[" and rng.random() < 0.8:  # JSON within JSON: the metadata
        with contextlib.suppress(ValueError):
            return json.dumps(edited_json(json.loads(value), rng))
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice((-1, 1, value, -2 * value))
    return rng.choice(ODD_VALUES)


def damaged(path: Path, rng: random.Random) -> bytes:
    """The file's bytes, damaged; half of the time the container stays whole."""
    data = path.read_bytes()
    edits: dict[str, Callable[[bytes, random.Random], bytes]] = {
        ".safetensors": edit_tensors_header,
        ".json": edit_json,
        ".pt": edit_archive,
        ".pth": edit_archive,
    }
    while (changed := (edits[path.suffix] if rng.random() < 0.5 else mutate)(data, rng)) == data:
        pass
    return changed


def write_inputs(folder: Path) -> None:
    """The small files of the real layouts, the built-in model's, a video and a recording."""
    models = folder / "models"
    (models / "whisper").mkdir(parents=True)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_release(models)
    from xdub_core.mini.card import BUILT_IN

    (folder / "mini").mkdir()
    for part in MINI_PARTS:
        shutil.copyfile(BUILT_IN / part, folder / "mini" / part)
    for name in ("sync.safetensors", "identity.safetensors"):
        shutil.copyfile(BUILT_IN / name, folder / "mini" / name)
    write_media(folder)


def write_release(models: Path) -> None:
    """One small file or folder for each of the released ones."""
    from safetensors.torch import save_file

    from xdub_core.model.config import DiTConfig
    from xdub_core.model.dit import XDubDiT
    from xdub_core.model.dit_file import save_dit
    from xdub_core.released.empty_prompt import save_empty_prompt
    from xdub_core.released.manifest import released_file

    config = DiTConfig(
        dim=48, heads=2, layers=2, ffn_dim=96, frequency_dim=32, text_dim=8, audio_dim=WHISPER + WAV2VEC,
        audio_inner_dim=32, audio_head_dim=16, audio_layers=1, latent_channels=LATENTS,
    )  # fmt: skip
    save_dit(XDubDiT(config), models / released_file("model").path)
    save_file(small_vae().state_dict(), models / released_file("vae").path)
    save_file(small_umt5(), models / released_file("text").path)
    save_empty_prompt(models / "empty_prompt.safetensors", torch.randn(1, 8))
    torch.save(small_whisper(), models / released_file("whisper").path)
    save_wav2vec(models / released_file("wav2vec").path)
    for key, network in (("person_detector", small_yolox()), ("pose", small_rtmw())):
        meta = {"epoch": 300, "dataset_meta": {"CLASSES": ("person",)}, "seed": np.float64(1)}
        torch.save({"meta": meta, "state_dict": network.state_dict()}, models / released_file(key).path)


def small_vae() -> torch.nn.Module:
    from xdub_core.vae.wan import wan_network_class

    return partial(wan_network_class(), dim=8, z_dim=LATENTS, dec_dim=8, num_res_blocks=1)()


def small_yolox() -> torch.nn.Module:
    from xdub_core.face.yolox import YOLOX

    return YOLOX(width=8, depth=1)


def small_rtmw() -> torch.nn.Module:
    from xdub_core.face.rtmw import RTMW

    return RTMW(width=8, depth=1, hidden=16, shared=8)


def small_umt5(width: int = 8) -> dict[str, torch.Tensor]:
    from xdub_core.released.empty_prompt import UMT5_VOCABULARY

    tensors = {
        "token_embedding.weight": torch.randn(UMT5_VOCABULARY, width),
        "norm.weight": torch.ones(width),
    }
    for block in range(2):
        start = f"blocks.{block}."
        tensors |= {f"{start}attn.{name}.weight": torch.randn(width, width) for name in "qkvo"}
        tensors |= {f"{start}norm{number}.weight": torch.ones(width) for number in (1, 2)}
        tensors |= {f"{start}ffn.{name}.weight": torch.randn(16, width) for name in ("gate.0", "fc1")}
        tensors[f"{start}ffn.fc2.weight"] = torch.randn(width, 16)
        tensors[f"{start}pos_embedding.embedding.weight"] = torch.randn(32, 2)
    return {name: tensor.bfloat16() for name, tensor in tensors.items()}


def small_whisper() -> dict[str, Any]:
    """OpenAI's names, chunks of one second."""
    width, positions, mels = WHISPER, 50, 80
    state = {
        "conv1.weight": torch.randn(width, mels, 3),
        "conv1.bias": torch.zeros(width),
        "conv2.weight": torch.randn(width, width, 3),
        "conv2.bias": torch.zeros(width),
        "positional_embedding": torch.randn(positions, width),
        "ln_post.weight": torch.ones(width),
        "ln_post.bias": torch.zeros(width),
    }
    for block in range(2):
        start = f"blocks.{block}."
        for part in ("query", "key", "value", "out"):
            state[f"{start}attn.{part}.weight"] = torch.randn(width, width)
            if part != "key":
                state[f"{start}attn.{part}.bias"] = torch.zeros(width)
        for norm in ("attn_ln", "mlp_ln"):
            state |= {f"{start}{norm}.weight": torch.ones(width), f"{start}{norm}.bias": torch.zeros(width)}
        state |= {f"{start}mlp.0.weight": torch.randn(40, width), f"{start}mlp.0.bias": torch.zeros(40)}
        state |= {f"{start}mlp.2.weight": torch.randn(width, 40), f"{start}mlp.2.bias": torch.zeros(width)}
    encoder = {f"encoder.{name}": (tensor * 0.1).half() for name, tensor in state.items()}
    dims = {
        "n_mels": mels,
        "n_audio_ctx": positions,
        "n_audio_state": width,
        "n_audio_head": 4,
        "n_audio_layer": 2,
    }
    return {"dims": dims, "model_state_dict": encoder}


def save_wav2vec(folder: Path) -> None:
    """A small wav2vec2 as Hugging Face keeps it."""
    from safetensors.torch import save_file
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=WAV2VEC, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    folder.mkdir()
    state = {
        f"wav2vec2.{name}": tensor.contiguous() for name, tensor in Wav2Vec2Model(config).state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(config.to_json_string(use_diff=False))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"do_normalize": True, "sampling_rate": 16000})
    )


def write_media(folder: Path) -> None:
    """Five frames and a fifth of a second of sound."""
    from xdub_core.audio.decode import SAMPLE_RATE
    from xdub_core.heads.drawn_head import make_voice
    from xdub_core.media.output.writer import VideoWriter

    y, x = np.mgrid[:80, :96]
    with VideoWriter(folder / "video.mp4", 96, 80, 25) as writer:
        for number in range(5):
            writer.write((np.stack([x * 2 + number, y * 2, x + y], axis=-1) % 200 + 20).astype(np.uint8))
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        file.writeframes((make_voice(0.2) * 32767).astype("<i2").tobytes())


def build_small() -> None:
    """Let this process' command line take files of any size, and build the networks that small files are of."""
    from xdub_core.cli import info
    from xdub_core.face import rtmw_detector
    from xdub_core.released import manifest as released_files
    from xdub_core.vae import wan

    released_files._SIZE_TOLERANCE = 1.0
    class_of_vae = wan.wan_network_class()
    wan.wan_network_class = lambda: partial(class_of_vae, dim=8, z_dim=LATENTS, dec_dim=8, num_res_blocks=1)  # type: ignore[assignment]
    for module in (rtmw_detector, info):
        module.YOLOX, module.RTMW = small_yolox, small_rtmw  # type: ignore[attr-defined]


def run_case(seed: int, inputs: Path) -> Outcome:
    """Damage one file, and give it to the commands that read it."""
    rng = random.Random(seed)
    subject = rng.choice(SUBJECTS)
    with tempfile.TemporaryDirectory(prefix="case-", dir=inputs.parent) as name:
        folder = Path(name)
        shutil.copytree(inputs, folder, dirs_exist_ok=True, copy_function=os.link)
        for other in subject.without:
            (folder / other).unlink()
        path = folder / subject.path
        data = damaged(path, rng)
        path.unlink()
        path.write_bytes(data)
        before = contents(folder)
        dub = (
            "dub",
            "--video",
            "video.mp4",
            "--audio",
            "voice.wav",
            "--out",
            "out.mp4",
            *subject.dub,
            *QUICK,
        )
        refused = False
        for command in (("info", subject.path), ("models", "--models-dir", "models"), dub):
            code, failure = ended(command, folder)
            refused |= code == 2
            if failure := failure or left_behind(before, contents(folder), command):
                return Outcome(seed, subject.path, f"{' '.join(command)}: {failure}")
            (folder / "out.mp4").unlink(missing_ok=True)
    return Outcome(seed, subject.path, refused=refused)


def ended(command: tuple[str, ...], folder: Path) -> tuple[int, str]:
    """Run the command line in this process, in `folder`; its exit code, and what is wrong with how it ended."""
    from xdub_core.cli import main

    printed, code = io.StringIO(), 0
    before, arguments = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["xdub_core", *command]
    faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(),
        ):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        return 1, traceback.format_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
        os.chdir(before)
        sys.argv = arguments
    text = printed.getvalue()
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    if code not in (0, 2) or len(errors) != (code == 2) or "Traceback" in text:
        return code, f"exit code {code} with\n{text}"
    if code == 2 and not text.rstrip().endswith(errors[-1]):
        return code, f"more than one line of error\n{text}"
    return code, ""


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and checksum of every file."""
    data = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path.relative_to(folder).as_posix(): (len(b), zlib.crc32(b)) for path, b in data.items()}


def left_behind(before: Mapping[str, object], after: Mapping[str, object], command: tuple[str, ...]) -> str:
    """Inputs that were changed, and files that are neither the output nor the kept prompt."""
    allowed = {"out.mp4", "models/empty_prompt.safetensors"} if command[0] == "dub" else set()
    changed = [name for name in before if after.get(name) != before[name]]
    return " ".join(
        [f"changed {name}" for name in changed]
        + [f"left {name}" for name in sorted(after.keys() - before.keys() - allowed)]
    )


def work(inputs: Path, first: int, count: int) -> None:
    """Run cases in this process, telling each before and after it on standard output."""
    torch.set_num_threads(1)
    build_small()
    for seed in range(first, first + count):
        print(json.dumps({"seed": seed}), flush=True)
        print(json.dumps(vars(run_case(seed, inputs))), flush=True)


def outcomes(inputs: Path, first: int, count: int) -> Iterator[Outcome]:
    """The outcomes of cases run in another process, and after one that ended it in yet another."""
    seed = first
    while seed < first + count:
        command = [
            sys.executable,
            __file__,
            "--inputs",
            inputs,
            "--first",
            seed,
            "--count",
            first + count - seed,
        ]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True
            )
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                if len(told) > 1:
                    seed = told["seed"] + 1
                    yield Outcome(**told)
            if code := process.wait():
                errors.seek(0)
                yield Outcome(seed, "?", f"the process ended with {code}: {errors.read()[-3000:]}")
                seed += 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=300, help="how many files to damage")
    parser.add_argument("--inputs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inputs:
        work(options.inputs, options.first, options.count)
        return
    with tempfile.TemporaryDirectory(prefix="damaged-models-") as folder:
        inputs = Path(folder) / "inputs"
        write_inputs(inputs)
        before = contents(inputs)
        print(f"seeds {options.first} to {options.first + options.count - 1}")
        failures, refused, subjects = 0, 0, dict[str, int]()
        for outcome in outcomes(inputs, options.first, options.count):
            subjects[outcome.subject] = subjects.get(outcome.subject, 0) + 1
            refused += outcome.refused
            if outcome.failure:
                failures += 1
                print(f"FAILED seed {outcome.seed}, {outcome.subject}: {outcome.failure}", flush=True)
        if contents(inputs) != before:
            failures += 1
            print("FAILED: inputs that all cases share were changed")
    for subject, count in sorted(subjects.items()):
        print(f"{count:4}  {subject}")
    print(f"{sum(subjects.values())} damaged files: {refused} refused, {failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
