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
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from xdub_core.errors import SamplingError
from xdub_core.model.attention import (
    Attended,
    AttentionFunction,
    CrossAttention,
    Kept,
    KeysValues,
    Known,
    SelfAttention,
    equal_others,
    torch_attention,
)
from xdub_core.model.audio_projection import AudioProjection
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, TIMESTEPS, DiTConfig, vector_dtype
from xdub_core.model.rope import RotaryTables, rotary_tables

BlockRunner = Callable[[int, Callable[..., Tensor], Tensor], Tensor]
"""(number of the block, the block as a function of the tokens, the tokens) -> the tokens after it. Whoever runs the
last one may give it `target_only=True`: the reference's tokens are not needed any more."""

ActivatedLinear = Callable[[nn.Module, Tensor], Tensor]
"""(a Linear layer, its fresh input) -> what the layer makes of the input's GELU (tanh)."""

HAVE_FLOAT64 = ("cpu", "cuda", "meta")
"""Types of devices that surely compute in float64; Apple's and some of Intel's refuse it."""
FEED_FORWARD_TOKENS = 10240
"""Without gradients, the feed-forward takes so many tokens at once: its hidden layer is the widest."""
PART_TOKENS = 1024
"""Without gradients, a CPU takes so many tokens (more where a latent frame has more) through all of a block but its
self-attention before it goes on to the next ones, so that what it makes of them stays in its cache."""


def gelu_linear(layer: nn.Module, fresh: Tensor) -> Tensor:
    """The default `ActivatedLinear`: overwrites its input."""
    return layer(torch.ops.aten.gelu_(fresh, approximate="tanh"))


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


class Residual(NamedTuple):
    """What a residual model's network sees, and the way back: an exact change of variables of the same flow.

    With z_t = (1 - t) z + t noise and the difference d = z - base, z_t - (1 - t) base = (1 - t) d + t noise are d's own
    noised latents. The network predicts d, which is nothing wherever base and target agree; the velocity follows:
    v = noise - z = (noised - d) / t - base. Motion latents are clean (t = 0), and their velocity means nothing.
    """

    noised: Tensor
    base: Tensor
    level: Tensor
    """t, [batch, 1, frames, 1, 1], with 1 for motion latents; all three are float32."""

    @classmethod
    def of(cls, latents: Tensor, base: Tensor, timestep: Tensor, motion_latents: int) -> Residual:
        """`latents` [batch, channels, frames, height, width] at `timestep` [batch] in 0..1000; `base` like them."""
        t = (timestep.float() / TIMESTEPS).view(-1, 1, 1, 1, 1).repeat(1, 1, latents.shape[2], 1, 1)
        t[:, :, :motion_latents] = 0
        noised = latents.float() - (1 - t) * base.float()
        t[:, :, :motion_latents] = 1
        return cls(noised, base.float(), t)

    def velocity(self, difference: Tensor) -> Tensor:
        """The velocity of the latents, float32, from the network's output."""
        return (self.noised - difference.float()) / self.level - self.base


class Part(NamedTuple):
    """Some of the tokens: those of `members` of the batch from `start` to `stop`. Of these, the first `reference` are
    the reference's, and the first `clean` have timestep 0."""

    members: slice
    start: int
    stop: int
    reference: int
    clean: int

    def of(self, tokens: Tensor, first: int = 0) -> Tensor:
        """The part of `tokens` [batch, tokens, dim], which begin at token `first`."""
        return tokens[self.members, self.start - first : self.stop - first]


@dataclass(frozen=True)
class Layout:
    """Where the tokens are: `batch` times `tokens`, of which the first `reference` are the reference's and the first
    `clean` have timestep 0; `frame` of them are a latent frame."""

    batch: int
    tokens: int
    reference: int
    clean: int
    frame: int

    def whole(self, first: int = 0) -> tuple[Part, ...]:
        """All tokens from `first` on as one part."""
        return (
            Part(slice(None), first, self.tokens, max(self.reference - first, 0), max(self.clean - first, 0)),
        )

    def parts(self, first: int = 0) -> tuple[Part, ...]:
        """The tokens from `first` on in parts of whole frames, each of one kind and of one member."""
        step = max(PART_TOKENS // self.frame, 1) * self.frame
        bounds = sorted({first, self.reference, self.clean, self.tokens} - set(range(first)))
        cuts = [
            (start, min(start + step, end))
            for begin, end in pairwise(bounds)
            for start in range(begin, end, step)
        ]
        return tuple(
            Part(
                slice(member, member + 1),
                start,
                stop,
                (stop - start) * (stop <= self.reference),
                (stop - start) * (stop <= self.clean),
            )
            for member in range(self.batch)
            for start, stop in cuts
        )


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


class Block(nn.Module):
    """Self-attention, text and audio cross-attention on the target half, feed-forward."""

    def __init__(
        self,
        config: DiTConfig,
        operations: Any,
        attention: AttentionFunction,
        activated: ActivatedLinear,
        **factory: Any,
    ) -> None:
        super().__init__()
        self.activated = activated
        dim, eps = config.dim, config.eps
        shared = (dim, config.heads, eps, operations, attention)
        self.modulation = _modulation(6, dim, **factory)
        self.norm1 = operations.LayerNorm(dim, eps=eps, elementwise_affine=False, **factory)
        self.self_attn = SelfAttention(*shared, **factory)
        self.norm3 = operations.LayerNorm(dim, eps=eps, **factory)
        self.cross_attn = CrossAttention(*shared, **factory)
        self.norm4 = operations.LayerNorm(dim, eps=eps, **factory)
        self.audio_attn = CrossAttention(*shared, **factory)
        self.norm2 = operations.LayerNorm(dim, eps=eps, elementwise_affine=False, **factory)
        self.ffn = nn.Sequential(
            operations.Linear(dim, config.ffn_dim, **factory),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim, **factory),
        )

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        tables: RotaryTables,
        text: Attended,
        audio: Attended | None,
        layout: Layout,
        *,
        target_only: bool = False,
    ) -> Tensor:
        """`x`: [batch, tokens, dim], the reference's tokens first -> the same, or the target's with `target_only`.

        `modulation`: of clean and of noised tokens, [batch, 2, 6, dim]; without `audio`, it is not listened to.
        """
        vectors = self.modulation.to(x).unsqueeze(1) + modulation
        text = self.cross_attn.known(text)
        audio = None if audio is None else self.audio_attn.known(audio)
        first = layout.reference if target_only else 0
        in_parts = self._in_parts(x)
        parts, wanted = (
            (layout.parts(), layout.parts(first)) if in_parts else (layout.whole(), layout.whole(first))
        )
        q, k, v = together(parts, partial(self.before_attention, x, vectors, tables))
        attended = self.self_attn.attention(q[:, first:], k, v, self.self_attn.heads)
        del q, k, v
        after = partial(self.after_attention, x, attended, first, vectors, text, audio, layout)
        return together(wanted, after)[0]

    def _in_parts(self, x: Tensor) -> bool:
        """Whether the tokens come part by part: not where they are few, or would widen packed weights once a part."""
        if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        if len(x) * x.shape[1] <= 2 * PART_TOKENS:
            return False
        return self.ffn[0].weight.dtype == x.dtype

    def before_attention(
        self, x: Tensor, vectors: Tensor, tables: RotaryTables, part: Part
    ) -> tuple[Tensor, ...]:
        """Queries, keys and values of a part of the tokens `x`; `vectors`: [batch, 2, 6, dim]."""
        shift, scale = vectors[part.members, :, :2].unbind(2)
        normed = modulate(self.norm1(part.of(x)), shift, scale, part.clean)
        return self.self_attn.queries_keys_values(normed, tables.of(slice(part.start, part.stop)))

    def after_attention(
        self,
        x: Tensor,
        attended: Tensor,
        first: int,
        vectors: Tensor,
        text: Known,
        audio: Known | None,
        layout: Layout,
        part: Part,
    ) -> tuple[Tensor]:
        """What becomes of a part of the tokens `x`, once all from `first` on have `attended` to all."""
        gate_attn, shift_ffn, scale_ffn, gate_ffn = vectors[part.members, :, 2:].unbind(2)
        own = part.of(attended, first).contiguous()
        x = added(gate(self.self_attn.o(own), gate_attn, part.clean), part.of(x))
        del own
        if part.reference < x.shape[1]:
            reference, target = x[:, : part.reference], x[:, part.reference :]
            read = text.of(part.members) if isinstance(text, KeysValues) and len(text.keys) > 1 else text
            target = added(target, self.cross_attn(self.norm3(target), read))
            if audio is not None:
                heard = audio_of(audio, part, layout)
                target = added(target, self.attend_to_audio(self.norm4(target), heard))
            if torch.is_grad_enabled():  # without, they lie in x
                x = torch.cat([reference, target], dim=1)
        fed = self.feed_forward(modulate(self.norm2(x), shift_ffn, scale_ffn, part.clean))
        return (added(gate(fed, gate_ffn, part.clean), x),)

    def attend_to_audio(self, target: Tensor, audio: Attended) -> Tensor:
        """Each latent frame's tokens attend to the audio tokens of that frame only."""
        known = self.audio_attn.known(audio)
        assert isinstance(known, KeysValues)  # audio is never merged
        frames = len(known.keys) // len(target)
        by_frame = target.unflatten(1, (frames, -1)).flatten(0, 1)  # [batch * frames, rows * columns, dim]
        return self.audio_attn(by_frame, known).unflatten(0, (len(target), frames)).flatten(1, 2)

    def feed_forward(self, x: Tensor) -> Tensor:
        """The feed-forward of all tokens [batch, tokens, dim]; some after the others where no gradients are wanted.

        Cut from the tokens of the whole batch, one after the other in memory: of a piece with gaps, PyTorch makes a
        batched product, for which it copies the weights once per member of the batch.
        """
        if torch.is_grad_enabled():
            return self.ffn(x)
        tokens = x.flatten(0, 1)
        if len(tokens) <= FEED_FORWARD_TOKENS:
            return self._fed(tokens).view_as(x)
        out = torch.empty_like(tokens)
        pieces = (tokens.split(FEED_FORWARD_TOKENS), out.split(FEED_FORWARD_TOKENS))
        for piece, result in zip(*pieces, strict=True):
            result.copy_(self._fed(piece))
        return out.view_as(x)

    def _fed(self, tokens: Tensor) -> Tensor:
        widen, _, narrow = self.ffn
        return self.activated(narrow, widen(tokens))


def audio_of(audio: Known, part: Part, layout: Layout) -> KeysValues:
    """The keys and values of a part's frames; all are there frame by frame, for each member of the batch."""
    assert isinstance(audio, KeysValues)
    if part.members == slice(None):
        return audio
    frames = len(audio.keys) // layout.batch
    before = part.members.start * frames - layout.reference // layout.frame
    return audio.of(slice(before + part.start // layout.frame, before + part.stop // layout.frame))


class Head(nn.Module):
    """Modulated LayerNorm and the projection to patches of velocity."""

    def __init__(self, config: DiTConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        dim = config.dim
        patch_values = config.latent_channels * config.patch[0] * config.patch[1] * config.patch[2]
        self.norm = operations.LayerNorm(dim, eps=config.eps, elementwise_affine=False, **factory)
        self.head = operations.Linear(dim, patch_values, **factory)
        self.modulation = _modulation(2, dim, **factory)

    def forward(self, x: Tensor, embedding: Tensor, clean_tokens: int) -> Tensor:
        """`x`: [batch, target tokens, dim]; `embedding`: the timesteps' [batch, 2, dim]."""
        shift, scale = (self.modulation.to(x).unsqueeze(1) + embedding.unsqueeze(2)).unbind(2)
        return self.head(modulate(self.norm(x), shift, scale, clean_tokens))


def _modulation(rows: int, dim: int, device: Any = None, dtype: Any = None) -> nn.Parameter:
    """AdaLN vectors [1, rows, dim]."""
    vectors = torch.randn(1, rows, dim, device=device) / dim**0.5
    return nn.Parameter(vectors.to(vector_dtype(dtype)))


def modulate(x: Tensor, shift: Tensor, scale: Tensor, clean_tokens: int) -> Tensor:
    """x * (1 + scale) + shift, in place on a fresh `x` [batch, tokens, dim]; vectors [batch, 2, dim]."""
    for row, tokens in enumerate((slice(clean_tokens), slice(clean_tokens, None))):
        x[:, tokens].mul_(1 + scale[:, row, None]).add_(shift[:, row, None])
    return x


def gate(x: Tensor, gates: Tensor, clean_tokens: int) -> Tensor:
    """x * gate, in place on a fresh `x` [batch, tokens, dim]; `gates` [batch, 2, dim]."""
    for row, tokens in enumerate((slice(clean_tokens), slice(clean_tokens, None))):
        x[:, tokens].mul_(gates[:, row, None])
    return x


def added(fresh: Tensor, x: Tensor) -> Tensor:
    """`fresh` + `x`, in place on `fresh` where no gradients are wanted."""
    return fresh + x if torch.is_grad_enabled() else fresh.add_(x)


def together(parts: tuple[Part, ...], function: Callable[[Part], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What `function` makes of the parts of [batch, tokens, dim], put together."""
    if len(parts) == 1:
        return function(parts[0])
    first, last = parts[0].start, parts[-1]
    wholes: tuple[Tensor, ...] = ()
    for part in parts:
        made = function(part)
        wholes = wholes or tuple(x.new_empty(last.members.stop, last.stop - first, x.shape[2]) for x in made)
        for whole, piece in zip(wholes, made, strict=True):
            part.of(whole, first).copy_(piece)
    return wholes


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
