"""What a distilled model says in its file of how it is to be sampled: few steps, and guidance that is in it already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xdub_core.model.config import CONFIG_METADATA
from xdub_core.weights.stated import stated, stated_object
from xdub_core.weights.tensor_file import open_tensors

FEW_STEPS = "few_steps"
"""Key of a `FewSteps` in the JSON object that a checkpoint's metadata states as its config."""


@dataclass(frozen=True)
class FewSteps:
    """How a distilled model is sampled, and what it was taught.

    `steps` of Euler's method on the schedule with `shift`, at the scales 1 and 1: the guidance is in the weights. Its
    teacher took `teacher_steps` and followed `reference_scale` and `audio_scale` of its own, which changed with the
    noise level where `dynamic`.
    """

    steps: int
    shift: float
    teacher_steps: int
    reference_scale: float
    audio_scale: float
    dynamic: bool = True

    @property
    def text(self) -> str:
        """In one line, for people."""
        return (
            f"distilled to {self.steps} Euler step{'s' if self.steps > 1 else ''} at shift {self.shift:g}, without "
            f"guidance (in it already: reference {self.reference_scale:g}, audio {self.audio_scale:g})"
        )


def stated_few_steps(path: Path | str) -> FewSteps | None:
    """What a checkpoint says of its few steps; None where it was not distilled.

    Raises CheckpointError where the file is damaged, or says something unknown.
    """
    text, what = open_tensors(path).metadata.get(CONFIG_METADATA), f"{path}: its metadata"
    values = {} if text is None else stated_object(text, what)
    return stated(FewSteps, values[FEW_STEPS], what, optional=("dynamic",)) if FEW_STEPS in values else None
