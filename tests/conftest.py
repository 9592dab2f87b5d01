"""Fixtures shared by all tests. Torch keeps to one thread: tests often run beside other work."""

import os
from pathlib import Path

import pytest
import torch

from tests.golden import SHIPPED, Goldens

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: str, what: str) -> Path:
    path = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / default)
    if not path.is_dir():
        pytest.skip(f"{what} not found at {path}: set {variable} to run this test")
    return path


@pytest.fixture(scope="session")
def goldens() -> Goldens:
    """The golden files computed by the released X-Dub: the larger set where it is there, else the project's own."""
    given = Path(os.environ.get("XDUB_GOLDENS") or REPOSITORY.parent / "shared" / "goldens")
    return Goldens((given, SHIPPED))


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder with a real test video (video.mp4) and recording (audio.wav)."""
    return _folder("XDUB_MEDIA", "media", "test media")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with the released checkpoint's tensor list."""
    return _folder("XDUB_REFERENCE", "reference", "reference facts")
