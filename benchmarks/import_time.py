"""How long ComfyUI waits for the pack to be imported, and for which modules (`python -X importtime`).

    python benchmarks/import_time.py --tree ../before . --runs 15

Imports what core and its own nodes have imported when packs are loaded, and then, timed, the pack's entry point and all
of its nodes. The trees take turns; medians are told. Needs a ComfyUI, found as tests/comfyui finds it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "comfyui"))
from comfy_home import find_comfyui, find_python  # noqa: E402

PROGRAM = """
import importlib, importlib.util, sys, time
sys.argv = ["main.py"]
import comfy.options; comfy.options.enable_args_parsing(False)
from comfy.cli_args import args; args.cpu = True
import nodes, comfy_api.latest, comfy_extras.nodes_custom_sampler, av, cv2, safetensors, scipy.signal, transformers
spec = importlib.util.spec_from_file_location("pack", sys.path[0] + "/__init__.py",
    submodule_search_locations=[sys.path.pop(0)])
sys.modules["pack"] = pack = importlib.util.module_from_spec(spec)
print("PACK", file=sys.stderr)
began = time.process_time()
spec.loader.exec_module(pack)
importlib.import_module("pack.nodes.extension")
print(time.process_time() - began)
"""


def measure(tree: Path, comfyui: Path, python: str) -> tuple[float, Counter[str]]:
    """Processor seconds of one import of the pack, and seconds of each module that came with it, without its own."""
    start = f"import sys; sys.path[:0] = [{str(tree)!r}, {str(comfyui)!r}]\n"
    command = [python, "-P", "-X", "importtime", "-c", start + PROGRAM]
    run = subprocess.run(command, cwd=comfyui, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr[-2000:])
    seconds: Counter[str] = Counter()
    for line in run.stderr.partition("PACK\n")[2].splitlines():
        if line.startswith("import time:"):
            own, _, name = line.removeprefix("import time:").split("|")
            seconds[name.strip()] += int(own) / 1e6
    return float(run.stdout.split()[-1]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", type=Path, nargs="+", default=[HERE], help="checkouts (default: this one)")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    comfyui = find_comfyui()
    python = find_python(comfyui) if comfyui else None
    if comfyui is None or python is None:
        sys.exit("no ComfyUI: set COMFYUI_PATH")
    runs = [
        [measure(tree.resolve(), comfyui, python) for tree in options.tree] for _ in range(options.runs + 1)
    ]
    table = Table("tree", "ms", "ms of the processor", "modules", "slowest (ms)")
    for tree, of_tree in zip(
        options.tree, list(zip(*runs[1:], strict=True)), strict=True
    ):  # the first one warms up
        modules = {name: median(seconds[name] for _, seconds in of_tree) for name in of_tree[0][1]}
        slowest = sorted(modules.items(), key=lambda item: -item[1])[:3]
        table.add_row(
            str(tree),
            f"{1000 * median(seconds.total() for _, seconds in of_tree):.0f}",
            f"{1000 * median(spent for spent, _ in of_tree):.0f}",
            str(len(modules)),
            ", ".join(f"{name} {1000 * value:.0f}" for name, value in slowest),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
