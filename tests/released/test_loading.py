"""The released model's parts put together: from small files in the real formats."""

from contextlib import ExitStack

import pytest
import torch
from safetensors.torch import save_file

from tests.model.conftest import SMALL
from xdub_core.audio.recording import open_recording
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.experts.expert import Expert, ExpertInfo, LowRank, save_expert
from xdub_core.experts.lora import Lora
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import save_dit
from xdub_core.released import loading as released
from xdub_core.released.empty_prompt import EMPTY_PROMPT_FILE, save_empty_prompt
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import dit_needs
from xdub_core.vae.cosine import CosineVAE


def test_features_are_both_encoders_side_by_side_on_disk(goldens, monkeypatch, tmp_path):
    files = {"whisper": goldens / "whisper_tiny.pt", "wav2vec": goldens / "wav2vec2_tiny"}
    monkeypatch.setattr(released, "find_file", lambda key, folder: files[key])
    seen = []
    with (
        open_recording(goldens / "speech_like.wav") as recording,
        ExitStack() as stack,
    ):
        features, again = map(
            stack.enter_context,
            released.released_features(
                [recording, recording],
                tmp_path,
                "cpu",
                tmp_path,
                lambda *done: seen.append(done),
                seen.append,
            ),
        )
        assert features.width == 80 + 24
        assert seen[:4] == ["Whisper", "wav2vec2", None, (0, 2 * features.rows)]
        assert seen[-1] == (2 * features.rows, 2 * features.rows)
        assert (features.rows, 2 * features.rows) in seen
        assert torch.equal(features.read(0, features.rows), again.read(0, features.rows))
        assert torch.isfinite(features.read(-3, features.rows + 3)).all()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batched", [True, False])
def test_model_is_ready_to_sample(monkeypatch, tmp_path, batched):
    torch.manual_seed(0)
    save_dit(XDubDiT(SMALL), tmp_path / "dit.safetensors")
    save_empty_prompt(tmp_path / EMPTY_PROMPT_FILE, torch.randn(1, SMALL.text_dim))
    save_file({"a": torch.zeros(1)}, tmp_path / "vae")
    files = {"vae": tmp_path / "vae", "text": tmp_path / EMPTY_PROMPT_FILE}
    monkeypatch.setattr(released, "find_file", lambda key, folder: files[key])
    monkeypatch.setattr(released, "load_wan_vae", lambda path, device, dtype: CosineVAE(4))
    told = []
    model = released.released_model(
        tmp_path, tmp_path / "dit.safetensors", dtype=torch.float32, batched=batched, loading=told.append
    )
    assert model.needs == dit_needs(SMALL)
    assert told == ["the Wan2.2 VAE", None]  # so far nothing is sampled
    inputs = ClipInputs(torch.randn(1, 4, 2, 4, 4), torch.randn(1, 2, 8, SMALL.audio_dim))
    for _ in range(2):
        latents = sample_clip(model.denoiser, inputs, SamplerSettings(steps=2))
        assert torch.isfinite(latents).all()
        assert told[2:] == ["the empty prompt", "X-Dub", None]
    assert model.denoiser.load().context.shape == (1, 512, SMALL.text_dim)


def test_a_file_that_is_no_model_is_told_before_anything_is_sampled(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other.safetensors"):
        released.released_model(tmp_path, tmp_path / "other.safetensors")


def test_all_missing_files_are_named_in_one_line(tmp_path):
    with pytest.raises(MissingModelError) as error:
        released.require_files(tmp_path, released.DUB_FILES)
    for word in ("5 of X-Dub's files", "X-Dub_model.safetensors (12.6 GB)", "large-v2.pt", "models download"):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_one_missing_file_is_named_with_its_purpose(tmp_path):
    with pytest.raises(
        MissingModelError, match=r"large-v2\.pt \(Whisper large-v2: speech features; 3\.1 GB\)"
    ):
        released.require_files(tmp_path, ["whisper"])


@pytest.fixture
def small_model(monkeypatch, tmp_path):
    """A small checkpoint in the real formats, and how to load it: (path, load)."""
    torch.manual_seed(0)
    dit = XDubDiT(SMALL)
    save_dit(dit, tmp_path / "dit.safetensors")
    save_empty_prompt(tmp_path / EMPTY_PROMPT_FILE, torch.randn(1, SMALL.text_dim))
    save_file({"a": torch.zeros(1)}, tmp_path / "vae")
    files = {"vae": tmp_path / "vae", "text": tmp_path / EMPTY_PROMPT_FILE}
    monkeypatch.setattr(released, "find_file", lambda key, folder: files[key])
    monkeypatch.setattr(released, "load_wan_vae", lambda path, device, dtype: CosineVAE(4))

    def sampled(**options):
        model = released.released_model(
            tmp_path, tmp_path / "dit.safetensors", dtype=torch.float32, **options
        )
        random = torch.Generator().manual_seed(1)
        reference = torch.randn(1, 4, 2, 4, 4, generator=random)
        audio = torch.randn(1, 2, 8, SMALL.audio_dim, generator=random)
        return sample_clip(model.denoiser, ClipInputs(reference, audio), SamplerSettings(steps=3))

    return dit, sampled


def test_loras_are_added_and_experts_act_beside_the_weights(small_model, tmp_path):
    dit, sampled = small_model
    weight = dit.blocks[0].ffn[0].weight
    up, down = torch.randn(len(weight), 2), torch.randn(2, weight.shape[1])
    prefix = "diffusion_model.blocks.0.ffn.0.lora_"
    save_file({prefix + "up.weight": up, prefix + "down.weight": down}, tmp_path / "lora.safetensors")
    everywhere = Expert(ExpertInfo("lip", 2, 2.0, 0.0, 1.0), {"blocks.0.ffn.0": LowRank(down, up)})
    save_expert(everywhere, tmp_path / "expert.safetensors")
    plain, added = sampled(), sampled(loras=[Lora(tmp_path / "lora.safetensors", 0.5)])
    beside = sampled(experts=[Lora(tmp_path / "expert.safetensors", 0.5)])
    assert (plain - added).abs().max() > 1e-3
    torch.testing.assert_close(added, beside, rtol=1e-3, atol=1e-4)  # the same change, in other ways
    assert torch.equal(plain, sampled(loras=[Lora(tmp_path / "lora.safetensors", 0.0)]))


def test_what_is_added_is_looked_at_before_any_work(tmp_path):
    save_file({"diffusion_model.blocks.0.norm3.diff": torch.ones(5)}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match="another size"):
        released.check_added(SMALL, [Lora(tmp_path / "lora.safetensors")], [])
    wrong = Expert(
        ExpertInfo("lip", 2, 2.0, 0.0, 1.0), {"blocks.9.ffn.0": LowRank(torch.ones(2, 4), torch.ones(4, 2))}
    )
    save_expert(wrong, tmp_path / "expert.safetensors")
    with pytest.raises(CheckpointError, match="another model"):
        released.check_added(SMALL, [], [Lora(tmp_path / "expert.safetensors")])


@pytest.mark.parametrize("options", [{"batched": False}, {"batched": True}])
def test_blocks_that_rest_in_memory_change_no_bit(small_model, options):
    _, sampled = small_model
    assert torch.equal(sampled(resident=0, **options), sampled(**options))


def test_eight_bits_are_near_and_go_with_loras_and_blocks_that_rest(small_model, tmp_path):
    dit, sampled = small_model
    bias = torch.randn(len(dit.blocks[0].ffn[0].bias))
    save_file({"diffusion_model.blocks.0.ffn.0.diff_b": bias}, tmp_path / "lora.safetensors")
    lora = [Lora(tmp_path / "lora.safetensors")]
    exact, eight = sampled(loras=lora), sampled(loras=lora, float8=True)
    assert 0 < (exact - eight).square().mean().sqrt() / exact.square().mean().sqrt() < 0.1
    assert torch.equal(eight, sampled(loras=lora, float8=True, resident=1))


def test_branches_on_several_devices_are_those_of_one(small_model):
    _, sampled = small_model
    one = sampled(batched=False)
    assert torch.equal(sampled(batched=False, others=("cpu:1",)), one)
    assert torch.equal(sampled(batched=False, others=("cpu:1", "cpu:2"), resident=0), one)
