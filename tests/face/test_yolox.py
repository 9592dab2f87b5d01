import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.face.yolox import (
    CLASSES,
    INPUT_SIZE,
    PADDING_GREY,
    PERSON,
    STRIDES,
    YOLOX,
    People,
    decode_people,
    detector_input,
    letterbox,
    suppress_overlaps,
)


def empty_levels(images: int = 1) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Raw outputs in which no anchor sees anything."""
    return [
        tuple(
            torch.full((images, count, INPUT_SIZE // stride, INPUT_SIZE // stride), value)
            for count, value in parts
        )
        for stride in STRIDES
        for parts in [((CLASSES, -9.0), (4, 0.0), (1, -9.0))]
    ]


def put(
    levels: list, level: int, row: int, column: int, label: int = PERSON, logit: float = 9.0, image: int = 0
):
    levels[level][0][image, label, row, column] = logit
    levels[level][2][image, 0, row, column] = logit


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_letterbox_fits_any_frame_into_the_square(width: int, height: int) -> None:
    boxed = letterbox(np.full((height, width, 3), 7, np.uint8))

    assert boxed.image.shape == (INPUT_SIZE, INPUT_SIZE, 3)
    scaled = round(boxed.scale[0] * width), round(boxed.scale[1] * height)
    assert max(scaled) == INPUT_SIZE
    assert (boxed.image[: scaled[1], : scaled[0]] == 7).all()
    assert (boxed.image[scaled[1] :] == PADDING_GREY).all()
    assert (boxed.image[:, scaled[0] :] == PADDING_GREY).all()


def test_the_network_is_shown_bgr() -> None:
    frame = np.zeros((1, 2, 2, 3), np.uint8)
    frame[..., 0] = 200  # red
    assert detector_input(frame)[0, :, 0, 0].tolist() == [0, 0, 200]


def test_an_anchor_decodes_to_its_box_in_frame_pixels() -> None:
    levels = empty_levels()
    put(levels, 1, row=3, column=5)
    levels[1][1][0, :, 3, 5] = torch.tensor([0.5, -0.25, np.log(4), np.log(6)])

    people = decode_people(levels, [(0.5, 0.25)])[0]

    x, y = (5 + 0.5) * 16, (3 - 0.25) * 16
    expected = [(x - 32) / 0.5, (y - 48) / 0.25, (x + 32) / 0.5, (y + 48) / 0.25]
    np.testing.assert_allclose(people.boxes, [expected], rtol=1e-5)
    assert people.scores == pytest.approx(1 / (1 + np.exp(-9)) ** 2, abs=1e-5)


def test_anchors_that_see_something_else_or_too_little_are_left_out() -> None:
    levels = empty_levels(images=2)
    put(levels, 0, 1, 1, label=16)
    put(levels, 0, 2, 2, logit=0.1)
    put(levels, 2, 3, 3, image=1)

    first, second = decode_people(levels, [(1, 1), (1, 1)])

    assert len(first.boxes) == 0
    assert len(second.boxes) == 1


def test_people_come_best_first() -> None:
    levels = empty_levels()
    for column, logit in enumerate([2.0, 5.0, 3.0]):
        put(levels, 2, 0, column, logit=logit)
    scores = decode_people(levels, [(1, 1)])[0].scores
    assert len(scores) == 3 and (np.diff(scores) < 0).all()


def test_the_whole_network_gives_one_map_per_stride() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        levels = YOLOX(width=8, depth=1).eval()(torch.zeros(2, 3, INPUT_SIZE, INPUT_SIZE))
    assert [[tuple(m.shape) for m in level] for level in levels] == [
        [(2, count, INPUT_SIZE // s, INPUT_SIZE // s) for count in (CLASSES, 4, 1)] for s in STRIDES
    ]


@st.composite
def crowds(draw: st.DrawFn) -> People:
    corners = draw(
        st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 40)] * 2), min_size=1, max_size=12)
    )
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in corners], np.float32)
    return People(boxes, np.linspace(1, 0.5, len(boxes), dtype=np.float32))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    masks = np.zeros((2, 100, 100), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, np.stack([a, b]).astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


@settings(deadline=None)
@given(crowds(), st.sampled_from([0.3, 0.65, 0.7]))
def test_of_overlapping_people_the_most_certain_stays(people: People, threshold: float) -> None:
    kept = suppress_overlaps(people, threshold)

    assert np.array_equal(kept.boxes[0], people.boxes[0])
    pairs = [(a, b) for i, a in enumerate(kept.boxes) for b in kept.boxes[:i]]
    assert all(overlap(a, b) <= threshold + 1e-6 for a, b in pairs)
    for box, score in zip(people.boxes, people.scores, strict=True):
        if score not in kept.scores:
            better = kept.boxes[kept.scores > score]
            assert max(overlap(box, other) for other in better) > threshold - 1e-6
