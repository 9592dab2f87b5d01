"""Several speakers in one scene: who is where, whose pixels are whose, and in which order."""

from dataclasses import replace

import numpy as np
import pytest

from tests.dub.fakes import (
    HEIGHT,
    SETTINGS,
    WIDTH,
    Copying,
    Inventing,
    run_dub,
    scene,
    source_of,
    speaker,
    track_of,
)
from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub
from xdub_core.errors import SettingsError
from xdub_core.face.presence import Reason, fades
from xdub_core.progress import Stage
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import Velocities
from xdub_core.vae.cosine import CosineVAE

LEFT, RIGHT, MIDDLE = (np.array(box) for box in ([0.0, 4, 40, 44], [40.0, 22, 80, 62], [18.0, 14, 58, 54]))
FRAMES = 40
COMES_AND_GOES = np.repeat([-1, 0, -1, 1], [3, 20, 5, 12])
UNLOCKED = replace(SETTINGS, sampler=SamplerSettings(steps=2, border=0))


class Painting:
    """A denoiser that paints every crop as bright as the speech is loud."""

    def for_clip(self, reference, audio, motion_latents):
        def denoise(latents, sigma, *_):
            painted = latents.new_zeros(latents.shape)
            painted[:, 0] = audio.mean()
            velocity = (latents - painted) / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


def pair(box, other_box):
    """Somebody who is always there, and somebody who comes and goes and says something else."""
    return speaker(track_of(np.zeros(FRAMES, int), box=box), -2), speaker(
        track_of(COMES_AND_GOES, box=other_box), 2
    )


def dubbed(*speakers, settings=UNLOCKED):
    return np.stack(run_dub(scene(FRAMES, FRAMES, speakers=speakers), settings, Painting()))


def inside(*boxes):
    """Pixels of the frame that any of the boxes touches, bool [height, width]."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in np.array(boxes).astype(int):
        mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("other_box", [RIGHT, MIDDLE], ids=["disjoint", "overlapping"])
def test_pixels_outside_of_all_boxes_are_the_source_s_and_each_face_changes_where_it_is(
    other_box, as_released
):
    both = pair(LEFT, other_box)
    result = dubbed(*both, settings=replace(UNLOCKED, as_released=as_released))
    source = source_of(scene(FRAMES, FRAMES))
    assert np.array_equal(result[:, ~inside(LEFT, other_box)], source[:, ~inside(LEFT, other_box)])
    there = COMES_AND_GOES >= 0
    assert np.array_equal(result[~there][:, ~inside(LEFT)], source[~there][:, ~inside(LEFT)])
    changed = (result != source).any(axis=3)
    assert changed[:, inside(LEFT)].any(axis=1).all()
    assert changed[there][:, inside(other_box) & ~inside(LEFT)].any(axis=1).all()


def test_apart_from_each_other_speakers_are_dubbed_as_if_they_were_alone():
    first, second = pair(LEFT, RIGHT)
    together = dubbed(first, second)
    assert np.array_equal(together[:, inside(LEFT)], dubbed(first)[:, inside(LEFT)])
    assert np.array_equal(together[:, inside(RIGHT)], dubbed(second)[:, inside(RIGHT)])


def test_where_faces_overlap_the_later_speaker_covers_the_earlier():
    first, second = pair(LEFT, MIDDLE)
    there = fades(COMES_AND_GOES >= 0, ()) == 1  # not where it comes or goes: all of its change
    core = np.zeros((HEIGHT, WIDTH), bool)
    core[24:34, 26:34] = True  # within both, where the edges are not soft
    alone = [dubbed(one)[there][:, core] for one in (first, second)]
    assert alone[0].mean() + 50 < alone[1].mean()
    assert np.array_equal(dubbed(first, second)[there][:, core], alone[1])
    assert np.array_equal(dubbed(second, first)[there][:, core], alone[0])


def test_frames_name_the_rectangles_of_all_faces_and_no_pixel_beside_them():
    a_scene = scene(FRAMES, FRAMES, speakers=pair(LEFT, RIGHT))
    for number, frame in enumerate(dub(a_scene, DubModel(CosineVAE(48), Painting()), UNLOCKED)):
        assert len(frame.changed) == 1 + (COMES_AND_GOES[number] >= 0)
        outside = ~inside(*frame.changed)
        assert outside.any()
        assert np.array_equal(frame.rgb[outside], frame.source.rgb[outside])


def test_every_clip_has_a_number_of_its_own_and_progress_goes_on():
    numbers, seen = [], []

    class Sampler:
        steps = 1

        def seed(self, number, attempt):
            return attempt

        def redone(self, number):
            return 0

        def __call__(self, number, clip, on_step=None):
            numbers.append(number)
            on_step(1, 1, clip.reference)
            return clip.reference

    class Host(DubModel):
        def sampler(self, settings):
            return Sampler()

    a_scene = scene(FRAMES, FRAMES, speakers=pair(LEFT, RIGHT))
    list(dub(a_scene, Host(CosineVAE(48), None), SETTINGS, seen.append))
    assert sorted(numbers) == list(range(len(numbers)))
    assert numbers != sorted(numbers)  # they take turns, frame by frame
    steps = [progress for progress in seen if progress.stage is Stage.CLIPS]
    assert [step.done for step in steps] == list(range(1, len(numbers) + 1))
    named = [f"clip {number + 1} of {len(numbers)}, step 1 of 1" for number in numbers]
    assert [step.detail for step in steps] == named


def test_a_model_that_changes_nothing_gives_the_source_back_with_two_speakers():
    a_scene = scene(FRAMES, FRAMES, speakers=pair(LEFT, MIDDLE))
    result = run_dub(a_scene, replace(SETTINGS, keep_unchanged=True), Copying())
    assert np.array_equal(np.stack(result), source_of(a_scene))


def test_boxes_are_those_of_the_faces_that_are_there():
    boxes = list(scene(FRAMES, 60, speakers=pair(LEFT, RIGHT)).boxes())
    assert [len(each) for each in boxes[:FRAMES]] == (1 + (COMES_AND_GOES >= 0)).tolist()
    assert len(boxes) == 60
    assert np.array_equal(boxes[5], [LEFT, RIGHT])


def test_a_scene_needs_somebody_tracked_through_its_own_video():
    with pytest.raises(SettingsError, match="without a speaker"):
        scene(FRAMES, speakers=[])
    with pytest.raises(SettingsError, match=r"speaker 2's face.* through 40 frames, but the video has 41"):
        scene(41, speakers=[speaker(track_of(np.zeros(41, int))), speaker(track_of(np.zeros(40, int)))])


@pytest.mark.parametrize("as_released", [False, True])
def test_a_speaker_s_strength_fades_the_change_and_never_the_frame(as_released):
    settings = replace(UNLOCKED, as_released=as_released)
    whole = speaker(track_of(np.zeros(FRAMES, int), box=LEFT))
    strength = np.concatenate([np.zeros(10), np.linspace(0, 1, 21)[1:], np.ones(10)]).astype(np.float32)
    full, source = dubbed(whole, settings=settings).astype(float), source_of(scene(FRAMES, FRAMES))
    faded = dubbed(replace(whole, strength=strength), settings=settings)
    assert np.array_equal(faded[strength == 0], source[strength == 0])
    assert np.array_equal(faded[strength == 1], full[strength == 1])
    expected = source + strength[:, None, None, None] * (full - source)
    unclipped = (full > 0) & (full < 255)
    assert np.abs(faded - expected)[unclipped].max() <= 1


def test_frames_in_which_nobody_has_any_strength_are_untouched():
    both = pair(LEFT, MIDDLE)
    strengths = np.zeros(FRAMES, np.float32), np.ones(FRAMES, np.float32)
    strengths[1][:20] = 0
    speakers = [replace(one, strength=strength) for one, strength in zip(both, strengths, strict=True)]
    frames = list(
        dub(scene(FRAMES, FRAMES, speakers=speakers), DubModel(CosineVAE(48), Painting()), UNLOCKED)
    )
    touched = [len(frame.changed) for frame in frames]
    assert touched == ((COMES_AND_GOES >= 0) & (np.arange(FRAMES) >= 20)).astype(int).tolist()
    alone = dubbed(both[1])
    assert all(np.array_equal(frame.rgb, alone[number]) for number, frame in enumerate(frames) if number > 20)


@pytest.mark.parametrize(
    ("strength", "told"),
    [(np.ones(39), r"\[39\], not \[40\]"), (np.full(40, 1.1), "0 to 1"), (np.full(40, np.nan), "0 to 1")],
)
def test_a_strength_that_is_none_is_told(strength, told):
    with pytest.raises(SettingsError, match=told):
        scene(FRAMES, FRAMES, speakers=[replace(pair(LEFT, RIGHT)[0], strength=strength)])


def test_long_pauses_are_not_sampled_and_short_ones_are():
    frames = 180
    whole = speaker(track_of(np.zeros(frames, int), box=LEFT))
    strength = np.ones(frames, np.float32)
    strength[20:40] = strength[60:160] = 0
    some, all_of_it = Inventing(), Inventing()
    run_dub(scene(frames, frames, speakers=[whole]), UNLOCKED, all_of_it)
    a_scene = scene(frames, frames, speakers=[replace(whole, strength=strength)])
    result = np.stack(run_dub(a_scene, UNLOCKED, some))
    source = source_of(a_scene)
    same = (result == source).all(axis=(1, 2, 3))
    assert np.array_equal(same, strength == 0)
    assert some.clips < 0.55 * all_of_it.clips


def test_who_is_silent_throughout_is_left_as_they_are_and_nothing_is_sampled():
    frames = 80
    silent = replace(speaker(track_of(np.zeros(frames, int))), strength=np.zeros(frames, np.float32))
    denoiser = Inventing()
    a_scene = scene(frames, frames, speakers=[silent])
    assert np.array_equal(np.stack(run_dub(a_scene, UNLOCKED, denoiser)), source_of(a_scene))
    assert denoiser.clips == 0


def test_a_bystander_s_face_stays_as_it_is_where_boxes_overlap():
    mine, other = track_of(np.zeros(FRAMES, int), box=LEFT), track_of(np.zeros(FRAMES, int), box=MIDDLE)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    nearer = np.hypot(x - 38, y - 34) < np.hypot(x - 20, y - 24)  # to the bystander's middle
    source = source_of(scene(FRAMES, FRAMES))
    apart = dubbed(replace(speaker(mine, -2), bystanders=(other,)))
    assert np.array_equal(apart[:, nearer], source[:, nearer])
    assert (apart != source).any(axis=3)[:, 18:30, 12:24].all(axis=0).mean() > 0.9
    assert (dubbed(speaker(mine, -2)) != source).any(axis=3)[:, nearer].any()


def test_a_bystander_who_is_turned_away_is_one_all_the_same():
    mine, other = track_of(np.zeros(FRAMES, int), box=LEFT), track_of(np.zeros(FRAMES, int), box=MIDDLE)
    turned = replace(
        other, present=np.zeros(FRAMES, bool), reasons=np.full(FRAMES, int(Reason.TURNED), np.uint8)
    )
    gone = replace(turned, reasons=np.full(FRAMES, int(Reason.NOT_FOUND), np.uint8))
    seen, unseen = (dubbed(replace(speaker(mine, -2), bystanders=(each,))) for each in (turned, gone))
    assert np.array_equal(seen, dubbed(replace(speaker(mine, -2), bystanders=(other,))))
    assert np.array_equal(unseen, dubbed(speaker(mine, -2)))


def test_the_change_of_a_face_that_comes_and_goes_does_so_gradually():
    face = track_of(COMES_AND_GOES, box=LEFT)
    source = source_of(scene(FRAMES, FRAMES)).astype(int)
    change = np.abs(dubbed(speaker(face, 2)) - source)[:, 12:36, 8:32].mean(axis=(1, 2, 3))
    there = np.flatnonzero(COMES_AND_GOES == 0)
    assert (change[COMES_AND_GOES < 0] == 0).all()
    assert change[there[0]] < change[there[2]] < change[there[4]] < 0.95 * change[there[8]]
    assert change[there[-1]] < change[there[-3]] < 0.8 * change[there[8]]
