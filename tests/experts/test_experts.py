"""Experts: the file, attaching without merging, and gating by noise level."""

import json
from dataclasses import dataclass, field

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.adapters import Adapters, new_adapters
from xdub_core.experts.expert import (
    EXPERT_METADATA,
    LIP_RANGE,
    TEXTURE_RANGE,
    Expert,
    ExpertInfo,
    LowRank,
    load_expert,
    save_expert,
)
from xdub_core.experts.expert_denoiser import ExpertDenoiser, changes_clip_constants
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.weights.identify import describe_file
from xdub_core.weights.kinds import Kind

TINY = DiTConfig(
    dim=32, heads=2, layers=2, ffn_dim=64, frequency_dim=32, text_dim=8, audio_dim=6,
    audio_inner_dim=16, audio_head_dim=8, audio_layers=1, latent_channels=4,
)  # fmt: skip
SHAPE = (1, 4, 3, 4, 4)
EVERYWHERE = r"(text_embedding\.\d|audio_embedding\..*|blocks\.\d\..*)"
UNCACHED = r"blocks\.\d\.(self_attn\.(q|k|v|o)|(cross_attn\.q|audio_attn\.(q|o))|ffn\.\d)"


def tiny_model():
    torch.manual_seed(0)
    return XDubDiT(TINY).requires_grad_(False)


def trained_expert(kind, value_range, targets=EVERYWHERE, seed=1):
    """An expert that changes something: B is zero in an untrained one."""
    info = ExpertInfo(kind, rank=3, alpha=1.5, lowest=value_range[0], highest=value_range[1], base="tiny")
    adapters = new_adapters(tiny_model(), info, targets, seed)
    random = torch.Generator().manual_seed(seed)
    for pair in adapters.pairs:
        torch.nn.init.normal_(pair.up, std=0.3, generator=random)
    return adapters.expert()


def lip(**options):
    return trained_expert("lip", LIP_RANGE, seed=1, **options)


def texture(**options):
    return trained_expert("texture", TEXTURE_RANGE, seed=2, **options)


def merged(*experts):
    model = tiny_model()
    for expert in experts:
        for name, (down, up) in expert.layers.items():
            model.get_parameter(f"{name}.weight").add_(expert.scale * (up @ down))
    return model


def inputs():
    random = torch.Generator().manual_seed(3)
    return ClipInputs(torch.randn(SHAPE, generator=random), torch.randn(1, 3, 8, 6, generator=random))


def denoiser(model):
    return DiTDenoiser(model, torch.full((1, 2, TINY.text_dim), 0.3))


def velocities(model_denoiser, sigma):
    clip = inputs()
    latents = torch.randn(SHAPE, generator=torch.Generator().manual_seed(4))
    return torch.cat(model_denoiser.for_clip(clip.reference, clip.audio, 0)(latents, sigma))


def gated(*experts):
    model = tiny_model()
    return ExpertDenoiser(denoiser(model), [Adapters(expert).attach(model) for expert in experts])


def test_file_round_trip_keeps_weights_and_what_they_are_for(tmp_path):
    expert = lip()
    save_expert(expert, tmp_path / "lip.safetensors")
    loaded = load_expert(tmp_path / "lip.safetensors")
    assert loaded.info == expert.info
    assert loaded.layers.keys() == expert.layers.keys()
    assert all(
        torch.equal(a, b)
        for name in expert.layers
        for a, b in zip(expert.layers[name], loaded.layers[name], strict=True)
    )


def test_file_has_the_names_that_comfyui_loads(tmp_path):
    save_expert(lip(), tmp_path / "lip.safetensors")
    with safe_open(tmp_path / "lip.safetensors", "pt") as file:
        names = set(file.keys())
        assert file.get_tensor("diffusion_model.blocks.0.self_attn.q.lora_A.weight").shape == (3, 32)
        assert file.get_tensor("diffusion_model.blocks.0.self_attn.q.lora_B.weight").shape == (32, 3)
        assert file.get_tensor("diffusion_model.blocks.0.self_attn.q.alpha").item() == 1.5
    layers = {name.rsplit(".lora_", 1)[0].removesuffix(".alpha") for name in names}
    assert names == {
        layer + end for layer in layers for end in (".lora_A.weight", ".lora_B.weight", ".alpha")
    }
    parameters = {f"diffusion_model.{name}" for name in tiny_model().state_dict()}
    assert all(f"{layer}.weight" in parameters for layer in layers)
    assert describe_file(tmp_path / "lip.safetensors").kind is Kind.LORA


def test_other_files_are_refused_with_the_reason(tmp_path):
    with pytest.raises(CheckpointError, match="not there"):
        load_expert(tmp_path / "none.safetensors")
    plain = tmp_path / "plain.safetensors"
    save_file({"diffusion_model.blocks.0.self_attn.q.lora_A.weight": torch.zeros(3, 32)}, plain)
    with pytest.raises(CheckpointError, match="ordinary LoRA"):
        load_expert(plain)
    plain.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="damaged"):
        load_expert(plain)


def test_an_expert_of_another_model_is_refused():
    with pytest.raises(CheckpointError, match="has not"):
        Adapters(
            Expert(lip().info, {"blocks.9.ffn.0": LowRank(torch.zeros(3, 32), torch.zeros(64, 3))})
        ).attach(tiny_model())
    with pytest.raises(CheckpointError, match="sizes"):
        Adapters(
            Expert(lip().info, {"blocks.0.ffn.0": LowRank(torch.zeros(3, 48), torch.zeros(64, 3))})
        ).attach(tiny_model())


def test_no_matching_layer_and_impossible_ranges_are_refused():
    with pytest.raises(SettingsError, match="no layer"):
        new_adapters(tiny_model(), lip().info, "nothing")
    with pytest.raises(SettingsError, match=r"within 0\.\.1"):
        ExpertInfo("lip", 4, 4.0, 0.8, 0.4)


def test_new_adapters_change_nothing_at_first():
    model = tiny_model()
    before = velocities(denoiser(model), 0.5)
    new_adapters(model, lip().info).attach(model)
    assert torch.equal(velocities(denoiser(model), 0.5), before)


def test_attaching_leaves_names_and_weights_alone_and_detaching_leaves_no_trace():
    model = tiny_model()
    before, plain = {k: v.clone() for k, v in model.state_dict().items()}, velocities(denoiser(model), 0.5)
    adapters = Adapters(lip()).attach(model)
    assert model.state_dict().keys() == before.keys()
    assert not torch.allclose(velocities(denoiser(model), 0.5), plain, atol=1e-3)
    adapters.detach()
    assert torch.equal(velocities(denoiser(model), 0.5), plain)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_ranges_include_their_ends():
    info = lip().info
    assert [info.acts_at(t) for t in (0.399, 0.4, 0.6, 0.8, 0.801)] == [False, True, True, True, False]


@pytest.mark.parametrize("sigma", [0.4, 0.55, 0.8])
def test_within_its_range_an_expert_equals_merged_weights(sigma):
    expected = velocities(denoiser(merged(lip())), sigma)
    found = velocities(gated(lip(), texture()), sigma)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, velocities(denoiser(tiny_model()), sigma), atol=1e-3)


@pytest.mark.parametrize("sigma", [0.35, 0.85, 1.0])
def test_outside_all_ranges_the_model_is_the_plain_one_bit_for_bit(sigma):
    assert torch.equal(velocities(gated(lip(), texture()), sigma), velocities(denoiser(tiny_model()), sigma))


def test_experts_whose_ranges_overlap_act_together():
    both = gated(lip(), trained_expert("other", (0.5, 0.6), seed=9))
    expected = denoiser(merged(lip(), trained_expert("other", (0.5, 0.6), seed=9)))
    assert torch.allclose(velocities(both, 0.55), velocities(expected, 0.55), atol=1e-5)


@dataclass
class Switching:
    """The reference: a plain model outside the ranges, models with merged weights within them."""

    denoisers: dict = field(
        default_factory=lambda: {
            "none": denoiser(tiny_model()),
            "lip": denoiser(merged(lip())),
            "texture": denoiser(merged(texture())),
        }
    )

    def for_clip(self, *args):
        clips = {name: chosen.for_clip(*args) for name, chosen in self.denoisers.items()}

        def denoise(latents, sigma, weights):
            within = {"lip": LIP_RANGE, "texture": TEXTURE_RANGE}
            acting = [name for name, (low, high) in within.items() if low <= sigma <= high]
            return clips[acting[0] if acting else "none"](latents, sigma, weights)

        return denoise


def test_a_whole_clip_is_sampled_as_if_weights_were_switched_at_the_ranges_ends():
    settings = SamplerSettings(steps=20)
    experts = gated(lip(), texture())
    found, expected = (sample_clip(d, inputs(), settings) for d in (experts, Switching()))
    plain = sample_clip(denoiser(tiny_model()), inputs(), settings)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max())
    assert (found - plain).abs().max() > 0.01 * plain.abs().max()


def test_experts_that_change_no_clip_constants_share_one_preparation():
    assert changes_clip_constants(Adapters(lip()))
    assert not changes_clip_constants(Adapters(lip(targets=UNCACHED)))

    prepared = []

    @dataclass
    class Counting:
        base: DiTDenoiser

        def for_clip(self, *args):
            prepared.append(args)
            return self.base.for_clip(*args)

    for targets, expected in ((UNCACHED, 1), (EVERYWHERE, 3)):
        prepared.clear()
        experts = gated(lip(targets=targets), texture(targets=targets))
        counting = ExpertDenoiser(Counting(experts.base), experts.experts)
        sample_clip(counting, inputs(), SamplerSettings(steps=20))
        assert len(prepared) == expected


def test_after_sampling_the_experts_are_as_before():
    experts = gated(lip(), texture())
    velocities(experts, 0.5)
    assert [expert.active for expert in experts.experts] == [True, True]


STATED = {"kind": "lip", "rank": 3, "alpha": 1.5, "lowest": 0.4, "highest": 0.8, "base": "tiny"}
NO_INFO = {
    "no JSON": "lip",
    "null": "null",
    "a list": "[]",
    "a field too few": {name: value for name, value in STATED.items() if name != "alpha"},
    "an unknown field": STATED | {"sigma": 1},
    "text for a number": STATED | {"lowest": "0.4"},
    "true for a number": STATED | {"rank": True},
    "no number": STATED | {"alpha": float("nan")},
    "a range out of range": STATED | {"highest": 3},
    "an absurd rank": STATED | {"rank": 10**12},
}


@pytest.mark.parametrize("case", NO_INFO)
def test_metadata_of_another_writer_is_one_line(tmp_path, case):
    path, stated = tmp_path / "expert.safetensors", NO_INFO[case]
    metadata = {EXPERT_METADATA: stated if isinstance(stated, str) else json.dumps(stated)}
    save_file({"diffusion_model.blocks.0.ffn.0.lora_A.weight": torch.zeros(3, 32)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"expert\.safetensors: its metadata ") as caught:
        load_expert(path)
    assert "\n" not in str(caught.value)


FACTORS = {
    "of another rank": (torch.zeros(2, 32), torch.zeros(64, 2)),
    "of two ranks": (torch.zeros(3, 32), torch.zeros(64, 5)),
    "a vector": (torch.zeros(3), torch.zeros(64, 3)),
    "three axes": (torch.zeros(3, 32, 1), torch.zeros(64, 3)),
    "whole numbers": (torch.zeros(3, 32, dtype=torch.int32), torch.zeros(64, 3)),
}


@pytest.mark.parametrize("case", FACTORS)
def test_factors_that_are_none_are_refused_when_loaded(tmp_path, case):
    name = "diffusion_model.blocks.0.ffn.0"
    tensors = dict(zip((f"{name}.lora_A.weight", f"{name}.lora_B.weight"), FACTORS[case], strict=True))
    save_file(tensors, tmp_path / "expert.safetensors", metadata={EXPERT_METADATA: json.dumps(STATED)})
    with pytest.raises(CheckpointError, match="no factor of rank 3"):
        load_expert(tmp_path / "expert.safetensors")
