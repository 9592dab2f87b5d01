"""The DiT's forward with modulation per token, as the release computes it (released model, section 2, step 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from xdub_core.model.dit import ClipConstants, XDubDiT, timestep_sinusoid, unpatchify


def per_token_forward(
    model: XDubDiT,
    latents: Tensor,
    reference: Tensor,
    timestep: Tensor,
    constants: ClipConstants,
    motion_latents: int,
) -> Tensor:
    """What `XDubDiT.forward` computes, with a timestep embedding and modulation for each token."""
    frames, height, width = constants.grid
    reference_tokens = frames * height * width
    clean = reference_tokens + motion_latents * height * width
    x = model.patch_embedding(torch.cat([reference, latents], dim=2)).flatten(2).transpose(1, 2)
    timesteps = timestep[:, None].repeat(1, x.shape[1])
    timesteps[:, :clean] = 0
    embedding = model.time_embedding(timestep_sinusoid(timesteps, model.config.frequency_dim).to(x))
    modulation = model.time_projection(embedding).unflatten(-1, (6, -1))  # [batch, tokens, 6, dim]
    for block, text, audio in zip(model.blocks, constants.text, constants.audio, strict=True):
        v = (block.modulation.unsqueeze(1) + modulation).unbind(2)
        x = x + block.self_attn(block.norm1(x) * (1 + v[1]) + v[0], constants.tables) * v[2]
        reference_half, target = x.split([reference_tokens, x.shape[1] - reference_tokens], dim=1)
        target = target + block.cross_attn(block.norm3(target), text)
        target = target + block.attend_to_audio(block.norm4(target), audio)
        x = torch.cat([reference_half, target], dim=1)
        x = x + block.feed_forward(block.norm2(x) * (1 + v[4]) + v[3]) * v[5]
    shift, scale = (model.head.modulation.unsqueeze(1) + embedding[:, reference_tokens:, None]).unbind(2)
    target = model.head.head(model.head.norm(x[:, reference_tokens:]) * (1 + scale) + shift)
    return unpatchify(target, constants.grid, model.config)
