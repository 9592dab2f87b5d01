"""The side-by-side preview."""

import numpy as np
import pytest

from xdub_core.compose.preview import BOX_COLOR, side_by_side


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_source_is_left_with_its_box_and_the_dub_right(dtype):
    scale = np.iinfo(dtype).max // 255
    source = np.full((120, 160, 3), 40 * scale, dtype)
    dubbed = np.full((120, 160, 3), 90 * scale, dtype)
    result = side_by_side(source, dubbed, np.array([20.5, 30, 60, 70]))
    assert (result.shape, result.dtype) == ((120, 320, 3), np.uint8)
    assert (result[30, 40] == BOX_COLOR).all()
    assert (result[50, 40] == 40).all()
    assert (result[60, 260] == 90).all()
    assert (source == 40 * scale).all()


def test_without_a_face_there_is_no_box():
    source = np.zeros((120, 160, 3), np.uint8)
    result = side_by_side(source, source)
    assert not (result == BOX_COLOR).all(axis=-1).any()
