"""How the released model is laid out on a device of little memory, computed from its sizes.

Weights are counted; what is computed with them is counted as in `memory`. What helps is taken in the order of what it
costs: the branches one by one, then blocks that rest in the computer's memory, as few of them as will do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.released.empty_prompt import CONTEXT_ROWS
from xdub_core.vae.grid import WAN_GRID

BRANCHES = 3
TOKENS_HELD = 7
"""How many tensors the size of all tokens exist at once in the DiT (benchmarks/dit_forward.py: 6.7 to 10)."""
CACHED_PER_PIXEL = 1784
"""Numbers that the Wan2.2 VAE's decoder keeps per pixel of the crop, for each stream (counted on the meta device)."""
DECODED_PER_PIXEL = 2000
"""Numbers that exist at once per pixel of the crop while a latent is decoded, beside what is kept (counted there)."""
STREAMS = 2
"""Of the generated crops and of the source's; while a clip is sampled, both rest in the CPU's memory."""
VAE_PARAMETERS = 704_688_668
"""Of the Wan2.2 VAE."""
IN_FLIGHT = 2
"""Blocks that are on the device beside the resident ones: the one that runs, and the next."""


@dataclass(frozen=True)
class Placement:
    """`resident`: how many of the DiT's blocks stay on the device (None: all); `batched`: branches as one batch."""

    batched: bool = True
    resident: int | None = None


@dataclass(frozen=True)
class DeviceSizes:
    """What decides about the memory that a DiT and its VAE take on a GPU.

    `crop` in pixels, `latents` of a clip, `itemsize` bytes of a number. `float8`: the blocks' matrices in 8 bits.
    """

    config: DiTConfig
    crop: int = 512
    latents: int = 20
    itemsize: int = 2
    float8: bool = False
    vae_parameters: int = VAE_PARAMETERS

    @property
    def block(self) -> int:
        """Bytes of one block's weights."""
        matrices, rows, rest = _block_numbers(self.config)
        return (
            matrices + 4 * rows + self.itemsize * rest if self.float8 else self.itemsize * (matrices + rest)
        )

    @property
    def rest(self) -> int:
        """Bytes of the DiT's weights outside of its blocks."""
        return self.itemsize * _other_numbers(self.config)

    def model(self, placement: Placement) -> int:
        """Bytes of the DiT's weights on the device at most."""
        resident, layers = placement.resident, self.config.layers
        blocks = layers if resident is None else min(layers, resident + IN_FLIGHT)
        return self.rest + blocks * self.block

    def sampling(self, placement: Placement) -> int:
        """Bytes that sampling a clip takes besides weights: tokens, and the keys and values of text and audio."""
        branches = BRANCHES if placement.batched else 1
        side = self.crop // WAN_GRID.spatial
        tokens = 2 * self.latents * side**2 // prod(self.config.patch)
        attended = (
            CONTEXT_ROWS + (branches if placement.batched else 2) * self.latents * AUDIO_TOKENS_PER_LATENT
        )
        kept = 2 * self.config.layers if placement.resident is None else 3  # else a block makes its own
        return self.itemsize * self.config.dim * (TOKENS_HELD * branches * tokens + kept * attended)

    @property
    def decoding(self) -> int:
        """Bytes of decoding: what exists at once, and what is kept from latent to latent."""
        return self.itemsize * self.crop**2 * (DECODED_PER_PIXEL + STREAMS * CACHED_PER_PIXEL)

    def needed(self, placement: Placement) -> int:
        """Bytes on the device when it is fullest."""
        working = max(self.sampling(placement), self.decoding)
        return self.model(placement) + self.itemsize * self.vae_parameters + working

    def placements(self, batched: bool = True) -> Iterator[Placement]:
        """Ways to lay it out, the quickest first and the smallest last; without `batched`, none is."""
        if batched:
            yield Placement()
        yield Placement(batched=False)
        for resident in range(self.config.layers - IN_FLIGHT - 1, -1, -1):
            yield Placement(batched=False, resident=resident)

    def placed(self, budget: int, batched: bool = True) -> Placement | None:
        """The quickest placement that takes no more than `budget` bytes; None where there is none."""
        return next((each for each in self.placements(batched) if self.needed(each) <= budget), None)


@lru_cache(maxsize=8)
def _block_numbers(config: DiTConfig) -> tuple[int, int, int]:
    """Of one block: numbers in matrices, rows of these, numbers outside of them."""
    tensors = list(XDubDiT(config, device="meta").blocks[0].parameters())
    matrices = [x for x in tensors if x.ndim == 2]
    return (
        sum(x.numel() for x in matrices),
        sum(len(x) for x in matrices),
        sum(x.numel() for x in tensors if x.ndim != 2),
    )


@lru_cache(maxsize=8)
def _other_numbers(config: DiTConfig) -> int:
    parameters = XDubDiT(config, device="meta").state_dict()
    return sum(x.numel() for name, x in parameters.items() if not name.startswith("blocks."))
