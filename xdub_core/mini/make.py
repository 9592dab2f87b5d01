"""Making xdub-mini from nothing: talking heads, small networks, the generator, its pairs, the editor, its experts.

Every step leaves its result in the work folder and is skipped where that is there already; a step that was cut short
goes on from its last checkpoint. So the whole can be stopped and started at will.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures, TensorFeatures
from xdub_core.audio.recording import SAMPLE_RATE, recording_from_waveform
from xdub_core.errors import SettingsError
from xdub_core.experts.expert import load_expert, save_expert
from xdub_core.mini.bundle import DIT, MiniNetworks, load_networks, save_networks
from xdub_core.mini.codec import MiniCodec
from xdub_core.mini.dataset import SAMPLES_PER_FRAME, Example, TalkingHeads
from xdub_core.mini.fitting import FitCallback, FitProgress, ignore_fit
from xdub_core.mini.identity_net import IdentityNet, identity_similarity
from xdub_core.mini.model import EXPERT_FILES, EXPERTS, MiniCard, load_card, save_card
from xdub_core.mini.net_examples import codec_example
from xdub_core.mini.net_training import train_networks
from xdub_core.mini.phonemes import MiniFeatures, PhonemeNet
from xdub_core.mini.recipe import GEOMETRY, MiniRecipe
from xdub_core.mini.syncnet import RegionScorer
from xdub_core.model.checkpoint import load_dit, save_dit
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.sampler import SamplerSettings
from xdub_core.training.augmentation import AugmentationRates, augment_pair
from xdub_core.training.config import Stage, TrainingConfig
from xdub_core.training.encoding import editor_example, generator_example
from xdub_core.training.examples import ExampleFolder, collate
from xdub_core.training.filtering import PairFilter
from xdub_core.training.initial import editor_from_generator, generator_from_editor
from xdub_core.training.objective import PixelLosses
from xdub_core.training.pairs import Redubber, RedubSettings, Speech, other_frames
from xdub_core.training.parallel import run_together
from xdub_core.training.run import run_stage
from xdub_core.training.trainer import Process, Row

CLIP_BATCH = 8
SHIPPED_DTYPE = torch.float16
LEAST_MOUTH_CHANGE = 0.01
"""Mean absolute difference, of 0..1, of the masked pixels below which a pair has but one mouth."""


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
    on_progress: FitCallback = ignore_fit
    start: Path | None = None

    def make(self) -> Path:
        """Do all that is not done yet; returns the folder of the shipped files.

        Raises MissingModelError without espeak-ng, MissingModelError, CheckpointError or SettingsError where `start`
        is no mini to go on from, and whatever `on_progress` raises.
        """
        if self.start is not None:
            self._started()  # or else an unfit one is told only after the drawing
            save_networks(load_networks(self.start), self.shipped, keep=True)
        clips = self.clips()
        train_networks(clips, self.shipped, self.recipe.networks, self.on_progress, self.device, self.workers)
        self._generator(clips)
        self._pairs(clips)
        self._editor()
        for kind in EXPERTS:
            self._expert(kind)
        save_card(self.shipped, MiniCard(self.recipe.heads.size, GEOMETRY.frames, GEOMETRY.motion_frames))
        return self.shipped

    @property
    def shipped(self) -> Path:
        """The folder of the files that make the mini."""
        return self.folder / "shipped"

    def networks(self) -> MiniNetworks:
        """The small networks, which must be trained already."""
        return load_networks(self.shipped)

    @property
    def context(self) -> Tensor:
        """The mini's empty prompt, [1, 1, text_dim]."""
        return torch.zeros(1, 1, self.recipe.dit.text_dim)

    def heads(self, split: str, length: int) -> TalkingHeads:
        """The clips of a split, kept in the work folder."""
        return TalkingHeads(split, length=length, config=self.recipe.heads, cache=self.folder / "clips")

    def clips(self) -> TalkingHeads:
        """The training clips, all drawn."""
        heads = self.heads("train", self.recipe.clips)
        heads.fill_cache(workers=self.workers, on_progress=self._counted("drawing heads"))
        return heads

    def _generator(self, clips: TalkingHeads) -> None:
        if self._generator_path.exists():
            return
        examples, count = ExampleFolder(self.folder / "segments"), self._counted("encoding segments")
        done = -(-len(examples) // self.recipe.windows)
        batches = _batches(range(done, len(clips)))
        with _processes(self.workers) as each:
            for members, made in zip(batches, each(self._job.segment_batch, batches), strict=True):
                examples.add_stacked(made)
                count(members.stop, len(clips))
        self._stage("generator", examples, generator_from_editor(self._started()) if self.start else None)

    @property
    def _generator_path(self) -> Path:
        return self.folder / "generator" / "model.safetensors"

    @property
    def _job(self) -> MiniMaker:
        """Itself as other processes get it."""
        return replace(self, on_progress=ignore_fit)

    def segment_batch(self, members: range) -> dict[str, Tensor]:
        """The generator's examples from some clips, stacked. The small networks must be trained already."""
        clips, networks = self.heads("train", self.recipe.clips), self.networks()
        codec = MiniCodec(networks.codec)
        segments = (self._segments(clips[number], number, codec, networks.phonemes) for number in members)
        return collate(list(chain.from_iterable(segments)))

    def _segments(
        self, clip: Example, number: int, codec: MiniCodec, phonemes: PhonemeNet
    ) -> Iterator[dict[str, Tensor]]:
        rng = np.random.default_rng([1, number])
        frames, features = _unit(clip.frames), all_features(clip.audio, phonemes)
        mask, face, lip = (_mask(part) for part in (clip.inpainting_masks, clip.face_masks, lip_masks(clip)))
        first = clip.audio_start // SAMPLES_PER_FRAME
        for start in self._starts(rng, len(frames)):
            span = slice(start, start + GEOMETRY.frames)
            stills = other_frames(rng, len(frames), span.start, span.stop)
            yield generator_example(
                codec,
                frames[span],
                mask[span],
                frames[stills],
                features,
                first + start,
                face[span],
                lip[span],
            )

    def _pairs(self, clips: TalkingHeads) -> None:
        """Dub every clip anew with another recording of its speaker, keep the good ones, encode them (B.1 to B.7)."""
        examples = ExampleFolder(self.folder / "pairs")
        finished = self.folder / "pairs" / "batches-done"
        done = int(finished.read_text()) if finished.exists() else 0
        batches = [
            (takes, members) for takes in self.recipe.pair_takes for members in _batches(range(len(clips)))
        ]
        drawn = {
            (number, take)
            for takes, members in batches[done:]
            for number in members
            for take in (takes if number in self._rendered(takes, members) else takes[:1])
        }
        clips.fill_cache(self.workers, self._counted("drawing dubs"), sorted(drawn))
        count = self._counted("making pairs")
        with _processes(self.workers) as each:
            for number, made in enumerate(each(self._job.pair_batch, batches[done:]), done + 1):
                if made:
                    examples.add_stacked(made)
                finished.write_text(str(number))
                count(number, len(batches))

    def pair_batch(self, batch: tuple[tuple[int, int], range]) -> dict[str, Tensor]:
        """The editor's examples from some clips in two takes, stacked; empty when no pair is good enough.

        The small networks must be trained already, and the generator too unless all of them are rendered.
        """
        takes, members = batch
        clips, networks = self.heads("train", self.recipe.clips), self.networks()
        rng = np.random.default_rng([2, *takes, members.start])
        rendered = self._rendered(takes, members)
        redubbed = [number for number in members if number not in rendered]
        dubs: dict[int, Tensor] = {}
        if redubbed:
            dubs = self._redubbed(clips, redubbed, takes, networks, int(rng.integers(2**31)))
        examples: list[dict[str, Tensor]] = []
        for number in members:
            clip = clips.dubbed(number, takes[0])
            original, mask = _unit(clip.frames), _mask(clip.inpainting_masks)
            if number in rendered:  # either is as real as the other
                other = clips.dubbed(number, takes[1])
                original, dub = augment_pair(original, _unit(other.frames), rng, AugmentationRates())
                examples += self._pair_examples(clip, original, dub, networks, rng)
                examples += self._pair_examples(other, dub, original, networks, rng)
            elif _teaches(networks.identity, original, dubs[number], mask):
                original, dub = augment_pair(original, dubs[number], rng, AugmentationRates())
                examples += self._pair_examples(clip, original, dub, networks, rng)
        return collate(examples) if examples else {}

    def _rendered(self, takes: tuple[int, int], members: range) -> list[int]:
        """Those clips of a batch that the renderer dubs, and not the generator."""
        rng = np.random.default_rng([3, *takes, members.start])
        return [number for number in members if rng.random() < self.recipe.rendered_share]

    def _pair_examples(
        self, clip: Example, real: Tensor, dubbed: Tensor, networks: MiniNetworks, rng: np.random.Generator
    ) -> list[dict[str, Tensor]]:
        """Windows of `dubbed`, out of which the editor is to make those of `real`, which shows what `clip` says."""
        codec, features = MiniCodec(networks.codec), all_features(clip.audio, networks.phonemes)
        first = clip.audio_start // SAMPLES_PER_FRAME
        face, lip = _mask(clip.face_masks), _mask(lip_masks(clip))
        spans = [slice(start, start + GEOMETRY.frames) for start in self._starts(rng, len(real))]
        return [
            editor_example(
                codec, real[span], dubbed[span], features, first + span.start, face[span], lip[span]
            )
            for span in spans
        ]

    def _redubbed(
        self,
        clips: TalkingHeads,
        numbers: Sequence[int],
        takes: tuple[int, int],
        networks: MiniNetworks,
        seed: int,
    ) -> dict[int, Tensor]:
        """Clips by number, in their first take, as the generator dubs them with the second; float32 [F, S, S, 3]."""
        sampler = SamplerSettings(steps=self.recipe.pair_steps, border=0, seed=seed)
        settings = RedubSettings(segment=GEOMETRY, sampler=sampler, guided=False)
        generator = load_dit(self._generator_path)
        redubber = Redubber(generator, self.context, MiniCodec(networks.codec), settings)
        sources = [clips.dubbed(number, takes[0]) for number in numbers]
        first = sources[0].audio_start // SAMPLES_PER_FRAME
        speech = [
            Speech(all_features(clips.speech(number, takes[1]).samples, networks.phonemes), first)
            for number in numbers
        ]
        frames = torch.stack([_unit(clip.frames) for clip in sources])
        masks = torch.stack([_mask(clip.inpainting_masks) for clip in sources])
        return dict(zip(numbers, redubber.redub(frames, masks, speech), strict=True))

    def _starts(self, rng: np.random.Generator, frames: int) -> list[int]:
        return rng.integers(0, frames - GEOMETRY.frames + 1, self.recipe.windows).tolist()

    def _editor(self) -> None:
        shipped = self.shipped / DIT
        if shipped.exists():
            return
        path = self.folder / "editor" / "model.safetensors"
        if not path.exists():
            initial = self._started() if self.start else editor_from_generator(load_dit(self._generator_path))
            self._stage("editor", ExampleFolder(self.folder / "pairs"), initial)
        save_dit(load_dit(path, dtype=SHIPPED_DTYPE), shipped)

    def _started(self) -> XDubDiT:
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
        networks, editor = self.networks(), load_dit(self.shipped / DIT, dtype=torch.float32)
        codec = MiniCodec(networks.codec)
        pixels = PixelLosses(
            decode=codec.decode_batch,
            sync=RegionScorer(networks.sync) if kind == "lip" else None,
            identity=(networks.identity,) if kind == "texture" else (),
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
        steps = config.trainer.steps

        def report(row: dict[str, float]) -> None:
            losses = {key: value for key, value in row.items() if key != "step"}
            self.on_progress(FitProgress(name or config.stage, int(row["step"]), steps, losses))

        count = max(1, self.workers) if torch.device(self.device).type == "cpu" else 1
        while config.trainer.batch_size % count:
            count -= 1
        trainer = replace(config.trainer, batch_size=config.trainer.batch_size // count)
        train = partial(
            _run_stage,
            replace(config, trainer=trainer),
            examples,
            self.context,
            folder,
            dit,
            pixels,
            self.device,
        )
        return run_together(count, partial(train, report), partial(train, None))

    def _counted(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self.on_progress(FitProgress(name, done, total))


def _run_stage(
    config: TrainingConfig,
    examples: ExampleFolder,
    context: Tensor,
    folder: Path,
    dit: XDubDiT | None,
    pixels: PixelLosses | None,
    device: torch.device | str,
    on_step: Callable[[Row], None] | None,
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
        on_step=on_step,
    )


def _batches(numbers: range) -> list[range]:
    """Clips by their numbers, a few at a time."""
    return [numbers[start : start + CLIP_BATCH] for start in range(0, len(numbers), CLIP_BATCH)]


@contextmanager
def _processes(count: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """A `map` in `count` processes that share out PyTorch's threads; the plain one for one process."""
    if count <= 1:
        yield map
        return
    threads = max(1, torch.get_num_threads() // count)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, spawn, initializer=_set_threads, initargs=(threads,)) as pool:
        yield pool.map


def _set_threads(count: int) -> None:
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def all_features(audio: np.ndarray, phonemes: PhonemeNet) -> AudioFeatures:
    """The features of a clip's whole sound (float32 [samples] at 16 kHz), in memory."""
    with recording_from_waveform(audio[None], SAMPLE_RATE, name="a clip's sound") as recording:
        features = MiniFeatures(recording, phonemes)
        return TensorFeatures(features.read(0, features.rows))


def _teaches(network: IdentityNet, original: Tensor, dubbed: Tensor, mask: Tensor) -> bool:
    """Whether a pair shows one person with two mouths (B.6).

    Identity has the paper's threshold; mouths are told apart by their pixels, which costs less than landmarks.
    """
    apart = ((original - dubbed).abs().mean(-1) * mask).sum() / mask.sum().clamp(min=1)
    alike = identity_similarity(network, original, dubbed)
    return bool(apart >= LEAST_MOUTH_CHANGE) and alike >= PairFilter().identity


def lip_masks(clip: Example) -> np.ndarray:
    """The box around the lips in each frame, float32 [F, S, S]."""
    return codec_example(clip).mouth.numpy()


def _unit(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).float() / 255


def _mask(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask).float()
