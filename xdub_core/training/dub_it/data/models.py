"""Where LTX-2 comes from in the prompts: the nodes that load it, of core or of whatever pack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdub_core.errors import SettingsError

Link = list[Any]
"""[id of a node, number of its output]"""
ROLES = ("model", "clip", "vae", "audio_vae")


@dataclass(frozen=True)
class LtxNodes:
    """Nodes in the API's form, and which of their outputs are the MODEL, the CLIP, and the VAEs of picture and sound.

    Their ids begin with something other than a digit, so that they meet none of a workflow's own.
    """

    nodes: Mapping[str, Mapping[str, Any]]
    model: Link
    clip: Link
    vae: Link
    audio_vae: Link


def of_checkpoint(checkpoint: str, text_encoder: str) -> LtxNodes:
    """Core's loaders; files by their names in models/checkpoints and models/text_encoders."""
    return LtxNodes(
        {
            "model": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
            "text": {
                "class_type": "LTXAVTextEncoderLoader",
                "inputs": {"text_encoder": text_encoder, "ckpt_name": checkpoint, "device": "default"},
            },
            "sound": {"class_type": "LTXVAudioVAELoader", "inputs": {"ckpt_name": checkpoint}},
        },
        model=["model", 0],
        clip=["text", 0],
        vae=["model", 2],
        audio_vae=["sound", 0],
    )


def read_nodes(path: Path) -> LtxNodes:
    """Nodes of one's own from JSON: {"nodes": {id: {"class_type", "inputs"}}, "model": [id, output], "clip": ...}.

    For models in other files than one checkpoint (GGUF, split ones), with a LoRA, or with another's loader. Raises
    SettingsError where the file is not that.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        nodes = {f"own-{name}": _renamed(node) for name, node in told["nodes"].items()}
        links = {role: [f"own-{told[role][0]}", int(told[role][1])] for role in ROLES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise SettingsError(
            f"{path} tells no models ({error!r:.80}): it needs nodes in ComfyUI's API format, and model, clip, vae and "
            "audio_vae, each [id, output]"
        ) from None
    if lost := next((role for role, (node, _) in links.items() if node not in nodes), None):
        raise SettingsError(f"{path}: {lost} names a node that is not among the nodes")
    return LtxNodes(nodes, **links)


def _renamed(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node whose links, [id, output], have the new ids."""
    inputs = {
        name: [f"own-{value[0]}", value[1]] if isinstance(value, list) and len(value) == 2 else value
        for name, value in node["inputs"].items()
    }
    return {"class_type": node["class_type"], "inputs": inputs}
