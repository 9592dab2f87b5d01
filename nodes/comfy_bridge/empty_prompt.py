"""The embedding of the empty prompt, X-Dub's only one: computed once by a CLIP, and kept in the user's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import folder_paths
import torch
from torch import Tensor

from xdub_core.errors import MissingModelError, SettingsError
from xdub_core.released.empty_prompt import (
    CONTEXT_WIDTH,
    EMPTY_PROMPT_FILE,
    empty_prompt_context,
    load_empty_prompt,
    padded_context,
    save_empty_prompt,
)

UMT5 = "umt5xxl"
"""Core's name for the text encoder that Wan and X-Dub were trained with."""
HOW_TO_GET_IT = (
    "add an Empty Prompt (X-Dub) node and connect a CLIP to it once (Load Text Encoder (X-Dub), or Load CLIP with type "
    "wan, with umt5_xxl_fp16.safetensors or umt5_xxl_fp8_e4m3fn_scaled.safetensors), or put an "
    "empty_prompt.safetensors into models/text_encoders and choose it there"
)

NOT_FOLLOWED = {
    "hooks": ("hooks", None),
    "area": ("an area", None),
    "mask": ("a mask", None),
    "strength": ("a strength", 1.0),
    "start_percent": ("a range of steps", 0.0),
    "end_percent": ("a range of steps", 1.0),
}
"""What core's nodes put beside a CONDITIONING's embedding, what that is called, and the value at which it does nothing:
X-Dub's three predictions know nothing of it."""


def kept_prompt() -> Path:
    """Where the embedding is kept."""
    return Path(folder_paths.get_user_directory()) / "x-dub" / EMPTY_PROMPT_FILE


def prompt_from_clip(clip: Any) -> Tensor:
    """The context [1, 512, 4096] by a connected CLIP; its one embedded token is kept for the next time.

    Raises SettingsError for a CLIP of another kind.
    """
    tokens = clip.tokenize("")
    if UMT5 not in tokens:
        raise SettingsError(
            f"the clip input has another text encoder ({', '.join(tokens)}): load umt5_xxl with Load CLIP, type wan"
        )
    embedding = clip.encode_from_tokens(tokens)[0, :1].float().cpu()  # all other rows are zero
    if embedding.shape[1] != CONTEXT_WIDTH or not embedding.isfinite().all():
        raise SettingsError(
            f"the clip input gives an embedding {list(embedding.shape)} that is none of umt5-xxl's: load it again"
        )
    save_empty_prompt(kept_prompt(), embedding)
    return padded_context(embedding)


def prompt_from_file(path: Path) -> Tensor:
    """The context of a kept embedding, or of an umt5-xxl file, which is read once for it. Raises CheckpointError.

    Kept for the time when the file is gone, where nothing is kept yet.
    """
    context = empty_prompt_context(None, path)
    if not kept_prompt().is_file():
        save_empty_prompt(kept_prompt(), context[0, :1])
    return context


def load_text_encoder(path: Path) -> Any:
    """A umt5-xxl file as core's CLIP. Raises MissingModelError where the file is gone."""
    if not path.is_file():
        raise MissingModelError(f"{path} is gone, and somebody asks for it: {HOW_TO_GET_IT}")
    embeddings = folder_paths.get_folder_paths("embeddings")
    return comfy.sd.load_clip([str(path)], embedding_directory=embeddings, clip_type=comfy.sd.CLIPType.WAN)


def context_for(model: Any, conditioning: Any = None) -> Tensor:
    """The context that a MODEL is sampled with: the CONDITIONING's, where one is connected, or the kept one.

    A model of another text width than umt5-xxl's was trained without a text encoder, on zeros. Raises SettingsError
    for a CONDITIONING of another width or with more than an embedding in it, MissingModelError where there is nothing
    to take.
    """
    width = model.model.diffusion_model.config.text_dim
    if conditioning is not None:
        _require_embedding_alone(conditioning)
        context = conditioning[0][0]
        if context.shape[-1] != width:
            raise SettingsError(
                f"the empty_prompt input is {context.shape[-1]} wide, but the model takes {width}: connect Empty "
                "Prompt (X-Dub), or for the built-in model nothing"
            )
        return context
    if width != CONTEXT_WIDTH:
        return torch.zeros(1, 1, width)
    if not kept_prompt().is_file():
        raise MissingModelError(f"X-Dub needs the embedding of an empty prompt, once: {HOW_TO_GET_IT}")
    return padded_context(load_empty_prompt(kept_prompt()))


def _require_embedding_alone(conditioning: Any) -> None:
    """Raise SettingsError for a CONDITIONING that asks for something that would be left out."""
    beside = conditioning[0][1]
    found = [what for key, (what, idle) in NOT_FOLLOWED.items() if beside.get(key, idle) not in (None, idle)]
    if len(conditioning) > 1:
        found.insert(0, f"{len(conditioning)} conditionings")
    if found:
        raise SettingsError(
            f"the empty_prompt input has {', '.join(dict.fromkeys(found))}, which X-Dub does not follow: connect Empty "
            "Prompt (X-Dub) to it; a LoRA goes to the MODEL, by Load LoRA or LoRA Expert (X-Dub) at some noise levels"
        )
