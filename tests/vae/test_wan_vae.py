"""The Wan2.2 VAE's wrapper, on diffsynth's real network with small random weights."""

import hashlib
import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from xdub_core.errors import CheckpointError, MissingModelError, SamplingError
from xdub_core.vae import wan
from xdub_core.vae.wan import LATENT_MEAN, LATENT_STD, WanVAE, load_wan_vae, wan_network_class

needs_diffsynth = pytest.mark.skipif(
    importlib.util.find_spec("diffsynth") is None or importlib.util.find_spec("einops") is None,
    reason=f"THE WAN2.2 VAE IS NOT TESTED: diffsynth is not installed: {wan.INSTALL_COMMAND}",
)


def small_network(z_dim=48):
    torch.manual_seed(0)
    network = wan_network_class()(dim=8, z_dim=z_dim, dec_dim=8, num_res_blocks=1)
    for name, parameter in network.named_parameters():
        with torch.no_grad():
            if parameter.ndim > 1 and "gamma" not in name:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.fixture(scope="module")
def vae():
    return WanVAE(small_network())


@pytest.fixture(scope="module")
def latents():
    return torch.randn(1, 48, 6, 2, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def frames():
    return torch.rand(9, 32, 48, 3, generator=torch.Generator().manual_seed(2))


def network_scale():
    return [torch.tensor(LATENT_MEAN), 1 / torch.tensor(LATENT_STD)]


@needs_diffsynth
def test_encodes_as_the_network_does_with_the_normalisation_applied_once(vae, frames):
    latents = vae.encode(frames)
    assert latents.shape == (1, 48, 3, 2, 3)
    video = frames.permute(3, 0, 1, 2)[None] * 2 - 1
    torch.testing.assert_close(latents, vae.network.encode(video, network_scale()), rtol=1e-5, atol=1e-5)


@needs_diffsynth
def test_decodes_as_the_network_does_with_the_normalisation_applied_once(vae, latents):
    video = vae.network.decode(latents, network_scale()).clamp(-1, 1)
    expected = ((video + 1) / 2)[0].permute(1, 2, 3, 0)
    decoded = vae.decode(latents)
    assert decoded.shape == (21, 32, 48, 3)
    assert decoded.std() > 0.1
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-5)


@needs_diffsynth
@pytest.mark.parametrize("pieces", [[1, 1, 1, 1, 1, 1], [3, 3], [2, 0, 4], [0, 5, 1]])
def test_decoding_in_pieces_equals_decoding_at_once(vae, latents, pieces):
    stream = vae.stream()
    parts = [stream.decode(piece) for piece in latents.split(pieces, dim=2)]
    assert next(len(part) for part in parts if len(part)) == 4 * (next(p for p in pieces if p) - 1) + 1
    torch.testing.assert_close(torch.cat(parts), vae.decode(latents), rtol=0, atol=1e-6)


@needs_diffsynth
def test_peeking_shows_the_next_frames_and_does_not_advance(vae, latents):
    expected = vae.decode(latents)
    stream = vae.stream()
    assert torch.equal(stream.peek(latents[:, :, :2]), expected[:5])
    torch.testing.assert_close(stream.decode(latents[:, :, :2]), expected[:5], rtol=0, atol=0)
    provisional = stream.peek(-latents[:, :, 2:3])
    assert (provisional - expected[5:9]).abs().max() > 1e-3
    torch.testing.assert_close(stream.peek(latents[:, :, 2:4]), expected[5:13], rtol=0, atol=1e-6)
    torch.testing.assert_close(stream.decode(latents[:, :, 2:]), expected[5:], rtol=0, atol=1e-6)


@needs_diffsynth
def test_two_streams_do_not_disturb_each_other(vae, latents):
    one, other = vae.stream(), vae.stream()
    first = [one.decode(latents[:, :, :2]), other.decode(-latents[:, :, :3])][0]
    vae.encode(torch.zeros(5, 32, 48, 3))
    rest = one.decode(latents[:, :, 2:])
    torch.testing.assert_close(torch.cat([first, rest]), vae.decode(latents), rtol=0, atol=1e-6)


@needs_diffsynth
def test_the_cache_does_not_grow_with_the_length(vae, latents):
    stream = vae.stream()

    def cached_numbers():
        return sum(entry.numel() for entry in stream._cache if isinstance(entry, torch.Tensor))

    stream.decode(latents[:, :, :3])
    after_three = cached_numbers()
    stream.decode(latents[:, :, 3:])
    assert after_three == cached_numbers() > 0


@needs_diffsynth
def test_a_stream_that_rested_goes_on_as_if_it_had_not(vae, latents):
    stream = vae.stream()
    first = stream.decode(latents[:, :, :3])
    kept = [entry.clone() for entry in stream._cache if isinstance(entry, torch.Tensor)]
    stream.rest()
    assert all(torch.equal(a, b) for a, b in zip(kept, filter(torch.is_tensor, stream._cache), strict=True))
    parts = [first, stream.decode(latents[:, :, 3:])]
    torch.testing.assert_close(torch.cat(parts), vae.decode(latents), rtol=0, atol=1e-6)


@needs_diffsynth
def test_nothing_of_a_resting_stream_stays_on_the_device(vae, latents):
    """A device of the other kind stands for the CPU here: tensors on it hold no memory."""
    stream = vae.stream()
    stream.resting_place = torch.device("meta")
    stream.rest()  # before the first latent there is nothing to move
    stream.decode(latents[:, :, :3])
    stream.rest()
    assert {entry.device.type for entry in stream._cache if isinstance(entry, torch.Tensor)} == {"meta"}


@needs_diffsynth
def test_half_precision_weights_give_float32_frames(latents):
    vae = WanVAE(small_network().bfloat16())
    frames = vae.decode(latents[:, :, :2])
    assert frames.dtype == torch.float32
    assert vae.encode(frames).dtype == torch.float32


@needs_diffsynth
def test_refuses_sizes_that_do_not_fit(vae):
    with pytest.raises(SamplingError, match="40x32"):
        vae.encode(torch.zeros(5, 32, 40, 3))
    with pytest.raises(SamplingError, match="6"):
        vae.encode(torch.zeros(6, 32, 48, 3))
    with pytest.raises(SamplingError, match="do not belong together"):
        vae.decode(torch.zeros(1, 16, 1, 2, 2))


@needs_diffsynth
def test_the_latent_statistics_are_diffsynths(monkeypatch):
    module = wan._diffsynth_vae_module()
    monkeypatch.setattr(module, "VideoVAE38_", lambda **_: torch.nn.Module())
    whole = module.WanVideoVAE38()
    torch.testing.assert_close(whole.mean, torch.tensor(LATENT_MEAN), rtol=0, atol=0)
    torch.testing.assert_close(whole.std, torch.tensor(LATENT_STD), rtol=0, atol=0)


@needs_diffsynth
def test_the_full_network_has_the_tensors_of_the_published_file():
    """The digest of all names and shapes is the one by which diffsynth recognises Wan2.2_VAE.pth."""
    with torch.device("meta"):
        tensors = wan_network_class()().state_dict()
    keys = [f"{name}:{'_'.join(map(str, value.shape))}" for name, value in tensors.items()] + list(tensors)
    assert hashlib.md5(",".join(sorted(keys)).encode()).hexdigest() == "e1de6c02cdac79f8b739f4d3698cd216"
    assert sum(value.numel() for value in tensors.values()) == 704_688_668


@pytest.fixture
def small_published(monkeypatch):
    """`load_wan_vae` with the small network in the full one's place."""
    network = small_network()
    monkeypatch.setattr(wan, "wan_network_class", lambda: small_network)
    return network


@needs_diffsynth
@pytest.mark.parametrize("kind", ["release", "comfyui float16", "pth", "pth with model_state"])
def test_loads_every_published_form(tmp_path, small_published, latents, kind):
    tensors = small_published.state_dict()
    path = tmp_path / ("Wan2.2_VAE.pth" if "pth" in kind else "wan2.2_vae.safetensors")
    if "float16" in kind:
        tensors = {name: value.half() for name, value in tensors.items()}
    if "pth" in kind:
        torch.save({"model_state": tensors} if "model_state" in kind else tensors, path)
    else:
        save_file(tensors, path)
    vae = load_wan_vae(path, "cpu", torch.float32)
    assert vae.dtype == torch.float32
    tolerance = 5e-2 if "float16" in kind else 0
    expected = WanVAE(small_published).decode(latents)
    torch.testing.assert_close(vae.decode(latents), expected, rtol=0, atol=tolerance)


@needs_diffsynth
def test_refuses_the_wan21_vae(tmp_path, small_published):
    path = tmp_path / "Wan2.1_VAE.safetensors"
    save_file(small_network(z_dim=16).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"of another size.*Wan2\.1 VAE \(16 channels\)") as caught:
        load_wan_vae(path)
    assert "\n" not in str(caught.value)


@needs_diffsynth
def test_names_what_is_missing_and_what_is_unexpected(tmp_path, small_published):
    tensors = small_published.state_dict()
    tensors["extra.weight"] = tensors.pop("conv2.bias")
    save_file(tensors, tmp_path / "vae.safetensors")
    with pytest.raises(CheckpointError, match=r"conv2\.bias.*extra\.weight"):
        load_wan_vae(tmp_path / "vae.safetensors")


@needs_diffsynth
@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
def test_refuses_a_broken_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02 not tensors")
    with pytest.raises(CheckpointError, match=name) as caught:
        load_wan_vae(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_without_diffsynth_the_message_has_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "diffsynth.models.wan_video_vae", raising=False)
    path = tmp_path / "Wan2.2_VAE.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    wan_network_class.cache_clear()
    with pytest.raises(MissingModelError, match="pip install --no-deps"):
        load_wan_vae(path)


@pytest.mark.parametrize("network", [None, torch.nn.Linear, lambda **_: torch.nn.Linear(1, 1)])
def test_a_changed_diffsynth_is_reported_as_such(monkeypatch, network):
    monkeypatch.setitem(sys.modules, "diffsynth.models.wan_video_vae", SimpleNamespace(VideoVAE38_=network))
    wan_network_class.cache_clear()
    with pytest.raises(MissingModelError, match=r"has changed its Wan2\.2 VAE.*diffsynth==2\.1\.12"):
        wan_network_class()
