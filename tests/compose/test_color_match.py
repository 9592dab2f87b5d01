"""Colour matching: equal to the release, undoing a colour cast, harmless where nothing agrees."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from xdub_core.compose.color_match import match_color, match_color_as_released
from xdub_core.compose.paste_back import truncated


def picture(seed=0, size=32):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (size, size, 3)).astype(np.float32)


def test_it_equals_the_release(goldens):
    golden = load_file(goldens / "frames.safetensors")
    source = next(value for name, value in golden.items() if name.startswith("crops_"))
    for generated, crop, expected in zip(golden["generated"], source, golden["color_corrected"], strict=True):
        result = match_color_as_released(generated.astype(np.float32) / 255, crop.astype(np.float32) / 255)
        assert np.abs(truncated(result * 255).astype(int) - expected).max() <= 1


def test_a_slight_cast_is_taken_out_and_the_change_kept():
    source = picture()
    generated = source * np.array([0.97, 1.0, 1.02], np.float32) + 0.01
    generated[10:20, 10:20] = [0.9, 0.1, 0.1]  # the new mouth
    result = match_color(generated, source)
    outside = np.ones((32, 32), bool)
    outside[10:20, 10:20] = False
    assert np.abs(result - source)[outside].max() < 0.01
    assert np.abs(result - [0.9, 0.1, 0.1])[~outside].max() < 0.05


@pytest.mark.parametrize("tint", [0.1, 0.2, -0.2])
def test_a_strong_tint_of_the_whole_is_taken_out_too(tint):
    """The release picks the pixels that hide a tint, or finds none that agree."""
    source = picture(size=96) * 0.5 + 0.2
    cast = np.array([tint, 0, -tint / 2], np.float32)
    generated = np.clip((source - 0.5) * 1.05 + 0.5 + cast, 0, 1)
    generated += np.random.default_rng(1).normal(0, 0.02, generated.shape).astype(np.float32)
    generated[60:90, 30:60] = [0.9, 0.1, 0.1]
    outside = np.ones((96, 96), bool)
    outside[60:90, 30:60] = False

    assert np.abs((match_color(generated, source) - source)[outside].mean(axis=0)).max() < 0.001


def test_an_unchanged_crop_stays_the_same():
    np.testing.assert_allclose(match_color(picture(), picture()), picture(), atol=1e-6)


def test_where_nothing_agrees_the_crop_comes_back():
    generated = np.zeros((8, 8, 3), np.float32)
    for match in (match_color, match_color_as_released):
        assert np.array_equal(match(generated, generated + 1), generated)


def test_a_black_frame_is_no_tint():
    """What is another picture altogether is not drawn over the source's colours."""
    source = picture(size=96)
    assert match_color(np.zeros_like(source), source).max() < 0.1


def test_a_flat_picture_does_not_divide_by_zero():
    flat = np.full((8, 8, 3), 0.5, np.float32)
    result = match_color(flat + 0.01, flat)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result, flat, atol=1e-3)
