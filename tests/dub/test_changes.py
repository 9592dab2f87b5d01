"""A face's change at any instant: of one of the model's frames, between two of them, and at the edges of shots."""

import numpy as np
import pytest

from xdub_core.dub.changes import FaceChanges
from xdub_core.dub.crops import DubbedCrop
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack

SIZE, SIDE = 32, 64
GREY, BRIGHT = np.full((SIDE, SIDE, 3), 60, np.uint8), np.full((SIDE, SIDE, 3), 200, np.uint8)


def box(number):
    return np.array([8.0 + 2 * number, 10, 40 + 2 * number, 42])


def crops(frame, numbers):
    """Generated crops as bright as their number says, made of pictures like `frame`."""
    for number in numbers:
        source = crop_frame(frame, box(number), SIZE)
        yield DubbedCrop(np.full_like(source, 0.5 + number / 20), source, source.copy())


def changes(*shots, present=None, strength=None, frames=6):
    """Of shots (first, stop, picture)."""
    numbers = np.full(frames + 1, -1)
    for place, (first, stop, _) in enumerate(shots):
        numbers[first:stop] = place
    numbers[-1] = numbers[-2]
    present = numbers >= 0 if present is None else np.append(np.array(present, bool), False)
    track = FaceTrack(np.stack([box(n) for n in range(frames + 1)]), present, numbers, (SIDE, SIDE))
    made = [(range(first, stop), crops(picture, range(first, stop))) for first, stop, picture in shots]
    return FaceChanges(track, made, strength, np.arange(frames + 1), "change")


def shade(change):
    return float(change.crop.generated.mean())


def test_at_a_frame_of_the_model_it_is_that_frame_s_very_own():
    faces = changes((0, 6, GREY))
    for number in range(6):
        change = faces.at(number, number, GREY)
        assert shade(change) == pytest.approx(0.5 + number / 20)
        assert np.array_equal(change.box, box(number))


def test_between_two_frames_lie_the_crop_and_where_it_goes():
    faces = changes((0, 6, GREY))
    change = faces.at(2.25, 2.5, GREY)
    assert shade(change) == pytest.approx(0.5 + 2.25 / 20, abs=1e-3)
    assert np.allclose(change.box, box(2.5))
    assert change.region.shape == (SIZE, SIZE, 2)


def test_past_the_last_frame_the_mouth_stands_and_the_face_moves_on():
    change = changes((0, 6, GREY)).at(5, 5.5, GREY)
    assert shade(change) == pytest.approx(0.75)
    assert np.allclose(change.box, box(5.5))


@pytest.mark.parametrize(("picture", "number"), [(GREY, 2), (BRIGHT, 3)])
def test_between_two_shots_it_is_that_of_the_shot_which_the_frame_shows(picture, number):
    change = changes((0, 3, GREY), (3, 6, BRIGHT)).at(2.5, 2.5, picture)
    assert shade(change) == pytest.approx(0.5 + number / 20)
    assert np.array_equal(change.box, box(number))


def test_a_frame_of_neither_shot_is_left_alone():
    other = np.full((SIDE, SIDE, 3), 130, np.uint8)
    assert changes((0, 3, GREY), (3, 6, BRIGHT)).at(2.5, 2.5, other) is None


@pytest.mark.parametrize(("picture", "changed"), [(GREY, True), (BRIGHT, False)])
def test_at_a_shot_s_end_a_frame_is_changed_only_if_it_shows_that_shot(picture, changed):
    faces = changes((0, 3, GREY))
    assert (faces.at(2.4, 2.4, picture) is not None) == changed
    assert faces.at(4, 4, picture) is None


def test_before_the_first_shot_nothing_is_changed():
    faces = changes((3, 6, GREY))
    assert faces.at(1.5, 1.5, GREY) is None
    assert shade(faces.at(3.5, 3.5, GREY)) == pytest.approx(0.5 + 3.5 / 20, abs=1e-3)


def test_strength_fades_between_frames_and_none_is_no_change():
    faces = changes((0, 6, GREY), strength=np.array([0, 0, 1, 1, 0.5, 0]))
    assert faces.at(0.5, 0.5, GREY) is None
    assert faces.at(1, 1, GREY) is None
    assert faces.at(1.25, 1.25, GREY).strength == pytest.approx(0.25)
    assert faces.at(3.5, 3.5, GREY).strength == pytest.approx(0.75)


def test_where_the_face_is_hidden_for_a_moment_its_neighbour_s_crop_is_taken():
    faces = changes((0, 6, GREY), present=[1, 1, 0, 1, 1, 1])
    assert shade(faces.at(1.5, 1.5, GREY)) == pytest.approx(0.55)
    assert faces.at(2, 2, GREY) is None
    assert shade(faces.at(2.5, 2.5, GREY)) == pytest.approx(0.65)
