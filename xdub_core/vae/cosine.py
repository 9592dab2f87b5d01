"""A VAE without weights: a fixed cosine transform with the real VAE's geometry.

For tests, demonstrations and small models. Every block of 4 frames x 16 x 16 pixels x 3 colours is rotated to
luma and two colour differences, transformed by an orthonormal cosine transform, and reduced to the `channels`
coefficients that carry most of a natural video. The map is linear, so noise, blending and averaging of latents
mean the same in pixels.

The first frame of a video stands for four equal ones, so a channel means the same in every latent frame; the
channels of temporal change are zero in the first latent, and ignored there by the decoder.
"""

import math
from itertools import product

import torch

from xdub_core.errors import SettingsError
from xdub_core.vae.grid import WAN_GRID, LatentGrid
from xdub_core.vae.protocol import StreamingDecoder

MID_GREY = 0.5

# Orthonormal rows over R, G, B: luma, red against blue, magenta against green.
_COLOR_ROTATION = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))

# The expected size of a coefficient, fitted once to a talking head at 4 x 16 x 16 blocks.
_COLOR_WEIGHT = (1.0, 0.25, 0.12)
_DC_SIZE = 12.0
_SPATIAL_SIZE, _SPATIAL_FALL = 1.8, 1.3
_TEMPORAL_SIZE, _TEMPORAL_FALL = 0.3, 0.7


class CosineVAE:
    """A `VideoVAE` that needs no weights; see the module's docstring.

    `encode(decode(z))` gives z back wherever decoding does not leave 0..1 (the decoder clamps, as a VAE's does;
    `clamp=False` keeps the map linear), apart from the temporal channels of the first latent frame.
    Raises SettingsError when more channels are asked for than a block has numbers.
    """

    def __init__(
        self,
        channels: int = WAN_GRID.channels,
        spatial: int = WAN_GRID.spatial,
        temporal: int = WAN_GRID.temporal,
        *,
        clamp: bool = True,
    ) -> None:
        if min(channels, spatial, temporal) < 1 or channels > 3 * spatial * spatial * temporal:
            raise SettingsError(
                f"a cosine VAE of {temporal} frames x {spatial} x {spatial} pixels has "
                f"1 to {3 * spatial * spatial * temporal} channels, not {channels}"
            )
        self.grid = LatentGrid(channels, temporal, spatial)
        self.clamp = clamp
        chosen, sizes = _choose_coefficients(channels, spatial, temporal)
        basis = _block_basis(chosen, spatial, temporal)  # [C, temporal * spatial * spatial * 3]
        size = torch.tensor(sizes, dtype=torch.float64)[:, None]
        self._analysis = (basis / size).float()
        self._synthesis = (basis * size).float()
        self._still = torch.tensor([frequency[0] == 0 for frequency in chosen])

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [F, H, W, 3] in 0..1 -> latents [1, C, f, h, w]; see `VideoVAE.encode`."""
        self.grid.check_frames(frames)
        temporal, spatial = self.grid.temporal, self.grid.spatial
        first = frames[:1].expand(temporal, -1, -1, -1)
        blocks = torch.cat([first, frames[1:]]).float() - MID_GREY
        blocks = blocks.unflatten(2, (-1, spatial)).unflatten(1, (-1, spatial)).unflatten(0, (-1, temporal))
        blocks = blocks.permute(0, 2, 4, 1, 3, 5, 6).flatten(3)  # [f, h, w, temporal * spatial * spatial * 3]
        latents = blocks @ self._analysis.to(frames.device).T  # [f, h, w, C]
        return latents.permute(3, 0, 1, 2)[None].contiguous()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, C, f, h, w] -> frames [4 (f - 1) + 1, H, W, 3]; see `VideoVAE.decode`."""
        return self.decode_from(latents, first=True)

    def stream(self) -> StreamingDecoder:
        """Start a stream; there is no cache, only the knowledge whether the first latent has gone by."""
        return CosineStream(self)

    def decode_from(self, latents: torch.Tensor, first: bool) -> torch.Tensor:
        """Decode a piece of a stream; `first` says that its first latent holds a single frame."""
        self.grid.check_latents(latents)
        z = latents[0].float().permute(1, 2, 3, 0)  # [f, h, w, C]
        temporal, spatial = self.grid.temporal, self.grid.spatial
        blocks = z @ self._synthesis.to(z.device)
        if first and len(z):
            blocks[0] = (z[0] * self._still.to(z.device)) @ self._synthesis.to(z.device)
        blocks = blocks.unflatten(3, (temporal, spatial, spatial, 3))
        frames = blocks.permute(0, 3, 1, 4, 2, 5, 6).flatten(4, 5).flatten(2, 3).flatten(0, 1)
        frames = frames[temporal - 1 :] if first and len(z) else frames
        frames = frames + MID_GREY
        return frames.clamp_(0, 1) if self.clamp else frames


class CosineStream:
    """The `StreamingDecoder` of a `CosineVAE`."""

    def __init__(self, vae: CosineVAE) -> None:
        self._vae = vae
        self._started = False

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode the next latents and advance; see `StreamingDecoder.decode`."""
        frames = self.peek(latents)
        self._started = self._started or latents.shape[2] > 0
        return frames

    def peek(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode the next latents without advancing; see `StreamingDecoder.peek`."""
        return self._vae.decode_from(latents, first=not self._started)

    def rest(self) -> None:
        """There is no cache."""


def _choose_coefficients(
    channels: int, spatial: int, temporal: int
) -> tuple[list[tuple[int, int, int, int]], list[float]]:
    """The (time, row, column, colour) frequencies that are expected to be largest, and those sizes, in order."""
    sizes = {
        frequency: _expected_size(*frequency) * math.sqrt(spatial * spatial * temporal / 1024)
        for frequency in product(range(temporal), range(spatial), range(spatial), range(3))
    }
    chosen = sorted(sizes, key=lambda frequency: (-sizes[frequency], frequency))[:channels]
    return chosen, [sizes[frequency] for frequency in chosen]


def _expected_size(time: int, row: int, column: int, color: int) -> float:
    """Standard deviation to expect of a coefficient of natural video, around mid grey."""
    detail = row + column
    if time:
        size = _TEMPORAL_SIZE / time * (1 + detail) ** -_TEMPORAL_FALL
    elif detail:
        size = _SPATIAL_SIZE * detail**-_SPATIAL_FALL
    else:
        size = _DC_SIZE
    return _COLOR_WEIGHT[color] * size


def _block_basis(frequencies: list[tuple[int, int, int, int]], spatial: int, temporal: int) -> torch.Tensor:
    """One orthonormal row per frequency over a block [temporal, spatial, spatial, 3], flattened."""
    space, time = _cosines(spatial), _cosines(temporal)
    color = torch.tensor(_COLOR_ROTATION, dtype=torch.float64)
    color = color / color.norm(dim=1, keepdim=True)
    t, row, column, c = torch.tensor(frequencies).unbind(1)
    return torch.einsum("kt,ky,kx,kc->ktyxc", time[t], space[row], space[column], color[c]).flatten(1)


def _cosines(n: int) -> torch.Tensor:
    """The orthonormal DCT-II matrix [frequency, position] in float64."""
    frequency = torch.arange(n, dtype=torch.float64)[:, None]
    position = torch.arange(n, dtype=torch.float64) + 0.5
    matrix = torch.cos(math.pi / n * position * frequency) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix
