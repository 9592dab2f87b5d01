"""Where a ComfyUI is that the tests can use: its folder, and the Python that it runs with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
NEEDED = "import aiohttp, av, cv2, pytest, safetensors, scipy, torch, torchvision, transformers"


def comfyui_and_python(told: str) -> tuple[Path, str]:
    """What tests run with; else they are skipped, or fail where they had to run: under CI, with a ComfyUI there.

    `told`: the beginning of the message, which says what was not tested.
    """
    must_run = bool(os.environ.get("CI"))
    comfyui = find_comfyui()
    if comfyui is None:
        named = os.environ.get("COMFYUI_PATH")
        if named and must_run:
            pytest.fail(f"{told}: COMFYUI_PATH is {named}, where no ComfyUI is")
        pytest.skip(f"{told}: no ComfyUI at COMFYUI_PATH, above this pack or at ~/comfy/ComfyUI")
    python = find_python(comfyui)
    if python is None:
        told += f": no Python for {comfyui} that has its requirements, the pack's and pytest; "
        told += "name one in COMFYUI_PYTHON"
        pytest.fail(told) if must_run else pytest.skip(told)
    return comfyui, python


def tell_of_skipped(terminalreporter: pytest.TerminalReporter, told: str) -> None:
    """Say in a section of its own, at the run's end, that the tests of that message were skipped, and why."""
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if told in str(r.longrepr)]
    if skipped:
        terminalreporter.section(told, red=True, bold=True)
        terminalreporter.line(str(skipped[0].longrepr[2]), red=True)


def find_comfyui() -> Path | None:
    """COMFYUI_PATH; or the folder in whose custom_nodes the pack lies; or comfy-cli's place."""
    places = [os.environ.get("COMFYUI_PATH"), PACK.parent.parent, Path.home() / "comfy" / "ComfyUI"]
    return next((Path(place) for place in places if place and is_comfyui(Path(place))), None)


def is_comfyui(folder: Path) -> bool:
    return (folder / "comfyui_version.py").is_file() and (folder / "comfy" / "sd.py").is_file()


def find_python(comfyui: Path) -> str | None:
    """COMFYUI_PYTHON; or that of a virtual environment inside the folder; or this one, where it has what is needed."""
    inside = [comfyui / name / "bin" / "python" for name in (".venv", "venv")]
    inside += [comfyui / name / "Scripts" / "python.exe" for name in (".venv", "venv")]
    places = [
        os.environ.get("COMFYUI_PYTHON"),
        *(str(path) for path in inside if path.exists()),
        sys.executable,
    ]
    return next((place for place in places if place and _has_packages(place)), None)


def _has_packages(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", NEEDED], capture_output=True, timeout=120).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
