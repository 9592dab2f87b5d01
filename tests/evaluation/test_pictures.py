"""PSNR and SSIM: known values, regions, and the reference implementation's numbers."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from xdub_core.errors import SettingsError
from xdub_core.evaluation.pictures import BEST_PSNR, psnr, ssim


def video(seed=0, frames=3, height=20, width=24):
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_known_error():
    frames = video() * 0.5
    assert psnr(frames, frames + 0.1) == pytest.approx(20, abs=1e-4)
    assert psnr((frames * 255).byte(), (frames * 255).byte() + 1) == pytest.approx(
        20 * math.log10(255), abs=1e-3
    )


def test_equal_videos_are_best():
    assert psnr(video(), video()) == BEST_PSNR
    assert ssim(video(), video()) == pytest.approx(1)


def test_a_region_counts_alone():
    frames, region = video(), torch.zeros(3, 20, 24, dtype=torch.bool)
    region[:, :10] = True
    damaged = frames.clone()
    damaged[:, 10:] = 0
    assert psnr(frames, damaged, region) == BEST_PSNR
    assert psnr(frames, damaged, ~region) < 10
    assert ssim(frames, damaged, ~region) < ssim(frames, damaged) < ssim(frames, damaged, region)


def test_ssim_is_that_of_wang():
    """The paper's formula with scipy's Gaussian filter of the same window."""
    a, b = video(1).double().numpy(), (0.7 * video(1) + 0.3 * video(2)).double().numpy()
    blur = lambda x: gaussian_filter(x, 1.5, radius=5, axes=(1, 2), mode="mirror")  # noqa: E731
    va, vb, cov = blur(a * a) - blur(a) ** 2, blur(b * b) - blur(b) ** 2, blur(a * b) - blur(a) * blur(b)
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * blur(a) * blur(b) + c1) * (2 * cov + c2)
    expected /= (blur(a) ** 2 + blur(b) ** 2 + c1) * (va + vb + c2)
    assert ssim(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected.mean(), abs=1e-6)


def test_noise_lowers_ssim_more_than_a_shift_of_brightness():
    frames = 0.3 + 0.4 * torch.from_numpy(
        gaussian_filter(np.random.default_rng(0).random((2, 32, 32, 3)), (0, 2, 2, 0))
    )
    noise = frames + 0.05 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    assert ssim(frames, frames + 0.05) > ssim(frames, noise) + 0.1


def test_refuses_other_sizes_and_empty_regions():
    with pytest.raises(SettingsError, match="different sizes"):
        psnr(video(), video(frames=2))
    with pytest.raises(SettingsError, match="not be empty"):
        ssim(video(), video(), torch.zeros(3, 20, 24))
