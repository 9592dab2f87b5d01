"""Training the SyncNet: which of a clip's sounds belongs to this mouth?

The wrong answers are the same clip's other moments: same face, same voice, same light, so that nothing but the speech
can tell them apart. A moment one frame off is a little right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.errors import SettingsError
from xdub_core.mini.syncnet import WINDOW, SyncConfig, SyncNet, crop_mouths
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, pick
from xdub_core.training.mini.small_network import NetworkSettings, seeded, train_network

_MAX_LOG_TEMPERATURE = 4.0


@dataclass(frozen=True)
class SyncExample:
    """`frames` uint8 [F, H, W, 3]; `boxes` [F, 4]: the mouth's xyxy in pixels; `features` [2 F, width]."""

    frames: Tensor
    boxes: Tensor
    features: Tensor


@dataclass(frozen=True)
class SyncTraining:
    """Everything that decides what SyncNet comes out.

    `frames`: of each example's cut; `neighbour`: how right a moment one frame off is; `jitter`: largest shift and
    growth of the mouth's box, in box sides; `light`: largest change of brightness and contrast.
    """

    network: SyncConfig = field(default_factory=SyncConfig)
    trainer: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(steps=1500, batch_size=12, learning_rate=6e-4, warmup=200)
    )
    frames: int = 40
    neighbour: float = 0.1
    jitter: float = 0.08
    light: float = 0.2


def train_sync(
    examples: Sequence[SyncExample],
    training: SyncTraining,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
) -> SyncNet:
    """Train a SyncNet. Raises what `train` raises; SettingsError for no examples, or too short ones."""
    if not examples:
        raise SettingsError("training the SyncNet needs at least one example, but there are none")
    if training.frames < 2 * WINDOW:
        raise SettingsError(
            f"the SyncNet learns from clips of {2 * WINDOW} frames or more, not {training.frames}"
        )
    network = seeded(training.trainer.seed, lambda: SyncNet(training.network))

    def losses(batch: Batch, _: torch.Generator) -> Mapping[str, Tensor]:
        return {"sync": contrast(network, batch["mouths"], batch["features"], training.neighbour)}

    draw = partial(_batch, examples, training)
    train_network("sync", network, losses, draw, training.trainer, folder, on_progress, device)
    return network


def contrast(network: SyncNet, mouths: Tensor, features: Tensor, neighbour: float) -> Tensor:
    """Cross entropy of finding each window's sound among all of its clip's, and each sound's window."""
    video, audio = network.embed_mouths(mouths), network.embed_audio(features)
    logits = video @ audio.transpose(1, 2) * network.temperature.clamp(max=_MAX_LOG_TEMPERATURE).exp()
    count = logits.shape[1]
    beside = torch.ones(count - 1, device=logits.device).diag(1)
    target = torch.eye(count, device=logits.device) + neighbour * (beside + beside.T)
    target = (target / target.sum(1, keepdim=True)).expand_as(logits)
    sound_of_picture = F.cross_entropy(logits.flatten(0, 1), target.flatten(0, 1))
    picture_of_sound = F.cross_entropy(logits.transpose(1, 2).flatten(0, 1), target.flatten(0, 1))
    return (sound_of_picture + picture_of_sound) / 2


def _batch(examples: Sequence[SyncExample], training: SyncTraining, generator: torch.Generator) -> Batch:
    mouths, features = [], []
    for index in pick(len(examples), training.trainer.batch_size, generator):
        example = examples[index]
        room = len(example.frames) - training.frames
        if room < 0 or len(example.features) < ROWS_PER_FRAME * len(example.frames):
            raise SettingsError(
                f"a SyncNet example needs {training.frames} frames and {ROWS_PER_FRAME} rows for each, but has "
                f"{len(example.frames)} and {len(example.features)}"
            )
        start = int(torch.randint(room + 1, (1,), generator=generator))
        cut = slice(start, start + training.frames)
        boxes = _jittered(example.boxes[cut].float(), training.jitter, generator)
        pictures = crop_mouths(example.frames[cut][None].float() / 255, boxes[None], training.network.crop)
        mouths.append(_relit(pictures, training.light, generator))
        rows = slice(ROWS_PER_FRAME * cut.start, ROWS_PER_FRAME * cut.stop)
        features.append(example.features[rows][None].float())
    return {"mouths": torch.cat(mouths), "features": torch.cat(features)}


def _jittered(boxes: Tensor, jitter: float, generator: torch.Generator) -> Tensor:
    """The boxes of one clip, all shifted and grown by the same random fractions of their sides."""
    shift_x, shift_y, growth = (jitter * (2 * torch.rand(3, generator=generator) - 1)).tolist()
    sides = boxes[:, 2:] - boxes[:, :2]
    shift = sides * torch.tensor([shift_x, shift_y])
    return torch.cat(
        [boxes[:, :2] + shift - growth * sides / 2, boxes[:, 2:] + shift + growth * sides / 2], dim=1
    )


def _relit(pictures: Tensor, light: float, generator: torch.Generator) -> Tensor:
    brightness, contrast_change = (light * (2 * torch.rand(2, generator=generator) - 1)).tolist()
    return ((pictures - 0.5) * (1 + contrast_change) + 0.5 + brightness).clamp(0, 1)
