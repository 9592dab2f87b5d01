"""The chain of clips: every frame once, continued from what is shown, in memory that does not grow."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.clip_chain import ClipChain
from xdub_core.dub.clip_plan import ClipGeometry, plan_clips
from xdub_core.dub.observer import ClipObserver
from xdub_core.errors import NotFiniteError
from xdub_core.sampling.clip_sampling import DenoiserSampler, SamplerSettings
from xdub_core.sampling.guidance import Velocities
from xdub_core.vae.cosine import CosineStream, CosineVAE

SIZE = 32
GEOMETRY = ClipGeometry(13, 5)
FEATURES = TensorFeatures(torch.arange(2000.0).unsqueeze(1))


@dataclass
class Copying:
    """A denoiser that reproduces its reference: velocity = (latents - reference) / sigma. It notes what it is given."""

    shift: float = 0.0
    audio: list = field(default_factory=list)
    motion_latents: list = field(default_factory=list)

    def for_clip(self, reference, audio, motion_latents):
        self.audio.append(audio)
        self.motion_latents.append(motion_latents)

        def denoise(latents, sigma, *_):
            velocity = (latents - reference - self.shift) / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


def smooth_crops(count, size=SIZE, seed=0):
    """A smooth picture that fades slowly, so that the cosine VAE keeps it nearly whole."""
    y, x = np.mgrid[:size, :size] / size
    picture = np.stack([x, y, 0.5 + 0 * x], axis=-1) * 0.5 + 0.2
    return [(picture + 0.1 * np.sin(frame / 9)).astype(np.float32) for frame in range(count)]


def chain(denoiser, finish=lambda generated, source: generated, as_released=False, border=1):
    return ClipChain(
        vae=CosineVAE(48),
        sampler=DenoiserSampler(denoiser, SamplerSettings(steps=2, border=border)),
        geometry=GEOMETRY,
        finish=finish,
        as_released=as_released,
    )


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 13, 14, 40])
def test_every_frame_comes_once_with_its_own_source(frames, fitted, as_released):
    clips = plan_clips(frames, geometry=GEOMETRY, fitted=fitted)
    crops = smooth_crops(clips[-1].stop)
    pairs = list(chain(Copying(), as_released=as_released).run(FEATURES, iter(crops), clips))
    assert len(pairs) == len(crops)
    for (generated, source, _), crop in zip(pairs, crops, strict=True):
        assert source is crop
        assert np.abs(generated - crop).mean() < 0.02


def test_the_source_goes_through_the_vae_as_well():
    """A denoiser that copies its reference changes nothing, so both come out alike; they lag behind by no frame."""
    clips = plan_clips(40, geometry=GEOMETRY)
    crops = smooth_crops(clips[-1].stop)
    made = replace(chain(Copying()), source_through_vae=True)
    dubbed = list(made.run(FEATURES, iter(crops), clips))
    assert len(dubbed) == len(crops)
    for crop in dubbed:
        assert np.abs(crop.generated - crop.source_through_vae).max() < 1e-3


@pytest.mark.parametrize("motion_frames", [1, 5, 9])
@pytest.mark.parametrize("as_released", [False, True])
def test_clips_may_overlap_by_other_lengths(motion_frames, as_released):
    geometry = ClipGeometry(17, motion_frames)
    clips = plan_clips(40, geometry=geometry)
    crops = smooth_crops(clips[-1].stop)
    made = replace(chain(Copying(), as_released=as_released), geometry=geometry)
    pairs = list(made.run(FEATURES, iter(crops), clips))
    assert len(pairs) == len(crops)
    for (generated, source, _), crop in zip(pairs, crops, strict=True):
        assert source is crop
        assert np.abs(generated - crop).mean() < 0.02


def test_clips_after_the_first_get_motion_latents_and_later_audio():
    denoiser = Copying()
    clips = plan_clips(29, start=10, geometry=GEOMETRY)
    list(chain(denoiser).run(FEATURES, iter(smooth_crops(29)), clips))
    assert denoiser.motion_latents == [0, 2, 2]
    first_rows = [audio[0, 0, 0, 0].item() for audio in denoiser.audio]
    assert first_rows == [2 * start - 6 for start in (10, 18, 26)]


def test_motion_frames_are_the_frames_that_were_shown():
    """Finishing brightens every frame; the next clip must start from the brightened ones."""
    crops = smooth_crops(21)
    seen = []

    class VAE(CosineVAE):
        def encode(self, frames):
            if len(frames) == GEOMETRY.motion_frames:
                seen.append(frames)
            return super().encode(frames)

    made = chain(Copying(), finish=lambda generated, source: generated + 0.05)
    made = replace(made, vae=VAE(48))
    pairs = list(made.run(FEATURES, iter(crops), plan_clips(21, geometry=GEOMETRY)))
    assert len(seen) == 1
    shown = np.stack([made.generated for made in pairs[8:13]])
    # The last four are provisional when they are handed on: their latent is averaged with the next clip's later.
    np.testing.assert_allclose(seen[0][0].numpy(), shown[0], atol=1e-6)
    np.testing.assert_allclose(seen[0].numpy(), shown, atol=0.05)


def test_frames_appear_as_soon_as_their_clip_is_sampled():
    taken = []

    def crops():
        for index, crop in enumerate(smooth_crops(29)):
            taken.append(index)
            yield crop

    pairs = chain(Copying()).run(FEATURES, crops(), plan_clips(29, geometry=GEOMETRY))
    next(pairs)
    assert len(taken) == 13
    for _ in range(8):
        next(pairs)
    assert len(taken) == 13  # frames 0..8 are final after the first clip
    next(pairs)
    assert len(taken) == 21


def test_steps_of_each_clip_are_reported():
    steps = []
    clips = plan_clips(21, geometry=GEOMETRY)

    class Steps(ClipObserver):
        def stepped(self, clip, step, steps_in_all, latents):
            steps.append((clip.number, step, steps_in_all))

    list(chain(Copying()).run(FEATURES, iter(smooth_crops(21)), clips, Steps()))
    assert steps == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]


def test_each_clips_latents_are_handed_out_before_its_frames():
    order = []

    class Latents(ClipObserver):
        def made(self, clip, outcome, latents):
            order.append((clip.number, tuple(latents.shape)))

    pairs = chain(Copying()).run(
        FEATURES,
        iter(smooth_crops(21)),
        plan_clips(21, geometry=GEOMETRY),
        Latents(),
    )
    for _ in pairs:
        order.append("frame")
    shape = (1, 48, 4, 2, 2)
    assert order == [(0, shape), *["frame"] * 9, (1, shape), *["frame"] * 12]


def test_a_host_samples_clips_in_its_own_way():
    class Zeros:
        steps = 7

        def __init__(self):
            self.numbers = []

        def __call__(self, number, clip, on_step=None):
            self.numbers.append((number, clip.motion_latents))
            return torch.zeros_like(clip.reference)

    sampler = Zeros()
    made = replace(chain(Copying()), sampler=sampler)
    list(made.run(FEATURES, iter(smooth_crops(21)), plan_clips(21, geometry=GEOMETRY)))
    assert sampler.numbers == [(0, 0), (1, 2)]


def test_reference_latents_that_exist_are_not_encoded_again():
    crops, clips = smooth_crops(21), plan_clips(21, geometry=GEOMETRY)
    lengths = []

    class VAE(CosineVAE):
        def encode(self, frames):
            lengths.append(len(frames))
            return super().encode(frames)

    made = replace(chain(Copying()), vae=VAE(48))
    expected = [crop.generated for crop in made.run(FEATURES, iter(crops), clips)]
    references = [
        CosineVAE(48).encode(torch.from_numpy(np.stack(crops[clip.start : clip.stop]))) for clip in clips
    ]
    lengths.clear()
    result = [crop.generated for crop in made.run(FEATURES, iter(crops), clips, source_latents=references)]
    assert lengths == [GEOMETRY.motion_frames]
    np.testing.assert_array_equal(result, expected)


def test_streams_rest_while_a_clip_is_sampled():
    """All that are open: the generated frames' and the reference's, of every shot. The sampler has no use for them."""
    log = []

    class Stream(CosineStream):
        def decode(self, latents):
            log.append("decode")
            return super().decode(latents)

        def peek(self, latents):
            log.append("decode")
            return super().peek(latents)

        def rest(self):
            log.append("rest")

    class VAE(CosineVAE):
        def stream(self):
            return Stream(self)

    class Sampler(DenoiserSampler):
        def __call__(self, *args):
            log.append("sample")
            return super().__call__(*args)

    made = chain(Copying())
    sampler = Sampler(made.sampler.denoiser, made.sampler.settings)
    made = replace(made, vae=VAE(48), sampler=sampler, source_through_vae=True)
    another = made.run(FEATURES, iter(smooth_crops(29)), plan_clips(29, geometry=GEOMETRY))
    next(another)  # of another speaker: its streams are open, and rest as well
    log.clear()
    list(made.run(FEATURES, iter(smooth_crops(29)), plan_clips(29, geometry=GEOMETRY)))
    assert log.count("sample") == 3
    places = [place for place, what in enumerate(log) if what == "sample"]
    assert all(log[place - 4 : place] == ["rest"] * 4 for place in places)


@dataclass
class Breaking:
    """Samples a copy of the reference, but at the attempts of clips that `broken` names: then what it says."""

    broken: dict
    steps: int = 1
    asked: list = field(default_factory=list)

    def __call__(self, number, clip, on_step=None):
        self.asked.append((number, clip.attempt))
        wrong = self.broken.get((number, clip.attempt))
        noise = torch.randn(clip.reference.shape, generator=torch.Generator().manual_seed(clip.attempt))
        return clip.reference.clone() if wrong is None else clip.reference + wrong * noise


def judged(broken, frames=21, **changes):
    """The frames of a chain that judges, how its clips came about, and what its sampler was asked for."""
    sampler, told = Breaking(broken), []
    made = replace(chain(Copying()), sampler=sampler, retries=2, **changes)
    crops, clips = smooth_crops(frames), plan_clips(frames, geometry=GEOMETRY)

    class Outcomes(ClipObserver):
        def made(self, clip, outcome, latents):
            told.append(outcome)

    dubbed = list(made.run(FEATURES, iter(crops), clips, Outcomes()))
    return dubbed, told, sampler.asked


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_a_broken_clip_is_sampled_again_and_nothing_of_it_is_shown(broken, wrong, caplog):
    good, _, _ = judged({})
    dubbed, told, asked = judged({(broken, 0): wrong, (broken, 1): wrong})
    np.testing.assert_array_equal([crop.generated for crop in dubbed], [crop.generated for crop in good])
    assert [outcome.attempt for outcome in told] == ([2, 0] if broken == 0 else [0, 2])
    assert [verdict.passed for verdict in told[broken].verdicts] == [False, False, True]
    assert told[broken].verdict.passed
    assert asked.count((broken, 2)) == 1 and len(asked) == 4
    assert caplog.text.count(f"clip {broken + 1} (") == 2 and "sampled again" in caplog.text


def test_of_attempts_that_all_break_the_least_bad_is_kept(caplog):
    _, told, asked = judged({(0, 0): 2.0, (0, 1): 0.5, (0, 2): 1.0}, frames=13)
    (outcome,) = told
    assert asked == [(0, 0), (0, 1), (0, 2)]
    assert outcome.attempt == 1 and not outcome.verdict.passed
    assert "attempt 2 of 3 is the least bad" in caplog.text


def test_a_clip_after_one_that_nothing_mended_is_judged_but_not_sampled_again():
    """Clip 1 is whole, but shows the seam to the broken one."""
    broken = {(0, attempt): 1.0 for attempt in range(3)} | {(3, 0): 1.0}
    _, told, asked = judged(broken, frames=37)
    assert asked == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (3, 0), (3, 1)]
    assert [outcome.passed for outcome in told] == [False, False, True, True]


def test_a_clip_of_which_nothing_comes_is_an_error_of_one_line():
    nothing = float("nan")
    with pytest.raises(NotFiniteError, match=r"^clip 2 came out as NaN or infinite numbers") as raised:
        judged({(1, attempt): nothing for attempt in range(3)})
    assert "\n" not in str(raised.value)


def test_one_finite_attempt_is_kept_however_bad():
    _, told, _ = judged({(0, 0): float("nan"), (0, 1): 3.0, (0, 2): float("nan")}, frames=13)
    assert told[0].attempt == 1


@pytest.mark.parametrize("source_through_vae", [False, True])
def test_judging_changes_no_frame_of_a_chain_that_is_whole(source_through_vae):
    crops, clips = smooth_crops(29), plan_clips(29, geometry=GEOMETRY)
    plain, looked = (
        list(
            replace(chain(Copying(0.1)), source_through_vae=source_through_vae, retries=retries).run(
                FEATURES, iter(crops), clips
            )
        )
        for retries in (0, 2)
    )
    for before, after in zip(plain, looked, strict=True):
        for one, other in zip(before, after, strict=True):
            assert (one is None) == (other is None)
            assert one is None or np.array_equal(one, other)
