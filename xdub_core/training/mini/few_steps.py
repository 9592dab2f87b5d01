"""A mini distilled to few steps: its teacher is a mini, and what comes of it is a folder like its teacher's.

The examples are true pairs of rendered heads, of which the student needs the source and the speech alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from xdub_core.errors import SettingsError
from xdub_core.files import write_text_whole
from xdub_core.mini.card import BUILT_IN, load_card, save_card
from xdub_core.mini.loading import load_mini
from xdub_core.mini.network_files import DIT, load_networks, save_networks
from xdub_core.model.dit_file import load_dit, save_dit
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.sampling.guidance import UNGUIDED, Guidance
from xdub_core.training.distillation import DistillationSettings, distil
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.mini.dit_examples import MiniExamples
from xdub_core.training.mini.make import SHIPPED_DTYPE
from xdub_core.training.mini.recipe import MiniRecipe
from xdub_core.training.settings import TrainerSettings

GUIDANCES = ("released", "own", "none")


@dataclass(frozen=True)
class MiniFewSteps:
    """Distils the mini in `teacher` in the work folder `folder`, both experts included.

    `guidance`: the teacher's, that of the released model with its three branches, the mini's `own`, or `none`, which is
    right for a teacher that is itself distilled. `clips`: how many are drawn, ten windows each; a work folder that has
    examples keeps them. `training_steps` of `batch` windows.
    """

    folder: Path
    teacher: Path = BUILT_IN
    settings: DistillationSettings = field(default_factory=lambda: DistillationSettings(steps=2, substeps=2))
    guidance: str = "released"
    clips: int = 160
    training_steps: int = 300
    batch: int = 4
    learning_rate: float = 1.5e-3
    on_progress: ProgressCallback = ignore_progress

    def __post_init__(self) -> None:
        if self.guidance not in GUIDANCES:
            raise SettingsError(f"a guidance named {self.guidance!r}: use {', '.join(GUIDANCES)}")

    def make(self) -> Path:
        """Do what is not done yet; returns the student's folder, which dubs as any mini's.

        Raises MissingModelError without espeak-ng where examples are still to be made, MissingModelError or
        CheckpointError where the teacher is no whole mini, and what `train` raises.
        """
        teacher, networks = load_mini(self.teacher), load_networks(self.teacher)
        settings = replace(self.settings, guidance=self._guidance())
        save_networks(networks, self.shipped, keep=True)
        examples = self._examples()
        path = distil(
            load_dit(self.teacher / DIT, dtype=torch.float32, copy=True),
            teacher.model.denoiser,
            MiniRecipe().context,
            examples.load(),
            settings,
            self._trainer(),
            self.folder / f"{settings.steps}-steps",
            name=f"distillation to {settings.steps}",
            on_progress=self.on_progress,
        )
        save_dit(load_dit(path, dtype=SHIPPED_DTYPE), self.shipped / DIT, settings.few_steps)
        card = replace(teacher.card, steps=settings.steps, shift=settings.shift, guidance_end=0.0)
        save_card(self.shipped, replace(card, reference_scale=1.0, audio_scale=1.0))
        return self.shipped

    @property
    def shipped(self) -> Path:
        """The student's folder, without experts: these are in its weights."""
        return self.folder / f"shipped-{self.settings.steps}"

    def _guidance(self) -> Guidance:
        own = load_card(self.teacher).sampler.guidance
        return {"released": Guidance(), "own": own, "none": UNGUIDED}[self.guidance]

    def _examples(self) -> ExampleFolder:
        """True pairs, clip by clip; where making them was stopped, it goes on."""
        made, finished = ExampleFolder(self.folder / "pairs"), self.folder / "pairs" / "batches-done"
        recipe = replace(MiniRecipe(), clips=self.clips, rendered_share=1.0)
        maker = MiniExamples(recipe, self.folder, networks_folder=self.shipped)
        batches = maker.pair_batches()
        done = int(finished.read_text()) if finished.exists() else 0
        for number, batch in enumerate(batches[done:], done):
            made.add_stacked(maker.pairs(batch), number)
            write_text_whole(finished, str(number + 1))
            self.on_progress(Progress("making pairs", number + 1, len(batches)))
        return made

    def _trainer(self) -> TrainerSettings:
        return TrainerSettings(
            steps=self.training_steps,
            batch_size=self.batch,
            learning_rate=self.learning_rate,
            optimizer="muon",
            warmup=min(20, self.training_steps // 4),
            schedule="cosine",
            final_rate=0.05,
            average=0.99,
            precision="float32",
            checkpoint_every=max(1, min(25, self.training_steps // 2)),
            log_every=max(1, min(5, self.training_steps // 4)),
        )
