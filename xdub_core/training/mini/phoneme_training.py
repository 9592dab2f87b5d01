"""Training the phoneme recogniser on synthesised speech, whose phonemes and mouth are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.log_mel import LogMel
from xdub_core.audio.recording import recording_from_waveform
from xdub_core.errors import SettingsError
from xdub_core.mini.labels import MOUTH_PARAMETERS
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, pick
from xdub_core.training.mini.small_network import NetworkSettings, seeded, train_network

UNKNOWN = -1
"""A row whose phoneme is not known: not learnt from, not counted."""
_MEL_SCALE = 4.0  # LogMel gives (log10 energy + 4) / 4


@dataclass(frozen=True)
class SpeechExample:
    """Speech, and what is known of it, in rows of which 50 are a second.

    `waveform` float32 [n] at 16 kHz, at least 25 ms; `phonemes` int64 [rows]: an id or `UNKNOWN`; `mouth` float32
    [rows, 8]: `mini.labels.MOUTH_PARAMETERS` of whoever says it (None: not known).
    """

    waveform: np.ndarray
    phonemes: np.ndarray
    mouth: np.ndarray | None = None


@dataclass(frozen=True)
class PhonemeTraining:
    """Everything that decides what recogniser comes out.

    `rows`: per example of a batch; `gain`: largest change of loudness in decades of energy (1: 10 dB); `noise`: most
    decades of energy by which added noise lies above the log-mel's floor; `warp`: largest stretch of the mel axis, as
    of a longer or shorter vocal tract; `masked`: most mel bins that are hidden, in each of two places. `mouth_weight`:
    of the mouth's squared error, beside the cross entropy of the phonemes.
    """

    network: PhonemeConfig
    trainer: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(steps=3600, batch_size=16, learning_rate=2e-3)
    )
    rows: int = 200
    gain: float = 1.0
    noise: float = 4.0
    warp: float = 0.2
    masked: int = 10
    mouth_weight: float = 10.0


def train_phonemes(
    examples: Sequence[SpeechExample],
    training: PhonemeTraining,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
) -> PhonemeNet:
    """Train a recogniser and measure its features, so that they come out normalised.

    The log-mels of all examples are kept in RAM: 115 MB an hour.
    Raises what `train` raises; SettingsError for no examples, or ids that the network has no class for.
    """
    if not examples:
        raise SettingsError("training the phoneme recogniser needs at least one example, but there are none")
    largest = max(int(example.phonemes.max(initial=0)) for example in examples)
    if largest >= training.network.phonemes:
        raise SettingsError(
            f"phoneme {largest} has no class: the recogniser has {training.network.phonemes} (0 to "
            f"{training.network.phonemes - 1})"
        )
    network = seeded(training.trainer.seed, lambda: PhonemeNet(training.network))
    speech = [_learnt(example, training.network.mels) for example in examples]

    def losses(batch: Batch, _: torch.Generator) -> Mapping[str, Tensor]:
        mouth, hidden = batch["mouth"], network.hidden_features(batch["log_mel"])
        logits, target = network.to_phonemes(hidden).flatten(0, 1), batch["phonemes"].flatten()
        apart = (network.to_mouth(hidden) - mouth.nan_to_num()).square()
        return {
            "phonemes": F.cross_entropy(logits.float(), target, ignore_index=UNKNOWN),
            "mouth": training.mouth_weight * (apart * mouth.isfinite()).mean(),
        }

    draw = partial(_batch, speech, training)
    train_network("phonemes", network, losses, draw, training.trainer, folder, on_progress, device)
    _measure_features(network, [log_mel for log_mel, _, _ in speech])
    return network


@torch.no_grad()
def phoneme_accuracy(network: PhonemeNet, examples: Sequence[SpeechExample]) -> float:
    """The share of rows (of known phonemes) whose phoneme is recognised, 0..1."""
    right, known = 0, 0
    for example in examples:
        log_mel, phonemes, _ = _learnt(example, network.config.mels)
        recognised = network(log_mel[None].to(network.mean.device))[0].argmax(1).cpu()
        counted = phonemes != UNKNOWN
        right += int((recognised == phonemes)[counted].sum())
        known += int(counted.sum())
    return right / max(known, 1)


def _learnt(example: SpeechExample, mels: int) -> tuple[Tensor, Tensor, Tensor]:
    """The log-mel [mels, 2 n], the ids [n] and the mouth [n, 8] (NaN: not known) of the rows that have both."""
    with recording_from_waveform(
        example.waveform[None], SAMPLE_RATE, name="an example of speech"
    ) as recording:
        log_mel = LogMel(recording, mels)
        rows = min(log_mel.frames // 2, len(example.phonemes))
        phonemes = torch.from_numpy(example.phonemes[:rows]).long()
        if example.mouth is None:
            mouth = torch.full((rows, len(MOUTH_PARAMETERS)), torch.nan)
        else:
            mouth = torch.from_numpy(example.mouth[:rows]).float()
        return log_mel.read(0, 2 * rows), phonemes, mouth


def _batch(
    speech: Sequence[tuple[Tensor, Tensor, Tensor]], training: PhonemeTraining, generator: torch.Generator
) -> Batch:
    mels, ids, mouths = [], [], []
    for index in pick(len(speech), training.trainer.batch_size, generator):
        log_mel, phonemes, mouth = speech[index]
        start = int(torch.randint(max(1, len(phonemes) - training.rows + 1), (1,), generator=generator))
        stop = min(start + training.rows, len(phonemes))
        missing = training.rows - (stop - start)
        part = _disturbed(log_mel[:, 2 * start : 2 * stop], training, generator)
        mels.append(F.pad(part, (0, 2 * missing), value=float(part.min())))
        ids.append(F.pad(phonemes[start:stop], (0, missing), value=UNKNOWN))
        mouths.append(F.pad(mouth[start:stop], (0, 0, 0, missing), value=torch.nan))
    return {"log_mel": torch.stack(mels), "phonemes": torch.stack(ids), "mouth": torch.stack(mouths)}


def _disturbed(log_mel: Tensor, training: PhonemeTraining, generator: torch.Generator) -> Tensor:
    """Another vocal tract, loudness, and noise of a random level and tilt, as if before the log-mel; hidden bins."""
    gain, level, tilt, warp = torch.rand(4, generator=generator).tolist()
    energy = (
        _warped(log_mel, 1 + training.warp * (2 * warp - 1)) + (2 * gain - 1) * training.gain / _MEL_SCALE
    )
    slope = torch.linspace(0.5 - tilt, tilt - 0.5, len(log_mel))[:, None]
    flutter = torch.rand(log_mel.shape, generator=generator).clamp(min=1e-3).log10() / _MEL_SCALE
    noise = log_mel.min() + level * training.noise / _MEL_SCALE + slope + flutter
    disturbed = torch.maximum(energy, noise)
    for _ in range(2):
        width, place = (
            torch.rand(2, generator=generator) * torch.tensor([training.masked, len(log_mel)])
        ).int()
        disturbed[place : place + width] = disturbed.mean()
    return disturbed


def _warped(log_mel: Tensor, factor: float) -> Tensor:
    """The spectrum moved up (factor above 1) or down: bin m shows what bin m / factor showed."""
    source = (torch.arange(len(log_mel)) / factor).clamp(max=len(log_mel) - 1)
    low = source.floor().long()
    high = (low + 1).clamp(max=len(log_mel) - 1)
    share = (source - low)[:, None]
    return log_mel[low] * (1 - share) + log_mel[high] * share


@torch.no_grad()
def _measure_features(network: PhonemeNet, log_mels: Sequence[Tensor], count: int = 200) -> None:
    chosen = log_mels[:: max(1, len(log_mels) // count)]
    rows = torch.cat([network.hidden_features(m[None].to(network.mean.device))[0] for m in chosen])
    network.mean.copy_(rows.mean(dim=0))
    network.scale.copy_(rows.std(dim=0).clamp(min=1e-3))
