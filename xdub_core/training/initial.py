"""The weights that training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.model.attention import AttentionFunction, torch_attention
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import load_dit
from xdub_core.weights.identify import FileDescription, describe_file
from xdub_core.weights.tensor_file import open_tensors


def editor_from_generator(generator: XDubDiT, attention: AttentionFunction = torch_attention) -> XDubDiT:
    """An editor that starts from the generator's weights, all of which it has but the background's input channels."""
    config = replace(generator.config, background=False)
    editor = XDubDiT(config, attention=attention, **_place(generator))
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    channels = config.latent_channels
    state["patch_embedding.weight"] = state["patch_embedding.weight"][:, channels:].contiguous()
    editor.load_state_dict(state)
    return editor


def generator_from_editor(editor: XDubDiT, attention: AttentionFunction = torch_attention) -> XDubDiT:
    """A generator that starts from a video model's weights; those of the background's channels are zero at first."""
    config = replace(editor.config, background=True)
    generator = XDubDiT(config, attention=attention, **_place(editor))
    state = {name: tensor.clone() for name, tensor in editor.state_dict().items()}
    weight = state["patch_embedding.weight"]
    state["patch_embedding.weight"] = torch.cat([torch.zeros_like(weight), weight], dim=1)
    generator.load_state_dict(state)
    return generator


def _place(dit: XDubDiT) -> dict[str, Any]:
    weight = dit.patch_embedding.weight
    return {"device": weight.device, "dtype": weight.dtype}


def load_start(
    path: Path | str,
    config: DiTConfig,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    attention: AttentionFunction = torch_attention,
) -> XDubDiT:
    """What a phase of `config` starts from: an X-Dub checkpoint, or the video model that X-Dub is built on.

    A generator's checkpoint becomes an editor and an editor's a generator, where `config` is of the other kind. A video
    model's (Wan2.2-TI2V-5B in one file; paper section 3.1) has no audio layers: those start at random, their outputs
    at zero, so that training begins with the video model as it is.

    Raises CheckpointError for any other file.
    """
    found = describe_file(path)
    if not any(map(_is_audio, found.shapes)) and "blocks.0.self_attn.q.weight" in found.shapes:
        dit = _from_video_model(found, replace(config, background=False), seed, attention)
        dit = dit.to(device=device, dtype=dtype)
    else:
        dit = load_dit(path, device=device, dtype=dtype, attention=attention, copy=True)
    if config.background and not dit.config.background:
        return generator_from_editor(dit, attention)
    if dit.config.background and not config.background:
        return editor_from_generator(dit, attention)
    return dit


def _is_audio(name: str) -> bool:
    return name.startswith("audio_embedding.") or ".audio_attn." in name or ".norm4." in name


def _from_video_model(
    found: FileDescription, config: DiTConfig, seed: int, attention: AttentionFunction
) -> XDubDiT:
    dit = XDubDiT(config, attention=attention)
    initialise(dit, torch.Generator().manual_seed(seed))
    for name, tensor in dit.named_parameters():
        if ".audio_attn.o." in name:
            nn.init.zeros_(tensor.detach())
    state = dit.state_dict()
    names = {name for name in state if not _is_audio(name)}
    wrong = [
        name
        for name in names | found.shapes.keys()
        if name not in names or found.shapes.get(name) != state[name].shape
    ]
    if wrong:
        raise CheckpointError(
            f"{found.path} is neither an X-Dub checkpoint nor its video model ({len(wrong)} tensors differ, the first "
            f"is {min(wrong)}): give X-Dub's or Wan2.2-TI2V-5B's, in one safetensors file"
        )
    file = open_tensors(found.path)
    dit.load_state_dict({name: file.read(name) for name in names}, strict=False)
    return dit


def initialise(dit: XDubDiT, generator: torch.Generator) -> None:
    """Random weights to train from nothing, in place: as in DiT, but the audio's output starts at its full size.

    Linear layers are Xavier-uniform without bias; the modulations and the head start at zero, so that a block begins
    as its residual path. Audio attention whose output begins at zero is ignored for long.
    """
    for name, tensor in dit.named_parameters():
        parameter = tensor.detach()
        if name.endswith("modulation") or name.startswith(("head.head", "time_projection.1")):
            nn.init.zeros_(parameter)
        elif parameter.ndim >= 2:
            nn.init.xavier_uniform_(parameter.flatten(1), generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
