"""X-Dub's DiT: Wan2.2-TI2V-5B that sees the source video beside the noise and hears the new speech.

The story of a forward (released model §2; paper section 3.2):

    reference latents ++ noised latents, along frames        -> tokens (frame, row, column)
    per block: self-attention over both halves
               text and audio cross-attention on the target half, audio frame by frame
               feed-forward over both halves
    head on the target half                                  -> velocity of the target

Only two timesteps exist among the tokens: 0 for everything clean (the reference and the motion latents), and the
noised target's own. Clean tokens come first, so the modulation is two rows and a split index, and never a tensor
over all tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from xdub_core.errors import SamplingError
from xdub_core.model.attention import Attended, AttentionFunction, Kept, equal_others, torch_attention
from xdub_core.model.audio_projection import AudioProjection
from xdub_core.model.block import ActivatedLinear, Block, Head, gelu_linear
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, DiTConfig
from xdub_core.model.residual import Residual
from xdub_core.model.rope import RotaryTables, rotary_tables
from xdub_core.model.token_parts import Layout

BlockRunner = Callable[[int, Callable[..., Tensor], Tensor], Tensor]
"""(number of the block, the block as a function of the tokens, the tokens) -> the tokens after it. Whoever runs the
last one may give it `target_only=True`: the reference's tokens are not needed any more."""

HAVE_FLOAT64 = ("cpu", "cuda", "meta")
"""Types of devices that surely compute in float64; Apple's and some of Intel's refuse it."""


@dataclass(frozen=True)
class ClipConstants:
    """What stays the same through all steps of a clip: rotations, and what each block attends to of text and audio.

    `grid`: the target's tokens as (frames, height, width); `reference_tokens`: how many tokens come before them.
    `text` and `audio`: each block's keys and values, or the tokens that it makes them of whenever it runs.
    """

    grid: tuple[int, int, int]
    reference_tokens: int
    tables: RotaryTables
    text: tuple[Attended, ...]
    audio: tuple[Attended | None, ...]

    def without_audio(self) -> ClipConstants:
        """The same with every audio cross-attention switched off (paper section 3.3, "silent branches")."""
        return replace(self, audio=(None,) * len(self.audio))


class XDubDiT(nn.Module):
    """The DiT. Parameter names are the released checkpoint's.

    `operations` is a module of layer classes (`torch.nn`, or ComfyUI's casting or quantising ones); `attention`
    replaces PyTorch's attention, `activated` the feed-forward's second half; `device` and `dtype` are those of the
    parameters ("meta" costs nothing).
    """

    def __init__(
        self,
        config: DiTConfig,
        *,
        operations: Any = nn,
        attention: AttentionFunction = torch_attention,
        activated: ActivatedLinear = gelu_linear,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        dim = config.dim
        self.config = config
        self.checkpoint_blocks = False
        """Gradient checkpointing: keep only the blocks' inputs and compute them again in the backward pass."""
        self.patch_embedding = operations.Conv3d(
            config.input_channels, dim, kernel_size=config.patch, stride=config.patch, **factory
        )
        self.text_embedding = nn.Sequential(
            operations.Linear(config.text_dim, dim, **factory),
            nn.GELU(approximate="tanh"),
            operations.Linear(dim, dim, **factory),
        )
        self.time_embedding = nn.Sequential(
            operations.Linear(config.frequency_dim, dim, **factory),
            nn.SiLU(),
            operations.Linear(dim, dim, **factory),
        )
        self.time_projection = nn.Sequential(nn.SiLU(), operations.Linear(dim, 6 * dim, **factory))
        self.audio_embedding = AudioProjection(config, operations, attention, **factory)
        self.blocks = nn.ModuleList(
            Block(config, operations, attention, activated, **factory) for _ in range(config.layers)
        )
        self.head = Head(config, operations, **factory)

    def prepare(
        self,
        context: Tensor,
        audio: Tensor,
        latent_shape: torch.Size | tuple[int, ...],
        reference_stills: int | None = None,
        *,
        text: tuple[Attended, ...] | None = None,
        by_block: bool = False,
        merge_text: bool = True,
    ) -> ClipConstants:
        """Compute once a clip what no step changes.

        `context`: [batch or 1, text tokens, text_dim]; `audio`: [batch, latent frames, 8, audio_dim];
        `latent_shape`: (batch, channels, frames, height, width) of the latents to come.
        The reference is a video in step with the target, or `reference_stills` single frames, placed in time
        before it (the generator of stage I).

        `text`: that of other constants made from the same context, to share their keys and values (190 MB of the
        released model's in bfloat16) instead of computing them again. With `by_block`, no block's keys and values are
        computed here: each makes and keeps its own when it first runs, which is right for a host whose weights come to
        the device block by block; a compiled block makes them whenever it runs. With `merge_text`, equal tokens of the
        prompt count as one with a weight (see `FirstOrRest`), unless gradients are wanted: the same but for rounding.

        Raises SamplingError when the sizes do not fit the model or each other.
        """
        grid = self._token_grid(tuple(latent_shape), audio)
        frames, height, width = grid
        if reference_stills is not None:
            frames = reference_stills // self.config.patch[0]
        positions = None if reference_stills is None else range(-frames, 0)
        if text is None:
            others = equal_others(context) if merge_text else None
            text_tokens = self.text_embedding(context[:, :2] if others else context)
            text = self._attended("cross_attn", text_tokens, by_block, others)
        audio_tokens = self.audio_embedding(audio).flatten(0, 1)  # [batch * latent frames, 8, dim]
        return ClipConstants(
            grid=grid,
            reference_tokens=frames * height * width,
            tables=rotary_tables(grid, self.config.head_dim, audio.device, positions),
            text=text,
            audio=self._attended("audio_attn", audio_tokens, by_block),
        )

    def _attended(
        self, attention: str, tokens: Tensor, by_block: bool, others: int | None = None
    ) -> tuple[Attended, ...]:
        """What every block's cross-attention of that name attends to."""
        if by_block and torch.compiler.is_compiling():
            return (tokens,) * len(self.blocks)
        if by_block:
            return tuple(Kept(tokens, others) for _ in self.blocks)
        return tuple(getattr(block, attention).made_of(tokens, others) for block in self.blocks)

    def forward(
        self,
        latents: Tensor,
        reference: Tensor,
        timestep: Tensor,
        constants: ClipConstants,
        motion_latents: int = 0,
        run_block: BlockRunner | None = None,
    ) -> Tensor:
        """Velocity (noise - clean) of the target, shaped like `latents`.

        `latents`: noised target [batch, channels, frames, height, width]; `reference`: clean latents of the source
        video, same shape; `timestep`: [batch] in 0..1000; `motion_latents`: how many leading target frames are
        clean frames of the clip before (their timestep is 0).

        A residual model's network works on the difference from the reference (see `Residual`); what goes in and comes
        out here is the same as with any other.
        """
        if self.config.background:
            raise SamplingError(
                "this checkpoint is the mask-based generator of stage I, which only makes training data: "
                "dub with the editor of stage II"
            )
        if latents.shape != reference.shape:
            raise SamplingError(
                f"reference latents {list(reference.shape)} and noised latents {list(latents.shape)} differ in "
                "size: encode the same crops that are being dubbed"
            )
        residual = Residual.of(latents, reference, timestep, motion_latents) if self.config.residual else None
        sequence = torch.cat([reference, latents if residual is None else residual.noised.to(latents)], dim=2)
        output = self.output(sequence, timestep, constants, motion_latents, run_block)
        return output if residual is None else residual.velocity(output).to(latents)

    def output(
        self,
        sequence: Tensor,
        timestep: Tensor,
        constants: ClipConstants,
        motion_latents: int = 0,
        run_block: BlockRunner | None = None,
    ) -> Tensor:
        """What the network makes of the target, which is the end of `sequence` [batch, input channels, frames, height,
        width]: its velocity, or a residual model's difference.

        `run_block` runs each block, if given: a host may replace or patch blocks there.
        """
        _, height, width = constants.grid
        x = self.patch_embedding(sequence).flatten(2).transpose(1, 2)
        reference, frame = constants.reference_tokens, height * width
        layout = Layout(len(x), x.shape[1], reference, reference + motion_latents * frame, frame)
        embedding = self._timestep_embedding(timestep, x)  # [batch, 2, dim]
        modulation = self.time_projection(embedding).unflatten(-1, (6, -1))  # [batch, 2, 6, dim]
        blocks = zip(self._blocks(), constants.text, constants.audio, strict=True)
        for number, (block, text, audio) in enumerate(blocks):
            run = partial(
                block,
                modulation=modulation,
                tables=constants.tables,
                text=text,
                audio=audio,
                layout=layout,
            )
            if run_block is not None:
                x = run_block(number, run, x)
            elif self.checkpoint_blocks and torch.is_grad_enabled():
                x = checkpoint(run, x, use_reentrant=False)
            else:
                x = run(x, target_only=number == len(self.blocks) - 1)
        target = x[:, x.shape[1] - (layout.tokens - reference) :]
        target = self.head(target, embedding, layout.clean - reference)
        return unpatchify(target, constants.grid, self.config)

    def _blocks(self) -> Iterator[Block]:
        return cast("Iterator[Block]", iter(self.blocks))

    def _timestep_embedding(self, timestep: Tensor, like: Tensor) -> Tensor:
        both = torch.stack([torch.zeros_like(timestep), timestep], dim=1)  # [batch, 2]
        return self.time_embedding(timestep_sinusoid(both, self.config.frequency_dim).to(like))

    def _token_grid(self, latent_shape: tuple[int, ...], audio: Tensor) -> tuple[int, int, int]:
        config = self.config
        if len(latent_shape) != 5 or latent_shape[1] != config.latent_channels:
            raise SamplingError(
                f"latents of shape {list(latent_shape)} do not fit this model: it needs [batch, "
                f"{config.latent_channels}, frames, height, width] (a VAE with {config.latent_channels} channels)"
            )
        _, _, frames, height, width = latent_shape
        if any(size % patch for size, patch in zip((frames, height, width), config.patch, strict=True)):
            raise SamplingError(
                f"latents of {height}x{width} do not divide into patches of {config.patch[1:]}: "
                "use a crop size that is a multiple of 32 pixels"
            )
        if tuple(audio.shape[1:]) != (frames, AUDIO_TOKENS_PER_LATENT, config.audio_dim):
            raise SamplingError(
                f"audio windows of shape {list(audio.shape)} do not fit: this clip needs [batch, {frames}, "
                f"{AUDIO_TOKENS_PER_LATENT}, {config.audio_dim}] (check that the audio encoders are the model's)"
            )
        f, h, w = (size // patch for size, patch in zip((frames, height, width), config.patch, strict=True))
        return f, h, w


def timestep_sinusoid(timestep: Tensor, dim: int) -> Tensor:
    """Sinusoid of `timestep` [...] -> [..., dim], cosines first (released model §2, step 3).

    Computed in float64, and returned so where the timestep's device has it, else as float32.
    """
    if timestep.device.type in HAVE_FLOAT64:
        return _sinusoid(timestep, dim)
    return _sinusoid(timestep.cpu(), dim).float().to(timestep.device)


def _sinusoid(timestep: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64, device=timestep.device) / half)
    angles = timestep.double().unsqueeze(-1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def unpatchify(x: Tensor, grid: tuple[int, int, int], config: DiTConfig) -> Tensor:
    """Patches [batch, tokens, values] of a (frames, height, width) `grid` -> latents [batch, channels, f, h, w]."""
    f, h, w = grid
    pf, ph, pw = config.patch
    x = x.unflatten(2, (pf, ph, pw, -1)).unflatten(1, (f, h, w))  # [b, f, h, w, pf, ph, pw, c]
    return x.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(len(x), -1, f * pf, h * ph, w * pw)
