"""What whoever watches a dub is told, and when."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.dub.fakes import SETTINGS, Breaking, Inventing, scene, speaker, track_of
from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.kept_clips import REDO_ATTEMPTS, KeptClips
from xdub_core.dub.model import DubModel
from xdub_core.dub.observer import DubObserver, Observers, middle_of
from xdub_core.dub.pipeline import dub
from xdub_core.job.store import Store
from xdub_core.sampling.clip_sampling import attempt_seed
from xdub_core.vae.cosine import CosineVAE


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Notes(DubObserver):
    def __init__(self):
        self.told, self.plans, self.records, self.pictures = [], None, [], {}

    def planned(self, _, plans):
        self.plans = plans
        self.told.append("planned")

    def begins(self, clip, attempt, seed):
        self.told.append(("begins", clip.number, attempt, seed))

    def stepped(self, clip, step, steps):
        self.told.append(("stepped", clip.number, step, steps))

    def judged(self, clip, verdict):
        self.told.append(("judged", clip.number, verdict.passed))

    def made(self, record):
        self.records.append(record)
        self.told.append(("made", record.clip.number))

    def shown(self, clip, crop):
        self.pictures[clip.number] = crop
        self.told.append(("shown", clip.number))


def watch(a_scene, denoiser=None, kept=None, **changes):
    notes = Notes()
    settings = replace(SETTINGS, **changes)
    list(dub(a_scene, DubModel(CosineVAE(48), denoiser or Inventing()), settings, observer=notes, kept=kept))
    return notes


def two_people():
    first, second = np.repeat([0, -1, 1], [20, 5, 9]), np.repeat([-1, 0], [22, 12])
    return scene(34, 34, speakers=[speaker(track_of(first)), speaker(track_of(second))])


def test_a_clip_is_told_from_its_first_step_to_its_picture():
    steps, seed = SETTINGS.sampler.steps, SETTINGS.sampler.seed
    notes = watch(scene(20, 20), retries=0)
    of_first = [each for each in notes.told if each[1] == 0 and each != "planned"]
    assert notes.told[0] == "planned"
    assert of_first == [
        ("begins", 0, 0, seed),
        *(("stepped", 0, step, steps) for step in range(1, steps + 1)),
        ("made", 0),
        ("shown", 0),
    ]


def test_every_clip_of_every_speaker_is_told_and_shown_once():
    notes = watch(two_people(), retries=0)
    planned = [clip.number for shots in notes.plans for shot in shots for clip in shot.clips]
    assert sorted(record.clip.number for record in notes.records) == planned
    assert sorted(notes.pictures) == planned
    assert all(crop.generated.shape == crop.source.shape for crop in notes.pictures.values())


def test_every_attempt_is_told_with_its_own_seed_and_verdict():
    seed = SETTINGS.sampler.seed
    notes = watch(scene(13, 13), Breaking(), retries=2, sampler=replace(SETTINGS.sampler, border=0))
    begun = [each[2:] for each in notes.told if each[0] == "begins"]
    assert begun == [(attempt, attempt_seed(seed, attempt)) for attempt in range(3)]
    assert [each[2] for each in notes.told if each[0] == "judged"] == [False] * 3
    (record,) = notes.records
    assert record.seed == attempt_seed(seed, record.outcome.attempt)


def test_a_clip_that_was_sampled_anew_says_the_noise_that_it_was_sampled_from(tmp_path):
    seed, store = SETTINGS.sampler.seed, Store(tmp_path)
    first = watch(scene(20, 20), kept=KeptClips(store, "video", ("voice",)))
    assert [(r.seed, r.redone, r.kept) for r in first.records] == [(seed, 0, False)] * 2

    def second_again(chains, _):
        return {chains[0][1]: 3}

    for kept in (False, True):  # and also when it is taken from where it is kept
        notes = watch(scene(20, 20), kept=KeptClips(store, "video", ("voice",), second_again))
        again = attempt_seed(seed, 3 * REDO_ATTEMPTS)
        assert [(r.seed, r.redone, r.kept) for r in notes.records] == [(seed, 0, True), (again, 3, kept)]
        assert ("begins", 1, 0, again) in notes.told


def test_several_observers_are_told_the_same():
    one, other = Notes(), Notes()
    list(dub(scene(13, 13), DubModel(CosineVAE(48), Inventing()), SETTINGS, observer=Observers(one, other)))
    assert one.told == other.told and len(one.told) > 4


@pytest.mark.parametrize(
    ("clip", "shot", "middle"),
    [
        (Clip(0, 0, 13, 0), range(34), 6),
        (Clip(1, 8, 21, 5), range(34), 16),
        (Clip(1, 8, 21, 5), range(15), 13),  # past the shot's end nothing is shown
        (Clip(0, 7, 8, 0), range(7, 8), 7),
    ],
)
def test_the_middle_is_of_the_new_frames_that_are_shown(clip, shot, middle):
    assert middle_of(clip, shot) == middle


def test_a_sampler_that_samples_anew_by_itself_says_so_as_well():
    class Anew:
        def __init__(self, sampler):
            self.steps, self._sampler = sampler.steps, sampler

        def seed(self, number, attempt):
            return self._sampler.seed(number, attempt + 100 * self.redone(number))

        def redone(self, number):
            return 2 if number == 1 else 0

        def __call__(self, number, clip, on_step=None):
            return self._sampler(number, clip, on_step)

    class Host(DubModel):
        def sampler(self, settings):
            return Anew(super().sampler(settings))

    notes, seed = Notes(), SETTINGS.sampler.seed
    list(dub(scene(20, 20), Host(CosineVAE(48), Inventing()), SETTINGS, observer=notes))
    assert [(r.seed, r.redone) for r in notes.records] == [(seed, 0), (attempt_seed(seed, 200), 2)]
