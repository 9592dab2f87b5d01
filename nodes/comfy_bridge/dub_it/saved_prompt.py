"""An encoded prompt as a file of tensors, for training outside of ComfyUI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
import torch
from safetensors.torch import save_file

from xdub_core.errors import SettingsError
from xdub_core.files import write_whole

UNPROCESSED = "unprocessed_ltxav_embeds"
"""Core's mark of embeddings that the model's own connectors have still to go over."""


def save_prompt(conditioning: list[Any], prefix: str) -> dict[str, str]:
    """Write a CONDITIONING's text [tokens, width] into ComfyUI's output folder; returns the file by the server's names.

    The file holds "text", and "unprocessed": 1 where core has marked it so. Raises SettingsError for several texts.
    """
    if len(conditioning) != 1 or len(conditioning[0][0]) != 1:
        raise SettingsError(
            "several texts are combined in the conditioning, and one is saved: connect one text's"
        )
    embedded, told = conditioning[0]
    tensors = {
        "text": embedded[0].detach().cpu().contiguous(),
        "unprocessed": torch.tensor(int(bool(told.get(UNPROCESSED))), dtype=torch.uint8),
    }
    folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory()
    )
    file = f"{name}_{number:05}_.safetensors"
    write_whole(Path(folder) / file, lambda path: save_file(tensors, path))
    return {"filename": file, "subfolder": subfolder, "type": "output"}
