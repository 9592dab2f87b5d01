"""What ComfyUI's registry publishes: it dubs, and has nothing that only training and tests need.

That ComfyUI loads it and its workflows run is seen in tests/comfyui.
"""

import os
import subprocess
import sys
import wave

import pytest

from tests.comfyui.package import install


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("custom_nodes") / "comfyui-x-dub"
    if not install(folder):
        pytest.skip("the package is made of the files that git tracks")
    return folder


AS_INSTALLED = """
import runpy, sys
sys.meta_path = [finder for finder in sys.meta_path if "Editable" not in str(finder)]  # they know the whole pack
runpy.run_module("xdub_core", run_name="__main__")
"""


def run(package, *command):
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", AS_INSTALLED, *command], cwd=package, capture_output=True, text=True, env=alone
    )


def test_an_install_is_small(package):
    assert {path.name for path in package.iterdir() if path.is_dir()} == {
        *("docs", "locales", "nodes", "subgraphs", "web", "workflows", "xdub_core")
    }
    assert not {"heads", "training"} & {path.name for path in (package / "xdub_core").iterdir()}
    assert sum(path.stat().st_size for path in package.rglob("*") if path.is_file()) < 24.5e6


def test_it_dubs(package):
    """The demo, with a second and a half of its recording."""
    recording = package / "xdub_core" / "mini" / "sample" / "recording.wav"
    with wave.open(str(recording)) as file:
        settings, sound = file.getparams(), file.readframes(3 * file.getframerate() // 2)
    with wave.open(str(recording), "wb") as file:
        file.setparams(settings)
        file.writeframes(sound)
    result = run(package, "demo", "--out", "demo.mp4")
    assert result.returncode == 0, result.stderr
    assert "demo.mp4: 38 frames" in result.stdout


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_what_is_left_out_is_told_in_one_line(package, command):
    result = run(package, command, "mini")
    assert result.returncode == 2
    assert result.stderr.startswith("error: this install has no training")
    assert result.stderr.count("\n") == 1
