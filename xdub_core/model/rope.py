"""3D rotary positions, with the reference shifted in space (paper section 3.2; released model §2, step 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

THETA = 10000.0


class RotaryTables(NamedTuple):
    """Cosines and sines of every token's rotation, each [tokens, 1, head_dim / 2], float32."""

    cos: Tensor
    sin: Tensor

    def of(self, tokens: slice) -> RotaryTables:
        """Those of some of the tokens."""
        return RotaryTables(self.cos[tokens], self.sin[tokens])


def rotary_tables(
    grid: tuple[int, int, int],
    head_dim: int,
    device: torch.device | str,
    reference_frames: range | None = None,
) -> RotaryTables:
    """Rotations of the reference's tokens followed by the target's, for a token grid of (frames, height, width).

    The target's token sits at (k, i, j). The reference's sits at (k, i + height, j + width): the same moment,
    shifted in space, so that the two never share a position. `reference_frames` are the reference's frame positions
    where they are not the target's. Angles are computed in float64.
    """
    frames, height, width = grid
    spatial = head_dim // 3 // 2 * 2
    temporal = head_dim - 2 * spatial
    frame_angles = _angles(torch.arange(frames), temporal)
    reference = _grid_angles(
        frame_angles if reference_frames is None else _angles(torch.tensor(reference_frames), temporal),
        _angles(torch.arange(height, 2 * height), spatial),
        _angles(torch.arange(width, 2 * width), spatial),
    )
    target = _grid_angles(
        frame_angles, _angles(torch.arange(height), spatial), _angles(torch.arange(width), spatial)
    )
    angles = torch.cat([reference, target]).unsqueeze(1)  # [tokens, 1, head_dim / 2]
    return RotaryTables(angles.cos().float().to(device), angles.sin().float().to(device))


IN_PLACE = ("cpu", "cuda")
"""Types of devices that surely multiply complex numbers in place."""
WHOLE_REGISTERS = 16
"""Widths that are multiples of this leave no rest, which a CPU would multiply and add with one rounding, not two."""


def rotate(x: Tensor, tables: RotaryTables) -> Tensor:
    """Rotate neighbouring channel pairs. `x`: [batch, tokens, heads, head_dim]; computed in float32.

    Without gradients a fresh `x` of up to 32 bits is overwritten where the device can: as complex numbers, whose
    product is the same sums to the last bit, in one pass instead of eight. Compilers know no complex numbers.
    """
    fits = x.dtype.itemsize <= 4 and x.shape[-1] % WHOLE_REGISTERS == 0 and x.is_contiguous()
    in_place = fits and x.device.type in IN_PLACE
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or not in_place:
        return _rotated(x, tables)
    wide = x.float()  # itself, where it is float32
    torch.view_as_complex(wide.unflatten(-1, (-1, 2))).mul_(torch.complex(*tables))
    return x if wide is x else x.copy_(wide)


def _rotated(x: Tensor, tables: RotaryTables) -> Tensor:
    pairs = x.unflatten(-1, (-1, 2))
    even, odd = pairs[..., 0], pairs[..., 1]
    rotated = torch.empty_like(pairs)
    rotated[..., 0] = even * tables.cos - odd * tables.sin
    rotated[..., 1] = even * tables.sin + odd * tables.cos
    return rotated.flatten(-2)


def _angles(positions: Tensor, dim: int) -> Tensor:
    frequencies = THETA ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return torch.outer(positions.double(), frequencies)  # [positions, dim / 2]


def _grid_angles(frame: Tensor, row: Tensor, column: Tensor) -> Tensor:
    f, h, w = len(frame), len(row), len(column)
    parts = [
        frame[:, None, None].expand(f, h, w, -1),
        row[None, :, None].expand(f, h, w, -1),
        column[None, None].expand(f, h, w, -1),
    ]
    return torch.cat(parts, dim=-1).flatten(0, 2)  # [fhw, head_dim / 2]
