from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.errors import FaceError, SettingsError
from xdub_core.face.csp import fuse_batch_norms
from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.overlap import shared_area
from xdub_core.face.pose import (
    FLIP_INDICES,
    crop_window,
    flip_test,
    openpose_order,
    pose_input,
    to_frame,
    warp_crop,
)
from xdub_core.face.rtmw import BODY_KEYPOINTS, INPUT_HEIGHT, INPUT_WIDTH, RTMW
from xdub_core.face.rtmw_detector import RTMWDetector, RTMWSettings, load_rtmw_detector
from xdub_core.face.yolox import (
    PERSON,
    STRIDES,
    YOLOX,
    decode_people,
    detector_input,
    letterbox,
    suppress_overlaps,
)


def small_networks(person_logit: float) -> tuple[YOLOX, RTMW]:
    """Seeded random networks; every anchor sees a person, or none does."""
    torch.manual_seed(0)
    people, pose = YOLOX(width=8, depth=1), RTMW(width=8, depth=1, hidden=32, shared=16)
    for level, stride in enumerate(STRIDES):
        people.bbox_head.multi_level_conv_obj[level].bias.data.fill_(person_logit)
        people.bbox_head.multi_level_conv_cls[level].bias.data.fill_(-9)[PERSON] = person_logit
        people.bbox_head.multi_level_conv_reg[level].bias.data.copy_(
            torch.tensor([0, 0, 900 / stride, 900 / stride]).clamp(min=1).log()
        )
    return people.eval(), pose.eval()


def small_detector(person_logit: float = 9.0, **settings: object) -> RTMWDetector:
    return RTMWDetector(*small_networks(person_logit), RTMWSettings(**{"face_threshold": 0.0, **settings}))


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (3, 90, 120, 3), dtype=np.uint8))


def test_a_frame_gives_134_points_in_pixels_with_scores_of_about_one(frames: list[np.ndarray]) -> None:
    found = small_detector().detect(frames[:1])[0]

    assert found.keypoints.shape == (134, 3) and found.keypoints.dtype == np.float64
    face = found.keypoints[FACE_POINTS]
    assert found.score == pytest.approx(face[:, 2].mean())
    assert found.box[:2] == pytest.approx(face[:, :2].min(0))
    assert found.box[2:] == pytest.approx(face[:, :2].max(0))


def test_batches_do_not_change_the_answer(frames: list[np.ndarray]) -> None:
    alone = small_detector(batch=1).detect(frames)
    together = small_detector(batch=2).detect(frames)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-4)


def test_scores_are_the_networks_over_ten(frames: list[np.ndarray]) -> None:
    detector = small_detector()
    crops = np.stack([np.ascontiguousarray(np.resize(frames[0], (INPUT_HEIGHT, INPUT_WIDTH, 3)))])
    with torch.inference_mode():
        x, y = flip_test(detector.pose, pose_input(crops))
    raw = torch.minimum(x.max(-1).values, y.max(-1).values)[0, 23]

    keypoints = detector.keypoints(crops, [crop_window(np.array([0, 0, 10, 10]))])[0]

    assert keypoints[24, 2] == pytest.approx(raw.item() / 10, rel=1e-5)


def test_deep_frames_are_seen_as_eight_bit_ones(frames: list[np.ndarray]) -> None:
    deep = [frame.astype(np.uint16) * 257 for frame in frames[:1]]
    detector = small_detector()
    assert np.array_equal(detector.detect(deep)[0].keypoints, detector.detect(frames[:1])[0].keypoints)


def test_without_a_person_the_whole_frame_is_searched(frames: list[np.ndarray]) -> None:
    detector = small_detector(person_logit=-9.0)
    window = crop_window(np.array([0, 0, 120, 90]))
    expected = detector.keypoints(warp_crop(frames[0], window)[None], [window])[0]

    assert np.array_equal(detector.detect(frames[:1])[0].keypoints, expected)


def test_a_face_below_the_threshold_is_none(frames: list[np.ndarray]) -> None:
    score = small_detector().detect(frames[:1])[0].score
    assert small_detector(face_threshold=score * 0.99).detect(frames[:1])[0] is not None
    assert small_detector(face_threshold=score * 1.01).detect(frames[:1])[0] is None


def people_in(frame: np.ndarray) -> np.ndarray:
    """The people's boxes [n, 4], the most certain first."""
    boxed = letterbox(frame)
    with torch.inference_mode():
        levels = small_detector().people(detector_input(boxed.image[None]).float())
    return suppress_overlaps(decode_people(levels, [boxed.scale])[0]).boxes


def keypoints_in(box: np.ndarray, frame: np.ndarray) -> np.ndarray:
    window = crop_window(box)
    return small_detector().keypoints(warp_crop(frame, window)[None], [window])[0]


def test_people_are_counted_from_the_left(frames: list[np.ndarray]) -> None:
    people = people_in(frames[0])
    assert len(people) > 2
    for number, box in enumerate(people[people[:, 0].argsort()][:4]):
        found = small_detector(person=number).detect(frames[:1])[0]
        np.testing.assert_allclose(found.keypoints, keypoints_in(box, frames[0]), atol=1e-4)
    assert small_detector(person=len(people)).detect(frames[:1]) == [None]


def test_nobody_takes_the_place_of_a_person_whose_face_cannot_be_seen(frames: list[np.ndarray]) -> None:
    faces = [small_detector(person=number).detect(frames[:1])[0] for number in range(4)]
    away = int(np.argmin([face.score for face in faces]))
    seen = {"face_threshold": np.nextafter(faces[away].score, 1)}

    for number, face in enumerate(faces):
        (found,) = small_detector(person=number, **seen).detect(frames[:1])
        assert found is None if number == away else found.score == face.score


def test_only_the_chosen_person_s_points_are_looked_for(frames: list[np.ndarray]) -> None:
    class Counting(RTMWDetector):
        looked_at = 0

        def keypoints(self, crops: np.ndarray, windows: list) -> np.ndarray:
            self.looked_at += len(crops)
            return super().keypoints(crops, windows)

    detector = Counting(*small_networks(9.0), RTMWSettings(person=1, face_threshold=0))
    detector.detect(frames)
    assert detector.looked_at == len(frames)


def test_the_most_certain_person_is_the_one_without_a_number(frames: list[np.ndarray]) -> None:
    best = small_detector().detect(frames[:1])[0]
    np.testing.assert_allclose(best.keypoints, keypoints_in(people_in(frames[0])[0], frames[0]), atol=1e-4)


def test_all_faces_are_those_of_the_surest_people_each_once(frames: list[np.ndarray]) -> None:
    people = people_in(frames[0])[:3]
    faces = [keypoints_in(box, frames[0])[FACE_POINTS] for box in people]
    boxes = np.array([[*face[:, :2].min(0), *face[:, :2].max(0)] for face in faces])
    (found,) = small_detector(most_people=3).detect_all(frames[:1])
    assert 1 <= len(found) <= 3
    for face in found:
        assert np.abs(boxes - face.box).max(axis=1).min() < 1e-2
    for one, other in pairwise(found):
        assert shared_area(one.box, other.box[None])[0] <= 0.5


def test_without_a_person_all_faces_are_the_one_of_the_whole_frame(frames: list[np.ndarray]) -> None:
    detector = small_detector(person_logit=-9.0)
    found, alone = detector.detect_all(frames), detector.detect(frames)
    assert [len(faces) for faces in found] == [1, 1, 1]
    for (face,), one in zip(found, alone, strict=True):
        assert np.array_equal(face.keypoints, one.keypoints)


def test_nothing_in_nothing_out() -> None:
    assert small_detector().detect([]) == []
    assert small_detector().detect_all([]) == []


def test_bfloat16_networks_run(frames: list[np.ndarray]) -> None:
    people, pose = small_networks(9.0)
    detector = RTMWDetector(people.bfloat16(), pose.bfloat16(), RTMWSettings(face_threshold=0))
    assert np.isfinite(detector.detect(frames[:1])[0].keypoints).all()


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8)])
def test_what_is_no_frame_is_an_error(frame: np.ndarray) -> None:
    with pytest.raises(FaceError, match="a frame is uint8 or uint16"):
        small_detector().detect([frame])


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"person": -1}, {"face_threshold": 1.5}, {"most_people": 0}])
def test_settings_out_of_range_are_named(wrong: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        RTMWSettings(**wrong)


def test_loads_both_files(tmp_path, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    people, pose = small_networks(9.0)
    torch.save({"state_dict": people.state_dict()}, tmp_path / "yolox.pth")
    torch.save({"state_dict": pose.state_dict()}, tmp_path / "rtmw.pth")
    monkeypatch.setattr("xdub_core.face.rtmw_detector.YOLOX", lambda: YOLOX(width=8, depth=1))
    monkeypatch.setattr("xdub_core.face.rtmw_detector.RTMW", lambda: RTMW(8, 1, 32, 16))

    loaded = load_rtmw_detector(
        tmp_path / "yolox.pth", tmp_path / "rtmw.pth", settings=RTMWSettings(face_threshold=0)
    )

    np.testing.assert_allclose(
        loaded.detect(frames[:1])[0].keypoints, small_detector().detect(frames[:1])[0].keypoints, atol=1e-3
    )


def test_a_mirrored_crop_gives_the_mirrored_person() -> None:
    """What the flip test buys: the average is symmetric, whatever the weights."""
    _, pose = small_networks(9.0)
    crops = torch.randn(1, 3, INPUT_HEIGHT, INPUT_WIDTH, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        x, y = flip_test(pose, crops)
        mirrored_x, mirrored_y = flip_test(pose, crops.flip(-1))

    torch.testing.assert_close(mirrored_x, x[:, FLIP_INDICES].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored_y, y[:, FLIP_INDICES], atol=1e-5, rtol=0)


def test_mirroring_twice_changes_nothing() -> None:
    assert np.array_equal(FLIP_INDICES[FLIP_INDICES], np.arange(BODY_KEYPOINTS))


coordinates = st.floats(-500, 2000)
lengths = st.floats(1, 2000)


@given(coordinates, coordinates, lengths, lengths)
def test_the_window_holds_the_padded_box_at_the_networks_aspect(
    x: float, y: float, w: float, h: float
) -> None:
    window = crop_window(np.array([x, y, x + w, y + h]))

    assert window.size[0] / window.size[1] == pytest.approx(INPUT_WIDTH / INPUT_HEIGHT, rel=1e-5)
    assert window.size[0] >= 1.25 * w * (1 - 1e-3) and window.size[1] >= 1.25 * h * (1 - 1e-3)
    assert window.center == pytest.approx([x + w / 2, y + h / 2], rel=1e-4, abs=1e-2)


@given(coordinates, coordinates, lengths, lengths)
def test_points_find_their_way_back_to_the_frame(x: float, y: float, w: float, h: float) -> None:
    window = crop_window(np.array([x, y, x + w, y + h]))
    points = np.array([[x, y], [x + w, y + h]])
    in_crop = points @ window.matrix[:, :2].T + window.matrix[:, 2]
    np.testing.assert_allclose(to_frame(in_crop, window), points, atol=0.02)


def test_outside_of_the_frame_the_crop_is_black() -> None:
    crop = warp_crop(np.full((40, 30, 3), 200, np.uint8), crop_window(np.array([-300, -300, -200, -200])))
    assert crop.shape == (INPUT_HEIGHT, INPUT_WIDTH, 3) and not crop.any()


def test_the_face_keeps_its_order_behind_the_neck() -> None:
    points = np.arange(BODY_KEYPOINTS * 2, dtype=np.float64).reshape(-1, 2)
    ordered, scores = openpose_order(points, np.full(BODY_KEYPOINTS, 0.9))
    assert np.array_equal(ordered[24:92], points[23:91])
    assert np.array_equal(ordered[1], (points[5] + points[6]) / 2) and scores[1] == 10


def test_fused_batch_norms_compute_the_same() -> None:
    torch.manual_seed(0)
    plain, fused = RTMW(8, 1, 32, 16).eval(), RTMW(8, 1, 32, 16).eval()
    state = {
        name: torch.rand_like(t) + 0.5 if "bn." in name and t.is_floating_point() else t
        for name, t in plain.state_dict().items()
    }
    plain.load_state_dict(state)
    fused.load_state_dict(state)
    fuse_batch_norms(fused)
    crops = torch.randn(1, 3, INPUT_HEIGHT, INPUT_WIDTH)

    with torch.inference_mode():
        for a, b in zip(plain(crops), fused(crops), strict=True):
            torch.testing.assert_close(b, a, atol=1e-4 * a.abs().max().item(), rtol=0)
    assert not any(".bn." in name for name in fused.state_dict())
