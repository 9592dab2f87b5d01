"""Training the identity network: which of the people is it? With a margin, so that new people fall apart too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.errors import SettingsError
from xdub_core.mini.identity_net import IdentityConfig, IdentityNet
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, pick
from xdub_core.training.mini.small_network import NetworkSettings, seeded, train_network


@dataclass(frozen=True)
class IdentityExample:
    """`frames` uint8 [F, H, W, 3]: face crops of one recording; `person`: who it is, 0 and up."""

    frames: Tensor
    person: int


@dataclass(frozen=True)
class IdentityTraining:
    """Everything that decides what network comes out.

    `margin` by which the right person's cosine must win, and `scale` of the cosines (CosFace); `light`: largest
    change of each colour's gain and of brightness, so that light is not taken for identity; `shift`: largest shift in
    pixels of the network's input.
    """

    network: IdentityConfig = field(default_factory=IdentityConfig)
    trainer: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            steps=600, batch_size=48, optimizer="muon", matrix_rate=0.01, precision="bfloat16"
        )
    )
    margin: float = 0.2
    scale: float = 16.0
    light: float = 0.15
    shift: int = 3


def train_identity(
    examples: Sequence[IdentityExample],
    training: IdentityTraining,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
    calibration: Sequence[IdentityExample] | None = None,
) -> IdentityNet:
    """Train a network and calibrate it on `calibration` (None: on `examples`; better: people that it has not met).

    Raises what `train` raises; SettingsError where there are fewer than two people.
    """
    people = sorted({example.person for example in examples})
    if len(people) < 2:
        raise SettingsError(f"telling people apart is learnt from two people or more, not {len(people)}")
    _check_calibration(examples if calibration is None else calibration)
    network, centres = seeded(
        training.trainer.seed,
        lambda: (
            IdentityNet(training.network),
            nn.Parameter(torch.randn(len(people), training.network.width)),
        ),
    )
    learner = nn.ModuleDict({"network": network})
    learner.register_parameter("centres", centres)

    def losses(batch: Batch, _: torch.Generator) -> Mapping[str, Tensor]:
        who = batch["who"]
        cosines = network(batch["frames"]) @ F.normalize(centres, dim=1).T
        margin = training.margin * F.one_hot(who, len(people))
        return {"identity": F.cross_entropy(training.scale * (cosines - margin), who)}

    def draw(generator: torch.Generator) -> Batch:
        frames, persons = _batch(examples, training, generator)
        return {"frames": frames, "who": torch.tensor([people.index(person) for person in persons])}

    train_network("identity", learner, losses, draw, training.trainer, folder, on_progress, device)
    calibrate(network, examples if calibration is None else calibration)
    return network


@torch.no_grad()
def calibrate(network: IdentityNet, examples: Sequence[IdentityExample], frames: int = 6) -> None:
    """Measure the mean cosine of strangers, and the median of different recordings of one person.

    (The median, as the scale has a bend there: a mean would depend on a few bad recordings.)

    Raises SettingsError unless some person has two recordings and there are two people.
    """
    _check_calibration(examples)
    means = []
    for example in examples:
        chosen = torch.linspace(0, len(example.frames) - 1, min(frames, len(example.frames))).long()
        means.append(network(example.frames[chosen].to(network.within.device).float() / 255))
    who = torch.tensor([e.person for e, m in zip(examples, means, strict=True) for _ in m])
    recording = torch.tensor([i for i, m in enumerate(means) for _ in m])
    cosines = torch.cat(means) @ torch.cat(means).T
    same = (who[:, None] == who).to(cosines.device)
    other_recording = (recording[:, None] != recording).to(cosines.device)
    strangers, within = cosines[~same].mean(), cosines[same & other_recording].median()
    if within <= strangers:
        raise SettingsError(
            f"the network takes strangers (cosine {strangers:.2f}) for one person ({within:.2f}): train it longer"
        )
    network.strangers.copy_(strangers)
    network.within.copy_(within.clamp(max=1 - 1e-4))


def _check_calibration(examples: Sequence[IdentityExample]) -> None:
    people = {example.person for example in examples}
    if len(people) < 2 or len(people) == len(examples):
        raise SettingsError(
            f"calibrating needs two people, and one of them in two recordings, not {len(people)} in "
            f"{len(examples)}: make more clips, or of fewer people"
        )


def _batch(
    examples: Sequence[IdentityExample], training: IdentityTraining, generator: torch.Generator
) -> tuple[Tensor, list[int]]:
    frames, persons = [], []
    side = training.network.side
    for index in pick(len(examples), training.trainer.batch_size, generator):
        example = examples[index]
        frame = example.frames[int(torch.randint(len(example.frames), (1,), generator=generator))]
        picture = F.interpolate(frame.permute(2, 0, 1)[None].float() / 255, (side, side), mode="area")
        moved = F.pad(picture, [training.shift] * 4, mode="replicate")
        x, y = torch.randint(2 * training.shift + 1, (2,), generator=generator).tolist()
        gain = 1 + training.light * (2 * torch.rand(1, 3, 1, 1, generator=generator) - 1)
        brightness = training.light * (2 * float(torch.rand(1, generator=generator)) - 1)
        frames.append((moved[:, :, y : y + side, x : x + side] * gain + brightness).clamp(0, 1))
        persons.append(example.person)
    return torch.cat(frames).permute(0, 2, 3, 1), persons
