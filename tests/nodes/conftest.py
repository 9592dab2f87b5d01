"""The pack's modules that need no ComfyUI, loaded without its entry point."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

PACK = Path(__file__).resolve().parents[2]
NAME = "xdub_pack_outside_comfyui"


@pytest.fixture(scope="session")
def pack() -> Callable[[str], ModuleType]:
    """pack("comfy_bridge.media.frames") is the pack's nodes/comfy_bridge/media/frames.py."""
    if NAME not in sys.modules:
        package = ModuleType(NAME)
        package.__path__ = [str(PACK)]
        sys.modules[NAME] = package
    return lambda path: importlib.import_module(f"{NAME}.nodes.{path}")
