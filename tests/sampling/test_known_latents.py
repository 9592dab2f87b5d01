"""Border and motion frames: what the model sees of them, where its velocity leads them, and that they stay."""

import pytest
import torch

from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, clip_noise, sample_clip
from xdub_core.sampling.guidance import Velocities
from xdub_core.sampling.known_latents import KnownLatents
from xdub_core.sampling.samplers import SAMPLERS

SHAPE = (1, 4, 5, 6, 8)
REFERENCE, NOISE, X = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(i)) for i in (1, 2, 3))
MOTION = torch.randn(1, 4, 2, 6, 8, generator=torch.Generator().manual_seed(4))
BORDERS = pytest.mark.parametrize("border", [0, 1, 2])
MOTIONS = pytest.mark.parametrize("motion", [None, MOTION], ids=["first", "continuing"])


class Curved:
    """A denoiser whose velocity depends on all the latents that it sees."""

    def for_clip(self, reference, audio, motion_latents):
        def denoise(latents, sigma, *_):
            seen = torch.tanh(latents.roll(1, -1) + 0.3 * latents.roll(1, 2)) * sigma + latents.roll(1, -2)
            return Velocities(seen, seen - reference, seen + 0.1 * reference)

        return denoise


def loop_with_euler_steps(clip, settings):
    """The engine's loop as it was before there were other samplers: border and motion put in at every step."""
    guidance, motion, reference = settings.guidance, clip.motion, clip.reference
    noise, n = clip_noise(SHAPE, settings.seed), clip.motion_latents
    denoise, x = Curved().for_clip(reference, clip.audio, n), noise.clone()
    x[:, :, :n] = noise[:, :, :0] if motion is None else motion
    for sigma, following in zip(settings.sigmas.tolist(), settings.sigmas.tolist()[1:], strict=False):
        s = min(sigma, 0.95)
        x[border_of(settings.border, n)] = ((1 - s) * reference + s * noise)[border_of(settings.border, n)]
        x = x + (following - sigma) * guidance.combine(denoise(x, sigma), sigma)
        x[:, :, :n] = noise[:, :, :0] if motion is None else motion
    x[border_of(settings.border, n)] = reference[border_of(settings.border, n)]
    return x


def border_of(width, motion_latents):
    """The locked part of a clip's latents, as a mask."""
    locked = torch.ones(SHAPE, dtype=torch.bool)
    locked[..., width : SHAPE[-2] - width, width : SHAPE[-1] - width] = False
    locked[:, :, :motion_latents] = False
    return locked


@BORDERS
@MOTIONS
def test_euler_steps_are_bit_for_bit_those_of_a_loop_that_puts_them_in(border, motion):
    clip = ClipInputs(REFERENCE, torch.zeros(1, SHAPE[2], 8, 2), motion)
    settings = SamplerSettings(steps=7, border=border)
    assert torch.equal(sample_clip(Curved(), clip, settings), loop_with_euler_steps(clip, settings))


@BORDERS
@MOTIONS
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_they_come_out_of_any_sampler_as_they_went_in(border, motion, sampler):
    clip = ClipInputs(REFERENCE, torch.zeros(1, SHAPE[2], 8, 2), motion)
    seen = []
    settings = SamplerSettings(steps=4, border=border, sampler=sampler)
    result = sample_clip(Curved(), clip, settings, lambda *step: seen.append(step[2]))
    locked = border_of(border, clip.motion_latents)
    assert torch.equal(result[locked], REFERENCE[locked])
    assert not torch.equal(result[~locked], REFERENCE[~locked])
    if motion is not None:
        assert all(torch.equal(latents[:, :, :2], MOTION) for latents in (seen[0], result))


@MOTIONS
def test_the_model_sees_the_border_at_its_noise_level_and_the_motion_clean(motion):
    known = KnownLatents(REFERENCE, NOISE, 1, motion)
    locked = border_of(1, 0 if motion is None else 2)
    seen = known.noised(X, 0.4)
    torch.testing.assert_close(seen[locked], (0.6 * REFERENCE + 0.4 * NOISE)[locked])
    torch.testing.assert_close(known.noised(X, 1.0)[locked], (0.05 * REFERENCE + 0.95 * NOISE)[locked])
    free = ~locked
    if motion is not None:
        assert torch.equal(seen[:, :, :2], MOTION)
        free[:, :, :2] = False
    assert torch.equal(seen[free], X[free])


def test_velocities_lead_to_what_is_known_and_are_the_model_s_elsewhere():
    known = KnownLatents(REFERENCE, NOISE, 1, MOTION)
    x = known.noised(X, 0.5)
    velocity = known.around(lambda seen, sigma: seen * sigma)(x, 0.5)
    arrived = x - 0.5 * velocity
    locked = border_of(1, 2)
    torch.testing.assert_close(arrived[locked], REFERENCE[locked])
    assert not velocity[:, :, :2].any()
    locked[:, :, :2] = True
    assert torch.equal(velocity[~locked], (x * 0.5)[~locked])
