"""The same as `speed_quality.py` in ComfyUI, with core's EasyCache: more lines of its file, for its table.

    COMFYUI/.venv/bin/python benchmarks/speed_easycache.py COMFYUI --folder FOLDER --cases 20

Takes the cases whose exact dub `speed_quality.py` has left in the folder. Lines named "... + EasyCache" have the node
at its defaults on the MODEL. `predictions` tells what the speed asks for; what EasyCache saves shows in `seconds`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PACK = Path(__file__).resolve().parents[1]


def start(comfyui: Path, base: str) -> Callable[[str], Any]:
    """Set core up on the CPU, with the pack; returns what finds the pack's modules."""
    sys.path[:0] = [str(comfyui), str(PACK)]
    sys.argv = ["main.py"]
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu, args.base_directory = True, base
    import nodes

    async def load() -> None:
        await nodes.init_builtin_extra_nodes()
        if not await nodes.load_custom_node(str(PACK)):
            raise RuntimeError("ComfyUI could not load the pack")

    asyncio.run(load())
    name = str(PACK).replace(".", "_x_")
    return lambda path: importlib.import_module(f"{name}.nodes.{path}")


@dataclass(frozen=True)
class Sampling:
    """Samples the mini's clips by ComfyUI."""

    make: Callable[..., Any]
    model: Any
    context: Any

    def __call__(self, watched: Any, clip: Any, on_step: Any) -> Any:
        return self.make(self.model, self.context, watched.settings, on_predicted=watched.count)(
            0, clip, on_step
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comfyui", type=Path, help="ComfyUI's folder")
    parser.add_argument("--cases", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--frames", type=int, default=29, help="of each case, as the exact dubs have")
    parser.add_argument("--speeds", nargs="*", default=["exact", "balanced", "fast"])
    parser.add_argument("--folder", type=Path, default=Path("speed_quality"), help="what is measured")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    with TemporaryDirectory() as base:
        run(start(chosen.comfyui.resolve(), base), chosen, folder)


def run(pack: Callable[[str], Any], chosen: argparse.Namespace, folder: Path) -> None:
    """Dub and measure what is missing."""
    import torch
    from comfy_extras.nodes_easycache import EasyCacheNode
    from speed_quality import Trial, dubbed_line, prepared

    from xdub_core.mini.card import BUILT_IN

    torch.set_num_threads(1)
    parts = pack("comfy_bridge.mini").load_mini_parts(BUILT_IN)
    cached = EasyCacheNode.execute(parts.model, 0.2, 0.15, 0.95, False).result[0]
    context = torch.zeros(1, 1, parts.model.model.diffusion_model.config.text_dim)
    sampling = Sampling(pack("comfy_bridge.clip_sampler").ComfyClipSampler, cached, context)
    trial = Trial(folder, chosen.cases, chosen.first, frames=chosen.frames)
    evaluation, mini, judges = prepared(trial)
    for number in range(trial.first, trial.first + trial.count):
        done = {line.speed for line in trial.measured() if line.case == number}
        for speed in chosen.speeds:
            name = f"{speed} + EasyCache"
            if name in done or not trial.exact(number).exists():
                continue
            began = time.perf_counter()
            case = trial.case(evaluation, number)
            line = dubbed_line(trial, case, number, speed, mini, judges, sampling)
            trial.add(replace(line, speed=name))
            print(f"case {number}, {name}: {line.crops:.1f} dB, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
