"""The source as context, by a real core's nodes, VAEs and samplers."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import folder_paths
import ltx
import pytest
import torch
from comfy.ldm.lightricks.symmetric_patchifier import AudioPatchifier
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfy_extras.nodes_lt import (
    EmptyLTXVLatentVideo,
    LTXVAddGuide,
    LTXVConcatAVLatent,
    LTXVConditioning,
    LTXVReferenceAudio,
)
from comfy_extras.nodes_lt_audio import LTXVEmptyLatentAudio
from safetensors.torch import save_file

from nodes import LoraLoaderModelOnly
from xdub_core.dub_it.layouts import LAYOUT_KEY, LAYOUTS, LTX_2_3, PAPER, PAPER_RELEASE, VERSION_KEY
from xdub_core.dub_it.segments import Segment
from xdub_core.errors import CheckpointError, MediaError, SettingsError

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(scope="module")
def vaes():
    return ltx.video_vae(), ltx.audio_vae()


@pytest.fixture
def dub_it(pack):
    return pack("comfy_bridge.dub_it.conditioning")


@pytest.fixture
def context(pack, dub_it, vaes):
    """A context, by layout, of a model of its version."""

    def make(layout, video=None, model=None, size=96, **given):
        text = ltx.conditioning(layout.version)
        source = pack("comfy_bridge.dub_it.source").source_of(video or ltx.source())
        return dub_it.dub_context(
            model or ltx.transformer(layout.version, layers=1),
            (text, text),
            vaes,
            source.clip(source.whole),
            layout,
            size,
            **given,
        )

    return make


def seen_by(made):
    return ltx.recorded(made.model, lambda: ltx.sample(made.model, made.positive, made.negative, made.latent))


@pytest.mark.parametrize("layout", [PAPER, PAPER_RELEASE], ids=lambda layout: layout.name)
def test_context_stands_at_the_target_s_positions_in_both_streams(context, layout):
    seen = seen_by(context(layout))
    for stream in ("video", "audio"):
        positions = seen[stream]
        half = positions.shape[2] // 2
        assert half > 0 and torch.equal(positions[:, :, :half], positions[:, :, half:])
    assert seen["ref_audio"]["tokens"].shape[1] == 17


def test_the_reference_s_sound_ends_before_0_in_the_layout_of_ltx_2_3(context):
    seen = seen_by(context(LTX_2_3))
    sound = seen["audio"]
    assert sound[0, 0, 16].tolist() == pytest.approx([-0.08, -0.04], abs=1e-5)
    assert sound[0, 0, 17].tolist() == pytest.approx([0, 0.01], abs=1e-5)


class Repeated(AudioPatchifier):
    """Gives the last half of a sound's latents the times of the first."""

    def patchify(self, audio_latents):
        tokens, times = super().patchify(audio_latents)
        half = times.shape[2] // 2
        return tokens, times if tokens.shape[-1] == 1 else times[:, :, :half].repeat(1, 1, 2, 1)


@pytest.mark.parametrize("version", ltx.VERSIONS)
def test_appended_to_the_latent_the_reference_is_the_same(pack, version):
    """The other route: as further latents of the sound that are not made, like the picture's guide."""
    times = pack("comfy_bridge.dub_it.reference_times")
    model, shown = ltx.transformer(version), ltx.scene()
    ours = ltx.predict(times.with_reference_at_targets_times(model), version, shown)
    transformer, sounds = model.model.diffusion_model, shown.audio.shape[2]
    before = ltx.predict(model, version, shown)
    own, transformer.a_patchifier = transformer.a_patchifier, Repeated(1, start_end=True)
    try:
        both = replace(
            shown, audio=torch.cat((shown.audio, shown.reference), 2), reference=shown.reference[:, :, :0]
        )
        appended = ltx.predict(model, version, both, made=sounds)
    finally:
        transformer.a_patchifier = own
    assert torch.allclose(ours[0], appended[0], atol=1e-5)
    assert torch.allclose(ours[1], appended[1][:, :, :sounds], atol=1e-5)
    assert (ours[1] - before[1]).abs().max() > 1e-3
    assert all(map(torch.equal, before, ltx.predict(model, version, shown)))


def test_the_layout_of_ltx_2_3_is_what_core_s_own_nodes_make(context, vaes):
    """With sound of whole blocks of 4096 samples, which core's VAE does not crop, longer than 26 latents."""
    model, (vae, audio_vae) = ltx.transformer("2.3", layers=1), vaes
    video = ltx.source(frames=25, fps=Fraction(24))
    clip = video.get_components()
    ours = context(LTX_2_3, video, model)
    text = ltx.conditioning("2.3")
    positive, negative = LTXVConditioning.execute(text, text, 24.0).args
    (latent,) = EmptyLTXVLatentVideo.execute(96, 64, 25).args
    positive, negative, latent = LTXVAddGuide.execute(
        positive, negative, vae, latent, clip.images, 0, 1.0
    ).args
    padded = torch.nn.functional.pad(clip.audio["waveform"], (0, 12 * 4096 - clip.audio["waveform"].shape[2]))
    sound = {"waveform": padded, "sample_rate": 44_100}
    theirs, positive, negative = LTXVReferenceAudio.execute(
        model, positive, negative, sound, audio_vae, 0.0, 0, 1
    ).args
    tokens = positive[0][1]["ref_audio"]["tokens"]
    own = ours.positive[0][1]["ref_audio"]["tokens"]
    assert own.shape[1] == 26
    assert torch.allclose(own, tokens[:, :26], atol=1e-5)
    for conditioning in (positive, negative):
        conditioning[0][1]["ref_audio"] = {"tokens": own}
    (silence,) = LTXVEmptyLatentAudio.execute(25, 24.0, 1, audio_vae).args
    (latent,) = LTXVConcatAVLatent.execute(latent, silence).args
    made = ltx.sample(ours.model, ours.positive, ours.negative, ours.latent)["samples"].unbind()
    core = ltx.sample(theirs, positive, negative, latent)["samples"].unbind()
    assert all(torch.equal(one, other) for one, other in zip(made, core, strict=True))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_both_conditionings_have_the_same_context_so_that_they_go_in_one_batch(context, layout):
    made = context(layout)
    (one,), (other,) = made.positive, made.negative
    assert one[1]["ref_audio"] is other[1]["ref_audio"]
    assert torch.equal(one[1]["keyframe_idxs"], other[1]["keyframe_idxs"])
    assert one[1]["frame_rate"] == 25.0


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_guide_is_the_whole_source_and_stays_as_it_is(context, layout, vaes):
    made = context(layout)
    before = made.latent["samples"].unbind()[0]
    after = ltx.sample(made.model, made.positive, made.negative, made.latent)["samples"].unbind()[0]
    assert torch.allclose(after[:, :, 3:], before[:, :, 3:], atol=1e-5)
    assert torch.equal(before[:, :, 3:], vaes[0].encode(ltx.source().get_components().images))
    kept = torch.allclose(after[:, :, :1], before[:, :, :1], atol=1e-5)
    assert kept == layout.first_frame
    assert not torch.allclose(after[:, :, 1:3], before[:, :, 1:3], atol=1e-2)


def test_the_clean_first_frame_is_the_source_s(context, vaes):
    video = context(PAPER_RELEASE).latent["samples"].unbind()[0]
    assert (video[:, :, 0] - video[:, :, 3]).abs().max() < 0.3 * video[:, :, 3].abs().max()


@pytest.mark.parametrize(
    ("frames", "fps"), [(97, Fraction(25)), (61, Fraction(30000, 1001)), (20, Fraction(24000, 1001))]
)
def test_sound_is_exactly_as_long_as_the_frames_and_not_moved(context, vaes, frames, fps):
    """Core's own crop would begin up to 46 ms late, and be a latent short."""
    video = ltx.source(frames, fps, width=32, height=32)
    made = context(PAPER, video, size=32)
    reference, audio = made.positive[0][1]["ref_audio"]["tokens"], made.latent["samples"].unbind()[1]
    whole = -(-(frames - 1) // 8) * 8 + 1
    assert reference.shape[1] == audio.shape[2] == round(whole / fps * 25)
    sound = video.get_components().audio["waveform"]
    blocks = -(-sound.shape[-1] // 4096) + 20
    uncropped = vaes[1].encode(
        torch.nn.functional.pad(sound, (0, blocks * 4096 - sound.shape[-1])).movedim(1, -1)
    )
    assert torch.allclose(reference, ltx.tokens_of(uncropped)[:, : reference.shape[1]], atol=1e-4)


@pytest.mark.parametrize(("frames", "latents"), [(9, 2), (17, 3), (18, 4), (20, 4)])
def test_frames_that_are_not_8_k_plus_1_are_padded_and_remembered(context, dub_it, frames, latents):
    made = context(PAPER, ltx.source(frames), size=96)
    facts = made.latent[dub_it.MADE_OF]
    assert (facts.frames, facts.guide_latents) == (frames, latents)
    assert made.latent["samples"].unbind()[0].shape[2] == 2 * latents


def test_a_voice_of_its_own_takes_the_source_s_place(context):
    video, other = ltx.source(rate=0), ltx.source(seed=9).get_components().audio
    short = {"waveform": other["waveform"][..., :22_050], "sample_rate": 44_100}
    made = context(PAPER, video, voice=short)
    assert made.positive[0][1]["ref_audio"]["tokens"].shape[1] == 12
    seen = seen_by(made)
    assert torch.equal(seen["audio"][:, :, :12], seen["audio"][:, :, 12:24])


def test_a_free_voice_has_no_reference(context):
    made = context(PAPER, ltx.source(rate=0), free=True)
    assert "ref_audio" not in made.positive[0][1]
    assert seen_by(made)["audio"].shape[2] == 17


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_of_any_channels_and_rate_is_heard(context, channels):
    video = ltx.source(rate=0)
    sound = {"waveform": torch.rand(1, channels, 33_000) - 0.5, "sample_rate": 48_000}
    assert context(PAPER, video, voice=sound).positive[0][1]["ref_audio"]["tokens"].shape == (1, 17, 128)


def test_a_lora_s_file_is_taken_at_its_word_through_core_s_own_loader(context):
    """On the attention between the streams: isolation is of the layer with its LoRA."""
    model, seed = ltx.transformer("2.0", layers=1), torch.Generator().manual_seed(8)
    layer = "transformer_blocks.0.audio_to_video_attn.to_out.0"
    rows, columns = model.model.diffusion_model.get_submodule(layer).weight.shape
    pair = {
        f"diffusion_model.{layer}.lora_A.weight": torch.randn(4, columns, generator=seed),
        f"diffusion_model.{layer}.lora_B.weight": torch.randn(rows, 4, generator=seed),
    }
    folder = Path(folder_paths.get_folder_paths("loras")[0])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(pair, folder / "dub.safetensors", {LAYOUT_KEY: "paper", VERSION_KEY: "2.0"})
    with_lora = LoraLoaderModelOnly().load_lora_model_only(model, "dub.safetensors", 1.0)[0]
    with pytest.raises(SettingsError, match=r"trained in the layout 'paper'"):
        context(PAPER_RELEASE, model=with_lora)
    plain, changed = (
        ltx.sample(made.model, made.positive, made.negative, made.latent)["samples"].unbind()[0]
        for made in (context(PAPER, model=each) for each in (model, with_lora))
    )
    assert (plain[:, :, :3] - changed[:, :, :3]).abs().max() > 1e-3
    assert torch.allclose(plain[:, :, 3:], changed[:, :, 3:], atol=1e-5)


@pytest.mark.parametrize("layout", [PAPER, PAPER_RELEASE], ids=lambda layout: layout.name)
def test_core_s_torch_compile_changes_nothing(context, layout):
    """As its node sets it, with a backend that needs no C++ compiler; two layouts on clones of one model."""
    model = ltx.transformer("2.0", layers=1)
    compiled = model.clone(disable_dynamic=True)
    set_torch_compile_wrapper(compiled, backend="eager")
    made, fast = (context(layout, model=each) for each in (model, compiled))
    plain, same = (
        ltx.sample(each.model, each.positive, each.negative, each.latent, steps=1)["samples"].unbind()
        for each in (made, fast)
    )
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(plain, same, strict=True))


def test_what_does_not_fit_is_told_in_one_line(context, pack, dub_it, vaes, mini):
    text, clip, model = (
        ltx.conditioning("2.0"),
        pack("comfy_bridge.dub_it.source").source_of(ltx.source()).clip(Segment(0, 17)),
        ltx.transformer("2.0", layers=1),
    )
    stated = model.clone()
    stated.set_attachments("lora_metadata", {LAYOUT_KEY: "paper"})
    silent = {"waveform": torch.zeros(1, 2, 9000), "sample_rate": 44_100}
    wrong = [
        (CheckpointError, "and Dub It needs LTX-2", lambda: context(PAPER, model=mini.model)),
        (SettingsError, "choose 'ltx 2.3'", lambda: context(PAPER, model=ltx.transformer("2.3", layers=1))),
        (SettingsError, "is of LTX-2.3, and the model is LTX-2.0", lambda: context(LTX_2_3, model=model)),
        (SettingsError, "trained in the layout 'paper'", lambda: context(PAPER_RELEASE, model=stated)),
        (
            CheckpointError,
            "for sound",
            lambda: dub_it.dub_context(model, (text, text), vaes[::-1], clip, PAPER, 96),
        ),
        (
            CheckpointError,
            "the vae is not",
            lambda: dub_it.dub_context(model, (text, text), (mini.vae, vaes[1]), clip, PAPER, 96),
        ),
        (
            CheckpointError,
            "the audio_vae is not",
            lambda: dub_it.dub_context(model, (text, text), (vaes[0], vaes[0]), clip, PAPER, 96),
        ),
        (MediaError, "no sound", lambda: context(PAPER, ltx.source(rate=0))),
        (MediaError, "the sound is silent", lambda: context(PAPER, voice=silent)),
        (MediaError, "3 frames", lambda: context(PAPER, ltx.source(3))),
    ]
    for kind, message, run in wrong:
        with pytest.raises(kind) as told:
            run()
        assert message in str(told.value) and "\n" not in str(told.value)
