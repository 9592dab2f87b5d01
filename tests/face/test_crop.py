"""Crops: as released as the release does, sub-pixel and unaliased by default."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from xdub_core.face.crop import crop_frame, triangle_weights


def ramp(height=80, width=100, dtype=np.uint8):
    """A frame whose red is x and whose green is y, in steps of 1/200 of full scale."""
    y, x = np.mgrid[:height, :width]
    step = np.iinfo(dtype).max / 200
    return np.stack([x * step, y * step, 0 * x], axis=-1).astype(dtype)


def test_reference_crops_equal_the_release(goldens):
    golden = load_file(goldens / "frames.safetensors")
    name, expected = next((name, value) for name, value in golden.items() if name.startswith("crops_"))
    for frame, box, crop in zip(golden["raw"], golden["boxes"], expected, strict=True):
        result = crop_frame(frame, box, int(name.removeprefix("crops_")), mode="as_released")
        assert np.abs(np.rint(result * 255) - crop).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_box_of_the_crops_size_is_cut_out_exactly(dtype):
    frame = ramp(dtype=dtype)
    crop = crop_frame(frame, np.array([10, 20, 42, 52]), 32)
    assert np.array_equal(np.rint(crop * np.iinfo(dtype).max), frame[20:52, 10:42])


@given(x=st.floats(2, 40), y=st.floats(2, 30), side=st.floats(8, 45))
def test_crop_follows_the_box_by_fractions_of_a_pixel(x, y, side):
    crop = crop_frame(ramp(dtype=np.uint16), np.array([x, y, x + side, y + side]), 16) * 200
    centres = (np.arange(16) + 0.5) * side / 16 - 0.5
    inner = slice(1, -1)  # the outermost samples may lie beyond the frame's last pixel centre
    np.testing.assert_allclose(crop[8, inner, 0], (x + centres)[inner], atol=0.6)
    np.testing.assert_allclose(crop[inner, 8, 1], (y + centres)[inner], atol=0.6)


def test_large_boxes_are_averaged_not_skipped_over():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_frame(stripes, np.array([0, 0, 128, 128]), 32)
    np.testing.assert_allclose(crop, 0.5, atol=0.02)


def test_reference_crop_of_a_deep_frame_is_eight_bit():
    frame = ramp(dtype=np.uint16)
    crop = crop_frame(frame, np.array([0, 0, 64, 64]), 64, mode="as_released")
    assert np.array_equal(np.rint(crop * 255), frame[:64, :64] >> 8)


@given(length=st.integers(1, 300), size=st.integers(1, 200))
def test_resampling_weights_are_averages(length, size):
    weights = triangle_weights(length, size)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
