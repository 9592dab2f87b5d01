"""Tests that drive a real ComfyUI.

They need ComfyUI's own Python. From outside, only `test_comfyui.py` is collected, which runs all the others with that
Python in one process, and shows each file's outcome. Inside (XDUB_INSIDE_COMFYUI names ComfyUI's folder) core is set up
once, on the CPU, with the pack loaded as ComfyUI loads it, and folders of its own for models, input, output and users.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INSIDE = os.environ.get("XDUB_INSIDE_COMFYUI")
sys.path.insert(0, str(HERE))

from comfy_home import tell_of_skipped  # noqa: E402


def pytest_ignore_collect(collection_path):
    launcher = collection_path.name == "test_comfyui.py"
    return True if collection_path.suffix == ".py" and launcher == bool(INSIDE) else None


def pytest_configure(config):
    if INSIDE:
        config.comfyui_base = tempfile.TemporaryDirectory(prefix="xdub_comfyui_")
        config.pack_modules = _start_core(Path(INSIDE), Path(config.comfyui_base.name))


def pytest_unconfigure(config):
    if INSIDE:
        config.comfyui_base.cleanup()


def pytest_terminal_summary(terminalreporter):
    tell_of_skipped(terminalreporter, "THE NODES WERE NOT TESTED")


def _start_core(comfyui: Path, base: Path) -> set[str]:
    """Set core up; return the names of the modules that loading the pack imported."""
    sys.path.insert(0, str(comfyui))
    sys.argv = ["main.py"]
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    args.base_directory = str(base)
    import nodes

    return asyncio.run(_load(nodes))


async def _load(nodes) -> set[str]:
    await nodes.init_builtin_extra_nodes()
    before = set(sys.modules)
    if not await nodes.load_custom_node(str(HERE.parents[1])):
        raise RuntimeError("ComfyUI could not load the pack")
    return set(sys.modules) - before


@pytest.fixture(scope="session")
def pack():
    """The pack's modules: pack("comfy_bridge.model.xdub_model") is that file of nodes/ as ComfyUI loaded it."""
    import importlib

    name = str(HERE.parents[1]).replace(".", "_x_")

    def module(path: str):
        return importlib.import_module(f"{name}.nodes.{path}")

    return module


@pytest.fixture
def inference():
    """As ComfyUI executes nodes."""
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def mini_folder(tmp_path_factory):
    """A whole mini of random weights."""
    from minis import make_mini

    return make_mini(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="session")
def mini(pack, mini_folder):
    """What the nodes make of it, without experts."""
    import torch

    with torch.inference_mode():
        return pack("comfy_bridge.mini").load_mini_parts(mini_folder, experts=False)


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """30 frames of 80 x 64 pixels."""
    from comfy_api.latest import InputImpl
    from minis import write_footage

    return InputImpl.VideoFromFile(str(write_footage(tmp_path_factory.mktemp("video") / "in.mp4")))


@pytest.fixture
def crop(pack):
    """Face Crop, with a box by default: track, crops and preview."""

    def run(source, **options):
        given = {"face": "box", "crop_size": 32, "box": "8,4,56,52", "detect_every": 1, "as_released": False}
        return pack("face_crop").FaceCrop.execute(source, **given, **options, image_fps=25.0).args

    return run


@pytest.fixture
def planned(pack, mini, crop, video):
    """A track, its crops, and 30 frames of reference latents: three clips of 13 with 5 in common."""
    from minis import speech

    face, crops, _ = crop(video)
    (features,) = pack("audio_features").AudioFeatures.execute(speech(1.2), mini.encoders, "audio").args
    (reference,) = (
        pack("reference_latents").EncodeReference.execute(crops, face, mini.vae, features, 13, 5).args
    )
    return face, crops, reference
