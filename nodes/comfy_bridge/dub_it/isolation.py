"""Eq. 3 of JUST-DUB-IT on core's LTX-2: sound and picture of the context do not reach the other stream's target.

In the two attentions between sound and picture, a query and a key meet only where both are tokens of the target, that
is, of what is made. The others would have rows that are masked throughout: for them the layer gives its output bias.
Target tokens are one contiguous piece of each stream, so they are sliced instead of masked, and every attention that
ComfyUI has (flash, sage, its offloading and quantised layers) works as it does without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

KEY = "xdub_dub_it_isolation"


@dataclass(frozen=True)
class Target:
    """Where a stream's target is in its tokens: after `before`, and before the last `after`."""

    before: int = 0
    after: int = 0

    @property
    def tokens(self) -> slice:
        """Along the axis of tokens."""
        return slice(self.before, -self.after or None)


@dataclass(frozen=True)
class Isolation:
    """A wrapper around LTX-2's forward. `first_frame`: frames that are given at the start are context, too.

    What is in it isn't compiled: a compiler takes no notice of hooks that come and go, and would leave the isolation
    out of one clone, or put it into another.
    """

    first_frame: bool

    @torch.compiler.disable
    def __call__(
        self,
        executor: Any,
        x: list[Tensor],
        timestep: Tensor,
        context: Tensor,
        attention_mask: Tensor | None,
        frame_rate: float,
        transformer_options: dict[str, Any],
        keyframe_idxs: Tensor | None = None,
        **given: Any,
    ) -> Any:
        video = video_target(keyframe_idxs, given.get("denoise_mask"), self.first_frame)
        audio = audio_target(given.get("ref_audio"))
        with isolated(executor.class_obj.transformer_blocks, video, audio):
            return executor(
                x, timestep, context, attention_mask, frame_rate, transformer_options, keyframe_idxs, **given
            )


def with_isolation(model: Any, first_frame: bool) -> Any:
    """A clone of a MODEL, isolated; `first_frame` as for `Isolation`."""
    clone = without_isolation(model)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, Isolation(first_frame))
    return clone


def without_isolation(model: Any) -> Any:
    """A clone of a MODEL in which context and target meet in every attention, as LTX-2 has it."""
    clone = model.clone()
    clone.remove_wrappers_with_key(WrappersMP.DIFFUSION_MODEL, KEY)
    return clone


def video_target(guides: Tensor | None, denoise_mask: Tensor | None, first_frame: bool) -> Target:
    """The target of the picture's tokens.

    `guides`: coordinates [batch, 3, tokens, 2] of what core appended to the latents. `denoise_mask`: [batch, channels,
    frames, height, width], 1 where everything is made, and below 0 for tokens that core leaves out.
    """
    appended = 0 if guides is None else guides.shape[2]
    if denoise_mask is None:
        return Target(after=appended)
    mask = denoise_mask[0].amin(0)  # [frames, height, width]
    after = int((mask.flatten()[mask.numel() - appended :] >= 0).sum())
    if not first_frame:
        return Target(after=after)
    size = mask.shape[1] * mask.shape[2]
    own = mask[: mask.shape[0] - appended // size]
    given = (
        (own.flatten(1).amax(1) < 1).long().cumprod(0)
    )  # frames from the first on of which nothing is all noise
    return Target(int(given.sum()) * size, after)


def audio_target(reference: Mapping[str, Any] | None) -> Target:
    """The target of the sound's tokens, which core puts after the reference's."""
    return Target(before=0 if reference is None else reference["tokens"].shape[1])


@contextmanager
def isolated(blocks: Iterable[Any], video: Target, audio: Target) -> Iterator[None]:
    """While it lasts, the blocks' attentions between the streams see the targets only."""
    with ExitStack() as stack:
        for block in blocks if (video, audio) != (Target(), Target()) else ():
            for attention, queries, keys in (
                (block.audio_to_video_attn, video, audio),
                (block.video_to_audio_attn, audio, video),
            ):
                before = attention.register_forward_pre_hook(_sliced(queries, keys), with_kwargs=True)
                stack.callback(before.remove)
                after = attention.register_forward_hook(_filled(queries))
                stack.callback(after.remove)
        yield


def _sliced(queries: Target, keys: Target) -> Callable[..., Any]:
    """What goes into an attention: queries `x` [batch, tokens, width], keys and values `context`, turns of both."""

    def before(_: nn.Module, args: tuple[Tensor, ...], given: dict[str, Any]) -> Any:
        sliced = {"pe": _turns(given["pe"], queries), "k_pe": _turns(given["k_pe"], keys)}
        return (args[0][:, queries.tokens],), {**given, **sliced, "context": given["context"][:, keys.tokens]}

    return before


def _filled(queries: Target) -> Callable[..., Tensor]:
    """What comes out of it, with the output of an attention to nothing where the context's queries were."""

    def after(attention: Any, _: tuple[Tensor, ...], out: Tensor) -> Tensor:
        nothing = attention.to_out(out.new_zeros(len(out), 1, attention.heads * attention.dim_head))
        rows = [nothing.expand(-1, count, -1) for count in (queries.before, queries.after)]
        return torch.cat((rows[0], out, rows[1]), dim=1)

    return after


def _turns(pe: tuple[Tensor, bool], target: Target) -> tuple[Tensor, bool]:
    """Rotary embeddings ([batch, tokens, heads, ...], kind) of the target's tokens."""
    return pe[0][:, target.tokens], pe[1]
