"""bfloat16 where it saves time, float32 elsewhere."""

import pytest
import torch

from xdub_core.training.precision import computes_bfloat16, mixed_precision


@pytest.fixture(params=[True, False], ids=["with bfloat16", "without"])
def cpu(request, monkeypatch):
    """A CPU that has instructions for bfloat16, and one that has none."""
    capabilities = {"avx2": True, "avx512_bf16": request.param, "amx_bf16": False, "cpu_name": "one"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    return request.param


def test_a_cpu_is_asked_for_its_instructions(cpu):
    assert computes_bfloat16("cpu") is cpu
    matrix = torch.ones(2, 2)
    with mixed_precision("cpu", wanted=True):
        assert (matrix @ matrix).dtype is (torch.bfloat16 if cpu else torch.float32)
    with mixed_precision("cpu", wanted=False):
        assert (matrix @ matrix).dtype is torch.float32


def test_an_older_pytorch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not computes_bfloat16("cpu")
