"""Core's caches of steps on X-Dub's MODEL: EasyCache gives nearly the same frames, LazyCache is left out and named."""

import logging

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_model, random_state

from xdub_core.mini.card import BUILT_IN
from xdub_core.sampling.clip_sampling import ClipInputs
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import SPEEDS
from xdub_core.sampling.schedule import flow_sigmas

SIZE, FRAMES = 64, 13
SIGMAS = flow_sigmas(20)
EASY_DB = 50
"""PSNR of frames with EasyCache at its defaults to those without. EasyCache takes the skipping of all branches from the
one that core predicts first. That is the one without reference and audio, the last that the guider names; it changes
most from step to step, so that few steps are skipped: 7 of 20, at 57 dB. Where another decides, 12 are, at 41 dB."""
WINDOW_DB = 40
"""The same where that branch is not there at first, and leaves early."""


def cached(name, model):
    """MODEL behind one of core's nodes, at its defaults."""
    from comfy_extras import nodes_easycache

    node = {"EasyCache": nodes_easycache.EasyCacheNode, "LazyCache": nodes_easycache.LazyCacheNode}[name]
    return node.execute(model, 0.2, 0.15, 0.95, False).result[0]


@pytest.fixture(scope="module")
def parts(pack):
    return pack("comfy_bridge.mini").load_mini_parts(BUILT_IN)


@pytest.fixture(scope="module")
def vae(pack, parts):
    return pack("comfy_bridge.model.vae").ComfyVAE(parts.vae, 48)


@pytest.fixture(scope="module")
def latents(vae):
    """Of slowly moving colours."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    frames = torch.stack(
        [
            torch.stack([torch.sin((x + n) / 9), torch.cos((y - n) / 7), torch.sin((x + y) / 11)], -1)
            for n in range(FRAMES)
        ]
    )
    return vae.encode(0.5 + 0.25 * frames)


def frames_of(vae, latents):
    return (vae.decode(latents).clamp(0, 1) * 255).round() / 255


def psnr(frames, others):
    return float(-10 * torch.log10((frames - others).square().mean()))


@pytest.fixture(scope="module")
def dubbed(pack, parts, vae, latents):
    sizes = parts.model.model.diffusion_model.config
    shape = (1, latents.shape[2], 8, sizes.audio_dim)
    audio = 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    context = torch.zeros(1, 1, sizes.text_dim)

    def run(cache=None, speed="exact", guidance=None, motion=False):
        model = parts.model if cache is None else cached(cache, parts.model)
        given = ClipInputs(latents, audio, latents[:, :, :2] if motion else None)
        guider = pack("comfy_bridge.guider").ClipGuider
        made = guider(model, guidance or Guidance(), given, context, 1, SPEEDS[speed])
        return frames_of(vae, sample(made, SIGMAS))

    return run


@pytest.mark.parametrize("motion", [False, True])
def test_easycache_gives_nearly_the_same_frames(dubbed, motion):
    assert psnr(dubbed("EasyCache", motion=motion), dubbed(motion=motion)) > EASY_DB


def test_easycache_and_a_speed_give_nearly_the_same_frames_together(dubbed):
    assert psnr(dubbed("EasyCache", "balanced"), dubbed()) > EASY_DB


def test_easycache_knows_a_branch_that_joins_late_and_leaves_early(dubbed):
    window = Guidance(start=0.95, end=0.4)
    assert psnr(dubbed("EasyCache", guidance=window), dubbed(guidance=window)) > WINDOW_DB


def test_lazycache_is_left_out_and_named(pack, caplog):
    model = load_model(put_model("caches.safetensors", random_state(RELEASED_HEADS)))
    guider = pack("comfy_bridge.guider").ClipGuider
    expected = sample(guider(model, Guidance(), random_clip(), CONTEXT), SIGMAS)
    with caplog.at_level(logging.WARNING):
        result = sample(guider(cached("LazyCache", model), Guidance(), random_clip(), CONTEXT), SIGMAS)
    assert torch.equal(result, expected)
    assert "LazyCache (it keeps a guided result" in caplog.text
