"""X-Dub's DiT as ComfyUI calls its diffusion models: its operations, its attention, its wrappers and block patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import comfy.ops
import comfy.patcher_extension
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn

from xdub_core.model.block import gelu_linear
from xdub_core.model.config import config_from_values
from xdub_core.model.dit import ClipConstants, XDubDiT

from .clip_memory import ClipMemory

MEMORY = "xdub_memory"


class CoreAttention:
    """Core's attention, with the sampling's options: SageAttention and other overrides are in them."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        return optimized_attention(q, k, v, heads, transformer_options=self.options)


def activated(layer: nn.Module, fresh: Tensor) -> Tensor:
    """A feed-forward's second half: of a layer whose weight core has packed, core folds the GELU into packing the
    input."""
    fused = getattr(comfy.ops, "linear_input_act", None)  # since ComfyUI 0.33
    packed = getattr(comfy.ops, "QuantizedTensor", None)
    if fused is None or packed is None or not isinstance(layer.weight, packed):
        return gelu_linear(layer, fresh)
    return fused(layer, fresh, "gelu_tanh")


class ComfyDiT(XDubDiT):
    """`BaseModel.diffusion_model`. Its parameters have the released names; `xdub` holds the values of a DiTConfig."""

    def __init__(
        self,
        xdub: Mapping[str, Any],
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = None,
        **other_sizes: Any,  # noqa: ARG002 (what core's own detection found besides)
    ) -> None:
        attention = CoreAttention()
        config = config_from_values(xdub)
        super().__init__(
            config,
            operations=operations,
            attention=attention,
            activated=activated,
            device=device,
            dtype=dtype,
        )
        self.core_attention = attention
        self.dtype = dtype
        self.patch_size = config.patch
        self.in_channels = config.latent_channels

    def forward(  # type: ignore[override] # core's signature
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        reference: Tensor,
        audio: Tensor,
        motion_latents: int = 0,
        transformer_options: dict[str, Any] | None = None,
        memory: ClipMemory | None = None,
        **unused: Any,  # noqa: ARG002 (control and whatever else core passes to every model)
    ) -> Tensor:
        """Velocity of the noised latents `x`. `reference`: like `x`; `audio`: [batch, frames, 8, audio_dim];
        `memory`: what steps before found, which a compiled graph leaves aside.
        """
        options = {} if transformer_options is None else transformer_options
        if memory is not None and not torch.compiler.is_compiling():
            options[MEMORY] = memory  # wrappers know the options as the last argument
        wrappers = comfy.patcher_extension.get_all_wrappers(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options
        )
        if (
            wrappers
        ):  # EasyCache writes into the latents it is given, and in float32 they are the sampler's own
            x = x.clone()
        return comfy.patcher_extension.WrapperExecutor.new_class_executor(
            self._predict, self, wrappers
        ).execute(x, timestep, context, reference, audio, motion_latents, options)

    def _predict(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        reference: Tensor,
        audio: Tensor,
        motion_latents: int,
        options: dict[str, Any],
    ) -> Tensor:
        self.core_attention.options = options
        try:
            memory = options.pop(MEMORY, None)
            if memory is None:
                constants = self.prepare(one_for_all(context), audio, x.shape, by_block=True)
            else:
                constants = memory.constants(self, one_for_all(context), audio, x.shape)
            runner = BlockPatches(x, timestep, context, constants, options, len(self.blocks))
            return super().forward(x, reference, timestep, constants, motion_latents, runner)
        finally:
            self.core_attention.options = {}


def one_for_all(context: Tensor) -> Tensor:
    """A context [batch, tokens, width] of equal members as a batch of one, which serves them all.

    X-Dub's branches have the same prompt, of which core makes one copy each.
    """
    if (
        len(context) == 1
        or torch.compiler.is_compiling()
        or not torch.equal(context, context[:1].expand_as(context))
    ):
        return context
    return context[:1]


class BlockPatches:
    """Runs each block as Wan's blocks are run in core: replaced where a patch replaces it, followed by other patches.

    The tokens ("img") are the reference's and then the target's, which begins at "img_offset".
    """

    def __init__(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        constants: ClipConstants,
        options: dict[str, Any],
        blocks: int,
    ) -> None:
        self.latents = x
        self.timestep = timestep
        self.context = context
        self.constants = constants
        self.options = options
        self.replaced = options.get("patches_replace", {}).get("dit", {})
        self.after = options.get("patches", {}).get("double_block", [])
        self.last = blocks - 1
        options["total_blocks"] = blocks
        options["block_type"] = "double"

    def __call__(self, number: int, block: Callable[..., Tensor], tokens: Tensor) -> Tensor:
        self.options["block_index"] = number
        replacement = self.replaced.get(("double_block", number))
        if replacement is None and not self.after:
            return block(tokens, target_only=number == self.last)
        if replacement is None:
            tokens = block(tokens)
        else:
            arguments = {
                "img": tokens,
                "txt": self.context,
                "vec": self.timestep,
                "pe": self.constants.tables,
                "transformer_options": self.options,
            }
            tokens = replacement(arguments, {"original_block": lambda given: {"img": block(given["img"])}})[
                "img"
            ]
        for patch in self.after:
            arguments = {
                "img": tokens,
                "x": self.latents,
                "vec": self.timestep,
                "block_index": number,
                "img_offset": self.constants.reference_tokens,
                "transformer_options": self.options,
            }
            tokens = patch(arguments)["img"]
        return tokens
