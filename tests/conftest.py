"""Fixtures shared by all tests. Torch keeps to one thread: tests often run beside other work."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Before torch comes in, and for every process that a test starts: two that share a machine's cores with two threads
# each are many times slower than with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

if TYPE_CHECKING:
    from tests.golden import Goldens

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs are begun without

REPOSITORY = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: str, what: str) -> Path:
    path = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / default)
    if not path.is_dir():
        pytest.skip(f"{what} not found at {path}: set {variable} to run this test")
    return path


def _beside(name: str):
    """A module of this folder. Inside ComfyUI, which has a `tests` of its own, it goes by no other name."""
    spec = importlib.util.spec_from_file_location(
        f"xdub_tests_{name}", Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # xdist's workers print nothing
        return
    live = _beside("live")
    inside = "XDUB_INSIDE_COMFYUI" in os.environ  # a part of a whole run, which minds the time
    config.pluginmanager.register(live.Live(config, None if inside else live.seconds_given()))


@pytest.fixture(scope="session")
def goldens() -> Goldens:
    """The golden files computed by the released X-Dub: the larger set where it is there, else the project's own."""
    given = Path(os.environ.get("XDUB_GOLDENS") or REPOSITORY.parent / "shared" / "goldens")
    golden = _beside("golden")
    return golden.Goldens((given, golden.SHIPPED))


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder with a real test video (video.mp4) and recording (audio.wav)."""
    return _folder("XDUB_MEDIA", "media", "test media")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with the released checkpoint's tensor list."""
    return _folder("XDUB_REFERENCE", "reference", "reference facts")


SLOW = {"training/mini/test_make.py"}
"""Two minutes of a core: it runs with XDUB_SLOW=1, or where it is named."""


def pytest_collection_modifyitems(config, items):
    """Leave the slow ones out, unless asked for; mark what compares with the released code's numbers (`-m goldens`)."""
    for item in items:
        if "goldens" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.goldens)
    _leave_slow_ones_out(config, items)
    if hasattr(config, "workerinput"):
        _longest_first(items)


def _leave_slow_ones_out(config, items):
    if os.environ.get("XDUB_SLOW") or any(".py" in str(given) for given in config.args):
        return
    files = {Path(__file__).parent / name for name in SLOW}
    slow = [item for item in items if item.path in files]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item.path not in files]


def _longest_first(items):
    """What is one long piece of work begins first, or it would be waited for at the end; then files of many tests."""
    tests = Counter(item.path for item in items)
    here = Path(__file__).parent

    def place(item):
        long = [item.path.is_relative_to(here / "web"), item.path.name == "test_comfyui.py"]
        return [not each for each in long], -tests[item.path]

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """As `--dist loadfile`, but what is in web/ goes to one worker: it shares a server and a browser."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # they are in order (`_longest_first`)

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid):
            web = nodeid.replace("\\", "/").startswith("tests/web/")
            return "tests/web" if web else super()._split_scope(nodeid)

    return OneBrowser(config, log)
