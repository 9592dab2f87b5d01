"""The weights that training starts from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from xdub_core.model.dit import XDubDiT


def editor_from_generator(generator: XDubDiT) -> XDubDiT:
    """An editor that starts from the generator's weights, all of which it has but the background's input channels."""
    config = replace(generator.config, background=False)
    editor = XDubDiT(config)
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    channels = config.latent_channels
    state["patch_embedding.weight"] = state["patch_embedding.weight"][:, channels:].contiguous()
    editor.load_state_dict(state)
    return editor


def generator_from_editor(editor: XDubDiT) -> XDubDiT:
    """A generator that starts from a video model's weights; those of the background's channels are zero at first."""
    generator = XDubDiT(replace(editor.config, background=True))
    state = {name: tensor.clone() for name, tensor in editor.state_dict().items()}
    weight = state["patch_embedding.weight"]
    state["patch_embedding.weight"] = torch.cat([torch.zeros_like(weight), weight], dim=1)
    generator.load_state_dict(state)
    return generator


def initialise(dit: XDubDiT, generator: torch.Generator) -> None:
    """Random weights to train from nothing, in place: as in DiT, but the audio's output starts awake.

    Linear layers are Xavier-uniform without bias; the modulations and the head start at zero, so that a block begins
    as its residual path. Attention to the audio starts at its full size: begun at zero it stays unheard for long.
    """
    for name, tensor in dit.named_parameters():
        parameter = tensor.detach()
        if name.endswith("modulation") or name.startswith(("head.head", "time_projection.1")):
            nn.init.zeros_(parameter)
        elif parameter.ndim >= 2:
            nn.init.xavier_uniform_(parameter.flatten(1), generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
