"""Face Crop: footage, and where the face is in it, to a track, crops and a preview."""

from fractions import Fraction

import comfy.model_management as management
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from minis import write_footage

from xdub_core.errors import FaceError

pytestmark = pytest.mark.usefixtures("inference")


def test_crops_are_the_box_25_times_a_second(crop, video):
    face, crops, preview = crop(video)
    assert crops.shape == (30, 32, 32, 3)
    assert preview.shape == (16, 64, 80, 3)
    assert face.track.boxes[0].tolist() == [8, 4, 56, 52]


def test_a_trimmed_video_of_another_rate_is_cropped_as_trimmed(crop, tmp_path):
    video = InputImpl.VideoFromFile(str(write_footage(tmp_path / "fast.mp4", 60, fps=50)))
    whole = crop(video)[1]
    trimmed = crop(video.as_trimmed(0.4, 0.4))[1]
    assert len(whole) == 30
    assert torch.equal(trimmed, whole[10:20])


def test_images_and_a_video_of_images_are_cropped_alike(crop):
    images = (torch.rand(12, 64, 80, 3) * 255).round() / 255
    made = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, frame_rate=Fraction(25)))
    assert torch.allclose(crop(images)[1], crop(made)[1], atol=1 / 255)
    assert len(crop(images, mask=None)[1]) == 12


def test_a_mask_says_where_the_face_is(pack, crop, video):
    mask = torch.zeros(1, 64, 80)
    mask[:, 10:40, 20:50] = 1
    node = pack("face_crop").FaceCrop
    face = node.execute(video, "mask", 32, "", 1, False, 25.0, mask=mask).args[0]
    assert face.track.boxes[0].tolist() == [20, 10, 50, 40]
    with pytest.raises(FaceError, match="mask is empty"):
        node.execute(video, "mask", 32, "", 1, False, 25.0, mask=torch.zeros(1, 64, 80))
    with pytest.raises(FaceError, match="resize it"):
        node.execute(video, "mask", 32, "", 1, False, 25.0, mask=torch.ones(1, 32, 80))


@pytest.mark.parametrize("kind", ["FACE_LANDMARKS", "BOUNDING_BOX"])
def test_faces_that_another_node_found_follow_the_frames_of_the_source(pack, kind):
    """Entries are the source's, 50 a second; crops are every other frame."""
    meshes = [20.0 + 4 * frame + np.linspace(0, 10, 468)[:, None].repeat(2, 1) for frame in range(6)]
    given = {
        "FACE_LANDMARKS": {
            "frames": [[{"landmarks_xy": mesh, "score": 1.0}] for mesh in meshes],
            "image_size": (96, 96),
        },
        "BOUNDING_BOX": [[{"x": mesh[0, 0], "y": mesh[0, 1], "width": 10, "height": 10}] for mesh in meshes],
    }[kind]
    (detector,) = pack("face_landmarks").FaceFromLandmarks.execute(given, 1).args
    face, crops, _ = (
        pack("face_crop")
        .FaceCrop.execute(torch.rand(6, 96, 96, 3), "find it", 32, "", 1, True, 50.0, face_detector=detector)
        .args
    )
    assert len(crops) == len(face.timeline) == 3
    assert face.track.present.all()
    if kind == "BOUNDING_BOX":  # boxes are taken as they are, landmarks smoothed
        assert np.diff(face.track.boxes[:, 0]).tolist() == [8, 8]
    with pytest.raises(FaceError, match="for 6 frames"):
        pack("face_crop").FaceCrop.execute(
            torch.rand(9, 96, 96, 3), "find it", 32, "", 1, True, 50.0, face_detector=detector
        )


@pytest.mark.parametrize("kind", ["BOUNDING_BOX", "masks"])
def test_given_faces_of_a_trimmed_video_are_those_of_the_frames_that_are_left(pack, tmp_path, kind):
    """50 frames a second, the first 20 trimmed away: 20 entries for the rest, of which every other is shown."""
    whole = InputImpl.VideoFromFile(str(write_footage(tmp_path / "fast.mp4", 60, fps=50)))
    lefts = range(20, 40)
    if kind == "masks":
        masks = torch.zeros(20, 64, 80)
        for number, left in enumerate(lefts):
            masks[number, 30:40, left : left + 10] = 1
        given = {"face": "mask", "mask": masks}
    else:
        boxes = [[{"x": left, "y": 30, "width": 10, "height": 10}] for left in lefts]
        (detector,) = pack("face_landmarks").FaceFromLandmarks.execute(boxes, 1).args
        given = {"face": "find it", "face_detector": detector}
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": True, "image_fps": 25.0}
    face = pack("face_crop").FaceCrop.execute(whole.as_trimmed(0.4, 0.4), **options, **given).args[0]
    centers = face.track.boxes[:, [0, 2]].mean(axis=1)
    assert len(face.timeline) == 10
    assert np.diff(centers).tolist() == [2] * 9
    with pytest.raises(FaceError, match="for 9 frames"):
        short = {"face": "mask", "mask": torch.ones(9, 64, 80)}
        pack("face_crop").FaceCrop.execute(whole.as_trimmed(0.4, 0.4), **options, **short)


def test_no_face_is_told(pack, video):
    class Blind:
        def detect(self, frames, numbers=None):
            return [None] * len(frames)

    with pytest.raises(FaceError, match="no face in any of the 30 frames"):
        pack("face_crop").FaceCrop.execute(video, "find it", 32, "", 1, False, 25.0, face_detector=Blind())


def test_detection_and_cropping_stop_within_one_frame(pack, video):
    seen = []

    class Watched:
        def detect(self, frames, numbers=None):
            seen.extend(numbers)
            if len(seen) == 3:
                management.interrupt_current_processing()
            return [None] * len(frames)

    with pytest.raises(management.InterruptProcessingException):
        pack("face_crop").FaceCrop.execute(video, "find it", 32, "", 1, False, 25.0, face_detector=Watched())
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"face": "find it"}, "connect a face detector"),
        ({"face": "mask"}, "connect a mask"),
        ({"face": "box", "box": "1,2,3"}, "four numbers"),
        ({"face": "box", "box": "9,2,3,8"}, "not right of"),
        ({"face": "boxes"}, "face 'boxes' is not in the list"),
    ],
)
def test_face_crop_says_what_is_missing_before_it_runs(pack, given, told):
    assert told in pack("face_crop").FaceCrop.validate_inputs(**given)


def test_a_choice_takes_its_own_inputs_as_it_takes_those_beside_it(pack, video):
    node = pack("face_crop").FaceCrop
    own = node.execute(video, {"face": "box", "box": "8,4,56,52", "bounding_box": None}, 32).args[0]
    beside = node.execute(video, "box", 32, "8,4,56,52").args[0]
    assert (own.track.boxes == beside.track.boxes).all()


def test_a_box_that_is_drawn_counts_in_place_of_one_that_is_typed(pack, video):
    drawn = [[{"x": 8, "y": 4, "width": 48, "height": 48}]]
    face = pack("face_crop").FaceCrop.execute(
        video, {"face": "box", "box": "0,0,9,9", "bounding_box": drawn}, 32
    )
    assert face.args[0].track.boxes[0].tolist() == [8, 4, 56, 52]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"face": {"face": "box", "box": "1,2,3"}}, "four numbers"),
        ({"face": {"face": "find it", "person": "him"}}, "person"),
        ({"face": {"face": "find it", "detect_every": 30}}, "detect_every is 30: choose 1 to 25"),
        ({"face": {"face": "whole frame"}, "crop_size": 4096}, "crop_size is 4096: choose 32 to 2048"),
    ],
)
def test_what_is_wrong_with_a_choice_s_own_inputs_is_told_before_it_runs(pack, given, told):
    node = pack("face_crop").FaceCrop
    assert told in node.validate_inputs(**given)
    assert (
        node.validate_inputs(face={"face": "box", "box": ""}, crop_size=512) is True
    )  # one may be connected
