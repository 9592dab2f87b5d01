"""`PYTHON nodes/comfy_bridge/training CONFIG --model FILE --pairs FOLDER --out FOLDER`, with ComfyUI's Python.

It stands outside of every package: it finds ComfyUI, starts its core without a server, and the pack beside it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[3]
NAME = "comfyui_x_dub"
"""Of the pack as a package; inside ComfyUI it has another."""


def main() -> int:
    """The exit code: 0, 2 for what somebody can mend (said in one line), 130 where they stopped it."""
    given = _arguments()
    # It was this folder, none of whose files is a module of its own.
    sys.path[0] = str(given.comfyui.resolve())
    try:
        _import_pack()
        return _train(given)
    except ImportError as error:
        sys.stderr.write(
            f"{error}: run this with ComfyUI's own Python, which has its packages and the pack's\n"
        )
        return 2


def _train(given: argparse.Namespace) -> int:
    """What is quickly checked comes before core, which takes its time to load."""
    from xdub_core.errors import XDubError
    from xdub_core.training.dub_it.run import checked_pairs
    from xdub_core.training.dub_it.settings import LoraTraining
    from xdub_core.training.settings_file import read_settings

    try:
        settings = read_settings(given.config, LoraTraining)
        checked_pairs(given.pairs)
        _start_core(given.device)
        program = importlib.import_module(f"{NAME}.nodes.comfy_bridge.training.program")
        path = program.train(settings, given.model, given.pairs, given.out)
    except XDubError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped: the same command goes on from the last checkpoint.\n")
        return 130
    sys.stdout.write(f"{path} holds the LoRA.\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="PYTHON nodes/comfy_bridge/training",
        description="Train a LoRA that dubs with LTX-2, by JUST-DUB-IT. The same command goes on where it stopped.",
    )
    parser.add_argument(
        "config", type=Path, help="settings, a YAML file: see xdub_core/training/configs/dub-it-*.yaml"
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="LTX-2: a checkpoint, or its diffusion model"
    )
    parser.add_argument(
        "--pairs", type=Path, required=True, help="folder of training pairs, with its records.json"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the LoRA, the log and the checkpoint"
    )
    parser.add_argument(
        "--comfyui", type=Path, help="ComfyUI's folder; else COMFYUI_PATH, or the pack's own ComfyUI"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu"), default="auto", help="auto: a GPU where there is one"
    )
    given = parser.parse_args()
    given.comfyui = given.comfyui or Path(os.environ.get("COMFYUI_PATH") or PACK.parent.parent)
    if not (given.comfyui / "comfy" / "sd.py").is_file():
        parser.error(f"there is no ComfyUI in {given.comfyui}: name its folder with --comfyui")
    return given


def _start_core(device: str) -> None:
    sys.argv = sys.argv[:1]
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = device == "cpu" or not _has_accelerator()


def _has_accelerator() -> bool:
    """Whether PyTorch sees a GPU; core only asks where it was not told to use the CPU, and breaks without one."""
    import torch

    accelerator = getattr(torch, "accelerator", torch.cuda)
    return accelerator.is_available()


def _import_pack() -> None:
    spec = importlib.util.spec_from_file_location(
        NAME, PACK / "__init__.py", submodule_search_locations=[str(PACK)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    importlib.import_module(f"{NAME}.nodes")


if __name__ == "__main__":
    sys.exit(main())
