"""What lies between two crops in time: moved, not only mixed."""

import cv2
import numpy as np
import pytest

from xdub_core.compose.between import Between, mixed

SIZE = 96


def blob(x, y, size=SIZE):
    """A soft disc on a plain ground."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    disc = np.clip(14 * size / SIZE - np.hypot(columns - x, rows - y), 0, 1)
    return np.dstack([0.3 + 0.5 * disc, 0.4 - 0.2 * disc, 0.3 + 0.1 * disc]).astype(np.float32)


def centre(crop):
    weight = cv2.subtract(crop[..., 0], 0.3)
    rows, columns = np.mgrid[: len(crop), : len(crop)]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("size", [SIZE, 256])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_what_moves_is_where_it_is_due_and_stays_sharp(share, size):
    scale = size / SIZE
    before, after = blob(40 * scale, 50 * scale, size), blob(46 * scale, 47 * scale, size)
    truth = blob((40 + 6 * share) * scale, (50 - 3 * share) * scale, size)
    made = Between(before, after).at(share)
    assert np.abs(centre(made) - centre(truth)).max() < 0.35 * scale
    faded = mixed(before, after, share)
    assert np.square(made - truth).mean() < np.square(faded - truth).mean() / 3


def test_at_its_ends_are_the_crops_themselves():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, SIZE, SIZE, 3), dtype=np.float32)
    between = Between(before, after)
    assert np.allclose(between.at(0), before, atol=1e-6)
    assert np.allclose(between.at(1), after, atol=1e-6)


def test_between_two_equal_crops_lies_the_same():
    crop = cv2.GaussianBlur(np.random.default_rng(0).random((64, 64, 3), dtype=np.float32), (0, 0), 2)
    assert np.abs(Between(crop, crop).at(0.4) - crop).max() < 1e-4
