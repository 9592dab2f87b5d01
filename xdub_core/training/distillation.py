"""Distillation to few steps: a student takes in one unguided prediction what its teacher takes in several guided ones.

A segment of the student's schedule, from sigma_k to sigma_(k+1), is walked twice from the same latents: by the student
in one Euler step, by the teacher in `substeps` Euler steps along its guided velocity. The loss is the squared distance
between where they arrive. With one substep it is guidance distillation (Meng et al. 2023, section 3.1), with several it
is progressive distillation too (Salimans and Ho 2022), and a student may be the next one's teacher.

The latents at sigma_k are those at which the student itself arrives from pure noise (Ross et al. 2011, DAgger), so that
it meets its own faults in training, and no clean clip is needed but as the source to dub. Border and motion frames are
known as in `sampling.clip_sampling`, where teacher and student agree and nothing is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from xdub_core.errors import SettingsError
from xdub_core.model.config import TIMESTEPS
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import save_dit
from xdub_core.model.few_steps import FewSteps
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.sampling.denoiser import Denoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.known_latents import KnownLatents
from xdub_core.sampling.samplers import Predict, sample_euler
from xdub_core.sampling.schedule import SHIFT, check_schedule, flow_sigmas
from xdub_core.training.batches import Batch, shuffled
from xdub_core.training.conditions import Conditions
from xdub_core.training.editor import edit
from xdub_core.training.example_files import Examples
from xdub_core.training.flow import loss_weights
from xdub_core.training.run import MODEL_FILE
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import load_weights, train


@dataclass(frozen=True)
class DistillationSettings:
    """What the student is to do: `steps` Euler steps at `shift`, each of which stands for `substeps` of the teacher's.

    `guidance`: the teacher's, which the student is to take in. `motion_probability`: the share of batches that continue
    a clip, their first `motion_latents` frames known. `face_weight`, `lip_weight`: of the loss masks, as in Eq. 1.
    """

    steps: int = 4
    substeps: int = 4
    shift: float = SHIFT
    guidance: Guidance = field(default_factory=Guidance)
    border: int = 1
    motion_probability: float = 0.5
    motion_latents: int = 2
    face_weight: float = 0.3
    lip_weight: float = 0.3

    def __post_init__(self) -> None:
        check_schedule(self.steps, self.shift)
        if self.substeps < 1 or not 0 <= self.motion_probability <= 1:
            raise SettingsError(
                f"distillation with {self.substeps} substeps and a motion probability of {self.motion_probability}: "
                "use 1 or more, and 0 to 1"
            )

    @property
    def sigmas(self) -> Tensor:
        """The student's noise levels, [steps + 1]."""
        return flow_sigmas(self.steps, self.shift)

    def teacher_sigmas(self, number: int) -> Tensor:
        """The teacher's levels through the student's step `number`, from 0; both ends are the student's."""
        fine = flow_sigmas(self.steps * self.substeps, self.shift)
        levels = fine[number * self.substeps : (number + 1) * self.substeps + 1].clone()
        levels[[0, -1]] = self.sigmas[number : number + 2]
        return levels

    @property
    def few_steps(self) -> FewSteps:
        """What the student's file says."""
        guidance = self.guidance
        return FewSteps(
            self.steps,
            self.shift,
            self.steps * self.substeps,
            guidance.reference_scale,
            guidance.audio_scale,
            guidance.dynamic,
        )


class Distillation(nn.Module):
    """The objective. `dit`, the student, is trained; `teacher`, on the same device, is not.

    A batch is the editor's (see `objective`), of which the target serves for motion frames alone.
    """

    context: Tensor

    def __init__(
        self, dit: XDubDiT, teacher: Denoiser, context: Tensor, settings: DistillationSettings
    ) -> None:
        super().__init__()
        self.dit, self.settings = dit, settings
        self.register_buffer("context", context, persistent=False)
        self.teacher = teacher

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`, a scalar: the weighted squared distance of where student and teacher arrive."""
        settings, target = self.settings, batch["target"].float()
        number = int(torch.randint(settings.steps, (), generator=generator))
        continues = torch.rand((), generator=generator).item() < settings.motion_probability
        noise = torch.randn(target.shape, generator=generator).to(target)
        motion = target[:, :, : settings.motion_latents] if continues else None
        known = KnownLatents(batch["reference"].float(), noise, settings.border, motion)
        student = known.around(partial(self._student, batch, 0 if motion is None else motion.shape[2]))
        with torch.no_grad():
            start = sample_euler(
                student, known.noised(noise, 1.0), settings.sigmas[: number + 1], _no_callback
            )
            aim = sample_euler(
                self._taught(batch, known), start, settings.teacher_sigmas(number), _no_callback
            )
        arrived = sample_euler(student, start, settings.sigmas[number : number + 2], _no_callback)
        return {"loss": (self._weights(batch, target) * (arrived - aim).square()).mean()}

    def _student(self, batch: Batch, motion_latents: int, x: Tensor, sigma: float) -> Tensor:
        """The student's velocity, from reference and audio alone."""
        conditions = Conditions(self.context, batch["audio"].float(), batch["reference"].float())
        timestep = torch.full((len(x),), sigma * TIMESTEPS, device=x.device)
        return edit(self.dit, x, timestep, conditions, motion_latents).float()

    def _taught(self, batch: Batch, known: KnownLatents) -> Predict:
        """The teacher's guided velocity."""
        motion_latents = 0 if known.motion is None else known.motion.shape[2]
        denoise = self.teacher.for_clip(known.reference, batch["audio"].float(), motion_latents)
        guidance = self.settings.guidance

        def velocity(x: Tensor, sigma: float) -> Tensor:
            return guidance.combine(denoise(x, sigma, guidance.weights(sigma)), sigma)

        return known.around(velocity)

    def _weights(self, batch: Batch, target: Tensor) -> Tensor:
        none = torch.zeros_like(target[:, :1])
        face, lip = (batch[name].to(none) if name in batch else none for name in ("face", "lip"))
        return loss_weights(face, lip, self.settings.face_weight, self.settings.lip_weight)


def _no_callback(step: int, latents: Tensor) -> None:
    """Nobody is told of these steps."""


def distil(
    dit: XDubDiT,
    teacher: Denoiser,
    context: Tensor,
    examples: Examples,
    settings: DistillationSettings,
    trainer: TrainerSettings,
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    name: str = "distillation",
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train the student `dit`, which best starts as its teacher's own copy, on from where `folder` left off.

    Returns the file of its averaged weights, whose metadata is `settings.few_steps`; `dit` holds them in the end.
    Raises what `train` raises.
    """
    dit.requires_grad_(True)
    objective = Distillation(dit, teacher, context, settings)
    averaged = train(
        objective, shuffled(examples), trainer, folder, name=name, device=device, on_progress=on_progress
    )
    load_weights(objective, averaged)
    dit.requires_grad_(False)
    path = Path(folder) / MODEL_FILE
    save_dit(dit, path, settings.few_steps)
    return path
