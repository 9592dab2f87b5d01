"""`make`: the set-up goes on after one that broke off, and the demo replaces its own output."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def test_the_demo_replaces_its_own_output():
    done = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "demo --out out/demo.mp4 --overwrite" in done.stdout


def test_an_environment_without_pip_is_made_again(tmp_path):
    """Debian's Python without python3-venv makes half an environment, and fails."""
    half, python = tmp_path / "venv" / "bin" / "python", tmp_path / "python"
    half.parent.mkdir(parents=True)
    for path in (half, python):
        path.write_text(f'#!/bin/sh\necho "$@" >> {path}.called\nexit 1\n')
        path.chmod(0o755)
    command = ["make", f"VENV={tmp_path / 'venv'}", f"PYTHON={python}", str(tmp_path / "venv" / ".ready")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode
    assert (tmp_path / "python.called").read_text() == f"-m venv {tmp_path / 'venv'}\n"
