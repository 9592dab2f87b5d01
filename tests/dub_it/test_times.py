"""Frames, latents and samples."""

from fractions import Fraction

import pytest
import torch

from xdub_core.dub_it.framing import framed, framing, unframed
from xdub_core.dub_it.times import check_frames, padded_frames, samples, sound_latents
from xdub_core.errors import MediaError, SettingsError


@pytest.mark.parametrize(
    ("frames", "padded"), [(9, 9), (10, 17), (61, 65), (121, 121), (250, 257), (1000, 1001)]
)
def test_frames_are_padded_up_to_8_k_plus_1(frames, padded):
    assert padded_frames(frames) == padded


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)])
@pytest.mark.parametrize("frames", [61, 97, 121, 241, 249, 250, 1000])
def test_sound_is_as_long_as_the_frames_to_half_a_latent(frames, fps):
    assert abs(Fraction(sound_latents(frames, fps), 25) - frames / fps) <= Fraction(1, 50)
    assert abs(Fraction(samples(frames, fps, 48000), 48000) - frames / fps) <= Fraction(1, 96000)


@pytest.mark.parametrize(
    ("frames", "fps", "latents"), [(97, 25, 97), (241, 25, 241), (249, Fraction(30000, 1001), 208)]
)
def test_latents_where_a_centre_crop_to_4096_samples_has_one_too_few(frames, fps, latents):
    assert sound_latents(frames, Fraction(fps)) == latents


@pytest.mark.parametrize(("frames", "told"), [(1, "1 frame,"), (3, "3 frames,"), (8, "8 frames,")])
def test_a_video_can_be_too_short(frames, told):
    with pytest.raises(MediaError, match=told):
        check_frames(frames)
    check_frames(9)


@pytest.mark.parametrize(
    ("source", "longest", "scaled", "padded"),
    [
        ((1920, 1080), 960, (960, 540), (960, 544)),
        ((1080, 1920), 960, (540, 960), (544, 960)),
        ((640, 352), 960, (640, 352), (640, 352)),
        ((853, 480), 768, (768, 432), (768, 448)),
        ((100, 37), 960, (100, 37), (128, 64)),
    ],
)
def test_the_whole_picture_is_kept_at_its_proportions(source, longest, scaled, padded):
    made = framing(*source, longest)
    assert (made.scaled, made.padded) == (scaled, padded)
    assert abs(made.scaled[0] / made.scaled[1] - source[0] / source[1]) < 0.01


def test_a_picture_with_too_thin_a_side_is_refused():
    with pytest.raises(SettingsError, match="becomes 960 x 9 at size 960"):
        framing(4000, 38, 960)


def test_there_and_back_is_the_same_picture():
    images = torch.rand(2, 40, 100, 3, generator=torch.Generator().manual_seed(0))
    made = framing(100, 40, 960)
    there = framed(images, made)
    assert there.shape == (2, 64, 128, 3)
    assert torch.equal(there[:, 40:, :100], images[:, 39:].expand(-1, 24, -1, -1))
    assert torch.equal(unframed(there, made), images)


def test_twice_as_large_comes_back_at_the_source_s_size():
    across = torch.linspace(0, 1, 200)[None, None, :, None].expand(1, 120, -1, 3)
    made = framing(200, 120, 100)
    back = unframed(framed(across, made).repeat_interleave(2, 1).repeat_interleave(2, 2), made)
    assert back.shape == (1, 120, 200, 3)
    assert (back - across).abs().max() < 0.02
