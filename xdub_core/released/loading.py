"""The released X-Dub outside ComfyUI: its encoders, VAE and DiT from a models folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from xdub_core.audio.encoded import EncodedAudio, SpooledFeatures, spooled_features
from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import Recording
from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
from xdub_core.audio.whisper import WhisperAudioEncoder, load_whisper
from xdub_core.dub.model import DubModel
from xdub_core.errors import MissingModelError
from xdub_core.experts.adapters import Adapters
from xdub_core.experts.expert import Expert, load_expert
from xdub_core.experts.expert_denoiser import ExpertDenoiser
from xdub_core.experts.lora import Lora, add_lora, check_lora
from xdub_core.face.rtmw_detector import RTMWDetector, RTMWSettings, load_rtmw_detector
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import check_dit_file, checkpoint_config, load_dit
from xdub_core.model.float8 import store_in_float8
from xdub_core.model.offload import BlockOffload
from xdub_core.released.empty_prompt import EMPTY_PROMPT_FILE, empty_prompt_context
from xdub_core.released.manifest import (
    download_command,
    find_file,
    find_files,
    human_size,
    missing_file_message,
    released_file,
)
from xdub_core.released.memory import chosen_vae_dtype
from xdub_core.sampling.denoiser import Denoiser, DenoiserOnDemand, DiTDenoiser, dit_needs
from xdub_core.sampling.devices import BranchesOnDevices
from xdub_core.vae.wan import load_wan_vae, wan_network_class
from xdub_core.weights.identify import describe_file

DUB_FILES = ("model", "vae", "text", "whisper", "wav2vec")
DETECTOR_FILES = ("person_detector", "pose")

Loading = Callable[[str | None], None]
"""Gets the name of what is being loaded now, and None when all is there."""


KeepFeatures = Callable[[Recording, Callable[[], AudioFeatures]], AudioFeatures]
"""Gets a recording and what makes its features; gives features that are read from where they are kept, as far as they
are."""


def _not_kept(recording: Recording, listen: Callable[[], AudioFeatures]) -> AudioFeatures:  # noqa: ARG001
    """Where nothing is kept."""
    return listen()


def _untold(what: str | None) -> None:
    """The callback of those who do not show it."""


def require_files(models_dir: Path, keys: Iterable[str]) -> None:
    """Raise MissingModelError, in one line for all of them, unless `models_dir` holds the released files `keys`.

    Checks diffsynth too, without which the VAE's file is of no use.
    """
    keys = tuple(keys)
    missing = [status for status in find_files(models_dir, map(released_file, keys)) if not status.usable]
    if len(missing) == 1:
        raise MissingModelError(missing_file_message(missing[0].file, models_dir, missing[0]))
    if missing:
        names = ", ".join(
            f"{status.file.name} ({human_size(status.file.size_bytes) if status.path is None else status.told})"
            for status in missing
        )
        gone = all(status.path is None for status in missing)
        how = f"are not in {models_dir}" if gone else f"are missing in {models_dir}, or damaged there"
        raise MissingModelError(
            f"{len(missing)} of X-Dub's files {how}: {names}; get them with `{download_command(models_dir)}`"
        )
    if "vae" in keys:
        wan_network_class()


def released_features(
    recordings: Sequence[Recording],
    models_dir: Path,
    device: torch.device | str,
    spool_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    loading: Loading = _untold,
    keep: KeepFeatures = _not_kept,
) -> tuple[SpooledFeatures, ...]:
    """Whisper's and wav2vec2's features of whole recordings, on disk; the encoders are loaded once, and freed again.

    They run in float32, as the release's do. `progress` gets (rows done, rows in all), of all recordings together,
    first with 0 done; `loading` the encoders' names. `keep`: see `KeepFeatures`; the encoders are loaded only where
    something is left to hear.
    """

    @cache
    def encoders() -> tuple[WhisperAudioEncoder, Wav2VecEncoder]:
        loading("Whisper")
        whisper = load_whisper(find_file("whisper", models_dir), device)
        loading("wav2vec2")
        wav2vec = load_wav2vec(find_file("wav2vec", models_dir), device)
        loading(None)
        return whisper, wav2vec

    def listen(recording: Recording) -> AudioFeatures:
        return EncodedAudio(recording, *encoders())

    encoded = [keep(recording, partial(listen, recording)) for recording in recordings]
    before, total = 0, sum(features.rows for features in encoded)

    def done(rows: int, of_this: int) -> None:  # noqa: ARG001
        if progress is not None:
            progress(before + rows, total)

    done(0, 0)
    spooled: list[SpooledFeatures] = []
    with ExitStack() as stack:
        for features in encoded:
            spooled.append(stack.enter_context(spooled_features(features, spool_dir, done)))
            before += features.rows
        stack.pop_all()
    return tuple(spooled)


def released_model(
    models_dir: Path,
    checkpoint: Path | None = None,
    *,
    device: torch.device | str = "cpu",
    others: Sequence[str] = (),
    dtype: torch.dtype = torch.bfloat16,
    batched: bool = True,
    resident: int | None = None,
    float8: bool = False,
    merge_text: bool = True,
    loras: Sequence[Lora] = (),
    experts: Sequence[Lora] = (),
    loading: Loading = _untold,
) -> DubModel:
    """The Wan2.2 VAE, and the DiT (from `checkpoint`, or the models folder's) as soon as a clip is sampled.

    The empty prompt's embedding is computed once from the text encoder and then kept in the models folder (16 kB).
    `others`: more devices, each of which gets the DiT too and predicts its share of guidance's branches.
    `resident`: how many of the DiT's blocks stay on the device, the others coming from the computer's memory one by one
    (None: all stay). `float8`: keep the matrices of its blocks in 8 bits. `loras` are added to the DiT's weights;
    `experts` act beside them at their own noise levels. `loading` gets the name of each part.

    Raises CheckpointError for a file that is no DiT, at once.
    """
    path = checkpoint or find_file("model", models_dir)
    config = checkpoint_config(check_dit_file(path))

    def on(place: torch.device | str, context: Tensor) -> Denoiser:
        dit = load_dit(path, device=place if resident is None and not float8 else "cpu", dtype=dtype)
        for lora in loras:
            add_lora(dit, lora)
        if float8:
            store_in_float8(dit.blocks)
        offload = None if resident is None else BlockOffload(dit, place, resident)
        if offload is None:
            dit.to(place)
        attached = [Adapters(_strong(expert)).attach(dit).to(place) for expert in experts]
        denoiser = DiTDenoiser(dit, context.to(place), batched, offload, merge_text=merge_text)
        return ExpertDenoiser(denoiser, attached) if attached else denoiser

    def load() -> Denoiser:
        loading("the empty prompt")
        text = find_file("text", models_dir)
        context = empty_prompt_context(models_dir / EMPTY_PROMPT_FILE, text, width=config.text_dim)
        loading("X-Dub")
        denoisers = [on(place, context) for place in (device, *others)]
        loading(None)
        return BranchesOnDevices(denoisers) if others else denoisers[0]

    loading("the Wan2.2 VAE")
    vae = find_file("vae", models_dir)
    video_vae = load_wan_vae(vae, device, chosen_vae_dtype(describe_file(vae), device, dtype))
    loading(None)
    return DubModel(video_vae, DenoiserOnDemand(load, dit_needs(config)), device)


def check_added(config: DiTConfig, loras: Sequence[Lora], experts: Sequence[Lora]) -> None:
    """Raise CheckpointError unless all of these fit a DiT of these sizes."""
    dit = XDubDiT(config, device="meta")
    for lora in loras:
        check_lora(dit, lora)
    for expert in experts:
        Adapters(_strong(expert)).attach(dit)


def _strong(expert: Lora) -> Expert:
    """An expert's file, with its strength in its alpha."""
    loaded = load_expert(expert.path)
    return replace(loaded, info=replace(loaded.info, alpha=loaded.info.alpha * expert.strength))


def released_detector(
    models_dir: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    settings: RTMWSettings | None = None,
) -> RTMWDetector:
    """YOLOX-L and RTMW-x from the models folder."""
    return load_rtmw_detector(
        find_file("person_detector", models_dir), find_file("pose", models_dir), dtype, device, settings
    )
