"""Clips that are kept: a dub that was ended goes on, and makes the frames that it would have made."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.dub import fakes
from tests.dub.fakes import Frames, speaker, track_of
from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.kept_clips import KeptClips, KeptSampler
from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub, sample_shots
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.job.store import Store
from xdub_core.media.timeline import Timeline
from xdub_core.sampling.clip_sampling import ClipInputs
from xdub_core.sampling.guidance import Velocities
from xdub_core.vae.cosine import CosineVAE

SETTINGS = replace(fakes.SETTINGS, sampler=replace(fakes.SETTINGS.sampler, border=0))
SHOTS = np.repeat([0, 1], [26, 14])  # two clips and more, then one and more


class Drifting:
    """A denoiser whose clips depend on noise, sound and reference; it notes how many it was asked for, and may stop."""

    def __init__(self, stop_after=None):
        self.clips, self.stop_after = 0, stop_after

    def for_clip(self, reference, audio, motion_latents):
        if self.clips == self.stop_after:
            raise KeyboardInterrupt
        self.clips += 1

        def denoise(latents, sigma, *_):
            velocity = 0.3 * (latents - reference) + 0.01 * audio.mean() + 0.1 * latents.mean()
            return Velocities(velocity, velocity, velocity)

        return denoise


def scene(says=0.0, box=None, frames=40):
    track = track_of(SHOTS) if box is None else track_of(SHOTS, box=np.array(box, float))
    return Scene(Frames(40), Timeline(np.arange(40)), (speaker(track, says),), frames)


def made(store, denoiser=None, settings=SETTINGS, inputs="video", heard="voice", redos=None, **of_scene):
    """The frames, and how many clips were sampled for them."""
    denoiser = denoiser or Drifting()
    more = {} if redos is None else {"planned": redos}
    kept = None if store is None else KeptClips(store, inputs, (heard,), **more)
    model = DubModel(CosineVAE(48), denoiser)
    frames = [frame.rgb for frame in dub(scene(**of_scene), model, settings, kept=kept)]
    return np.stack(frames), denoiser.clips


@pytest.fixture(scope="module")
def whole():
    return made(None)


@pytest.mark.parametrize("as_released", [False, True])
def test_a_dub_that_was_ended_after_any_clip_goes_on_to_the_same_frames(tmp_path, as_released):
    settings = replace(SETTINGS, as_released=as_released)
    expected, clips = made(None, settings=settings)
    assert clips >= 4
    for stop in range(clips):
        with pytest.raises(KeyboardInterrupt):
            made(Store(tmp_path / str(stop)), Drifting(stop), settings)
        frames, sampled = made(Store(tmp_path / str(stop)), settings=settings)
        assert sampled == clips - stop
        np.testing.assert_array_equal(frames, expected)


def test_nothing_is_sampled_twice(tmp_path, whole):
    made(Store(tmp_path))
    frames, sampled = made(Store(tmp_path))
    assert sampled == 0
    np.testing.assert_array_equal(frames, whole[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": "another video"},
        {"heard": "another voice"},
        {"box": (21, 8, 61, 48)},
        {"settings": replace(SETTINGS, match_colors=True)},
        {"settings": replace(SETTINGS, crop_size=48)},
        {"settings": replace(SETTINGS, sampler=replace(SETTINGS.sampler, seed=1))},
        {"settings": replace(SETTINGS, sampler=replace(SETTINGS.sampler, steps=3))},
    ],
)
def test_what_a_clip_depends_on_makes_it_another(tmp_path, changed):
    made(Store(tmp_path))
    frames, sampled = made(Store(tmp_path), **changed)
    assert sampled == made(None, **changed)[1]
    np.testing.assert_array_equal(frames, made(None, **changed)[0])


def test_how_crops_are_pasted_makes_no_clip_another(tmp_path):
    made(Store(tmp_path))
    assert made(Store(tmp_path), settings=replace(SETTINGS, keep_unchanged=True))[1] == 0


def test_how_often_a_clip_may_be_sampled_makes_no_attempt_at_it_another(tmp_path):
    kept = {retries: made(Store(tmp_path), settings=replace(SETTINGS, retries=retries)) for retries in (0, 2)}
    assert kept[2][1] < 2 * kept[0][1]  # of those that break, the further attempts alone
    assert made(Store(tmp_path), settings=replace(SETTINGS, retries=2))[1] == 0


def test_a_shot_depends_on_no_other_shot(tmp_path):
    """The second shot's face lies elsewhere: the first one's clips are not sampled again."""
    made(Store(tmp_path))
    track = track_of(SHOTS)
    boxes = np.where(SHOTS[:, None] == 1, track.boxes + 2, track.boxes)
    other = Speaker(replace(track, boxes=boxes), TensorFeatures(torch.zeros(500, 3)))
    denoiser = Drifting()
    moved = Scene(Frames(40), Timeline(np.arange(40)), (other,), 40)
    kept = KeptClips(Store(tmp_path), "video", ("voice",))
    list(dub(moved, DubModel(CosineVAE(48), denoiser), SETTINGS, kept=kept))
    assert 0 < denoiser.clips < made(None)[1]


def test_a_damaged_clip_is_sampled_again_and_no_other(tmp_path, whole, caplog):
    made(Store(tmp_path))
    first, *_ = sorted((tmp_path / "clips").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    first.write_bytes(first.read_bytes()[:-5])
    frames, sampled = made(Store(tmp_path))
    assert sampled == 1 and "damaged" in caplog.text
    np.testing.assert_array_equal(frames, whole[0])


def test_a_clip_that_is_sampled_again_is_another_and_so_are_those_that_continue_it(tmp_path, whole):
    made(Store(tmp_path))
    chains = []

    def redo(keys, size):
        chains[:] = keys
        return {keys[0][1]: 1}

    frames, sampled = made(Store(tmp_path), redos=redo)
    assert sum(map(len, chains)) == whole[1]
    assert sampled == len(chains[0]) - 1
    differs = np.flatnonzero((frames != whole[0]).any(axis=(1, 2, 3)))
    assert differs[0] > 4 and differs[-1] < 26  # the first shot only, and not its first clip's own frames
    again, sampled = made(Store(tmp_path), redos=redo)
    assert sampled == 0
    np.testing.assert_array_equal(again, frames)


def test_shots_that_others_sampled_are_not_sampled_again(tmp_path, whole):
    """As machines of a cluster do, each with a store of its own in the same folder."""
    others = Drifting()
    planned = []

    def elsewhere(plans, redos):
        planned.append([len(shot.clips) for shots in plans for shot in shots])
        kept = KeptClips(Store(tmp_path), "video", ("voice",), lambda *_: redos)
        sample_shots(scene(), DubModel(CosineVAE(48), others), SETTINGS, kept, [(0, 1)])
        assert kept.sampled == set(range(planned[0][0], sum(planned[0])))

    here = Drifting()
    kept = KeptClips(Store(tmp_path), "video", ("voice",), elsewhere=elsewhere)
    frames = [frame.rgb for frame in dub(scene(), DubModel(CosineVAE(48), here), SETTINGS, kept=kept)]
    np.testing.assert_array_equal(np.stack(frames), whole[0])
    assert [here.clips, others.clips] == planned[0]


def test_a_clip_goes_on_from_the_attempt_that_is_shown(tmp_path):
    class Counting:
        steps = 1

        def __call__(self, number, clip, on_step=None):
            return torch.full((1,), 10.0 * number + clip.attempt)

    def sampler():
        return KeptSampler(Counting(), Store(tmp_path), {0: "a", 1: "b"}, {})

    def attempted(made, number, attempt):
        return made(number, ClipInputs(torch.zeros(1), torch.zeros(1), None, attempt)).item()

    first = sampler()
    assert [attempted(first, 0, attempt) for attempt in (0, 1, 2)] == [0, 1, 2]
    first.show(0, 1)
    attempted(first, 1, 0)
    again = sampler()
    for attempt in (0, 1, 2):
        attempted(again, 0, attempt)
    again.show(0, 1)
    attempted(again, 1, 0)
    assert again.sampled == set()
    again.show(0, 2)  # another than before: what follows it is another clip
    attempted(again, 1, 0)
    assert again.sampled == {1}


def test_the_last_step_of_a_kept_clip_is_told(tmp_path):
    made(Store(tmp_path))
    told = []
    kept = KeptClips(Store(tmp_path), "video", ("voice",))
    list(dub(scene(), DubModel(CosineVAE(48), Drifting()), SETTINGS, told.append, kept=kept))
    clips = [progress for progress in told if progress.stage == "Dubbing"]
    assert clips[-1].done == clips[-1].total and len(clips) == clips[-1].total // SETTINGS.sampler.steps


def test_a_disk_that_is_full_stops_no_dub(tmp_path, whole, monkeypatch, caplog):
    monkeypatch.setattr("xdub_core.job.store.RESERVE_BYTES", 10**18)
    frames, sampled = made(Store(tmp_path))
    assert (sampled, len(caplog.messages)) == (whole[1], 1)
    np.testing.assert_array_equal(frames, whole[0])
