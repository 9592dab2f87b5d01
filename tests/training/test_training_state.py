"""A checkpoint from before the loop trained small networks too: it goes on as it would have gone on then."""

import shutil
from pathlib import Path

import pytest
import torch

from xdub_core.training import muon
from xdub_core.training.batches import shuffled
from xdub_core.training.example_files import TensorExamples
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import train
from xdub_core.training.training_state import FILE_NAME

BEFORE = Path(__file__).resolve().parents[1] / "assets" / "training_state" / FILE_NAME
"""Three steps of `Toy` by the loop of commit bd10a61."""
LOSSES = [0.392179012298584, 0.6217262148857117, 0.19550751149654388]
"""Its next three, in a run that was not stopped."""


class Toy(torch.nn.Module):
    """A network whose matrices Muon takes."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)])
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random)

    def forward(self, batch, generator):
        x = batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=generator)
        for block in self.blocks:
            x = torch.tanh(block(x))
        return {"loss": x.square().mean()}


def test_a_checkpoint_from_before_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(muon, "computes_bfloat16", lambda device: False)
    shutil.copy(BEFORE, tmp_path)
    data = TensorExamples({"x": torch.randn(8, 3, generator=torch.Generator().manual_seed(1))})
    settings = TrainerSettings(
        steps=6, batch_size=2, learning_rate=1e-2, warmup=2, optimizer="muon", precision="float32", average=0.9
    )  # fmt: skip
    seen = []
    train(Toy(), shuffled(data), settings, tmp_path, on_progress=seen.append)
    assert [progress.done for progress in seen] == [4, 5, 6]
    assert [progress.losses["loss"] for progress in seen] == pytest.approx(LOSSES, rel=1e-6)
