"""The sampler of a whole recording, the guider of one clip and what they are given."""

import json

import numpy as np
import pytest
import torch
from clips import CONTEXT, sample
from models import RELEASED_HEADS, load_model, put_model, random_state, relative_error

from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.clip_chain import ClipChain
from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.crops import crop_finisher
from xdub_core.dub.observer import ClipObserver
from xdub_core.dub.settings import DubSettings
from xdub_core.dub.shots import plan_shots
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.face.track import FaceTrack
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.clip_sampling import DenoiserSampler, SamplerSettings
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas
from xdub_core.vae.cosine import CosineVAE

GEOMETRY, SIZE, FRAMES = ClipGeometry(9, 5), 96, 20
CONDITIONING = [[CONTEXT, {}]]


@pytest.fixture(scope="module")
def model():
    return load_model(put_model("sampling.safetensors", random_state(RELEASED_HEADS)))


@pytest.fixture(scope="module")
def speech(pack):
    rows = torch.randn(60, RELEASED_HEADS.audio_dim, generator=torch.Generator().manual_seed(3))
    return pack("comfy_bridge.types").SpeechFeatures(TensorFeatures(rows), FRAMES, FRAMES * 640)


@pytest.fixture(scope="module")
def reference(pack):
    """Two shots: 9 frames (one clip) and 10 (two clips), a frame apart."""
    shot = np.array([0] * 9 + [-1] + [1] * 10)
    track = FaceTrack(np.tile([0.0, 0, SIZE, SIZE], (FRAMES, 1)), shot >= 0, shot, (SIZE, SIZE))
    crops = torch.rand(FRAMES, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(4))
    video_vae, types = CosineVAE(48), pack("comfy_bridge.types")
    shots = []
    for plan in plan_shots(track, FRAMES, GEOMETRY):
        seen = [plan.slots[clip.start - plan.frames.start :][: GEOMETRY.frames] for clip in plan.clips]
        latents = tuple(video_vae.encode(crops[slots]) for slots in seen)
        shots.append(types.ShotReference(plan.frames, plan.clips, plan.slots, latents))
    return types.ReferenceLatents(tuple(shots), GEOMETRY, crops, video_vae, FRAMES)


def run_sampler(pack, model, reference, speech, **options):
    settings = {"seed": 7, "seed_per_clip": False, "border": 1, "match_colors": True, "as_released": False}
    settings |= {"empty_prompt": CONDITIONING, "sigmas": flow_sigmas(3)} | options
    latents = pack("sampler").DubSampler.execute(model, reference, speech, **settings).result[0]
    return [model.model.process_latent_in(shot["samples"]) for shot in latents]


def engine_shot(reference, speech, shot, as_released=False):
    dit = XDubDiT(RELEASED_HEADS).eval()
    dit.load_state_dict(random_state(RELEASED_HEADS))
    latents = []
    chain = ClipChain(
        reference.vae,
        DenoiserSampler(DiTDenoiser(dit, CONTEXT), SamplerSettings(3, seed=7)),
        GEOMETRY,
        crop_finisher(True, as_released),
        as_released=as_released,
        retries=0 if as_released else 2,
    )
    crops = (reference.crops[slot].numpy() for slot in shot.slots)

    class Latents(ClipObserver):
        def made(self, clip, outcome, sampled):
            latents.append(sampled)

    list(chain.run(speech.features, crops, shot.clips, Latents()))
    return torch.cat(latents)


@pytest.mark.parametrize("as_released", [False, True])
def test_all_clips_of_all_shots_equal_the_engines(pack, model, reference, speech, as_released):
    results = run_sampler(pack, model, reference, speech, as_released=as_released)
    assert [len(shot) for shot in results] == [1, 2]
    for result, shot in zip(results, reference.shots, strict=True):
        tolerance = (
            1e-3 if as_released else 1e-4
        )  # frames are handed on in 8 bits, which may round the other way
        assert relative_error(result, engine_shot(reference, speech, shot, as_released)) < tolerance


def test_any_sampler_and_sigmas(pack, model, reference, speech):
    from comfy.samplers import sampler_object

    sigmas = flow_sigmas(4, shift=3.0)
    results = run_sampler(pack, model, reference, speech, sampler=sampler_object("dpmpp_2m"), sigmas=sigmas)
    assert all(torch.isfinite(shot).all() for shot in results)
    assert relative_error(results[0], run_sampler(pack, model, reference, speech)[0]) > 1e-3


def test_sigmas_are_the_same_for_every_clip_with_a_sampler_that_overwrites_them(
    pack, model, reference, speech
):
    from comfy.samplers import sampler_object

    sigmas = flow_sigmas(4)
    results = run_sampler(pack, model, reference, speech, sampler=sampler_object("uni_pc"), sigmas=sigmas)
    assert torch.equal(sigmas, flow_sigmas(4))
    border = reference.shots[1].latents[1][:, :, 2:, ..., 0]
    torch.testing.assert_close(results[1][1:, :, 2:, ..., 0], border, rtol=0, atol=1e-4)


def test_seed_per_clip_gives_every_clip_of_the_dub_its_own(pack, model, reference, speech):
    same, own = (run_sampler(pack, model, reference, speech, seed_per_clip=own) for own in (False, True))
    assert torch.equal(same[0], own[0])
    assert [torch.equal(a, b) for a, b in zip(same[1], own[1], strict=True)] == [False, False]
    second = run_sampler(
        pack, model, reference, speech, seed=8
    )  # the seed of clip 2, the second shot's first
    assert torch.equal(second[1][0], own[1][0])


def test_guider_with_the_frames_before_equals_the_sampler(pack, model, reference, speech):
    """The first clip of the second shot, then the second, which goes on from the first's finished frames."""
    node, sigmas = pack("guider").DubGuider, flow_sigmas(3)
    expected = run_sampler(pack, model, reference, speech, as_released=True, match_colors=False)[1]
    results, frames = [], None
    for clip in (2, 3):
        guider, latent = node.execute(
            model, reference, speech, clip, 1, empty_prompt=CONDITIONING, frames_before=frames
        ).result
        assert latent["samples"].shape == guider.clip.reference.shape
        results.append(sample(guider, sigmas, seed=7, latents=latent["samples"]))
        frames = (reference.vae.decode(results[-1]) * 255).floor() / 255
    assert relative_error(results[0], expected[:1]) < 1e-4
    assert relative_error(results[1], expected[1:2]) < 0.05  # 8 bits


def test_interruption_stops_within_a_step(pack, model, reference, speech):
    import comfy.model_management as management

    steps = []

    def interrupt(executor, *args, **kwargs):
        steps.append(1)
        if len(steps) == 5:
            management.interrupt_current_processing(True)
        return executor(*args, **kwargs)

    patched = model.clone()
    patched.add_wrapper_with_key("diffusion_model", "test", interrupt)
    with pytest.raises(management.InterruptProcessingException):
        run_sampler(pack, patched, reference, speech)
    assert len(steps) == 5
    assert run_sampler(pack, model, reference, speech)[0].isfinite().all()


def test_preview_and_progress_count_all_steps_of_all_clips(pack, model, reference, speech, monkeypatch):
    import comfy.utils
    import latent_preview

    seen = []
    monkeypatch.setattr(
        comfy.utils,
        "PROGRESS_BAR_HOOK",
        lambda done, total, preview, node_id: seen.append((done, total, preview)),
    )
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.Latent2RGB)
    run_sampler(pack, model, reference, speech, as_released=True)  # no clip is sampled again
    assert [(done, total) for done, total, _ in seen] == [(step, 9) for step in range(1, 10)]
    assert all(preview[0] == "JPEG" for _, _, preview in seen)


def test_nan_is_told_with_its_clip(pack, model, reference, speech):
    broken = model.clone()
    broken.add_wrapper_with_key(
        "diffusion_model", "test", lambda executor, *a, **k: executor(*a, **k) * torch.nan
    )
    with pytest.raises(SamplingError, match="clip 1"):
        run_sampler(pack, broken, reference, speech)


def test_parts_of_another_model_are_refused(pack, model, reference, speech):
    types = pack("comfy_bridge.types")
    narrow = types.SpeechFeatures(TensorFeatures(torch.zeros(60, 7)), FRAMES, FRAMES * 640)
    with pytest.raises(SettingsError, match="7 wide"):
        run_sampler(pack, model, reference, narrow)
    other = types.ReferenceLatents(reference.shots, GEOMETRY, reference.crops, CosineVAE(12), FRAMES)
    with pytest.raises(SettingsError, match="12 channels"):
        run_sampler(pack, model, other, speech)
    with pytest.raises(SettingsError, match="wide"):
        run_sampler(pack, model, reference, speech, empty_prompt=[[torch.zeros(1, 3, 99), {}]])


def test_guider_says_which_clips_there_are_and_what_a_clip_needs(pack, model, reference, speech):
    node = pack("guider").DubGuider
    with pytest.raises(SettingsError, match="1 to 3"):
        node.execute(model, reference, speech, 5, 1, empty_prompt=CONDITIONING)
    with pytest.raises(SettingsError, match="frames_before"):
        node.execute(model, reference, speech, 3, 1, empty_prompt=CONDITIONING)


def test_frames_before_of_another_size_are_told(pack, model, reference, speech):
    node, frames = pack("guider").DubGuider, torch.zeros(9, 64, SIZE, 3)
    with pytest.raises(SettingsError, match=r"frames_before are of 96 x 64 pixels.*crops of 96 x 96"):
        node.execute(model, reference, speech, 3, 1, empty_prompt=CONDITIONING, frames_before=frames)


def test_without_guidance_and_sigmas_the_models_own_settings_hold(pack, model, reference, speech):
    own = DubSettings(sampler=SamplerSettings(2, Guidance(1.5, 3.0, dynamic=False), shift=2.0))
    settled = model.clone()
    settled.set_attachments(pack("comfy_bridge.model.own_settings").SETTINGS, own)
    result = run_sampler(pack, settled, reference, speech, sigmas=None)
    stated = {"sigmas": flow_sigmas(2, 2.0), "guidance": own.sampler.guidance}
    expected = run_sampler(pack, model, reference, speech, **stated)
    assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))


def test_guidance_node_gives_the_released_guidance_by_default(pack):
    node = pack("guidance").DubGuidance
    defaults = {i.id: i.default for i in node.define_schema().inputs}
    assert node.execute(**defaults).result[0] == Guidance()
    assert (
        node.validate_inputs(**{n: defaults[n] for n in ("high_until", "middle_from", "start", "end")})
        is True
    )
    assert "falls" in node.validate_inputs(high_until=0.5, middle_from=0.6)
    assert "falls" in node.validate_inputs(start=0.2, end=0.3)


def told_by(pack, model, reference, speech, **options):
    """What the node's ui says of the clips and of the guidance."""
    settings = {"seed": 7, "seed_per_clip": False, "border": 1, "match_colors": True, "as_released": False}
    settings |= {"empty_prompt": CONDITIONING, "sigmas": flow_sigmas(3)} | options
    ui = pack("sampler").DubSampler.execute(model, reference, speech, **settings).ui
    (clips,), (guidance,) = ui["xdub_clips"], ui["xdub_guidance"]
    return clips, guidance


def test_every_clip_of_every_shot_is_told(pack, model, reference, speech):
    clips, _ = told_by(pack, model, reference, speech, seed_per_clip=True)
    assert (clips["frames"], clips["seed"], clips["ended"]) == (FRAMES, "7", "done")
    (lane,) = clips["lanes"]
    assert lane["untouched"] == [[9, 10, ""]]
    assert [shot[:2] for shot in lane["shots"]] == [[0, 9], [10, 20]]
    numbered = [clip for shot in lane["shots"] for clip in shot[2]]
    assert [clip[:3] for clip in numbered] == [[0, 0, 9], [1, 10, 19], [2, 19, 20]]
    for number in range(3):
        told = clips["clips"][str(number)]
        assert (told["step"], told["steps"]) == (3, 3)
        assert told["attempts"]["0"]["seed"] == str(7 + number)
        assert told["seed"] == told["attempts"][str(told["shown"])]["seed"]
        assert told["state"] in ("passed", "failed")
        assert all("reasons" in each for each in told["attempts"].values())


def test_clips_that_are_not_judged_are_told_as_such(pack, model, reference, speech):
    clips, _ = told_by(pack, model, reference, speech, as_released=True)
    assert {told["state"] for told in clips["clips"].values()} == {"unchecked"}


def test_the_guidance_is_told_at_the_noise_levels_that_the_sampler_asks_at(pack, model, reference, speech):
    from comfy.samplers import sampler_object

    guidance = Guidance(3.0, 8.0, end=0.5)
    _, told = told_by(pack, model, reference, speech, guidance=guidance)
    sigmas = flow_sigmas(3)[:-1].tolist()
    assert told["used"] and [step[0] for step in told["steps"]] == pytest.approx(sigmas, abs=1e-4)
    assert [step[1:] for step in told["steps"]] == [
        [
            round(guidance.reference(s), 4),
            round(guidance.audio(s), 4),
            sum(w != 0 for w in guidance.weights(s)),
        ]
        for s in sigmas
    ]
    _, heun = told_by(pack, model, reference, speech, sampler=sampler_object("heun"))
    assert len(heun["steps"]) == 5  # twice a step, but the last


def test_chosen_clips_are_sampled_from_other_noise(pack, model, reference, speech):
    plain = run_sampler(pack, model, reference, speech)
    again, twice = (run_sampler(pack, model, reference, speech, redo=redo) for redo in ("2", "2,2"))
    assert torch.equal(plain[0], again[0])  # the first shot is the first clip
    assert not torch.equal(plain[1][0], again[1][0])
    assert not torch.equal(again[1][0], twice[1][0])
    with pytest.raises(SettingsError, match="redo 4: this dub has 3 clips"):
        run_sampler(pack, model, reference, speech, redo="4")
    assert "give numbers of clips" in pack("sampler").DubSampler.validate_inputs(redo="two")


def test_guidance_follows_what_is_drawn(pack):
    node = pack("guidance").DubGuidance
    numbers = {i.id: i.default for i in node.define_schema().inputs}
    drawn = {
        "curves": "drawn",
        "audio": {"points": [[0, 0.5], [1, 0.5]], "interpolation": "linear"},
        "window": {"min": 0.25, "max": 0.75},
    }
    made = node.execute(**numbers | {"curves": drawn})
    (guidance,) = made.args
    assert [guidance.audio(level) for level in (0.2, 0.5, 0.8)] == [1.0, 5.0, 1.0]
    assert guidance.reference(0.5) == Guidance().reference(0.5)
    assert sum(made.ui["histogram"]) == 30
    untouched = {"curves": "drawn", **{i.id: as_widget(i) for i in drawn_inputs(node)}}
    (guidance,) = node.execute(**numbers | {"curves": untouched}).args
    assert [guidance.weights(x / 100) for x in range(101)] == [
        Guidance().weights(x / 100) for x in range(101)
    ]


def drawn_inputs(node):
    (curves,) = [each for each in node.define_schema().inputs if each.id == "curves"]
    return curves.options[1].inputs


def as_widget(each):
    """What the widget gives where nobody touched it, after a workflow's JSON."""
    return json.loads(json.dumps(each.as_dict()["default"]))


@pytest.mark.parametrize(
    "curves",
    [
        {"audio": {"points": [[0, 0.5]]}},
        {"audio": "steep"},
        {"window": {"min": 0.8, "max": 0.2}},
        {"window": {"max": 2}},
    ],
)
def test_what_is_no_drawing_is_told(pack, curves):
    node = pack("guidance").DubGuidance
    numbers = {i.id: i.default for i in node.define_schema().inputs}
    with pytest.raises(SettingsError, match=r"curve|range"):
        node.execute(**numbers | {"curves": {"curves": "drawn", **curves}})
    assert "not in the list" in node.validate_inputs(curves="painted")
