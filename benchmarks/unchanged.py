"""Does the program make what it made before? Every decoded frame of what a user runs, before and after a change.

    python benchmarks/unchanged.py record before.json --tree ../before
    python benchmarks/unchanged.py compare before.json

Runs the demo, the sample in other ways and, where a ComfyUI is found (as tests/comfyui finds it), two workflows in its
server, all seeded; keeps the SHA-256 of each output file, of each of its frames and of its sound, and what the command
answered. It goes through the command line and ComfyUI's HTTP API alone, so that one version of it can run any tree.
`compare` exits with 1 where anything differs. Bits are the same only on one machine with one PyTorch and one PyAV.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import torch
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "comfyui"))
from comfy_home import find_comfyui, find_python  # noqa: E402

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "demo": ("demo",),
    "as released": ("dub", "--model", "mini", "--reference"),
    "another seed": ("dub", "--model", "mini", "--seed", "7", "--preview"),
    "untrained": ("dub", "--model", "untrained", "--crop-size", "64", "--steps", "2", "--whole-frame"),
}
WORKFLOWS = ("1_quick_start_built_in_model", "2_built_in_model_every_step")
SECONDS_TO_START, SECONDS_TO_RUN = 180, 600

Output = dict[str, Any]
"""One output: `file`, `frames` and `sound` (hashes), and `said` (text of the command's standard output)."""


def command_outputs(tree: Path, name: str) -> dict[str, Output]:
    """Run one of COMMANDS with the tree's own code; its outputs by name."""
    sample = tree / "xdub_core" / "mini" / "sample"
    command = [sys.executable, "-m", "xdub_core", *COMMANDS[name], "--out", "out.mp4"]
    if "dub" in command:
        command += ["--video", str(sample / "source.mp4"), "--audio", str(sample / "recording.wav")]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(command, cwd=folder, env=_environment(tree), capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"{name} failed:\n{run.stderr}")
        made = {path.name: hashes(path) for path in sorted(Path(folder).glob("*.mp4"))}
    return {f"{name}: {file}": {**output, "said": run.stdout} for file, output in made.items()}


def workflow_outputs(server: str, tree: Path, name: str) -> dict[str, Output]:
    """Run one of WORKFLOWS in a server with the tree as its pack; what it saved, by name."""
    prompt = json.loads((tree / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    number = _ask(f"{server}/prompt", {"prompt": prompt})["prompt_id"]
    limit = time.monotonic() + SECONDS_TO_RUN
    while not (history := _ask(f"{server}/history/{number}")):
        if time.monotonic() > limit:
            sys.exit(f"{name} did not end in {SECONDS_TO_RUN} seconds")
        time.sleep(0.5)
    if history[number]["status"]["status_str"] != "success":
        sys.exit(f"{name} failed:\n{json.dumps(history[number]['status'], indent=1)}")
    found: dict[str, Output] = {}
    with tempfile.TemporaryDirectory() as folder:
        for node in history[number]["outputs"].values():
            for saved in (file for kind in ("images", "video") for file in node.get(kind, ())):
                if saved["type"] == "output":
                    path = Path(folder) / saved["filename"]
                    urllib.request.urlretrieve(f"{server}/view?{urllib.parse.urlencode(saved)}", path)
                    found[f"{name}: {len(found) + 1}"] = hashes(path)
    return found


def hashes(path: Path) -> Output:
    """Of a video: the file's, each frame's (time, format and samples as decoded) and the sound's, SHA-256."""
    frames, sound = [], hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                told = hashlib.sha256(f"{frame.pts} {frame.time_base} {frame.format.name}".encode())
                told.update(frame.to_ndarray().tobytes())
                frames.append(told.hexdigest())
            else:
                sound.update(f"{frame.pts} {frame.sample_rate} {frame.layout.name}".encode())
                sound.update(frame.to_ndarray().tobytes())
    file = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"file": file, "frames": frames, "sound": sound.hexdigest()}


@contextmanager
def comfyui_server(tree: Path, comfyui: Path, python: str) -> Iterator[str]:
    """The address of a ComfyUI that has `tree` as its one pack, folders of its own, and computes on the CPU."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        for name in ("custom_nodes", "input", "models", "output", "user"):
            (Path(folder) / name).mkdir()
        (Path(folder) / "custom_nodes" / "comfyui-x-dub").symlink_to(tree, target_is_directory=True)
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        command = [
            python,
            "main.py",
            "--cpu",
            "--disable-metadata",
            "--base-directory",
            folder,
            "--port",
            port,
        ]
        command += ["--database-url", "sqlite:///:memory:"]
        server = subprocess.Popen(
            command, cwd=comfyui, env=_environment(tree), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address, limit = f"http://127.0.0.1:{port}", time.monotonic() + SECONDS_TO_START
            while not _answers(address):
                if server.poll() is not None or time.monotonic() > limit:
                    sys.exit(f"the server of {comfyui} did not start")
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def run_all(tree: Path) -> dict[str, Any]:
    """All outputs of a tree by name, and what made them."""
    outputs: dict[str, Output] = {}
    for name in COMMANDS:
        outputs |= command_outputs(tree, name)
    comfyui = find_comfyui()
    python = find_python(comfyui) if comfyui else None
    if comfyui and python:
        with comfyui_server(tree, comfyui, python) as server:
            for name in WORKFLOWS:
                outputs |= workflow_outputs(server, tree, name)
    commit = subprocess.run(["git", "-C", tree, "rev-parse", "HEAD"], capture_output=True, text=True)
    with_ = {"machine": platform.platform(), "torch": torch.__version__, "av": av.__version__}
    return {"commit": commit.stdout.strip(), "with": with_, "outputs": outputs}


def difference(before: Output | None, after: Output | None) -> str:
    """What differs between two outputs of one name, or "identical"."""
    if before is None or after is None:
        return "only now" if before is None else "missing now"
    for number, (old, new) in enumerate(zip(before["frames"], after["frames"], strict=False)):
        if old != new:
            return f"frame {number} differs"
    if len(before["frames"]) != len(after["frames"]):
        return f"{len(before['frames'])} frames before"
    for name, word in (("sound", "sound"), ("file", "file's bytes"), ("said", "answer")):
        if before.get(name) != after.get(name):
            return f"frames identical, the {word} differ{'s' * (name != 'file')}"
    return "identical"


def comparison(before: Mapping[str, Output], after: Mapping[str, Output]) -> tuple[Table, bool]:
    """A table of all outputs, and whether all are identical."""
    table = Table("output", "frames", "now", title_justify="left")
    told = {name: difference(before.get(name), after.get(name)) for name in {**before, **after}}
    for name, words in told.items():
        table.add_row(name, str(len((after.get(name) or before[name])["frames"])), words)
    return table, set(told.values()) == {"identical"}


def _environment(tree: Path) -> dict[str, str]:
    """Imports from the tree, one thread, and lines that do not break."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": str(tree), "COLUMNS": "200"}


def _ask(url: str, content: object = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
        return json.load(answer)


def _answers(address: str) -> bool:
    try:
        return bool(_ask(f"{address}/system_stats"))
    except (urllib.error.URLError, ConnectionError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path, help="the record, as JSON")
    parser.add_argument("--tree", type=Path, default=HERE, help="the checkout to run (default: this one)")
    options = parser.parse_args()
    found = run_all(options.tree.resolve())
    if options.action == "record":
        options.file.write_text(json.dumps(found, indent=1))
        Console().print(f"{options.file}: {len(found['outputs'])} outputs of {found['commit'][:7]}")
        return
    before = json.loads(options.file.read_text())
    if before["with"] != found["with"]:
        Console().print(
            f"recorded with {before['with']}, now {found['with']}: bits may differ for that alone"
        )
    table, identical = comparison(before["outputs"], found["outputs"])
    Console().print(table)
    sys.exit(not identical)


if __name__ == "__main__":
    main()
