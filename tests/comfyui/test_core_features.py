"""What core does with every MODEL it does with X-Dub: quantised weights, LoRAs, partial loading, compiling, patches."""

import os

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import (
    RELEASED_HEADS,
    load_model,
    put_lora,
    put_model,
    random_state,
    relative_error,
    wide_state,
)

from xdub_core.experts.expert import ExpertInfo, load_expert
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas

AUDIO_LAYERS = (
    "blocks.0.audio_attn.q",
    "blocks.1.audio_attn.v",
    "blocks.1.audio_attn.o",
    "audio_embedding.proj_out",
)
INFO = ExpertInfo("lip", 4, 8.0, 0.0, 1.0)
SIGMAS = flow_sigmas(3)
INDUCTOR = pytest.mark.skipif(
    not os.environ.get("XDUB_TEST_INDUCTOR"),
    reason="takes two minutes on a CPU: set XDUB_TEST_INDUCTOR=1 to run it",
)


@pytest.fixture(scope="module")
def file():
    return put_model("features.safetensors", random_state(RELEASED_HEADS))


@pytest.fixture(scope="module")
def sampled(pack):
    guider = pack("comfy_bridge.guider").ClipGuider

    def run(model, **options):
        return sample(guider(model, Guidance(), random_clip(motion=True), CONTEXT), SIGMAS, **options)

    return run


@pytest.mark.parametrize("weight_dtype", ["fp8_e4m3fn", "fp8_e5m2"])
def test_fp8_weights_give_what_the_same_numbers_give_in_float32(file, sampled, weight_dtype):
    model = load_model(file, weight_dtype)
    weights = dict(model.model.diffusion_model.named_parameters())
    assert weights["blocks.0.ffn.0.weight"].dtype.itemsize == 1
    assert weights["blocks.0.modulation"].dtype == torch.float32
    whole = load_model(put_model("rounded.safetensors", wide_state(model)))
    result = sampled(model)
    assert relative_error(result, sampled(whole)) < 1e-4
    assert relative_error(result, sampled(load_model(file))) > 1e-3


def test_scaled_fp8_checkpoint_equals_its_dequantised_weights(sampled):
    """The kind of file that is shared as fp8_scaled: a scale for every quantised layer."""
    scaled, whole = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}, {}
    for name, tensor in random_state(RELEASED_HEADS).items():
        scaled[name] = whole[name] = tensor
        if name.startswith("blocks.") and tensor.ndim == 2:
            scale = tensor.abs().max() / torch.finfo(torch.float8_e4m3fn).max
            scaled[name] = (tensor / scale).to(torch.float8_e4m3fn)
            scaled[name.removesuffix("weight") + "scale_weight"] = scale
            whole[name] = scaled[name].float() * scale
    model = load_model(put_model("fp8_scaled.safetensors", scaled))
    assert type(model.model).__name__ == "XDubModel"
    assert model.model.diffusion_model.config == RELEASED_HEADS
    expected = sampled(load_model(put_model("unscaled.safetensors", whole)))
    assert relative_error(sampled(model), expected) < 1e-4


def test_lora_on_audio_layers_equals_the_merged_model(file, sampled):
    from nodes import LoraLoaderModelOnly

    model = load_model(file)
    name = put_lora("audio.safetensors", model, AUDIO_LAYERS, INFO, seed=4)
    with_lora = LoraLoaderModelOnly().load_lora_model_only(model, name, 0.5)[0]
    merged = load_model(put_model("merged.safetensors", merged_state(name, 0.5)))
    result = sampled(with_lora)
    assert relative_error(result, sampled(merged)) < 1e-4
    assert relative_error(result, sampled(model)) > 1e-3


def test_partly_loaded_model_with_a_lora_gives_the_same(file, sampled, monkeypatch):
    """Layers that stay offloaded, as where memory is short, are patched when they are needed."""
    import comfy.model_management as management

    from nodes import LoraLoaderModelOnly

    model = load_model(file)
    name = put_lora("partial.safetensors", model, AUDIO_LAYERS, INFO, seed=4)
    model = LoraLoaderModelOnly().load_lora_model_only(model, name, 0.5)[0]
    expected = sampled(model)
    management.load_models_gpu([model])
    model.partially_unload(torch.device("cpu"), model.model_size())
    assert model.model.lowvram_patch_counter > 0
    monkeypatch.setattr(type(model), "partially_load", lambda *args, **kwargs: 0)
    assert relative_error(sampled(model), expected) < 1e-5
    assert model.model.model_lowvram


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=INDUCTOR)])
def test_compiled_model_gives_the_same(file, sampled, backend):
    """With PyTorch's attention: core's choice for a CPU asks for the free memory, which breaks the graph everywhere."""
    from comfy.ldm.modules.attention import attention_pytorch
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    model = load_model(file).clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = (
        lambda attention, *args, **kwargs: attention_pytorch(*args, **kwargs)
    )
    compiled = TorchCompileModel.execute(model, backend).result[0]
    assert relative_error(sampled(compiled), sampled(model)) < 1e-4


def test_attention_override_sees_every_attention(file, sampled):
    calls = []

    def override(attention, *args, **kwargs):
        calls.append(args[0].shape)
        return attention(*args, **kwargs)

    model = load_model(file)
    patched = model.clone()
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    assert relative_error(sampled(patched), sampled(model)) < 1e-6
    frames, tokens = 4, 4 * 9  # of the clip; the last block computes the target's half alone
    queries = 3 * (4 * tokens * RELEASED_HEADS.layers - tokens)
    projected = 3 * frames * 8 * RELEASED_HEADS.audio_layers
    assert sum(batch * number for batch, number, _ in calls) == queries * (len(SIGMAS) - 1) + projected


def test_replaced_blocks_and_block_patches_are_honoured(file, sampled):
    model = load_model(file)
    seen = []

    def skip(arguments, extra):
        return arguments

    def keep(arguments, extra):
        seen.append(arguments["transformer_options"]["block_index"])
        return extra["original_block"](arguments)

    def after(arguments):
        assert arguments["img_offset"] * 2 == arguments["img"].shape[1]
        return {"img": arguments["img"]}

    kept, skipped = model.clone(), model.clone()
    kept.set_model_patch_replace(keep, "dit", "double_block", 1)
    kept.set_model_patch(after, "double_block")
    skipped.set_model_patch_replace(skip, "dit", "double_block", 1)
    expected = sampled(model)
    assert torch.equal(sampled(kept), expected)
    assert seen == [1] * (len(SIGMAS) - 1)
    assert relative_error(sampled(skipped), expected) > 1e-3


def test_reference_counts_in_the_estimate_of_memory(file):
    model = load_model(file)
    shape = [1, 48, 20, 32, 32]
    alone = model.model.memory_required(shape)
    both = model.model.memory_required(shape, cond_shapes={"reference": [shape]})
    assert both == pytest.approx(2 * alone)


def merged_state(lora, strength):
    import folder_paths

    merged = XDubDiT(RELEASED_HEADS)
    merged.load_state_dict(random_state(RELEASED_HEADS))
    expert = load_expert(folder_paths.get_full_path("loras", lora))
    for name, (down, up) in expert.layers.items():
        merged.get_parameter(f"{name}.weight").data += strength * expert.scale * (up @ down)
    return merged.state_dict()


def test_text_is_projected_once_for_all_branches_and_block_by_block(file, sampled):
    """Keys and values of all blocks, for each branch, are 1.9 GB of the released model."""
    model, calls = load_model(file), []
    network = model.model.diffusion_model
    hooks = [
        part.register_forward_hook(lambda module, given, made, name=name: calls.append((name, len(given[0]))))
        for number, block in enumerate(network.blocks)
        for name, part in ((f"text {number}", block.cross_attn.k), (f"end {number}", block.ffn[2]))
    ]
    sampled(model)
    for hook in hooks:
        hook.remove()
    assert list(dict.fromkeys(name for name, _ in calls)) == [
        f"{name} {number}" for number in range(RELEASED_HEADS.layers) for name in ("text", "end")
    ]
    assert {rows for name, rows in calls if name.startswith("text")} == {1}


def test_what_no_step_changes_is_made_in_the_first_step_alone(file, sampled):
    model, calls = load_model(file), []
    network = model.model.diffusion_model
    parts = {"text": network.text_embedding, "audio": network.audio_embedding}
    parts |= {f"keys {number}": block.audio_attn.k for number, block in enumerate(network.blocks)}
    hooks = [
        part.register_forward_hook(lambda *_, name=name: calls.append(name)) for name, part in parts.items()
    ]
    expected = sampled(model)
    again = sampled(model)  # another sampling, which another model may have come between
    for hook in hooks:
        hook.remove()
    assert calls == list(parts) * 2
    assert torch.equal(again, expected)


def test_prompts_that_differ_are_not_taken_for_one(pack):
    one_for_all = pack("comfy_bridge.model.dit").one_for_all
    context = torch.randn(1, 3, 4)
    assert torch.equal(one_for_all(context.repeat(3, 1, 1)), context)
    assert len(one_for_all(torch.cat([context, context + 1]))) == 2
