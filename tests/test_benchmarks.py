"""The benchmarks measure what they say."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import compose_speed
import dit_forward
import engine

SMALL = dit_forward.Case(48, 2, 2, frames=3, size=8)


def test_the_per_token_forward_computes_the_same_as_ours():
    from xdub_core.model.config import DiTConfig
    from xdub_core.model.dit import XDubDiT

    torch.manual_seed(0)
    config = DiTConfig(48, 2, 2, 96, 32, 16, 12, 32, 16, 1, 4)
    model = XDubDiT(config).eval()
    latents, reference = torch.randn(2, 2, 4, 3, 8, 8)
    constants = model.prepare(torch.randn(1, 5, 16), torch.randn(2, 3, 8, 12), latents.shape)
    with torch.no_grad():
        arguments = (latents, reference, torch.tensor([700.0, 300.0]), constants, 1)
        torch.testing.assert_close(
            dit_forward.per_token_forward(model, *arguments), model(*arguments), rtol=1e-4, atol=1e-5
        )


def test_forward_is_measured():
    measured = dit_forward.measure(SMALL, per_token=False, repeats=1)
    assert measured.seconds > 0


def test_stages_of_composing_are_timed():
    seconds = compose_speed.measure(160, 120, 60, 64, frames=2)
    assert set(seconds) == {*compose_speed.STAGES, "CPU"}
    assert all(value > 0 for value in seconds.values())


def test_the_full_size_case_is_the_released_model():
    case = engine.FULL_SIZE
    assert (case.dim, case.heads, case.layers, case.tokens) == (3072, 24, 30, 10240)


@pytest.mark.parametrize(
    "name", ["engine", "dit_forward", "compose_speed", "audio_memory", "dub_memory", "full_size"]
)
def test_every_benchmark_is_a_program_with_help(name):
    import subprocess

    path = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    result = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    assert "usage" in result.stdout
