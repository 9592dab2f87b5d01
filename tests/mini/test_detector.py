"""Every rendered head in a frame is found, once, and nothing else."""

import numpy as np
import pytest
import torch

from tests.mini.crowds import Place, actor, frames
from xdub_core.cli.demo import SAMPLE
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.people import track_people
from xdub_core.face.track import track_faces
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.detector import MiniDetector
from xdub_core.mini.face_search import FACE_SEARCH, load_face_search
from xdub_core.mini.loading import load_mini


@pytest.fixture(scope="module")
def detector():
    torch.set_num_threads(1)
    return load_mini().detector


def found(detector, picture):
    boxes = np.array([detector.face_box(face) for face in detector.detect_all([picture])[0]]).reshape(-1, 4)
    return boxes[np.argsort(boxes[:, 0])]


@pytest.mark.parametrize(
    ("size", "places"),
    [
        ((320, 180), [Place(90, 90, 90), Place(230, 80, 70)]),
        ((320, 180), [Place(60, 100, 100), Place(170, 70, 50), Place(260, 90, 70)]),
        ((640, 360), [Place(170, 170, 220), Place(480, 160, 90)]),
        ((640, 360), [Place(110, 200, 160), Place(320, 140, 80), Place(530, 190, 200)]),
    ],
)
def test_two_and_three_heads_of_different_sizes_are_found(detector, size, places):
    actors = [actor(number, place) for number, place in enumerate(places, 30)]
    boxes = found(detector, frames(actors, 0, 1, *size)[0])
    assert len(boxes) == len(places)
    for box, place in zip(boxes, sorted(places, key=lambda place: place.x), strict=True):
        np.testing.assert_allclose((box[:2] + box[2:]) / 2, (place.x, place.y), atol=0.3 * place.height)
        assert 0.5 * place.height < box[2] - box[0] < 1.1 * place.height


def test_nobody_is_found_in_an_empty_scene(detector):
    assert [
        faces
        for scene in range(6)
        for faces in detector.detect_all(frames([actor(1, lambda _: None)], 0, 1, scene=scene))
    ] == [[]] * 6


def test_faces_are_followed_between_searches_and_newcomers_are_seen_with_the_next(detector):
    still, coming = (
        actor(20, Place(90, 90, 90)),
        actor(21, lambda frame: Place(230, 80, 70) if frame >= 3 else None),
    )
    shown = frames([still, coming], 0, 10)
    counts = [len(faces) for batch in (shown[:8], shown[8:]) for faces in detector.detect_all(batch)]
    assert counts[:3] == [1] * 3 and counts[8:] == [2] * 2


@pytest.mark.parametrize("name", ["source.mp4", "truth.mp4"])
def test_the_sample_is_one_person_with_the_track_of_a_single_face(detector, name):
    with VideoReader(SAMPLE / name) as reader:
        pictures = list(reader.frames(reader.timeline.source_index[:60]))
    (person,) = track_people(iter(pictures), detector)
    alone = track_faces(iter(pictures), detector)
    assert np.array_equal(person.track.boxes, alone.boxes)
    assert person.track.present.all()


def test_without_a_search_there_is_the_one_face(detector):
    plain = MiniDetector(detector.finder)
    with VideoReader(SAMPLE / "source.mp4") as reader:
        (picture,) = reader.frames([0])
    (faces,), (face,) = plain.detect_all([picture]), plain.detect([picture])
    assert len(faces) == 1 and np.array_equal(faces[0].keypoints, face.keypoints)


def test_a_folder_without_the_search_is_told(tmp_path):
    with pytest.raises(MissingModelError, match=r"face_search\.safetensors: get the folder whole"):
        load_face_search(tmp_path)
    (tmp_path / FACE_SEARCH).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_face_search(tmp_path)
