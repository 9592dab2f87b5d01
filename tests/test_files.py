"""Files that are there whole or not at all."""

import os

import pytest
import torch
from safetensors.torch import save_file

from xdub_core.files import write_whole


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such modes")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_weights_may_be_read_by_whom_any_new_file_may(tmp_path, umask):
    """safetensors writes files for their owner alone."""
    before = os.umask(umask)
    try:
        (tmp_path / "plain").touch()
        write_whole(tmp_path / "m.safetensors", lambda file: save_file({"a": torch.zeros(2)}, file))
    finally:
        os.umask(before)
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
