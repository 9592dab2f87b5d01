"""The side-by-side preview."""

import numpy as np
import pytest

from xdub_core.compose.preview import BOX_COLOR, side_by_side
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_source_is_left_with_its_box_and_the_dub_right(dtype):
    scale = np.iinfo(dtype).max // 255
    source = np.full((120, 160, 3), 40 * scale, dtype)
    dubbed = np.full((120, 160, 3), 90 * scale, dtype)
    frame = FinishedFrame(dubbed, SourceFrame(source), ((0, 0, 160, 120),))
    result = side_by_side(frame, [np.array([20.5, 30, 60, 70])]).rgb
    assert (result.shape, result.dtype) == ((120, 320, 3), dtype)
    assert (result[30, 40] == np.array(BOX_COLOR) * scale).all()
    assert (result[50, 40] == 40 * scale).all()
    assert (result[60, 260] == 90 * scale).all()
    assert (source == 40 * scale).all()


def test_without_a_face_there_is_no_box():
    source = np.zeros((120, 160, 3), np.uint8)
    result = side_by_side(FinishedFrame(source, SourceFrame(source))).rgb
    assert not (result == BOX_COLOR).all(axis=-1).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_everything_that_is_drawn_or_dubbed_lies_in_what_is_said_to_be_changed(dtype):
    random = np.random.default_rng(0)
    source = random.integers(0, np.iinfo(dtype).max, (120, 160, 3), dtype=dtype)
    dubbed = source.copy()
    dubbed[30:70, 20:60] = 0
    result = side_by_side(
        FinishedFrame(dubbed, SourceFrame(source), ((20, 30, 60, 70),)), [np.array([20.5, 30, 60, 70])]
    )
    inside = np.zeros((120, 320), bool)
    for x0, y0, x1, y1 in result.changed:
        inside[y0:y1, x0:x1] = True
    assert np.array_equal(result.rgb[~inside], result.source.rgb[~inside])
    assert np.array_equal(result.source.rgb, np.concatenate([source, source], axis=1))
    assert not inside[2:10].any()
