"""Fixtures shared by all tests. Torch keeps to one thread: tests often run beside other work."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: str, what: str) -> Path:
    path = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / default)
    if not path.is_dir():
        pytest.skip(f"{what} not found at {path}: set {variable} to run this test")
    return path


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder of golden tensors computed by the released X-Dub."""
    return _folder("XDUB_GOLDENS", "goldens", "golden tensors")


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder with a real test video (video.mp4) and recording (audio.wav)."""
    return _folder("XDUB_MEDIA", "media", "test media")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with the released checkpoint's tensor list."""
    return _folder("XDUB_REFERENCE", "reference", "reference facts")
