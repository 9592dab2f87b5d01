"""The objectives of both stages: what the models see, what they are trained on, and that they learn."""

from dataclasses import replace

import pytest
import torch

from tests.training.conftest import FRAMES, SIDE, TINY, context, tiny_batch, tiny_dit
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.experts.adapters import Adapters, new_adapters
from xdub_core.experts.expert import ExpertInfo, load_expert, save_expert
from xdub_core.model.attention import torch_attention
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.training.batches import shuffled
from xdub_core.training.channelwise import ChannelwiseDenoiser, edit_channelwise
from xdub_core.training.conditions import ConditionDropout, Kept
from xdub_core.training.cpu_attention import float32_attention
from xdub_core.training.editor import edit
from xdub_core.training.example_files import TensorExamples
from xdub_core.training.flow import noise_target
from xdub_core.training.generator import GeneratorDenoiser, inpaint
from xdub_core.training.initial import editor_from_generator, generator_from_editor
from xdub_core.training.objective import FlowSettings, Objective, PixelLosses
from xdub_core.training.rewards import PixelLossSettings, draw_segment, segment_rows, sync_loss
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.timesteps import UNIFORM
from xdub_core.training.trainer import train
from xdub_core.vae.grid import LatentGrid

EVERYTHING = ConditionDropout(0, 0)
GENERATOR = replace(TINY, background=True)


def objective(stage, settings=None, **options):
    settings = settings or FlowSettings(UNIFORM, dropout=EVERYTHING)
    if stage == "generator":
        return Objective(tiny_dit(GENERATOR), inpaint, context(), settings, **options)
    return Objective(tiny_dit(), edit, context(), settings, **options)


def awake(dit, seed=1):
    """Weights whose blocks and head do something: `initialise` begins with both at zero."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in dit.parameters():
            parameter.normal_(0, 0.2, generator=random)
    return dit


def fit(trained, batch, steps, rate=5e-3):
    """Plain AdamW steps on one batch."""
    optimizer = torch.optim.AdamW([p for p in trained.parameters() if p.requires_grad], lr=rate)
    for step in range(steps):
        trained(batch, torch.Generator().manual_seed(step))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def mean_loss(trained, batch):
    losses = [trained(batch, torch.Generator().manual_seed(1000 + i))["loss"] for i in range(10)]
    return torch.stack(losses).mean().item()


@torch.no_grad()
def lip_error(trained, batch):
    """The squared error of the clean latents where the lip mask is, predicted in one step."""
    clean = batch["target"]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    target = noise_target(clean, noise, torch.full((len(clean),), 0.7))
    error = (0.7 * (target.velocity - trained.velocity(batch, target))).square()
    return (error * batch["lip"]).sum().item()


@pytest.mark.parametrize("stage", ["generator", "editor"])
def test_loss_of_one_batch_falls(stage):
    trained, batch = objective(stage), tiny_batch(background=stage == "generator")
    before = mean_loss(trained, batch)
    fit(trained, batch, steps=60)
    assert mean_loss(trained, batch) < 0.6 * before


@pytest.mark.parametrize("stage", ["generator", "editor"])
def test_what_was_learnt_depends_on_the_audio(stage):
    trained = objective(stage)
    batch = tiny_batch(8, background=stage == "generator")
    other_audio = {**batch, "audio": batch["audio"].roll(1, dims=0)}
    assert lip_error(trained, batch) > 0.95 * lip_error(trained, other_audio)
    fit(trained, batch, steps=120)
    assert lip_error(trained, batch) < 0.7 * lip_error(trained, other_audio)


def predicted(stage, batch, kept=None, audio_attention=True, motion=0):
    model = objective(stage)
    awake(model.dit)
    noise = torch.randn(batch["target"].shape, generator=torch.Generator().manual_seed(5))
    target = noise_target(batch["target"], noise, torch.full((len(noise),), 0.5), motion)
    with torch.no_grad():
        return model.velocity(batch, target, kept, audio_attention)


@pytest.mark.parametrize("name", ["audio", "reference", "background"])
def test_generator_sees_audio_references_and_background(name):
    batch = tiny_batch(background=True)
    changed = {**batch, name: batch[name] + 1}
    assert not torch.allclose(predicted("generator", batch), predicted("generator", changed), atol=1e-3)


def test_generators_references_are_zero_padded_where_targets_have_their_background():
    model = awake(tiny_dit(GENERATOR))
    seen = []
    model.patch_embedding.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = tiny_batch(background=True)
    latents = torch.randn(batch["target"].shape)
    trained = Objective(model, inpaint, context(), FlowSettings(dropout=EVERYTHING))
    trained.velocity(batch, noise_target(latents, latents, torch.zeros(len(latents))))
    stills = batch["reference"].shape[2]
    assert seen[0].shape == (len(latents), 8, stills + FRAMES, SIDE, SIDE)
    assert (seen[0][:, :4, :stills] == 0).all()
    assert torch.equal(seen[0][:, 4:, :stills], batch["reference"])
    assert torch.equal(seen[0][:, :4, stills:], batch["background"])
    assert torch.equal(seen[0][:, 4:, stills:], latents)


def test_left_out_conditions_predict_like_the_samplers_zeros():
    batch = tiny_batch(2)
    none = Kept(audio=torch.tensor([False, False]), reference=torch.tensor([False, False]))
    zeros = {name: torch.zeros_like(batch[name]) for name in ("audio", "reference")}
    assert torch.equal(predicted("editor", batch, none), predicted("editor", {**batch, **zeros}))
    assert not torch.allclose(predicted("editor", batch, none), predicted("editor", batch), atol=1e-3)


def test_silent_branch_attends_to_no_audio():
    batch = tiny_batch(2)
    other = {**batch, "audio": batch["audio"] + 1}
    silent = predicted("editor", batch, audio_attention=False)
    assert torch.equal(silent, predicted("editor", other, audio_attention=False))
    zero_audio = predicted("editor", {**batch, "audio": torch.zeros_like(batch["audio"])})
    assert not torch.allclose(silent, zero_audio, atol=1e-3)


def test_editor_starts_from_the_generators_weights():
    generator = awake(tiny_dit(GENERATOR))
    editor = editor_from_generator(generator)
    latents = tiny_batch()["target"]
    without_background = torch.cat([torch.zeros_like(latents), latents], dim=1)
    with torch.no_grad():
        ours, theirs = editor.patch_embedding(latents), generator.patch_embedding(without_background)
    assert torch.allclose(ours, theirs, atol=1e-6)
    others = editor.state_dict().keys() - {"patch_embedding.weight"}
    assert all(torch.equal(editor.state_dict()[name], generator.state_dict()[name]) for name in others)
    assert editor.config == TINY


def test_generator_starts_from_a_video_models_weights_and_first_ignores_the_background():
    generator = generator_from_editor(awake(tiny_dit()))
    trained = Objective(generator, inpaint, context(), FlowSettings(dropout=EVERYTHING))
    batch = tiny_batch(2, background=True)
    target = noise_target(batch["target"], batch["target"], torch.zeros(2))
    with torch.no_grad():
        before = trained.velocity(batch, target)
        after = trained.velocity({**batch, "background": batch["background"] + 3}, target)
    assert torch.equal(before, after)


def test_the_generator_is_refused_as_an_editor():
    with pytest.raises(SamplingError, match="stage I"):
        tiny_dit(GENERATOR)(None, None, None, None)


def test_channelwise_editor_sees_its_reference_and_samples_as_it_was_trained():
    model = awake(tiny_dit(GENERATOR)).requires_grad_(False)
    trained = Objective(model, edit_channelwise, context(), FlowSettings(dropout=EVERYTHING))
    batch = {name: tensor[:1] for name, tensor in tiny_batch(2).items()}
    target = noise_target(batch["target"], torch.zeros_like(batch["target"]), torch.tensor([0.5]))
    conditions = {
        "none": Kept(audio=torch.tensor([False]), reference=torch.tensor([False])),
        "reference": Kept(audio=torch.tensor([False]), reference=torch.tensor([True])),
        "reference_audio": Kept(audio=torch.tensor([True]), reference=torch.tensor([True])),
    }
    clip = ChannelwiseDenoiser(model, context()).for_clip(batch["reference"], batch["audio"], 0)
    found = clip(target.latents, 0.5)._asdict()
    for name, kept in conditions.items():
        assert torch.allclose(found[name], trained.velocity(batch, target, kept), atol=1e-5)
    assert not torch.allclose(found["none"], found["reference"], atol=1e-3)
    assert not torch.allclose(found["reference"], found["reference_audio"], atol=1e-3)


@pytest.mark.parametrize("motion", [0, 2])
def test_generator_and_editor_sample_as_they_were_trained(motion):
    batch = {name: tensor[:1] for name, tensor in tiny_batch(2, background=True).items()}
    target = noise_target(batch["target"], torch.zeros_like(batch["target"]), torch.tensor([0.5]), motion)
    generator = awake(tiny_dit(GENERATOR)).requires_grad_(False)
    trained = Objective(generator, inpaint, context(), FlowSettings(dropout=EVERYTHING))
    denoiser = GeneratorDenoiser(generator, context(), batch["reference"])
    found = denoiser.for_clip(batch["background"], batch["audio"], motion)(target.latents, 0.5)
    assert torch.allclose(found.reference_audio, trained.velocity(batch, target), atol=1e-5)

    batch = {name: tensor[:1] for name, tensor in tiny_batch(2).items()}
    editor = awake(tiny_dit()).requires_grad_(False)
    trained = Objective(editor, edit, context(), FlowSettings(dropout=EVERYTHING))
    clip = DiTDenoiser(editor, context()).for_clip(batch["reference"], batch["audio"], motion)
    none = Kept(audio=torch.tensor([False]), reference=torch.tensor([False]))
    assert torch.allclose(clip(target.latents, 0.5).none, trained.velocity(batch, target, none), atol=1e-5)
    assert torch.allclose(
        clip(target.latents, 0.5).reference_audio, trained.velocity(batch, target), atol=1e-5
    )


@pytest.mark.parametrize("kind", [GeneratorDenoiser, ChannelwiseDenoiser])
def test_generator_and_channelwise_editor_compute_no_branch_that_does_not_count(kind, monkeypatch):
    batch, computed = tiny_batch(2, background=True), []
    model = awake(tiny_dit(GENERATOR)).requires_grad_(False)
    denoiser = kind(model, context(), *([batch["reference"]] if kind is GeneratorDenoiser else []))
    clip = denoiser.for_clip(batch["background"], batch["audio"], 0)
    every = clip(batch["target"], 0.7)
    output = model.output
    monkeypatch.setattr(model, "output", lambda x, *rest: computed.append(len(x)) or output(x, *rest))
    some = clip(batch["target"], 0.7, (0.0, -1.0, 2.0))
    assert computed == [2 * 2]
    assert not some.none.any()
    torch.testing.assert_close(some[1:], every[1:])


def test_gradient_checkpointing_changes_no_gradient():
    batch, found = tiny_batch(2), []
    for checkpointing in (False, True):
        trained = objective("editor")
        awake(trained.dit).checkpoint_blocks = checkpointing
        trained(batch, torch.Generator().manual_seed(0))["loss"].backward()
        found.append([p.grad for p in trained.parameters() if p.grad is not None])
    assert len(found[0]) > 50
    for plain, recomputed in zip(*found, strict=True):
        assert torch.allclose(plain, recomputed, rtol=1e-4, atol=1e-6)


def test_float32_attention_under_autocast_is_the_float32_attention():
    random = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 5, 8, generator=random) for _ in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        found = float32_attention(q, k, v, 2)
    assert torch.equal(found, torch_attention(q, k, v, 2))


def test_in_place_arithmetic_of_the_blocks_keeps_gradients_true():
    trained = objective("editor").double()
    awake(trained.dit)
    batch = {name: tensor.double() for name, tensor in tiny_batch(1).items()}
    weight = trained.dit.blocks[0].modulation
    trained.settings = replace(trained.settings, motion_probability=1.0)  # both rows of the modulation

    def loss():
        noise = torch.randn(batch["target"].shape, generator=torch.Generator().manual_seed(0)).double()
        target = noise_target(batch["target"], noise, torch.tensor([0.5]), 1)
        constants = trained.dit.prepare(trained.context.double(), batch["audio"], batch["target"].shape)
        velocity = trained.dit(target.latents, batch["reference"], 1000 * target.t, constants, 1)
        return velocity.square().mean()

    loss().backward()
    for place in [(0, 0, 3), (0, 1, 5), (0, 2, 7), (0, 4, 9), (0, 5, 11)]:
        with torch.no_grad():
            weight[place] += 1e-6
            above = loss()
            weight[place] -= 2e-6
            below = loss()
            weight[place] += 1e-6
        assert weight.grad[place].item() == pytest.approx((above - below).item() / 2e-6, rel=1e-4)


def test_a_share_of_the_batches_continues_a_clip():
    trained = objective("editor")
    drawn = [trained._draw_target(tiny_batch(2), torch.Generator().manual_seed(i)) for i in range(200)]
    share = sum(target.motion_latents == 2 for target in drawn) / 200
    assert share == pytest.approx(0.5, abs=0.1)
    assert {target.motion_latents for target in drawn} == {0, 2}


# Pixel losses. The decoder repeats latents in time; the scorer compares the mouth's brightness with the sound.


def decode(latents):
    frames = latents[:, :3].repeat_interleave(4, dim=2)[:, :, 3:]
    return frames.permute(0, 2, 3, 4, 1)


def brightness_scorer(frames, rows):
    mouth = frames.mean((2, 3, 4))
    return torch.cosine_similarity(mouth, rows[..., 0].unflatten(1, (-1, 2)).mean(-1), dim=1)


def embed(frames):
    return frames.flatten(1)


def expert_objective(kind, pixels):
    dit = awake(tiny_dit()).requires_grad_(False)
    adapters = new_adapters(dit, ExpertInfo(kind, 4, 4.0, 0, 1)).attach(dit)
    settings = FlowSettings(dropout=EVERYTHING, motion_probability=0)
    return Objective(dit, edit, context(), settings, pixels, adapters)


def test_audio_is_heard_through_noise_of_the_deviation_asked_for():
    """Up to it, sample by sample; the batch itself is left as it was."""
    heard = []

    def listen(dit, latents, timestep, conditions, motion_latents, audio_attention):
        heard.append(conditions.audio)
        return edit(dit, latents, timestep, conditions, motion_latents, audio_attention)

    settings = FlowSettings(UNIFORM, dropout=EVERYTHING, audio_noise=0.5)
    noisy = Objective(tiny_dit(), listen, context(), settings)
    batch = tiny_batch(8)
    before = batch["audio"].clone()
    noisy(batch, torch.Generator().manual_seed(0))
    deviations = (heard[0] - before).flatten(1).std(dim=1)
    assert torch.equal(batch["audio"], before)
    assert 0 < deviations.min() < deviations.max() < 0.7
    assert deviations.max() > 0.2
    with torch.no_grad():
        again = noisy(batch, torch.Generator().manual_seed(0))["loss"]
        assert again == noisy(batch, torch.Generator().manual_seed(0))["loss"]


def test_lip_expert_is_trained_by_the_sync_scorer_and_nothing_else_is_trained():
    trained = expert_objective("lip", PixelLosses(decode, sync=brightness_scorer))
    losses = trained(tiny_batch(), torch.Generator().manual_seed(0))
    assert losses["loss"].item() == pytest.approx((losses["flow"] + 0.05 * losses["sync"]).item())
    losses["sync"].backward()
    gradients = {name: p.grad for name, p in trained.named_parameters() if p.grad is not None}
    assert gradients and all(name.startswith("adapters.") for name in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients.values())


def test_a_tuned_lip_expert_serves_the_untouched_base_from_its_file(tmp_path):
    trained = expert_objective("lip", PixelLosses(decode, sync=brightness_scorer))
    base = {name: tensor.clone() for name, tensor in trained.dit.state_dict().items()}
    settings = TrainerSettings(
        steps=5, batch_size=2, learning_rate=1e-2, warmup=1, precision="float32", average=0.0
    )
    averaged = train(trained, shuffled(TensorExamples(tiny_batch())), settings, tmp_path)
    assert all(name.startswith("adapters.") for name in averaged)
    assert all(torch.equal(tensor, base[name]) for name, tensor in trained.dit.state_dict().items())
    save_expert(trained.adapters.expert(), tmp_path / "lip.safetensors")
    fresh = Objective(awake(tiny_dit()), edit, context(), FlowSettings(dropout=EVERYTHING))
    target = noise_target(tiny_batch()["target"], torch.zeros(4, 4, 4, 4, 4), torch.full((4,), 0.5))
    with torch.no_grad():
        plain = fresh.velocity(tiny_batch(), target)
        Adapters(load_expert(tmp_path / "lip.safetensors")).attach(fresh.dit)
        tuned = fresh.velocity(tiny_batch(), target)
        expected = trained.velocity(tiny_batch(), target)
    assert torch.allclose(tuned, expected, atol=1e-5)
    assert not torch.allclose(tuned, plain, atol=1e-3)


def test_sync_loss_rewards_frames_that_go_with_the_sound():
    rows = torch.rand(2, 26, 3, generator=torch.Generator().manual_seed(0))
    rows[..., 0] -= 0.5
    mouth = rows[..., 0].unflatten(1, (-1, 2)).mean(-1)
    frames = mouth.view(2, 13, 1, 1, 1).expand(-1, -1, 4, 4, 3)
    right = sync_loss(brightness_scorer, frames, rows, window=8)
    wrong = sync_loss(brightness_scorer, frames.flip(1), rows, window=8)
    assert torch.allclose(right, torch.zeros(2), atol=1e-5)
    assert (wrong > 0.2).all()


def test_samples_without_audio_are_not_asked_for_sync():
    trained = expert_objective("lip", PixelLosses(decode, sync=brightness_scorer))
    trained.settings = replace(trained.settings, dropout=ConditionDropout(audio=1.0, both=0.0))
    assert trained(tiny_batch(), torch.Generator().manual_seed(0))["sync"].item() == 0


def test_identity_is_supervised_on_silent_branches_only():
    trained = expert_objective("texture", PixelLosses(decode, identity=(embed,)))
    heard = []
    trained.dit.blocks[0].audio_attn.register_forward_hook(lambda *_: heard.append(True))
    supervised = 0
    for seed in range(20):
        heard.clear()
        losses = trained(tiny_batch(2), torch.Generator().manual_seed(seed))
        assert ("identity" in losses) != bool(heard)
        supervised += "identity" in losses
    assert 4 <= supervised <= 16  # p = 0.5


def test_a_sync_loss_without_rows_is_refused():
    batch = tiny_batch()
    del batch["rows"]
    with pytest.raises(SettingsError, match="rows"):
        expert_objective("lip", PixelLosses(decode, sync=brightness_scorer))(batch, torch.Generator())


def test_segments_of_latents_go_with_their_rows():
    rows = torch.arange(2 * 77).view(1, -1, 1)
    four, eight = (LatentGrid(1, temporal, 8) for temporal in (4, 8))
    assert segment_rows(rows, slice(0, 4), four).flatten().tolist() == list(range(26))
    assert segment_rows(rows, slice(2, 6), four).flatten().tolist() == list(range(16, 42))
    assert segment_rows(rows, slice(2, 4), eight).flatten().tolist() == list(range(32, 50))
    starts = {draw_segment(20, 4, torch.Generator().manual_seed(i)).start for i in range(300)}
    assert starts == set(range(17))
    assert draw_segment(3, PixelLossSettings().segment_latents, torch.Generator()) == slice(0, 3)
