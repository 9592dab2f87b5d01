"""The DiT: the released layout, the goldens, and the independence of what must not influence what."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.golden import golden_dit, relative_error
from tests.model.conftest import SMALL
from xdub_core.errors import SamplingError
from xdub_core.model import block, token_parts
from xdub_core.model.attention import FirstOrRest, KeysValues, OneToken, torch_attention
from xdub_core.model.block import modulate
from xdub_core.model.config import RELEASED, config_from_shapes
from xdub_core.model.dit import XDubDiT, timestep_sinusoid
from xdub_core.model.residual import Residual

TOLERANCE = 1e-4


def inputs(config, batch=1, frames=2, size=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    latent = (batch, config.latent_channels, frames, size, size)
    return {
        "latents": torch.randn(latent, generator=generator),
        "reference": torch.randn(latent, generator=generator),
        "context": torch.randn(1, 3, config.text_dim, generator=generator),
        "audio": torch.randn(batch, frames, 8, config.audio_dim, generator=generator),
    }


def velocity(model, data, timestep=500.0, motion_latents=0):
    constants = model.prepare(data["context"], data["audio"], data["latents"].shape)
    timesteps = torch.full((len(data["latents"]),), timestep)
    with torch.no_grad():
        return model(data["latents"], data["reference"], timesteps, constants, motion_latents)


def test_full_size_model_has_exactly_the_released_tensors(reference):
    expected = json.loads((reference / "xdub_checkpoint_keys.json").read_text())
    model = XDubDiT(RELEASED, device="meta")
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == expected
    assert len(expected) == 1245


def test_sizes_are_read_off_the_released_shapes(reference):
    shapes = json.loads((reference / "xdub_checkpoint_keys.json").read_text())
    assert config_from_shapes({name: tuple(shape) for name, shape in shapes.items()}) == RELEASED


@pytest.mark.parametrize(("case", "motion_latents"), [("plain", 0), ("motion", 2), ("first", 0)])
def test_forward_equals_the_release(goldens, case, motion_latents):
    golden = golden_dit(goldens)
    forward = golden.tensors("dit_forward")
    latents = forward["latents"].expand_as(forward["ref_latents"])
    constants = golden.model.prepare(forward["context"], forward["audio_feats"], latents.shape)
    with torch.no_grad():
        result = golden.model(
            latents,
            forward["ref_latents"],
            forward[f"{case}.timestep"].expand(len(latents)),
            constants,
            motion_latents,
        )
    assert relative_error(result, forward[f"{case}.velocity"]) < TOLERANCE


def test_audio_projection_equals_the_release(goldens):
    golden = golden_dit(goldens)
    expected = golden.tensors("audio_projection")
    with torch.no_grad():
        result = golden.model.audio_embedding(expected["audio_feats"])
    assert relative_error(result, expected["audio_embeds"]) < TOLERANCE


def test_audio_of_a_frame_reaches_other_frames_only_through_self_attention(small_dit):
    small_dit.blocks = small_dit.blocks[:1]  # one block: its audio comes after its self-attention
    data = inputs(small_dit.config, frames=3)
    before = velocity(small_dit, data)
    data["audio"] = data["audio"].clone()
    data["audio"][:, 1] += 1
    changed = (velocity(small_dit, data) - before).abs().amax(dim=(0, 1, 3, 4)) > 1e-6
    assert changed.tolist() == [False, True, False]


def test_reference_and_target_positions_differ(small_dit):
    data = inputs(small_dit.config)
    swapped = {**data, "latents": data["reference"], "reference": data["latents"]}
    assert not torch.allclose(velocity(small_dit, data, 0.0), velocity(small_dit, swapped, 0.0), atol=1e-3)


def test_motion_latents_are_seen_as_clean(small_dit):
    data = inputs(small_dit.config)
    assert torch.allclose(velocity(small_dit, data, 0.0, 1), velocity(small_dit, data, 0.0), atol=1e-6)
    assert not torch.allclose(
        velocity(small_dit, data, 900.0, 1), velocity(small_dit, data, 900.0), atol=1e-4
    )


def test_latents_need_not_be_square(small_dit):
    data = inputs(small_dit.config)
    data |= {
        name: torch.randn(1, small_dit.config.latent_channels, 2, 4, 10) for name in ("latents", "reference")
    }
    assert velocity(small_dit, data).shape == (1, small_dit.config.latent_channels, 2, 4, 10)


def test_samples_of_a_batch_do_not_mix(small_dit):
    data = inputs(small_dit.config, batch=2)
    first = {name: value[:1] for name, value in data.items()}
    assert torch.allclose(velocity(small_dit, data)[:1], velocity(small_dit, first), atol=1e-5)


def test_attention_function_is_injected():
    calls = []

    def counting(q, k, v, heads):
        calls.append(heads)
        return torch_attention(q, k, v, heads)

    model = XDubDiT(SMALL, attention=counting)
    velocity(model, inputs(SMALL))
    in_projection = SMALL.audio_inner_dim // SMALL.audio_head_dim
    assert calls == [in_projection] * SMALL.audio_layers + [SMALL.heads] * 3 * SMALL.layers


def test_operations_are_injected():
    class Operations:
        made = 0
        Conv3d, LayerNorm, RMSNorm = nn.Conv3d, nn.LayerNorm, nn.RMSNorm

        class Linear(nn.Linear):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                Operations.made += 1

    model = XDubDiT(SMALL, operations=Operations)
    assert Operations.made == sum(isinstance(module, nn.Linear) for module in model.modules())


def with_gradients(model, data, timestep=500.0, motion_latents=0):
    """All tokens at once and nothing in place, as training computes it."""
    with torch.enable_grad():
        constants = model.prepare(data["context"], data["audio"], data["latents"].shape)
        timesteps = torch.full((len(data["latents"]),), timestep)
        return model(data["latents"], data["reference"], timesteps, constants, motion_latents).detach()


@pytest.mark.parametrize("part_tokens", [1, 8, 1024])
def test_tokens_in_parts_come_out_as_all_at_once(small_dit, monkeypatch, part_tokens):
    monkeypatch.setattr(token_parts, "PART_TOKENS", part_tokens)
    data = inputs(small_dit.config, batch=2, frames=4)
    for motion in (0, 1, 4):
        assert torch.allclose(
            velocity(small_dit, data, 500.0, motion),
            with_gradients(small_dit, data, 500.0, motion),
            atol=1e-6,
        )


@pytest.mark.parametrize("tokens", [7, 10240])
def test_all_tokens_at_once_as_a_gpu_takes_them_come_out_the_same(small_dit, monkeypatch, tokens):
    data = inputs(small_dit.config, batch=2)
    expected = velocity(small_dit, data, 500.0, 1)
    monkeypatch.setattr(block, "FEED_FORWARD_TOKENS", tokens)
    monkeypatch.setattr(token_parts.Layout, "parts", token_parts.Layout.whole)
    assert torch.allclose(velocity(small_dit, data, 500.0, 1), expected, atol=1e-6)


def test_a_block_leaves_its_input_alone(small_dit):
    """A host's patches compare it with the output."""
    data = inputs(small_dit.config)
    constants = small_dit.prepare(data["context"], data["audio"], data["latents"].shape)

    def run(number, block, x):
        before = x.clone()
        made = block(x)
        assert torch.equal(x, before)
        return made

    with torch.no_grad():
        small_dit(data["latents"], data["reference"], torch.tensor([500.0]), constants, 1, run)


@pytest.mark.parametrize("others", [0, 2, 511])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equal_tokens_of_the_prompt_count_as_one_with_a_weight(small_dit, others, dtype):
    """As far as rounding goes: in bfloat16 no farther from float32 than what does not merge them."""
    data = inputs(small_dit.config, batch=2)
    data["context"] = torch.cat([data["context"][:, :1], torch.zeros(1, others, SMALL.text_dim)], dim=1)
    exact = with_gradients(small_dit, data)
    typed = {name: value.to(dtype) for name, value in data.items()}
    small_dit.to(dtype)
    with torch.no_grad():
        merged, plain = (
            small_dit.prepare(typed["context"], typed["audio"], typed["latents"].shape, merge_text=merge)
            for merge in (True, False)
        )
        made, unmerged = (
            small_dit(typed["latents"], typed["reference"], torch.full((2,), 500.0), constants)
            for constants in (merged, plain)
        )
    assert type(merged.text[0]) is (FirstOrRest if others else OneToken)
    assert type(plain.text[0]) is KeysValues
    bound = 1e-6 if dtype == torch.float32 else 1.5 * relative_error(unmerged.float(), exact)
    assert relative_error(made.float(), exact) < bound


def test_prompts_of_different_tokens_are_not_merged(small_dit):
    data = inputs(small_dit.config)
    with torch.no_grad():
        constants = small_dit.prepare(data["context"], data["audio"], data["latents"].shape)
    assert type(constants.text[0]) is KeysValues


def test_no_layer_is_given_tokens_with_gaps_between_them(small_dit):
    """PyTorch makes a batched product of those and copies the layer's weights, once per clip of a batch."""
    with_gaps = []

    def note(name):
        return lambda layer, given: with_gaps.extend([name] * (not given[0].is_contiguous()))

    for name, layer in small_dit.named_modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_pre_hook(note(name))
    velocity(small_dit, inputs(small_dit.config, batch=3, frames=5))
    assert with_gaps == []


def test_keys_and_values_may_be_shared_or_made_by_each_block(small_dit):
    data = inputs(small_dit.config, batch=2)
    arguments = (data["context"], data["audio"], data["latents"].shape)
    kept = small_dit.prepare(*arguments)
    shared = small_dit.prepare(*arguments, text=kept.text)
    by_block = small_dit.prepare(*arguments, by_block=True)
    assert shared.text is kept.text
    assert len({kept.tokens.data_ptr() for kept in by_block.text}) == 1
    assert not any(kept.made for kept in by_block.text)
    with torch.no_grad():
        expected, *others = (
            small_dit(data["latents"], data["reference"], torch.tensor([500.0, 100.0]), constants)
            for constants in (kept, shared, by_block)
        )
    for other in others:
        assert torch.equal(other, expected)
    assert all(kept.made for kept in (*by_block.text, *by_block.audio))


def test_gradients_flow_to_every_parameter(small_dit):
    data = inputs(small_dit.config)
    constants = small_dit.prepare(data["context"], data["audio"], data["latents"].shape)
    result = small_dit(data["latents"], data["reference"], torch.tensor([300.0]), constants, 1)
    result.square().mean().backward()
    without = [name for name, p in small_dit.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_in_place_modulation_has_the_right_gradient():
    torch.manual_seed(0)
    x = torch.randn(1, 5, 3, dtype=torch.float64)
    shift, scale = (torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda s, c: modulate(x.clone(), s, c, 2), (shift, scale))


def test_timestep_sinusoid_has_cosines_first():
    assert timestep_sinusoid(torch.zeros(1), 8).tolist() == [[1.0] * 4 + [0.0] * 4]


def test_a_device_without_float64_gets_the_same_sinusoid_rounded(monkeypatch):
    timestep = torch.tensor([[0.0, 987.654]])
    exact = timestep_sinusoid(timestep, 64)
    monkeypatch.setattr("xdub_core.model.dit.HAVE_FLOAT64", ())
    rounded = timestep_sinusoid(timestep, 64)
    assert (exact.dtype, rounded.dtype) == (torch.float64, torch.float32)
    assert torch.equal(rounded, exact.float())


def test_bfloat16_stays_near_float32(small_dit):
    data = inputs(small_dit.config)
    exact = velocity(small_dit, data)
    half = velocity(small_dit.to(torch.bfloat16), {name: value.bfloat16() for name, value in data.items()})
    assert half.dtype == torch.bfloat16
    assert relative_error(half.float(), exact) < 0.05


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": torch.zeros(1, 4, 2, 4, 6)}, "differ in size"),
        ({"latents": torch.zeros(1, 16, 2, 4, 4)}, "VAE with 4 channels"),
        ({"latents": torch.zeros(1, 4, 2, 3, 4)}, "multiple of 32"),
        ({"audio": torch.zeros(1, 3, 8, 20)}, "audio windows"),
        ({"audio": torch.zeros(1, 2, 8, 21)}, "audio windows"),
    ],
)
def test_wrong_sizes_are_explained(small_dit, changes, message):
    with pytest.raises(SamplingError, match=message):
        velocity(small_dit, inputs(small_dit.config) | changes)


def test_a_host_may_run_each_block_its_own_way(small_dit):
    data = inputs(small_dit.config)
    constants = small_dit.prepare(data["context"], data["audio"], data["latents"].shape)
    sequence = torch.cat([data["reference"], data["latents"]], dim=2)
    timestep = torch.tensor([500.0])
    seen = []

    def run(number, block, x):
        seen.append(number)
        return block(x)

    with torch.no_grad():
        whole = small_dit.output(sequence, timestep, constants)
        ran = small_dit.output(sequence, timestep, constants, run_block=run)
        skipped = small_dit.output(sequence, timestep, constants, run_block=lambda number, block, x: x)
    assert seen == [0, 1]
    assert torch.equal(ran, whole)
    assert not torch.allclose(skipped, whole)


def test_a_residual_model_works_on_the_difference_from_the_reference():
    """Its network sees the noised latents of d = z - reference; where it finds d, the velocity is noise - z."""
    generator = torch.Generator().manual_seed(3)
    shape = (2, SMALL.latent_channels, 4, 4, 4)
    z, reference, noise = (torch.randn(shape, generator=generator) for _ in range(3))
    t = torch.tensor([0.3, 0.7])
    level = t.view(-1, 1, 1, 1, 1)
    noised = (1 - level) * z + level * noise
    noised[:, :, :2] = z[:, :, :2]  # motion latents are clean
    residual = Residual.of(noised, reference, 1000 * t, 2)
    difference = (1 - level) * (z - reference) + level * noise
    difference[:, :, :2] = (z - reference)[:, :, :2]
    assert torch.allclose(residual.noised, difference, atol=1e-6)
    assert torch.allclose(residual.velocity(z - reference)[:, :, 2:], (noise - z)[:, :, 2:], atol=1e-5)


def test_a_residual_model_that_says_nothing_copies_its_reference():
    model = XDubDiT(replace(SMALL, residual=True)).eval()
    torch.nn.init.zeros_(model.head.head.weight)
    torch.nn.init.zeros_(model.head.head.bias)
    generator = torch.Generator().manual_seed(3)
    reference, noise = (torch.randn(1, SMALL.latent_channels, 4, 4, 4, generator=generator) for _ in range(2))
    context, audio = torch.zeros(1, 3, SMALL.text_dim), torch.zeros(1, 4, 8, SMALL.audio_dim)
    with torch.no_grad():
        constants = model.prepare(context, audio, reference.shape)
        velocity = model(noise, reference, torch.tensor([1000.0]), constants)
    assert torch.allclose(velocity, noise - reference, atol=1e-5)


def test_a_step_compiles_as_one_graph_once_for_all_steps(small_dit):
    """Without breaks, and neither another noise level nor other latents compile it anew."""
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(small_dit, backend=count, fullgraph=True, dynamic=False)
    data = inputs(small_dit.config, batch=2)
    with torch.no_grad():
        constants = small_dit.prepare(data["context"], data["audio"], data["latents"].shape)
        for timestep in (1000.0, 731.5, 42.0):
            data["latents"] = data["latents"] + 0.1
            arguments = (data["latents"], data["reference"], torch.full((2,), timestep), constants, 1)
            assert relative_error(compiled(*arguments), small_dit(*arguments)) < 1e-5
    assert len(graphs) == 1
