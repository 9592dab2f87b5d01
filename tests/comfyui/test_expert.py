"""Experts act at their own noise levels only, and there as if they were merged, on every kind of weights."""

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_lora, put_model, random_state, relative_error, wide_state

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.expert import ExpertInfo
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas

SIGMAS = flow_sigmas(8)  # 1, .972, .938, .893, .833, .75, .625, .417, 0
LIP, TEXTURE = ExpertInfo("lip", 4, 8.0, 0.4, 0.8), ExpertInfo("texture", 4, 4.0, 0.0, 0.3)
TARGETS = (
    "blocks.0.self_attn.q",
    "blocks.1.audio_attn.k",
    "blocks.0.cross_attn.v",
    "blocks.1.ffn.2",
    "audio_embedding.proj_in",
)


@pytest.fixture(scope="module")
def file():
    return put_model("experts.safetensors", random_state(RELEASED_HEADS))


@pytest.fixture(scope="module")
def sampled(pack):
    guider = pack("comfy_bridge.guider").ClipGuider

    def run(model, sigmas=SIGMAS, **options):
        return sample(guider(model, Guidance(), random_clip(), CONTEXT), sigmas, **options)

    return run


@pytest.fixture(scope="module")
def add_expert(pack):
    node = pack("expert").LoraExpert

    def added(model, name, strength=1.0, noise_range="as the file says", from_noise=1.0, to_noise=0.0):
        return node.execute(model, name, strength, noise_range, from_noise, to_noise).result[0]

    return added


def merged(model, name, strength=1.0):
    from nodes import LoraLoaderModelOnly

    return LoraLoaderModelOnly().load_lora_model_only(model, name, strength)[0]


def parts(sampled, models_and_steps):
    """Sampling in parts, each with a model of its own."""
    latents, start = None, 0
    for model, steps in models_and_steps:
        result = sampled(model, SIGMAS[start : start + steps + 1], latents=latents, noise=start == 0)
        latents, start = model.model.process_latent_out(result), start + steps
    return result


@pytest.mark.parametrize("weight_dtype", ["default", "fp8_e4m3fn"])
def test_gated_experts_equal_split_sigmas_with_merged_loras(file, sampled, add_expert, weight_dtype):
    """Merging into fp8 weights would round them again, so there the merged models hold the same numbers in float32."""
    model = load_model(file, weight_dtype)
    whole = load_model(put_model("whole.safetensors", wide_state(model)))
    lip = put_lora("lip.safetensors", model, TARGETS, LIP, seed=1)
    texture = put_lora("low.safetensors", model, TARGETS[:2], ExpertInfo("texture", 4, 4.0, 0.0, 0.5), seed=2)
    gated = sampled(add_expert(add_expert(model, lip), texture, 0.5))
    split = parts(
        sampled, [(whole, 5), (merged(whole, lip), 2), (merged(merged(whole, lip), texture, 0.5), 1)]
    )
    assert relative_error(gated, split) < 1e-4
    assert relative_error(gated, sampled(model)) > 0.01


@pytest.mark.parametrize(("info", "times"), [(LIP, 2), (TEXTURE, 1)])
def test_what_no_step_changes_is_made_anew_where_an_expert_begins_to_act(
    file, sampled, add_expert, info, times
):
    """From the sixth of eight steps on the one acts; the other never does."""
    model, calls = load_model(file), []
    name = put_lora("anew.safetensors", model, TARGETS, info, seed=1)
    hook = model.model.diffusion_model.audio_embedding.register_forward_hook(lambda *_: calls.append(1))
    sampled(add_expert(model, name))
    hook.remove()
    assert len(calls) == times


def test_outside_their_ranges_the_model_is_untouched_bit_by_bit(file, sampled, add_expert):
    model = load_model(file)
    lip = put_lora("lip2.safetensors", model, TARGETS, LIP, seed=1)
    with_lip = add_expert(model, lip)
    assert torch.equal(sampled(with_lip, SIGMAS[:5]), sampled(model, SIGMAS[:5]))
    sampled(with_lip)
    assert torch.equal(sampled(model), sampled(model))
    assert not sampled(with_lip).equal(sampled(model))


def test_two_experts_on_the_same_layers_leave_no_trace(file, sampled, add_expert):
    model = load_model(file)
    before = sampled(model)
    lip = put_lora("lip3.safetensors", model, TARGETS, LIP, seed=1)
    texture = put_lora("texture3.safetensors", model, TARGETS, TEXTURE, seed=2)
    both = add_expert(add_expert(model, lip), texture, noise_range="custom", from_noise=1.0, to_noise=0.0)
    sampled(both)
    assert torch.equal(sampled(model), before)
    assert all(module.forward.__func__ is type(module).forward for module in model.model.modules())


def test_custom_range_and_strength(file, sampled, add_expert):
    model = load_model(file)
    name = put_lora("plain.safetensors", model, TARGETS, None, seed=3)
    always = add_expert(model, name, 0.7, "custom", 1.0, 0.0)
    assert relative_error(sampled(always), sampled(merged(model, name, 0.7))) < 1e-4
    never = add_expert(model, name, 0.7, "custom", 0.2, 0.1)
    assert torch.equal(sampled(never), sampled(model))


def test_lora_that_states_no_range_asks_for_one(file, add_expert):
    model = load_model(file)
    with pytest.raises(CheckpointError, match="noise levels"):
        add_expert(model, put_lora("silent.safetensors", model, TARGETS, None, seed=3))


def test_lora_of_another_model_is_refused(file, add_expert, pack):
    model = load_model(file)
    larger = load_model(
        put_model(
            "larger.safetensors",
            random_state(type(RELEASED_HEADS)(**{**vars(RELEASED_HEADS), "dim": 384, "heads": 3})),
        )
    )
    with pytest.raises(CheckpointError, match="another size"):
        add_expert(model, put_lora("larger_lora.safetensors", larger, TARGETS[:1], LIP, seed=1))
    with pytest.raises(CheckpointError, match="no layer"):
        add_expert(model, put_lora("other.safetensors", model, (), LIP, seed=1))


def test_custom_range_upside_down_is_told_before_the_work(pack):
    assert "exchange" in pack("expert").LoraExpert.validate_inputs("custom", 0.2, 0.8)
    assert pack("expert").LoraExpert.validate_inputs("lip (0.8 to 0.4)", 0.2, 0.8) is True


@pytest.mark.parametrize(
    ("given", "told"),
    [(("lips",), "noise_range 'lips' is not in the list"), (("custom", 1.5, 0.0), "from_noise is")],
)
def test_a_mistyped_range_is_told_before_the_work(pack, given, told):
    assert told in pack("expert").LoraExpert.validate_inputs(*given)


@pytest.mark.parametrize(
    "noise_range",
    [
        {"noise_range": "custom (slider)", "range": {"min": 0.2, "max": 0.9}},
        {"noise_range": "custom", "from_noise": 0.9, "to_noise": 0.2},
    ],
)
def test_a_range_that_is_drawn_or_typed_is_the_expert_s(pack, file, noise_range):
    model = load_model(file)
    put_lora("ranged.safetensors", model, TARGETS[:1], LIP, seed=1)
    (made,) = pack("expert").LoraExpert.execute(model, "ranged.safetensors", 1.0, noise_range).args
    (expert,) = pack("comfy_bridge.expert").experts_of(made)
    assert (expert.lowest, expert.highest) == (0.2, 0.9)


def test_a_typed_range_upside_down_is_told_when_it_runs(pack, file):
    model = load_model(file)
    put_lora("ranged.safetensors", model, TARGETS[:1], LIP, seed=1)
    typed = {"noise_range": "custom", "from_noise": 0.2, "to_noise": 0.9}
    with pytest.raises(SettingsError, match="exchange"):
        pack("expert").LoraExpert.execute(model, "ranged.safetensors", 1.0, typed)
