"""The LoRA: its layers, their rates, its file."""

import pytest
import torch
from safetensors import safe_open
from torch import nn

from tests.training.dub_it.toy import Toy
from xdub_core.dub_it.layouts import LTX_2_3, Stated, stated_by
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.lora import audio_rates, new_lora, save_lora


def test_it_is_for_attention_and_feed_forward_of_both_streams_and_nothing_else():
    names = new_lora(Toy(blocks=2), 2).names
    assert len(names) == 2 * 28
    assert not any("norm" in name or "proj_out" in name or "patchify" in name for name in names)
    with pytest.raises(SettingsError, match="no layer"):
        new_lora(nn.Linear(2, 2), 2)


def test_layers_that_write_sound_have_the_rate_of_sound():
    lora = new_lora(Toy(), 2)
    parameters = dict(lora.named_parameters())
    rates = audio_rates(lora, "", 1e-5)
    assert rates.keys() <= parameters.keys()
    slow = {name for number, name in enumerate(lora.names) if f"layers.{number}.down" in rates}
    writers = {name.split(".")[2] for name in slow}
    assert writers == {"audio_attn1", "audio_attn2", "audio_ff", "video_to_audio_attn"}
    assert len(slow) == 4 * 3 + 2
    assert len(rates) == 2 * len(slow)


def test_its_file_says_what_it_is(tmp_path):
    lora, path = new_lora(Toy(), 2), tmp_path / "lora.safetensors"
    save_lora(path, lora, LTX_2_3, "2.3", torch.bfloat16, {"steps": "7"})
    with safe_open(path, "pt") as file:
        assert stated_by(file.metadata()) == Stated("ltx 2.3", "2.3", 1.0)
        assert file.metadata()["steps"] == "7"
        assert file.metadata()["reference_temporal_scale_factor"] == "1"
        names = set(file.keys())
        assert len(names) == 2 * 28
        first = "diffusion_model.transformer_blocks.0.attn1.to_out.0"
        assert {f"{first}.lora_A.weight", f"{first}.lora_B.weight"} <= names
        assert file.get_tensor(f"{first}.lora_A.weight").dtype == torch.bfloat16
