"""The weight-free VAE: the real VAE's geometry, linear, causal, and good enough to recognise a face."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.errors import SamplingError, SettingsError
from xdub_core.vae.cosine import CosineVAE
from xdub_core.vae.grid import WAN_GRID


def random_latents(f, h=2, w=3, channels=48, scale=0.02):
    """Small enough that decoding them stays inside 0..1."""
    return scale * torch.randn(1, channels, f, h, w, generator=torch.Generator().manual_seed(f))


def test_has_the_real_geometry():
    vae = CosineVAE()
    assert vae.grid == WAN_GRID
    latents = vae.encode(torch.rand(9, 32, 48, 3))
    assert latents.shape == (1, 48, 3, 2, 3)
    assert latents.dtype == torch.float32
    assert vae.decode(latents).shape == (9, 32, 48, 3)


@settings(deadline=None, max_examples=25)
@given(
    channels=st.integers(1, 60),
    temporal=st.sampled_from([1, 2, 4]),
    latents=st.integers(1, 4),
    sides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_encoding_what_was_decoded_gives_the_latents_back(channels, temporal, latents, sides):
    vae = CosineVAE(channels, spatial=8, temporal=temporal, clamp=False)
    z = random_latents(latents, *sides, channels=channels, scale=1.0)
    z[:, ~vae._still, 0] = 0  # a single frame does not change in time
    torch.testing.assert_close(vae.encode(vae.decode(z)), z, rtol=1e-5, atol=2e-4)


def test_is_linear_around_mid_grey():
    vae = CosineVAE(clamp=False)
    a, b = random_latents(3, scale=1.0), random_latents(3, scale=1.0).flip(1)
    mean = vae.decode((a + b) / 2)
    torch.testing.assert_close(mean, (vae.decode(a) + vae.decode(b)) / 2, rtol=0, atol=1e-5)
    assert vae.decode(torch.zeros(1, 48, 2, 1, 1)).unique().tolist() == [0.5]


def test_frames_stay_in_range_however_wild_the_latents():
    frames = CosineVAE().decode(random_latents(2, scale=50.0))
    assert frames.min() >= 0
    assert frames.max() <= 1


@settings(deadline=None, max_examples=25)
@given(pieces=st.lists(st.integers(0, 3), min_size=1, max_size=5), seed=st.integers(0, 9))
def test_decoding_in_pieces_equals_decoding_at_once(pieces, seed):
    vae = CosineVAE()
    z = torch.randn(1, 48, sum(pieces), 1, 2, generator=torch.Generator().manual_seed(seed))
    stream = vae.stream()
    parts = [stream.decode(piece) for piece in z.split(pieces, dim=2)]
    torch.testing.assert_close(torch.cat(parts), vae.decode(z), rtol=0, atol=1e-6)


def test_peeking_does_not_advance():
    vae = CosineVAE()
    z = random_latents(4)
    stream = vae.stream()
    assert stream.peek(z[:, :, :2]).shape[0] == 5
    assert torch.equal(stream.peek(z[:, :, :2]), stream.decode(z[:, :, :2]))
    assert stream.peek(z[:, :, 2:]).shape[0] == 8
    assert torch.equal(stream.peek(z[:, :, 2:]), stream.decode(z[:, :, 2:]))


def test_is_causal():
    """A later frame never changes an earlier latent, nor a later latent an earlier frame."""
    vae = CosineVAE()
    frames = torch.rand(9, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    changed = frames.clone()
    changed[5:] = 0
    assert torch.equal(vae.encode(frames)[:, :, :2], vae.encode(changed)[:, :, :2])
    z = random_latents(3)
    assert torch.equal(vae.decode(z)[:5], vae.decode(z[:, :, :2]))


def test_a_still_picture_makes_equal_latents():
    frames = torch.rand(1, 16, 16, 3).expand(9, -1, -1, -1)
    z = CosineVAE().encode(frames)
    torch.testing.assert_close(z[:, :, 0], z[:, :, 2], rtol=0, atol=1e-5)


def test_two_vaes_agree():
    frames = torch.rand(5, 16, 16, 3)
    assert torch.equal(CosineVAE().encode(frames), CosineVAE().encode(frames))


def test_gradients_pass_through_decoding():
    z = random_latents(2).requires_grad_()
    CosineVAE().decode(z).square().mean().backward()
    assert z.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((4, 16, 16, 3), "4"),
        ((5, 16, 24, 3), "24x16"),
        ((5, 16, 16, 4), r"\[5, 16, 16, 4\]"),
        ((0, 16, 16, 3), "0"),
    ],
)
def test_refuses_frames_that_do_not_fit(shape, named):
    with pytest.raises(SamplingError, match=named):
        CosineVAE().encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 16, 1, 2, 2), (2, 48, 1, 2, 2), (48, 1, 2, 2)])
def test_refuses_latents_that_do_not_fit(shape):
    with pytest.raises(SamplingError, match="do not belong together"):
        CosineVAE().decode(torch.zeros(shape))


@pytest.mark.parametrize("channels", [0, 3073])
def test_refuses_impossible_channels(channels):
    with pytest.raises(SettingsError, match="channels"):
        CosineVAE(channels)


@pytest.mark.media
def test_a_real_face_stays_recognisable_and_its_latents_have_unit_variance(media):
    """48 of 3072 numbers per block: 34.9 dB when this was written."""
    av = pytest.importorskip("av")
    import cv2

    with av.open(str(media / "video.mp4")) as container:
        video = list(islice(container.decode(video=0), 13))
    crops = [cv2.resize(f.to_ndarray(format="rgb24")[46:448, 24:426], (512, 512)) for f in video]
    frames = torch.from_numpy(np.stack(crops)).float() / 255
    vae = CosineVAE()
    latents = vae.encode(frames)
    error = (vae.decode(latents) - frames).square().mean()
    assert -10 * error.log10() > 33
    assert 0.7 < latents.std() < 1.4
