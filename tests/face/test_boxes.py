import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.errors import FaceError
from xdub_core.face.boxes import (
    FixedBox,
    FrameBoxes,
    WholeFrame,
    box_from_mask,
    boxes_from_masks,
    centered_square,
    check_box,
    drawn_box,
    parse_box,
    read_boxes,
    square_box,
)

FRAME = np.zeros((60, 80, 3), np.uint8)

sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
coordinates = st.floats(-3000, 3000)


@st.composite
def boxes(draw: st.DrawFn) -> np.ndarray:
    x0, y0 = draw(coordinates), draw(coordinates)
    return np.array([x0, y0, x0 + draw(st.floats(0.01, 3000)), y0 + draw(st.floats(0.01, 3000))])


@given(boxes(), sizes)
def test_a_box_passes_exactly_when_it_lies_in_the_frame(box: np.ndarray, size: tuple[int, int]) -> None:
    inside = bool((box[:2] >= 0).all() and box[2] <= size[0] and box[3] <= size[1])
    try:
        assert np.array_equal(check_box(box, size), box)
        accepted = True
    except FaceError:
        accepted = False
    assert accepted == inside


@given(boxes(), st.floats(0.1, 5), sizes)
def test_square_box_is_a_square_in_the_frame(box: np.ndarray, scale: float, size: tuple[int, int]) -> None:
    square = square_box(box, scale, size)
    width, height = square[2:] - square[:2]

    assert width == pytest.approx(height, abs=1e-9)
    assert width == pytest.approx(min(scale * (box[2:] - box[:2]).max(), *size), rel=1e-9)
    assert np.array_equal(check_box(square, size), square)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))
def test_box_from_mask_is_the_masked_rectangle(x: int, y: int, width: int, height: int) -> None:
    mask = np.zeros((60, 60), np.float32)
    mask[y : y + height, x : x + width] = 1
    assert box_from_mask(mask).tolist() == [x, y, x + width, y + height]


def test_an_empty_mask_is_a_frame_without_a_face() -> None:
    masks = np.zeros((3, 60, 80))
    masks[1, 10:20, 30:50] = 0.9
    found = boxes_from_masks(masks).detect([FRAME] * 3)
    assert found[0] is None and found[2] is None
    assert found[1].box.tolist() == [30, 10, 50, 20]


@pytest.mark.parametrize(
    ("box", "wrong"),
    [
        ([1, 2, 3], "four numbers"),
        ("24,46", "four numbers"),
        (None, "four numbers"),
        ([[1, 2, 3, 4]], "four numbers"),
        ([0, 0, float("nan"), 5], "finite"),
        ([0, 0, float("inf"), 5], "finite"),
        ([10, 0, 5, 5], r"x1 = 5.0 is not right of x0 = 10.0"),
        ([0, 5, 5, 5], r"y1 = 5.0 is not below y0 = 5.0"),
        ([-1, 0, 5, 5], "outside the frame of 80 x 60"),
        ([0, 0, 81, 5], "outside the frame of 80 x 60"),
        ([0, 0, 5, 60.5], "outside the frame of 80 x 60"),
    ],
)
def test_a_wrong_box_is_told_what_is_wrong(box: object, wrong: str) -> None:
    with pytest.raises(FaceError, match=wrong):
        check_box(box, (80, 60))


def test_a_fixed_box_is_given_for_every_frame() -> None:
    found = FixedBox([1, 2.5, 30, 40]).detect([FRAME, FRAME])
    assert [d.box.tolist() for d in found] == [[1, 2.5, 30, 40]] * 2
    assert all(d.keypoints is None for d in found)


def test_a_fixed_box_outside_the_frame_is_an_error() -> None:
    with pytest.raises(FaceError, match="outside the frame"):
        FixedBox([0, 0, 100, 50]).detect([FRAME])


@pytest.mark.parametrize("text", ["24,46,426,448", "24 46 426 448", "24, 46, 426, 448"])
def test_a_box_is_read_from_the_command_line(text: str) -> None:
    assert parse_box(text).tolist() == [24, 46, 426, 448]


@pytest.mark.parametrize("text", ["", "a,b,c,d", "1,2,3"])
def test_an_unreadable_box_on_the_command_line_is_an_error(text: str) -> None:
    with pytest.raises(FaceError, match="four numbers"):
        parse_box(text)


@given(sizes)
def test_the_whole_frame_is_the_largest_centred_square(size: tuple[int, int]) -> None:
    x0, y0, x1, y1 = centered_square(*size)
    assert x1 - x0 == y1 - y0 == min(size)
    assert abs(x0 - (size[0] - x1)) <= 1 and abs(y0 - (size[1] - y1)) <= 1
    assert x0 >= 0 and y0 >= 0


def test_whole_frame_detector() -> None:
    assert WholeFrame().detect([FRAME])[0].box.tolist() == [10, 0, 70, 60]


def test_frames_take_their_own_boxes_in_order_over_batches() -> None:
    detector = FrameBoxes([[0, 0, 10, 10], None, [5, 5, 20, 20]])
    found = detector.detect([FRAME, FRAME]) + detector.detect([FRAME])
    assert [d and d.box.tolist() for d in found] == [[0, 0, 10, 10], None, [5, 5, 20, 20]]


def test_frames_are_found_by_number() -> None:
    detector = FrameBoxes([[i, i, i + 10, i + 10] for i in range(5)])
    found = detector.detect([FRAME, FRAME, FRAME], numbers=[4, 0, 4])
    assert [d.box[0] for d in found] == [4, 0, 4]


def test_an_array_of_boxes_with_nan_rows_is_understood() -> None:
    boxes = np.full((2, 4), np.nan)
    boxes[1] = [1, 2, 3, 4]
    found = FrameBoxes(boxes).detect([FRAME, FRAME])
    assert found[0] is None and found[1].box.tolist() == [1, 2, 3, 4]


def test_a_wrong_box_is_named_by_its_frame() -> None:
    with pytest.raises(FaceError, match=r"frame 2 .*not right of"):
        FrameBoxes([[0, 0, 1, 1], None, [5, 0, 1, 1]])
    with pytest.raises(FaceError, match=r"frame 1 .*outside the frame of 80 x 60"):
        FrameBoxes([[0, 0, 1, 1], [0, 0, 1, 99]]).detect([FRAME, FRAME])


def test_fewer_boxes_than_frames_is_an_error() -> None:
    with pytest.raises(FaceError, match="for 1 frames, but the video has a frame 1"):
        FrameBoxes([[0, 0, 1, 1]]).detect([FRAME, FRAME])


@pytest.mark.parametrize("boxes", [[], [None, None]])
def test_no_box_at_all_is_an_error(boxes: list) -> None:
    with pytest.raises(FaceError, match="face box"):
        FrameBoxes(boxes)


def test_boxes_are_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps([[0, 0, 10, 10.5], None]))
    found = read_boxes(path).detect([FRAME, FRAME])
    assert found[0].box.tolist() == [0, 0, 10, 10.5] and found[1] is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("not json", "cannot read"),
        ('{"a": 1}', "a list of boxes"),
        ("[[1, 2, 3]]", "frame 0"),
        ("3", "a list"),
    ],
)
def test_a_wrong_json_file_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(FaceError, match=wrong) as error:
        read_boxes(path)
    assert "boxes.json" in str(error.value)


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match=r"nothing\.json"):
        read_boxes(tmp_path / "nothing.json")


@pytest.mark.parametrize("box", [[10, 10, 10.5, 10.5], [10, 10, 60, 10.9], [0.1, 0.2, 0.7, 0.9]])
def test_a_box_of_less_than_a_pixel_is_refused(box: list) -> None:
    with pytest.raises(FaceError, match="less than a pixel wide or high: give it in pixels"):
        FixedBox(box)
    with pytest.raises(FaceError, match=r"frame 1 .*less than a pixel"):
        FrameBoxes([None, box])


DRAWN = {"x": 10, "y": 20, "width": 30, "height": 40, "metadata": {}}


@pytest.mark.parametrize("drawn", [DRAWN, [DRAWN], [[DRAWN]], [[DRAWN, {"x": 0}]]])
def test_a_box_that_another_node_drew_is_taken_as_it_is(drawn):
    assert drawn_box(drawn).tolist() == [10, 20, 40, 60]


@pytest.mark.parametrize(
    ("drawn", "told"),
    [
        ([], "no bounding box"),
        ([[]], "no bounding box"),
        (None, "no bounding box"),
        ([[DRAWN], [DRAWN]], "Face from Landmarks"),
        ({"x": 1}, "needs the numbers"),
        ({**DRAWN, "width": 0}, "not right of"),
    ],
)
def test_what_is_no_one_box_is_told(drawn, told):
    with pytest.raises(FaceError, match=told):
        drawn_box(drawn)
