"""A run: from a folder of pairs and a transformer to a LoRA's file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from xdub_core.dub_it.layouts import layout_named
from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import LowRankLayers
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.training.batches import shuffled
from xdub_core.training.dub_it.examples import PairExamples
from xdub_core.training.dub_it.lora import audio_rates, new_lora, save_lora
from xdub_core.training.dub_it.objective import PairObjective, Velocity
from xdub_core.training.dub_it.records import Manifest, check_records, read_manifest, text_of
from xdub_core.training.dub_it.run_file import begin
from xdub_core.training.dub_it.settings import LoraTraining
from xdub_core.training.trainer import train

LORA_FILE = "lora.safetensors"


@dataclass(frozen=True)
class Trained:
    """The transformer that a LoRA is trained for.

    `module`: with LTX-2's names of its layers, frozen. `velocity`: calls it. `version`: of LTX-2. `text_widths`: of
    the texts that it takes, raw ones (True) and others (False). `device`: where it is.
    """

    module: nn.Module
    velocity: Velocity
    version: str
    text_widths: Mapping[bool, Collection[int]]
    device: torch.device


def checked_pairs(folder: Path) -> Manifest:
    """A folder's manifest, every pair of which is there. Raises CheckpointError."""
    manifest = read_manifest(folder)
    check_records(folder, manifest)
    return manifest


def train_lora(
    settings: LoraTraining,
    model: Trained,
    pairs: Path,
    folder: Path,
    *,
    name: str = "lora",
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a LoRA in `folder`, on from where it stopped; returns its file there, `lora.safetensors`.

    `lora-000250.safetensors` and so on are as it was after so many steps. While it is trained it acts on `model.module`
    by hooks, which are gone afterwards. Raises SettingsError where the pairs were made for another model, or the run in
    `folder` was begun with other settings, and what `checked_pairs` and `train` raise.
    """
    manifest = checked_pairs(pairs)
    _check_model(pairs, manifest, model)
    begin(folder, settings, model.version, manifest)
    lora = new_lora(model.module, settings.rank, settings.seed).attach(model.module)

    def show(progress: Progress) -> None:
        if progress.done % settings.save_every == 0:
            _save(lora, settings, model, folder / f"lora-{progress.done:06d}.safetensors", progress.done)
        on_progress(progress)

    try:
        objective = PairObjective(lora, model.velocity, settings.loss)
        train(
            objective,
            shuffled(PairExamples(pairs, manifest)),
            settings.trainer(),
            folder,
            name=name,
            device=model.device,
            rates=audio_rates(lora, "lora.", settings.audio_rate),
            on_progress=show,
        )
    finally:
        lora.detach()
    _save(lora, settings, model, folder / LORA_FILE, settings.steps)
    return folder / LORA_FILE


def _check_model(folder: Path, manifest: Manifest, model: Trained) -> None:
    """Raise SettingsError where the pairs were made for another model."""
    if manifest.version != model.version:
        raise SettingsError(
            f"the pairs in {folder} are of LTX-{manifest.version}, and the model is LTX-{model.version}: load "
            f"LTX-{manifest.version}, or make the pairs with it"
        )
    for record in manifest.records:
        width, raw = text_of(folder, record)
        if width not in model.text_widths[raw]:
            widths = " or ".join(map(str, sorted(model.text_widths[raw])))
            raise SettingsError(
                f"the text of {record.name!r} in {folder} is {width} wide, and the model takes {widths}: make the pair "
                "again with the model's own text encoder"
            )


def _save(lora: LowRankLayers, settings: LoraTraining, model: Trained, path: Path, steps: int) -> None:
    about = {"rank": str(settings.rank), "steps": str(steps)}
    save_lora(path, lora, layout_named(settings.layout), model.version, getattr(torch, settings.saved), about)
