"""Train the generator or the editor from a configuration and a folder of examples, on one machine or with torchrun:

    torchrun --nproc-per-node 8 -m xdub_core.training CONFIG.yaml --examples FOLDER --out FOLDER --empty-prompt FILE

The same command again goes on where it stopped. A mistake of the user's is one line and exit code 2. Experts are
trained from Python, with the networks that supervise them: `run_stage(..., pixels=PixelLosses(...))`. The text is
always the empty prompt, with which the released model is used; the paper's captions, left out of 70% of the samples
(A.2), are not built.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from xdub_core.cli.streams import forgiving_streams
from xdub_core.errors import SettingsError, XDubError
from xdub_core.released.empty_prompt import load_empty_prompt, padded_context
from xdub_core.training.config import load_config
from xdub_core.training.cpu_attention import training_attention
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.initial import load_start
from xdub_core.training.run import run_stage
from xdub_core.training.trainer import Row, processes

USER_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    with forgiving_streams():
        try:
            _train(options, _device(options.device))
        except XDubError as error:
            sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
            return USER_ERROR
    return 0


def _device(name: str) -> torch.device:
    """The device of that name; of several GPUs, the one that torchrun gives this process."""
    try:
        device = torch.device(name)
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", device.index or 0)))
        torch.empty(1, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError):
        raise SettingsError(f"--device {name}: PyTorch cannot use it here; try --device cpu") from None
    return device


def _train(options: argparse.Namespace, device: torch.device) -> None:
    config = load_config(options.config)
    if config.expert is not None:
        raise SettingsError(
            f"{options.config} trains an expert: call run_stage from Python, with the networks that supervise it"
        )
    examples = ExampleFolder(options.examples).load()
    context = padded_context(load_empty_prompt(options.empty_prompt), config.text_tokens)
    dit = None
    if options.init is not None:
        weights = getattr(torch, config.weights)
        attention = training_attention(device)
        dit = load_start(
            options.init,
            config.model,
            seed=config.trainer.seed,
            device=device,
            dtype=weights,
            attention=attention,
        )
    with processes(device) as process, tqdm(total=config.trainer.steps, disable=process.rank > 0) as bar:

        def show(row: Row) -> None:
            bar.n = int(row["step"])
            bar.set_postfix(loss=f"{row['loss']:.4f}")

        run_stage(
            config,
            examples,
            context,
            options.out,
            dit=dit,
            device=device,
            process=process,
            on_step=show,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m xdub_core.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("config", type=Path, help="YAML file; see xdub_core/training/configs")
    parser.add_argument("--examples", type=Path, required=True, help="folder of encoded examples")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the checkpoint, the log and the model"
    )
    parser.add_argument("--empty-prompt", type=Path, required=True, help="the kept embedding of the prompt")
    parser.add_argument(
        "--init",
        type=Path,
        help="what to start from: X-Dub, the phase before, or Wan2.2-TI2V-5B in one file (without: random weights)",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


if __name__ == "__main__":
    sys.exit(main())
