"""Files that are there whole or not at all."""

import os

import pytest
import torch
from safetensors.torch import save_file

from tests.training.conftest import tiny_dit
from xdub_core.experts.expert import Expert, ExpertInfo, LowRank, save_expert
from xdub_core.files import write_whole
from xdub_core.mini.card import CARD, MiniCard, save_card
from xdub_core.model.dit_file import save_dit


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


def _dit(file):
    save_dit(tiny_dit(), file)


def _expert(file):
    layer = LowRank(torch.zeros(2, 4), torch.zeros(4, 2))
    save_expert(Expert(ExpertInfo("lip", 2, 1.0, 0.4, 0.8), {"blocks.0.ffn.0": layer}), file)


def _card(file):
    save_card(file.parent, MiniCard())


@pytest.mark.parametrize(
    ("save", "name"), [(_dit, "a.safetensors"), (_expert, "a.safetensors"), (_card, CARD)]
)
def test_models_experts_and_cards_are_written_whole(tmp_path, monkeypatch, save, name):
    path = tmp_path / name
    save(path)
    whole = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(path)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == whole
