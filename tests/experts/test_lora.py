"""LoRAs of every spelling, as those distilled for Wan2.2-TI2V-5B are written: all of a file is added, or told."""

import json
from dataclasses import asdict

import pytest
import torch

from tests.training.conftest import tiny_dit
from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.expert import EXPERT_METADATA, ExpertInfo
from xdub_core.experts.lora import Lora, add_lora
from xdub_core.experts.lora_names import LoraNames
from xdub_core.model.config import RELEASED
from xdub_core.model.dit import XDubDiT
from xdub_core.weights.tensor_file import save_tensors

RANK = 3
LINEAR = [
    *(f"blocks.{n}.{a}.{p}" for n in range(2) for a in ("self_attn", "cross_attn") for p in "qkvo"),
    *(f"blocks.{n}.ffn.{i}" for n in range(2) for i in (0, 2)),
    *("text_embedding.0", "text_embedding.2", "time_embedding.0", "time_embedding.2", "time_projection.1"),
    "head.head",
]
"""What FastWan's and Turbo's LoRAs change of Wan2.2-TI2V-5B, by Wan's names."""
DIFFUSERS = {
    "self_attn.q": "attn1.to_q", "self_attn.k": "attn1.to_k", "self_attn.v": "attn1.to_v",
    "self_attn.o": "attn1.to_out.0", "cross_attn.q": "attn2.to_q", "cross_attn.k": "attn2.to_k",
    "cross_attn.v": "attn2.to_v", "cross_attn.o": "attn2.to_out.0", "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2", "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj", "head.head": "proj_out",
}  # fmt: skip


def diffusers(layer):
    for own, theirs in DIFFUSERS.items():
        if layer == own or layer.endswith(f".{own}"):
            return layer.removesuffix(own) + theirs
    return layer


SPELLINGS = {
    "comfy": (lambda x: f"diffusion_model.{x}", ".lora_down.weight", ".lora_up.weight"),
    "peft": (lambda x: f"base_model.model.{x}", ".lora_A.default.weight", ".lora_B.default.weight"),
    "bare": (lambda x: x, ".lora_A.weight", ".lora_B.weight"),
    "kohya": (lambda x: "lora_unet_" + x.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
    "wan fun": (lambda x: "lora_unet__" + x.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
    "diffusers": (lambda x: f"transformer.{diffusers(x)}", ".lora_A.weight", ".lora_B.weight"),
    "diffusers, bare": (diffusers, ".lora.down.weight", ".lora.up.weight"),
}


def factors(dit, layers=LINEAR):
    random = torch.Generator().manual_seed(3)
    return {
        layer: (torch.randn(RANK, w.shape[1], generator=random), torch.randn(len(w), RANK, generator=random))
        for layer in layers
        for w in [dit.get_parameter(f"{layer}.weight")]
    }


def write(path, dit, spelling="comfy", alpha=None, **more):
    named, down, up = SPELLINGS[spelling]
    tensors = {}
    for layer, (a, b) in factors(dit).items():
        tensors |= {named(layer) + down: a, named(layer) + up: b}
        if alpha is not None:
            tensors[named(layer) + ".alpha"] = torch.tensor(alpha)
    save_tensors(path, tensors | more)
    return path


def copies(dit):
    return {name: tensor.clone() for name, tensor in dit.named_parameters()}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_layer_of_every_spelling_is_changed_by_its_product(tmp_path, caplog, spelling):
    dit = tiny_dit()
    before = copies(dit)
    changed = add_lora(dit, Lora(write(tmp_path / "a.safetensors", dit, spelling, alpha=6.0), 0.5))
    assert changed == len(LINEAR) and not caplog.records
    for layer, (a, b) in factors(dit).items():
        expected = before[f"{layer}.weight"] + 0.5 * 6 / RANK * (b @ a)
        torch.testing.assert_close(dit.get_parameter(f"{layer}.weight"), expected, rtol=1e-5, atol=1e-5)
    touched = {f"{layer}.weight" for layer in LINEAR}
    assert all(torch.equal(p, before[n]) for n, p in dit.named_parameters() if n not in touched)
    assert any("audio" in n for n in before)


def test_without_alpha_the_product_counts_as_it_is(tmp_path):
    dit = tiny_dit()
    before, (a, b) = copies(dit), factors(tiny_dit())["head.head"]
    add_lora(dit, Lora(write(tmp_path / "a.safetensors", dit)))
    torch.testing.assert_close(dit.head.head.weight, before["head.head.weight"] + b @ a)


def test_whole_differences_of_norms_biases_modulations_and_the_patches_are_added(tmp_path, caplog):
    dit = tiny_dit()
    before, prefix = copies(dit), "diffusion_model."
    differences = {
        "blocks.0.norm3.diff": "blocks.0.norm3.weight", "blocks.0.norm3.diff_b": "blocks.0.norm3.bias",
        "blocks.1.self_attn.norm_q.diff": "blocks.1.self_attn.norm_q.weight",
        "blocks.1.ffn.0.diff_b": "blocks.1.ffn.0.bias", "patch_embedding.diff": "patch_embedding.weight",
        "blocks.0.diff_m": "blocks.0.modulation", "blocks.1.modulation.diff": "blocks.1.modulation",
        "head.diff_m": "head.modulation",
    }  # fmt: skip
    random = torch.Generator().manual_seed(1)
    values = {key: torch.randn(before[own].shape, generator=random) for key, own in differences.items()}
    low = {
        "patch_embedding.lora_down.weight": (2, 4, 1, 2, 2),
        "patch_embedding.lora_up.weight": (32, 2, 1, 1, 1),
    }
    convolution = {prefix + name: torch.randn(shape, generator=random) for name, shape in low.items()}
    path = write(tmp_path / "a.safetensors", dit, **{prefix + k: v for k, v in values.items()}, **convolution)
    add_lora(dit, Lora(path, 2.0))
    assert not caplog.records
    for key, own in differences.items():
        expected = before[own] + 2 * values[key]
        if own == "patch_embedding.weight":
            down, up = (convolution[prefix + name].flatten(1) for name in low)
            expected = expected + 2 * (up @ down).view_as(expected)
        torch.testing.assert_close(dit.get_parameter(own), expected, rtol=1e-5, atol=1e-5)


def test_what_has_no_place_is_told_by_name_and_the_rest_is_added(tmp_path, caplog):
    dit = tiny_dit()
    odd = {
        "diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight": torch.ones(2, 2),
        "diffusion_model.blocks.0.ffn.0.dora_scale": torch.ones(2), "spectrum": torch.ones(1),
    }  # fmt: skip
    assert add_lora(dit, Lora(write(tmp_path / "a.safetensors", dit, **odd))) == len(LINEAR)
    [told] = caplog.messages
    assert "3 tensors have no place" in told and all(name in told for name in odd)


def test_every_layer_of_the_released_model_is_known_by_its_names():
    parameters = [name for name, _ in XDubDiT(RELEASED, device="meta").named_parameters()]
    names = LoraNames(parameters)
    layers = [x.removesuffix(".weight") for x in parameters if x.endswith(".weight") and "audio" not in x]
    for layer in layers:
        for named, down, _ in SPELLINGS.values():
            assert names.meaning(named(layer) + down)[0] == f"{layer}.weight", named(layer)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"lora_te_text_model.lora_down.weight": torch.ones(2, 2)}, "changes nothing of this model"),
        (
            {"diffusion_model.head.head.lora_down.weight": torch.ones(2, 32)},
            "one factor .* without the other",
        ),
        (
            {
                "diffusion_model.head.head.lora_down.weight": torch.ones(2, 999),
                "diffusion_model.head.head.lora_up.weight": torch.ones(16, 2),
            },
            "another size",
        ),
        ({"diffusion_model.blocks.0.norm3.diff": torch.ones(5)}, "another size"),
    ],
)
def test_files_that_do_not_fit_are_refused_and_change_nothing(tmp_path, tensors, message):
    dit = tiny_dit()
    before = copies(dit)
    save_tensors(tmp_path / "a.safetensors", tensors)
    with pytest.raises(CheckpointError, match=message):
        add_lora(dit, Lora(tmp_path / "a.safetensors"))
    assert all(torch.equal(p, before[n]) for n, p in dit.named_parameters())


def test_an_expert_is_sent_to_its_own_option(tmp_path):
    info = json.dumps(asdict(ExpertInfo("lip", RANK, 1.0, 0.4, 0.8)))
    save_tensors(tmp_path / "a.safetensors", {"x": torch.ones(1)}, {EXPERT_METADATA: info})
    with pytest.raises(CheckpointError, match="--expert"):
        add_lora(tiny_dit(), Lora(tmp_path / "a.safetensors"))


def test_a_mapped_files_own_numbers_stay_as_they_are(tmp_path):
    dit = tiny_dit().bfloat16()
    kept = dit.head.head.weight
    before = kept.clone()
    add_lora(dit, Lora(write(tmp_path / "a.safetensors", tiny_dit())))
    assert torch.equal(kept, before) and not torch.equal(dit.head.head.weight, before)
    assert dit.head.head.weight.dtype is torch.bfloat16


def test_what_the_option_says(tmp_path):
    file = tmp_path / "a:0.5"
    assert Lora.parse("turbo.safetensors") == Lora(type(file)("turbo.safetensors"), 1.0)
    assert Lora.parse("turbo.safetensors:0.7").strength == 0.7
    with pytest.raises(SettingsError, match="FILE:STRENGTH"):
        Lora.parse("turbo:strong")
