"""A ComfyUI VAE as the engine's `VideoVAE`, so that ComfyUI loads, casts and offloads it.

Encoding and whole decodes are core's own `VAE.encode` and `VAE.decode`, with its tiling where memory runs out. A stream
is decoded piece by piece, so that no more than a latent's frames exist at a time. How exact that is depends on the VAE:

    Wan2.2's, in core       core's decoder with its own feature cache, carried on between the pieces: exact
    the mini's              it looks one latent back: exact
    any other               every piece is decoded after the `CONTEXT` latents before it, whose frames are dropped:
                            exact where the decoder looks no further back (the tiny autoencoders), near elsewhere
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import comfy.model_management as management
import torch
from comfy.ldm.wan import vae2_2
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.vae.grid import WAN_GRID, LatentGrid
from xdub_core.vae.protocol import StreamingDecoder

from .latent_format import latent_format

CONTEXT = 12
"""Latents that are decoded again before each piece where a VAE has no cache to carry on."""


def check_vae(vae: Any, channels: int | None = None) -> None:
    """Raise SettingsError unless `vae` is a causal video VAE of X-Dub's geometry.

    `channels`: of the model's latents, where the model is known.
    """
    if getattr(vae, "first_stage_model", None) is None:
        raise SettingsError(
            "the VAE could not be loaded (its file holds no VAE): load wan2.2_vae.safetensors"
        )
    found = vae.latent_channels
    wanted = latent_format(found).temporal_downscale_ratio
    if vae.latent_dim != 3 or not _is_causal(vae, wanted):
        raise SettingsError(
            f"the VAE input has {_described(vae)}, but X-Dub takes a video VAE of {wanted} frames a latent: connect "
            "the one that belongs to the model (wan2.2_vae.safetensors, or the built-in model's)"
        )
    if channels is not None and found != channels:
        raise SettingsError(
            f"the VAE makes latents of {found} channels, but the model takes {channels}: connect the VAE that belongs "
            f"to the model ({'wan2.2_vae.safetensors' if channels == WAN_GRID.channels else 'of the same loader'})"
        )


def _is_causal(vae: Any, temporal: int) -> bool:
    """Whether the first latent holds one frame and every later one `temporal`, on the way in and out."""
    frames = [temporal * n + 1 for n in range(3)]
    try:
        decoded = [vae.upscale_ratio[0](n + 1) for n in range(3)]
        encoded = [vae.downscale_ratio[0](each) for each in frames]
    except (TypeError, IndexError):  # an image VAE has plain numbers
        return False
    return decoded == frames and encoded == [1, 2, 3]


def _described(vae: Any) -> str:
    if vae.latent_dim != 3:
        return "an image VAE" if vae.latent_dim == 2 else "a VAE that is not for pictures"
    temporal = vae.temporal_compression_decode()
    frames = "no fixed number of" if temporal is None else f"about {temporal}"
    return f"a video VAE of {vae.latent_channels} channels and {frames} frames a latent"


class ComfyVAE:
    """A `VideoVAE` around a ComfyUI VAE. Frames and latents go in and come out on the caller's device.

    `channels`: of the model, to check the VAE against. Raises SettingsError for a VAE that does not fit.
    """

    def __init__(self, vae: Any, channels: int | None = None) -> None:
        check_vae(vae, channels)
        self.vae = vae
        self._format = latent_format(vae.latent_channels)
        self.grid = LatentGrid(
            vae.latent_channels, self._format.temporal_downscale_ratio, vae.spacial_compression_encode()
        )
        self._streams: WeakSet[WanStream] = WeakSet()

    def encode(self, frames: Tensor) -> Tensor:
        """Frames [F, H, W, 3] in 0..1 -> normalised latents [1, C, f, h, w]; see `VideoVAE.encode`."""
        return self._format.process_in(self.encode_raw(frames).float()).to(frames.device)

    def encode_raw(self, frames: Tensor) -> Tensor:
        """The same as the VAE gives them, for ComfyUI's links.

        A clip is encoded before it is sampled, so what open streams keep leaves the device for the sampler now.
        """
        for stream in self._streams:
            stream.rest()
        self.grid.check_frames(frames)
        return self.vae.encode(frames)

    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents [1, C, f, h, w] -> frames [4 (f - 1) + 1, H, W, 3]; see `VideoVAE.decode`."""
        self.grid.check_latents(latents)
        return self.vae.decode(self.raw(latents))[0].float().to(latents.device)

    def stream(self) -> StreamingDecoder:
        """Start a stream; see the module's docstring for how exact it is."""
        if isinstance(self.vae.first_stage_model, vae2_2.WanVAE):
            stream = WanStream(self)
            self._streams.add(stream)
            return stream
        return ContextStream(self, getattr(self.vae.first_stage_model, "latents_looked_back", CONTEXT))

    def raw(self, latents: Tensor) -> Tensor:
        """Normalised latents as the VAE knows them."""
        return self._format.process_out(latents.float())

    @contextmanager
    def loaded(self, shape: torch.Size) -> Iterator[Any]:
        """The VAE's network on its device, with the memory free that decoding latents of `shape` needs."""
        vae = self.vae
        with management.cuda_device_context(vae.device):
            memory = vae.memory_used_decode(shape, vae.vae_dtype)
            management.load_models_gpu(
                [vae.patcher], memory_required=memory, force_full_load=vae.disable_offload
            )
            yield vae.first_stage_model


class WanStream:
    """A stream through core's Wan2.2 decoder, latent by latent, with the feature cache of its causal convolutions.

    The decoder replaces entries of the cache and never writes into them, so keeping the old list is enough to peek.
    For 512 pixels the cache is 0.9 GB in half precision: `rest` moves it off the device, the next decode fetches it.
    """

    def __init__(self, video_vae: ComfyVAE) -> None:
        self._vae = video_vae
        self._cache: list[Any] | None = None

    def decode(self, latents: Tensor) -> Tensor:
        """Decode the next latents and advance; see `StreamingDecoder.decode`."""
        frames, self._cache = self._run(latents)
        return frames

    def peek(self, latents: Tensor) -> Tensor:
        """Decode the next latents without advancing; see `StreamingDecoder.peek`."""
        return self._run(latents)[0]

    def rest(self) -> None:
        """Let go of the device's memory until the next decode."""
        self._cache = _moved(self._cache, self._vae.vae.output_device)

    def _run(self, latents: Tensor) -> tuple[Tensor, list[Any] | None]:
        video_vae, vae = self._vae, self._vae.vae
        video_vae.grid.check_latents(latents)
        pieces = [torch.empty(0, *video_vae.grid.pixels(latents), 3, device=latents.device)]
        self._cache = cache = _moved(self._cache, vae.device)
        for latent in latents.split(1, dim=2) if latents.shape[2] else ():
            with video_vae.loaded(latent.shape) as network:
                first = cache is None
                cache = [None] * vae2_2.count_conv3d(network.decoder) if cache is None else list(cache)
                z = network.conv2(video_vae.raw(latent).to(vae.device, vae.vae_dtype))
                decoded = network.decoder(z, feat_cache=cache, feat_idx=[0], first_chunk=first)
                pixels = vae2_2.unpatchify(decoded, patch_size=2).to(latents.device, torch.float32, copy=True)
            pieces.append(vae.process_output(pixels)[0].movedim(0, -1))
        return torch.cat(pieces), cache


class ContextStream:
    """A stream through whole decodes: each piece after the `context` latents before it, whose frames are dropped."""

    def __init__(self, video_vae: ComfyVAE, context: int) -> None:
        self._vae = video_vae
        self._context = context
        self._before: Tensor | None = None

    def decode(self, latents: Tensor) -> Tensor:
        """Decode the next latents and advance; see `StreamingDecoder.decode`."""
        frames = self.peek(latents)
        if latents.shape[2]:
            seen = latents if self._before is None else torch.cat([self._before, latents], dim=2)
            self._before = seen[:, :, -self._context :].clone()
        return frames

    def peek(self, latents: Tensor) -> Tensor:
        """Decode the next latents without advancing; see `StreamingDecoder.peek`."""
        grid = self._vae.grid
        grid.check_latents(latents)
        if not latents.shape[2]:
            return torch.empty(0, *grid.pixels(latents), 3, device=latents.device)
        if self._before is None:
            return self._vae.decode(latents)
        frames = self._vae.decode(torch.cat([self._before, latents], dim=2))
        return frames[-grid.temporal * latents.shape[2] :]

    def rest(self) -> None:
        """A few latents are all that is kept, and weigh nothing."""


def _moved(cache: list[Any] | None, device: torch.device) -> list[Any] | None:
    if cache is None:
        return None
    return [entry.to(device) if isinstance(entry, Tensor) else entry for entry in cache]
