"""Where the model changed the picture: as a whole, no more than that, and steadily."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from xdub_core.compose.region import REACH, REGION_SIZE, changed_region, steadied, with_regions

SIZE = 128
CHANGED, REPLACED = 0, 1


def crops(seed=0, loss=0.0):
    """A source crop, and what the VAE makes of it: `loss` off in the upper half, at random."""
    rng = np.random.default_rng(seed)
    source = cv2.GaussianBlur(rng.uniform(0.3, 0.7, (SIZE, SIZE, 3)), (0, 0), 3).astype(np.float32)
    through_vae = source.copy()
    through_vae[: SIZE // 2] += rng.choice([-loss, loss], (SIZE // 2, SIZE, 1)).astype(np.float32)
    return source, through_vae


def arc(contrast, faint, radius=40):
    """The difference that an old jaw's outline makes: strong below, `faint` of it on both sides; [SIZE, SIZE, 1]."""
    image = np.zeros((SIZE, SIZE), np.float32)
    for start, stop, strength in ((0, 60, faint), (60, 120, 1), (120, 180, faint)):
        cv2.ellipse(image, (SIZE // 2, 60), (radius, radius), 0, start, stop, contrast * strength, 5)
    return image[..., None]


def test_an_outline_of_low_contrast_belongs_to_it_as_a_whole():
    source, through_vae = crops()
    jaw = arc(0.1, 0.15)
    region = changed_region(through_vae + jaw, source, through_vae)
    assert region[jaw[..., 0] > 0, CHANGED].min() == 1


def test_only_where_the_picture_became_another_one_its_structure_has_to_go():
    source, through_vae = crops()
    spot = np.zeros((SIZE, SIZE, 1), np.float32)
    spot[40:60, 40:60], spot[40:60, 60:90] = 0.2, 0.007
    region = changed_region(through_vae + spot, source, through_vae)
    assert region[50, 50].tolist() == [1, 1]
    assert region[50, 75, CHANGED] == 1
    assert region[50, 75, REPLACED] < 0.1


def test_a_faint_difference_by_itself_is_no_change():
    source, through_vae = crops()
    assert not changed_region(through_vae + arc(0.015, 1), source, through_vae).any()


def test_a_model_that_is_noisy_everywhere_changes_only_what_stands_out():
    source, through_vae = crops()
    noise = np.random.default_rng(5).normal(0, 0.006, (SIZE, SIZE, 3)).astype(np.float32)
    region = changed_region(through_vae + noise + arc(0.2, 1, 20), source, through_vae)
    assert region[80, 64, CHANGED] == 1
    assert not region[:40].any()
    assert not changed_region(through_vae + noise, source, through_vae).any()


def test_where_the_vae_loses_much_a_small_difference_is_no_change():
    source, through_vae = crops(loss=0.15)
    spots = np.zeros((SIZE, SIZE, 1), np.float32)
    spots[20:40, 40:80] = spots[90:110, 40:80] = 0.04
    region = changed_region(through_vae + spots, source, through_vae)
    assert not region[: SIZE // 2 - 10].any()
    assert region[100, 60, CHANGED] == 1


def test_a_change_of_the_whole_crop_is_one():
    source, through_vae = crops()
    assert (changed_region(through_vae + np.float32(0.1), source, through_vae) == 1).all()


def test_without_what_the_vae_gives_back_the_source_stands_in():
    source, _ = crops()
    generated = source + arc(0.3, 1)
    assert np.array_equal(changed_region(generated, source, None), changed_region(generated, source, source))


def test_large_crops_are_judged_smaller():
    crop = np.zeros((512, 512, 3), np.float32)
    assert changed_region(crop, crop, crop).shape == (REGION_SIZE, REGION_SIZE, 2)


@pytest.mark.parametrize("count", [1, 2, REACH, REACH + 1, 2 * REACH + 1, 30])
def test_steadied_regions_join_their_neighbours(count):
    rng = np.random.default_rng(count)
    regions = [(rng.random((4, 4)) > 0.8).astype(np.float32) for _ in range(count)]
    made = list(steadied(iter(regions)))
    assert len(made) == count
    for number, region in enumerate(made):
        shares = [other * (1 - min(1, abs(number - at) / (REACH + 1))) for at, other in enumerate(regions)]
        np.testing.assert_allclose(region, np.max(shares, axis=0), atol=1e-6)


def test_no_place_comes_or_goes_at_once():
    rng = np.random.default_rng(0)
    made = list(steadied((rng.random((8, 8)) > 0.9).astype(np.float32) for _ in range(40)))
    steps = np.abs(np.diff(np.stack(made), axis=0))
    assert steps.max() <= 1 / (REACH + 1) + 1e-6


def test_a_run_is_judged_a_few_crops_ahead_and_no_more():
    source, through_vae = crops()
    pulled = []

    def made():
        for number in range(20):
            pulled.append(number)
            yield SimpleNamespace(
                generated=through_vae, source=source, source_through_vae=through_vae, number=number
            )

    paired = with_regions(made())
    for number in range(20):
        crop, region = next(paired)
        assert crop.number == number
        assert region is not None
        assert len(pulled) <= number + REACH + 1
    assert next(paired, None) is None


def test_no_region_is_judged_where_none_is_wanted():
    crop = SimpleNamespace(generated=None, source=None, source_through_vae=None)
    assert list(with_regions([crop], wanted=False)) == [(crop, None)]
