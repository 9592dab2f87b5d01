"""LoRAs distilled for Wan2.2-TI2V-5B, by their real names, through core's own loader: all is added, audio untouched."""

import logging
from pathlib import Path

import folder_paths
import pytest
import torch
from models import RELEASED_HEADS, load_model, put_model, random_state
from safetensors.torch import save_file

RANK, ALPHA, STRENGTH = 4, 8.0, 0.7
LAYERS = [
    *(f"blocks.{n}.{a}.{p}" for n in range(2) for a in ("self_attn", "cross_attn") for p in "qkvo"),
    *(f"blocks.{n}.ffn.{i}" for n in range(2) for i in (0, 2)),
    *("text_embedding.0", "text_embedding.2", "time_embedding.0", "time_embedding.2", "time_projection.1"),
    "head.head",
]
WHOLE = {
    "blocks.0.norm3.diff": "blocks.0.norm3.weight",
    "blocks.0.norm3.diff_b": "blocks.0.norm3.bias",
    "blocks.1.self_attn.norm_q.diff": "blocks.1.self_attn.norm_q.weight",
    "blocks.1.cross_attn.norm_k.diff": "blocks.1.cross_attn.norm_k.weight",
    "blocks.1.ffn.0.diff_b": "blocks.1.ffn.0.bias",
    "patch_embedding.diff": "patch_embedding.weight",
    "patch_embedding.diff_b": "patch_embedding.bias",
}
"""What extractors write beside low-rank products."""


@pytest.fixture(scope="module")
def state():
    return random_state(RELEASED_HEADS)


@pytest.fixture(scope="module")
def model(state):
    return load_model(put_model("few_steps.safetensors", state))


def put(name, state, named, more=()):
    """Write the LoRA; returns (file, its factors by layer, its whole differences)."""
    random = torch.Generator().manual_seed(2)
    tensors, products = {}, {}
    for layer in LAYERS:
        rows, columns = state[f"{layer}.weight"].shape
        down, up = (torch.randn(shape, generator=random) for shape in ((RANK, columns), (rows, RANK)))
        tensors |= {named(layer) + ".lora_down.weight": down, named(layer) + ".lora_up.weight": up}
        tensors[named(layer) + ".alpha"] = torch.tensor(ALPHA)
        products[f"{layer}.weight"] = ALPHA / RANK * (up @ down)
    for key in more:
        change = torch.randn(state[WHOLE[key]].shape, generator=random)
        tensors["diffusion_model." + key], products[WHOLE[key]] = change, change
    folder = Path(folder_paths.get_folder_paths("loras")[0])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / name)
    return name, products


def weights_with(model, lora, strength=STRENGTH):
    """All the weights that core samples with."""
    from nodes import LoraLoaderModelOnly

    patched = LoraLoaderModelOnly().load_lora_model_only(model, lora, strength)[0]
    patched.patch_model()
    try:
        return {n: p.detach().clone() for n, p in patched.model.diffusion_model.named_parameters()}
    finally:
        patched.unpatch_model()


@pytest.mark.parametrize(
    ("spelling", "named", "more"),
    [
        ("comfy", lambda layer: f"diffusion_model.{layer}", tuple(WHOLE)),
        ("kohya", lambda layer: "lora_unet_" + layer.replace(".", "_"), ()),
        ("wan_fun", lambda layer: "lora_unet__" + layer.replace(".", "_"), ()),
    ],
)
def test_every_key_is_added_and_nothing_else_changes(model, state, caplog, spelling, named, more):
    name, changes = put(f"{spelling}.safetensors", state, named, more)
    with caplog.at_level(logging.WARNING):
        found = weights_with(model, name)
    assert "not loaded" not in caplog.text
    for parameter, value in found.items():
        expected = state[parameter] + STRENGTH * changes.get(parameter, torch.zeros(()))
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4, msg=parameter)
    assert not any("audio" in parameter for parameter in changes)


def test_core_tells_the_names_that_it_leaves_out(model, state, caplog):
    name, _ = put("odd.safetensors", state, lambda layer: f"diffusion_model.{layer}")
    path = Path(folder_paths.get_folder_paths("loras")[0]) / name
    from safetensors.torch import load_file

    odd = {"diffusion_model.blocks.0.diff_m": torch.ones(1, 6, 256)}
    save_file(load_file(path) | odd, path)
    with caplog.at_level(logging.WARNING):
        weights_with(model, name)
    assert "lora key not loaded: diffusion_model.blocks.0.diff_m" in caplog.text


def test_the_command_line_adds_the_same(model, state):
    from xdub_core.experts.lora import Lora, add_lora
    from xdub_core.model.dit import XDubDiT

    name, _ = put("same.safetensors", state, lambda layer: f"diffusion_model.{layer}", tuple(WHOLE))
    dit = XDubDiT(RELEASED_HEADS)
    dit.load_state_dict(state)
    add_lora(dit, Lora(Path(folder_paths.get_folder_paths("loras")[0]) / name, STRENGTH))
    for parameter, value in weights_with(model, name).items():
        torch.testing.assert_close(
            value, dit.get_parameter(parameter).data, rtol=1e-4, atol=1e-4, msg=parameter
        )
