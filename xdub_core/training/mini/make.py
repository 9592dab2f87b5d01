"""Making xdub-mini from nothing: talking heads, small networks, the generator, its pairs, the editor, its experts.

Every step leaves its result in the work folder and is skipped where that is there already; a step that was cut short
goes on from its last checkpoint. So the whole can be stopped and started at will.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.expert import load_expert, save_expert
from xdub_core.files import write_text_whole
from xdub_core.heads.processes import map_in_processes
from xdub_core.mini.card import MiniCard, load_card, save_card
from xdub_core.mini.loading import EXPERT_FILES, EXPERTS
from xdub_core.mini.network_files import DIT, load_networks, save_networks
from xdub_core.mini.syncnet import MiniSyncScorer
from xdub_core.mini.vae import MiniVAE
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import load_dit, save_dit
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.training.config import Stage, TrainingConfig
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.initial import editor_from_generator, generator_from_editor
from xdub_core.training.mini.dit_examples import MiniExamples, clip_batches
from xdub_core.training.mini.network_training import train_networks
from xdub_core.training.mini.recipe import GEOMETRY, MiniRecipe
from xdub_core.training.objective import PixelLosses
from xdub_core.training.parallel import Process, run_together
from xdub_core.training.run import run_stage

SHIPPED_DTYPE = torch.float16
RECIPE_FILE = "recipe.json"


@dataclass(frozen=True)
class MiniMaker:
    """Makes the mini in `folder` by `recipe`. `workers` processes draw heads, make pairs and train the two stages.

    `start`: the folder of a mini to go on from (None: from nothing). Those of its small networks that `folder` has not
    are taken over, and its DiT is what the generator and the editor start from.
    """

    recipe: MiniRecipe
    folder: Path
    workers: int = 1
    device: torch.device | str = "cpu"
    on_progress: ProgressCallback = ignore_progress
    start: Path | None = None

    def make(self) -> Path:
        """Do all that is not done yet; returns the folder of the shipped files.

        Raises MissingModelError without espeak-ng, MissingModelError, CheckpointError or SettingsError where `start`
        is no mini to go on from, SettingsError where `folder` was begun by another recipe, and whatever `on_progress`
        raises.
        """
        if self.start is not None:
            self._initial_dit()  # an unfit one is an error before the long drawing
        self._claim_folder()
        if self.start is not None:
            save_networks(load_networks(self.start), self.shipped, keep=True)
        self._draw([(number, 0) for number in range(self.recipe.clips)], "drawing heads")
        train_networks(
            self.examples.clips,
            self.shipped,
            self.recipe.networks,
            self.on_progress,
            self.device,
            self.workers,
        )
        self._generator()
        self._pairs()
        self._editor()
        for kind in EXPERTS:
            self._expert(kind)
        save_card(self.shipped, MiniCard(self.recipe.heads.size, GEOMETRY.frames, GEOMETRY.motion_frames))
        return self.shipped

    @property
    def shipped(self) -> Path:
        """The folder of the files that make the mini."""
        return self.folder / "shipped"

    @property
    def examples(self) -> MiniExamples:
        """What makes the two stages' examples."""
        return MiniExamples(self.recipe, self.folder)

    def _claim_folder(self) -> None:
        """Raise SettingsError unless the folder is new, or was begun by the same recipe from the same start."""
        start = None if self.start is None else str(self.start.resolve())
        own = json.loads(json.dumps({"start": start, **asdict(self.recipe)}, default=str))
        path = self.folder / RECIPE_FILE
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_whole(path, json.dumps(own, indent=1))
            return
        try:
            begun = json.loads(path.read_text(encoding="utf-8"))
            odd = [name for name, value in own.items() if _differs(begun[name], value)]
        except (ValueError, KeyError, TypeError):
            raise CheckpointError(f"{path} is damaged: give another work folder") from None
        if odd:
            raise SettingsError(
                f"what is in {self.folder} was begun with {odd[0]} {begun[odd[0]]}, not {own[odd[0]]}: give another "
                "work folder"
            )

    def _draw(self, wanted: Sequence[tuple[int, int]], name: str) -> None:
        self.examples.clips.fill_cache(self.workers, self._counted(name), wanted)

    def _generator(self) -> None:
        if self.examples.generator.exists():
            return
        folder, count = ExampleFolder(self.folder / "segments"), self._counted("encoding segments")
        clips = self.recipe.clips
        batches = clip_batches(range(len(folder) // self.recipe.windows, clips))
        stacks = map_in_processes(self.workers, self.examples.segments, batches)
        for members, stack in zip(batches, stacks, strict=True):
            folder.add_stacked(stack)
            count(members.stop, clips)
        self._stage("generator", folder, generator_from_editor(self._initial_dit()) if self.start else None)

    def _pairs(self) -> None:
        """Dub every clip anew with another recording of its speaker, keep the good ones, encode them."""
        folder, finished = ExampleFolder(self.folder / "pairs"), self.folder / "pairs" / "batches-done"
        done = int(finished.read_text()) if finished.exists() else 0
        batches = self.examples.pair_batches()
        drawn = chain.from_iterable(batch.drawn(self.recipe.rendered_share) for batch in batches[done:])
        self._draw(sorted(set(drawn)), "drawing dubs")
        count = self._counted("making pairs")
        stacks = map_in_processes(self.workers, self.examples.pairs, batches[done:])
        for number, stack in enumerate(stacks, done):
            folder.add_stacked(stack, number)
            write_text_whole(finished, str(number + 1))
            count(number + 1, len(batches))

    def _editor(self) -> None:
        shipped = self.shipped / DIT
        if shipped.exists():
            return
        path = self.folder / "editor" / "model.safetensors"
        if not path.exists():
            initial = (
                self._initial_dit()
                if self.start
                else editor_from_generator(load_dit(self.examples.generator))
            )
            self._stage("editor", ExampleFolder(self.folder / "pairs"), initial)
        save_dit(load_dit(path, dtype=SHIPPED_DTYPE), shipped)

    def _initial_dit(self) -> XDubDiT:
        """The DiT of the mini to go on from.

        Raises MissingModelError or CheckpointError where there is none, SettingsError where it is the one being made or
        of other sizes than the recipe's.
        """
        assert self.start is not None
        load_card(self.start)  # or else its file of the DiT is missed, and not the mini
        if self.start.resolve() == self.shipped.resolve():
            raise SettingsError(
                f"{self.start} is what is made here: give another work folder to go on from it"
            )
        dit = load_dit(self.start / DIT, dtype=torch.float32)
        if dit.config != self.recipe.dit:
            raise SettingsError(
                f"the mini in {self.start} has other sizes than the recipe's: make one from nothing instead"
            )
        return dit

    def _expert(self, kind: Stage) -> None:
        shipped = self.shipped / EXPERT_FILES[kind]
        if shipped.exists():
            return
        networks, editor = load_networks(self.shipped), load_dit(self.shipped / DIT, dtype=torch.float32)
        vae = MiniVAE(networks.vae.to(self.device))
        pixels = PixelLosses(
            decode=vae.decode_batch,
            sync=MiniSyncScorer(networks.sync.to(self.device)) if kind == "lip" else None,
            identity=(networks.identity.to(self.device),) if kind == "texture" else (),
            grid=vae.grid,
        )
        path = self._stage(kind, ExampleFolder(self.folder / "pairs"), editor, pixels)
        save_expert(load_expert(path).to(SHIPPED_DTYPE), shipped)

    def _stage(
        self,
        stage: Stage,
        examples: ExampleFolder,
        dit: XDubDiT | None = None,
        pixels: PixelLosses | None = None,
    ) -> Path:
        return self.run_stage(self.recipe.stage(stage), examples, self.folder / stage, dit, pixels, stage)

    def run_stage(
        self,
        config: TrainingConfig,
        examples: ExampleFolder,
        folder: Path,
        dit: XDubDiT | None = None,
        pixels: PixelLosses | None = None,
        name: str | None = None,
    ) -> Path:
        """Train one phase in `folder`, reported as `name`; see `training.run.run_stage`.

        `workers` processes share its batches on a CPU, where these can be shared out. Random draws depend on how many
        they are: go on with as many as before for the very same weights.
        """
        count = max(1, self.workers) if torch.device(self.device).type == "cpu" else 1
        while config.trainer.batch_size % count:
            count -= 1
        trainer = replace(config.trainer, batch_size=config.trainer.batch_size // count)
        train = partial(
            _run_stage,
            replace(config, trainer=trainer),
            examples,
            self.recipe.context,
            folder,
            dit,
            pixels,
            self.device,
            name,
        )
        return run_together(count, partial(train, self.on_progress), partial(train, ignore_progress))

    def _counted(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self.on_progress(Progress(name, done, total))


def _differs(begun: Any, own: Any) -> bool:
    """Whether a recipe's part has another value; what only one of them names is another version's, and not compared."""
    if isinstance(begun, dict) and isinstance(own, dict):
        return any(_differs(begun[name], own[name]) for name in begun.keys() & own.keys())
    return bool(begun != own)


def _run_stage(
    config: TrainingConfig,
    examples: ExampleFolder,
    context: Tensor,
    folder: Path,
    dit: XDubDiT | None,
    pixels: PixelLosses | None,
    device: torch.device | str,
    name: str | None,
    on_progress: ProgressCallback,
    process: Process,
) -> Path:
    """One process of a phase, which reads the examples for itself."""
    return run_stage(
        config,
        examples.load(),
        context,
        folder,
        dit=dit,
        pixels=pixels,
        device=device,
        process=process,
        name=name,
        on_progress=on_progress,
    )
