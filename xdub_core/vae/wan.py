"""The real model's VAE: the Wan2.2 VAE (48 channels, 16x in space, 4x in time, causal), run through diffsynth.

diffsynth (Apache-2.0, optional) brings the network; this module drives it latent frame by latent frame and keeps the
decoder's feature cache between calls, so that a video of any length decodes as one stream in bounded memory. Only
diffsynth's file `models/wan_video_vae.py` is loaded, by its place in the package: importing the package itself
pulls in torchvision, modelscope and more, none of which the VAE uses.

The file's tensors carry Wan's own names, which the release's `Wan2.2_VAE.safetensors`, Wan's `Wan2.2_VAE.pth` and
ComfyUI's `wan2.2_vae.safetensors` all use.
"""

import importlib.util
import inspect
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from xdub_core.errors import MissingModelError
from xdub_core.vae.grid import WAN_GRID
from xdub_core.vae.protocol import StreamingDecoder
from xdub_core.weights.strict import load_strictly
from xdub_core.weights.tensor_file import open_tensors

# Only what the VAE needs, and all of it pure Python: diffsynth's full requirements could replace the user's torch.
INSTALL_COMMAND = 'pip install --no-deps "diffsynth>=2.0,<3" einops tqdm'

# Mean and standard deviation of each latent channel, as published with Wan2.2 (ComfyUI's latent format `Wan22`).
# fmt: off
LATENT_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
LATENT_STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on

_NETWORK = "VideoVAE38_"
_NETWORK_PARTS = ("encoder", "decoder", "conv1", "conv2")


class WanVAE:
    """A `VideoVAE` around diffsynth's Wan2.2 network (`VideoVAE38_`).

    The network runs on its own device and in its own dtype; latents and frames go in and come out as float32 on the
    caller's device. Latents are normalised here, once, in float32. The weights are frozen; gradients pass through to
    latents or frames that ask for them. Build it with `load_wan_vae`.
    """

    grid = WAN_GRID

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)
        self._mean = torch.tensor(LATENT_MEAN).view(1, -1, 1, 1, 1)
        self._std = torch.tensor(LATENT_STD).view(1, -1, 1, 1, 1)

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        return next(self.network.parameters()).dtype

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [F, H, W, 3] in 0..1 -> latents [1, 48, f, h, w]; see `VideoVAE.encode`."""
        self.grid.check_frames(frames)
        video = frames.permute(3, 0, 1, 2)[None].to(self.device, torch.float32) * 2 - 1  # [1, 3, F, H, W]
        as_it_is = [torch.zeros(self.grid.channels), torch.ones(self.grid.channels)]  # mean and 1 / std
        raw = self.network.encode(video.to(self.dtype), as_it_is)  # type: ignore[operator]
        return ((raw.float().to(frames.device) - self._mean_on(frames)) / self._std_on(frames)).contiguous()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, 48, f, h, w] -> frames [4 (f - 1) + 1, H, W, 3]; see `VideoVAE.decode`."""
        return self.stream().decode(latents)

    def stream(self) -> StreamingDecoder:
        """Start a stream with an empty cache."""
        return WanStream(self)

    def denormalised(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the network knows them: per channel, times the standard deviation, plus the mean."""
        return latents.float() * self._std_on(latents) + self._mean_on(latents)

    def _mean_on(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._mean.to(tensor.device)

    def _std_on(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._std.to(tensor.device)


class WanStream:
    """The `StreamingDecoder` of a `WanVAE`: one latent frame at a time through the causal decoder.

    The cache holds the last two inputs of each causal convolution: its size depends on the picture, not on the
    length. The network replaces entries and never writes into them, so that keeping the old list is enough to peek.
    `rest` moves it off the device, and the next decode fetches it.
    """

    resting_place = torch.device("cpu")

    def __init__(self, vae: WanVAE) -> None:
        self._vae = vae
        self._cache: list[Any] | None = None

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode the next latents and advance; see `StreamingDecoder.decode`."""
        frames, self._cache = self._run(latents)
        return frames

    def peek(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode the next latents without advancing; see `StreamingDecoder.peek`."""
        return self._run(latents)[0]

    def rest(self) -> None:
        """Let go of the device's memory until the next decode; see `StreamingDecoder.rest`."""
        self._cache = _moved(self._cache, self.resting_place)

    def _run(self, latents: torch.Tensor) -> tuple[torch.Tensor, list[Any] | None]:
        vae = self._vae
        vae.grid.check_latents(latents)
        pieces = [torch.empty(0, *vae.grid.pixels(latents), 3, device=latents.device)]
        self._cache = cache = _moved(self._cache, vae.device)
        for z in latents.split(1, dim=2) if latents.shape[2] else ():
            first = cache is None
            cache = [None] * _cache_length(vae.network) if cache is None else list(cache)
            x = vae.network.conv2(vae.denormalised(z).to(vae.device, vae.dtype))  # type: ignore[operator]
            result = vae.network.decoder(x, feat_cache=cache, feat_idx=[0], first_chunk=first)  # type: ignore[operator]
            # diffsynth 2.0.0 changed the list in place only; later versions return it too.
            video, cache = result[:2] if isinstance(result, tuple) else (result, cache)
            pieces.append(_pixels(video).to(latents.device))
        return torch.cat(pieces), cache


def load_wan_vae(
    path: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> WanVAE:
    """The Wan2.2 VAE from `path` (.safetensors or .pth, in any float type), ready on `device` in `dtype`.

    Raises MissingModelError, with the command that gets it, where diffsynth is missing, CheckpointError where the file
    is not exactly this VAE, or not there.
    """
    network_class = wan_network_class()
    file = open_tensors(path)
    with torch.device("meta"):
        network: nn.Module = network_class()
    names = {name.removeprefix("model."): name for name in file.shapes}
    what = "the Wan2.2 VAE with 48 channels"
    advice = "choose Wan2.2_VAE.safetensors or ComfyUI's wan2.2_vae.safetensors"
    load_strictly(network, file, names, what=what, advice=advice, dtype=dtype, device=device)
    return WanVAE(network)


@cache
def wan_network_class() -> Any:
    """diffsynth's class of the Wan2.2 VAE's network.

    Raises MissingModelError, with the command to run, where diffsynth or einops is not installed, or where this
    diffsynth's network no longer has the parts that are driven here.
    """
    module = _diffsynth_vae_module()
    network_class = getattr(module, _NETWORK, None)
    try:
        with torch.device("meta"):
            network = network_class(dim=16, z_dim=4, dec_dim=16)  # type: ignore[misc]
        parameters = inspect.signature(network.decoder.forward).parameters
        usable = all(isinstance(getattr(network, part, None), nn.Module) for part in _NETWORK_PARTS)
        usable = usable and {"feat_cache", "feat_idx", "first_chunk"} <= set(parameters)
        usable = usable and list(inspect.signature(network.encode).parameters) == ["x", "scale"]
    except (TypeError, AttributeError):
        usable = False
    if not usable:
        raise MissingModelError(
            f"diffsynth {_diffsynth_version()} has changed its Wan2.2 VAE ({_NETWORK}) and cannot be used here: "
            f"install a known version with `{INSTALL_COMMAND.replace('>=2.0,<3', '==2.1.12')}`"
        )
    return network_class


def _diffsynth_vae_module() -> ModuleType:
    """diffsynth's VAE file as a module of its own, without importing diffsynth."""
    name = "diffsynth.models.wan_video_vae"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("diffsynth")
    if package is None or not package.submodule_search_locations:
        raise MissingModelError(
            f"diffsynth is not installed, which runs the Wan2.2 VAE outside ComfyUI: `{INSTALL_COMMAND}`"
        )
    path = Path(package.submodule_search_locations[0]) / "models" / "wan_video_vae.py"
    spec = importlib.util.spec_from_file_location("xdub_core.vae._diffsynth_wan_vae", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise MissingModelError(
            f"diffsynth {_diffsynth_version()} has no {path.name}: install a known version with `{INSTALL_COMMAND}`"
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise MissingModelError(
            f"diffsynth's Wan2.2 VAE needs {error.name or error}: install it with `{INSTALL_COMMAND}`"
        ) from error
    return module


def _diffsynth_version() -> str:
    try:
        return metadata.version("diffsynth")
    except metadata.PackageNotFoundError:
        return "(unknown version)"


def _moved(cache: list[Any] | None, device: torch.device) -> list[Any] | None:
    """The cache with its tensors on `device`; those that are there already are not copied."""
    if cache is None:
        return None
    return [entry.to(device) if isinstance(entry, torch.Tensor) else entry for entry in cache]


def _cache_length(network: nn.Module) -> int:
    """An upper bound of the decoder's cache entries: it has one for each causal convolution."""
    return sum(isinstance(module, nn.Conv3d) for module in network.decoder.modules())  # type: ignore[union-attr]


def _pixels(video: torch.Tensor) -> torch.Tensor:
    """The decoder's output [1, 12, n, H/2, W/2] (2x2 pixels in its channels) -> frames [n, H, W, 3] in 0..1."""
    _, channels, n, height, width = video.shape
    # Channels are (colour, column within the 2x2, row within the 2x2).
    pixels = video[0].view(channels // 4, 2, 2, n, height, width).permute(3, 4, 2, 5, 1, 0)
    pixels = pixels.reshape(n, 2 * height, 2 * width, channels // 4)
    return ((pixels.float() + 1) / 2).clamp_(0, 1)
