"""The GUIDER through SamplerCustomAdvanced: equal to the release, and to core's own guiders where they do the same."""

import pytest
import torch
from clips import CONTEXT, golden_clips, random_clip, sample
from models import RELEASED_HEADS, golden_model, load_model, put_model, random_state, relative_error

from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import flow_sigmas


@pytest.fixture(scope="module")
def model():
    return load_model(put_model("guider.safetensors", random_state(RELEASED_HEADS)))


@pytest.fixture(scope="module")
def guider_of(pack):
    guider = pack("comfy_bridge.guider").ClipGuider

    def made(model, clip, guidance=None, context=CONTEXT, border=1):
        return guider(model, guidance or Guidance(), clip, context, border)

    return made


def test_golden_clips_equal_the_release(goldens, guider_of):
    golden, model = golden_clips(goldens), golden_model(goldens)
    assert any(clip.inputs.motion is not None for clip in golden.clips)
    for clip in golden.clips:
        guider = guider_of(model, clip.inputs, golden.guidance, golden.context, golden.border)
        result = sample(guider, flow_sigmas(golden.steps, golden.shift), seed=golden.seed)
        assert relative_error(result, clip.latents) < 1e-4


@pytest.mark.parametrize("border", [0, 1])
def test_constant_scales_equal_cores_dual_cfg_guider(model, guider_of, pack, border):
    """As long as the rim is not locked, which core's guider does not know."""
    from comfy_extras.nodes_custom_sampler import DualCFGGuider

    clip, sigmas = random_clip(), flow_sigmas(4)
    branches = pack("comfy_bridge.guider").branch_conditioning(CONTEXT, clip.reference, clip.audio)
    core = DualCFGGuider.execute(
        model, branches["positive"], branches["middle"], branches["negative"], 3.0, 2.0, "regular"
    ).result[0]
    core.clip = clip
    expected = sample(core, sigmas)
    ours = sample(guider_of(model, clip, Guidance(2.0, 3.0, dynamic=False), border=border), sigmas)
    if border:
        assert relative_error(ours, expected) > 0.01
    else:
        assert relative_error(ours, expected) < 1e-5


@pytest.mark.parametrize(
    "sampler", ["euler", "euler_ancestral", "heun", "dpmpp_2m", "uni_pc", "res_multistep", "lcm"]
)
def test_rim_and_motion_frames_come_out_as_they_went_in_with_any_sampler(model, guider_of, sampler):
    clip = random_clip(motion=True)
    result = sample(guider_of(model, clip), flow_sigmas(4), sampler)
    assert torch.isfinite(result).all()
    torch.testing.assert_close(result[:, :, :2], clip.motion, rtol=0, atol=1e-4)
    rim = result[:, :, 2:].clone()
    rim[..., 1:-1, 1:-1] = clip.reference[:, :, 2:, 1:-1, 1:-1]
    torch.testing.assert_close(rim, clip.reference[:, :, 2:], rtol=0, atol=1e-4)


def test_sampling_in_two_parts_equals_sampling_at_once(model, guider_of):
    clip, sigmas = random_clip(motion=True), flow_sigmas(6)
    whole = sample(guider_of(model, clip), sigmas)
    half = sample(guider_of(model, clip), sigmas[:4])
    raw = model.model.process_latent_out(half)
    rest = sample(guider_of(model, clip), sigmas[3:], latents=raw, noise=False)
    assert relative_error(rest, whole) < 1e-4


def test_branches_that_count_for_nothing_are_not_computed(model, guider_of):
    rows = []

    def count(executor, x, *args, **kwargs):
        rows.append(len(x))
        return executor(x, *args, **kwargs)

    patched = model.clone()
    patched.add_wrapper_with_key("diffusion_model", "test", count)
    sample(guider_of(patched, random_clip(), Guidance(start=0.9, end=0.5)), flow_sigmas(4, shift=1.0))
    assert rows == [1, 3, 3, 1]  # sigmas 1, 0.75, 0.5, 0.25


def test_without_motion_and_audio_the_result_changes(model, guider_of):
    clip = random_clip()
    silent = type(clip)(clip.reference, torch.zeros_like(clip.audio))
    sigmas = flow_sigmas(2)
    assert (
        relative_error(sample(guider_of(model, silent), sigmas), sample(guider_of(model, clip), sigmas))
        > 1e-3
    )


def test_another_kind_of_model_is_refused(guider_of, pack):
    config = type(RELEASED_HEADS)(
        **{**vars(RELEASED_HEADS), "layers": 1, "frequency_dim": 256, "text_dim": 4096}
    )
    state = {
        name: x for name, x in random_state(config).items() if "audio" not in name and "norm4" not in name
    }
    wan = load_model(put_model("wan_to_refuse.safetensors", state))
    with pytest.raises(SettingsError, match="WAN22"):
        guider_of(wan, random_clip())


def test_latent_of_another_size_is_refused(model, guider_of):
    with pytest.raises(SamplingError, match="latent output"):
        sample(guider_of(model, random_clip()), flow_sigmas(2), latents=torch.zeros(1, 48, 4, 8, 8))


def test_a_prompt_alone_is_refused_with_what_to_use(model):
    from comfy_extras.nodes_custom_sampler import BasicGuider

    guider = BasicGuider.execute(model, [[CONTEXT, {}]]).result[0]
    guider.clip = random_clip()
    with pytest.raises(SamplingError, match=r"Guider \(X-Dub\)"):
        sample(guider, flow_sigmas(2))


def test_interruption_stops_within_a_step_and_leaves_nothing_behind(model, guider_of):
    import comfy.model_management as management

    steps = []

    def interrupt(executor, *args, **kwargs):
        steps.append(1)
        if len(steps) == 2:
            management.interrupt_current_processing(True)
        return executor(*args, **kwargs)

    patched = model.clone()
    patched.add_wrapper_with_key("diffusion_model", "test", interrupt)
    guider = guider_of(patched, random_clip())
    with pytest.raises(management.InterruptProcessingException):
        sample(guider, flow_sigmas(10))
    assert len(steps) == 2
    assert not {"conds", "inner_model", "loaded_models"} & set(vars(guider))
    assert torch.isfinite(sample(guider_of(model, random_clip()), flow_sigmas(2))).all()
