"""The user's VAE as the engine's VAE: core's networks at a small size, streamed piece by piece."""

import comfy.latent_formats
import comfy.ldm.wan.vae2_2 as vae2_2
import comfy.sd
import pytest
import torch
from comfy.taesd.taehv import TAEHV

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(scope="session")
def wan_vae():
    """Core's Wan2.2 VAE, narrow, with seeded weights of about unit gain, by core's own loading."""
    full = vae2_2.WanVAE

    def narrow(**sizes):
        return full(**{**sizes, "dim": 16, "dec_dim": 16})

    with torch.random.fork_rng(devices=[]), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        network = narrow(z_dim=48, dim_mult=[1, 2, 4, 4], temperal_downsample=[False, True, True])
        seed_weights(network)
        patch.setattr(vae2_2, "WanVAE", narrow)
        return comfy.sd.VAE(sd=network.state_dict())


def seed_weights(network):
    """Weights of about unit gain: core's layers come without any."""
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            parameter.data.fill_(1)
        elif parameter.ndim > 1:
            parameter.data.normal_(std=parameter[0].numel() ** -0.5)
        else:
            parameter.data.zero_()


@pytest.fixture
def video_vae(pack, wan_vae):
    return pack("comfy_bridge.model.vae").ComfyVAE(wan_vae)


def latents_of(frames, seed=0):
    return torch.randn(1, 48, frames, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_latents_are_normalised_as_wan22_s_are(video_vae, wan_vae):
    frames = torch.rand(9, 64, 64, 3)
    raw = wan_vae.encode(frames)
    assert torch.equal(video_vae.encode(frames), comfy.latent_formats.Wan22().process_in(raw))
    assert torch.allclose(video_vae.decode(video_vae.encode(frames)), wan_vae.decode(raw)[0], atol=1e-4)


def test_a_stream_through_core_s_decoder_is_exact(video_vae):
    latents = latents_of(12)
    whole = video_vae.decode(latents)
    stream = video_vae.stream()
    pieces = [stream.decode(latents[:, :, :4]), stream.decode(latents[:, :, 4:4])]
    peeked = stream.peek(latents[:, :, 4:6])
    video_vae.encode(torch.rand(5, 64, 64, 3))  # what comes between clips
    pieces += [stream.decode(latents[:, :, 4:5]), stream.decode(latents[:, :, 5:])]
    assert [len(piece) for piece in pieces] == [13, 0, 4, 28]
    assert torch.equal(torch.cat(pieces), whole)
    assert torch.equal(peeked, whole[13:21])


def test_two_streams_do_not_disturb_each_other(video_vae):
    ones, others = latents_of(4), latents_of(4, seed=1)
    first, second = video_vae.stream(), video_vae.stream()
    pairs = [
        (first.decode(a), second.decode(b)) for a, b in zip(ones.split(1, 2), others.split(1, 2), strict=True)
    ]
    assert torch.equal(torch.cat([a for a, _ in pairs]), video_vae.decode(ones))
    assert torch.equal(torch.cat([b for _, b in pairs]), video_vae.decode(others))


def test_the_cache_rests_off_the_device_when_the_next_clip_is_encoded(video_vae, monkeypatch):
    stream = video_vae.stream()
    stream.decode(latents_of(2))
    monkeypatch.setattr(video_vae.vae, "output_device", torch.device("meta"))
    moved = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: moved.append(args) or self)
    stream.rest()
    assert moved and set(moved) == {(torch.device("meta"),)}


def test_a_tiny_autoencoder_streams_exactly_too(pack):
    """It has no cache to carry on, and looks back less far than what is decoded again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TAEHV(latent_channels=48)
        seed_weights(network)
        vae = comfy.sd.VAE(sd=network.state_dict())
    video_vae = pack("comfy_bridge.model.vae").ComfyVAE(vae)
    latents = latents_of(15)[..., :2, :2]
    stream = video_vae.stream()
    pieces = torch.cat([stream.decode(piece) for piece in latents.split(1, 2)])
    assert torch.allclose(pieces, video_vae.decode(latents), atol=1e-5)


def test_a_vae_of_other_channels_than_the_model_is_told(pack, wan_vae):
    with pytest.raises(Exception, match="48 channels, but the model takes 16"):
        pack("comfy_bridge.model.vae").ComfyVAE(wan_vae, channels=16)


class OtherVae:
    """What a VAE reads off a VAE of another geometry."""

    first_stage_model = torch.nn.Identity()
    latent_channels = 48

    def __init__(self, latent_dim, upscale_ratio, downscale_ratio):
        self.latent_dim, self.upscale_ratio, self.downscale_ratio = latent_dim, upscale_ratio, downscale_ratio

    temporal_compression_decode = comfy.sd.VAE.temporal_compression_decode


@pytest.mark.parametrize(
    ("vae", "message"),
    [
        (OtherVae(2, 16, 16), "an image VAE"),
        (OtherVae(1, 2048, 2048), "a VAE that is not for pictures"),
        (
            OtherVae(3, (lambda f: 8 * f - 7, 16, 16), (lambda f: (f + 7) // 8, 16, 16)),
            "about 8 frames a latent",
        ),
        (
            OtherVae(3, (lambda f: 2 * f - 1, 16, 16), (lambda f: (f + 1) // 2, 16, 16)),
            "about 2 frames a latent",
        ),
        (OtherVae(3, (lambda f: 4 * f, 16, 16), (lambda f: f // 4, 16, 16)), "about 4 frames a latent"),
    ],
)
def test_a_vae_of_another_geometry_is_refused_in_one_line(pack, vae, message):
    from xdub_core.errors import SettingsError

    with pytest.raises(
        SettingsError, match=rf"{message}.*, but X-Dub takes a video VAE of 4 frames a latent"
    ):
        pack("comfy_bridge.model.vae").ComfyVAE(vae)
