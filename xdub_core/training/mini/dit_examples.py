"""The examples of xdub-mini's two stages: the generator's segments, and the editor's pairs of one clip with two mouths.

Both are made a few clips at a time, from the work folder alone, so that several processes can share the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xdub_core.heads.dataset import SAMPLES_PER_FRAME, AnnotatedClip, TalkingHeads
from xdub_core.mini.identity_net import SAME_PERSON, IdentityNet, identity_similarity
from xdub_core.mini.network_files import MiniNetworks, load_networks
from xdub_core.mini.phonemes import waveform_features
from xdub_core.mini.vae import MiniVAE
from xdub_core.model.dit_file import load_dit
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import UNGUIDED
from xdub_core.training.augmentation import augment_pair
from xdub_core.training.encoding import editor_example, generator_example
from xdub_core.training.example_files import collate
from xdub_core.training.mini.network_examples import vae_example
from xdub_core.training.mini.recipe import GEOMETRY, MiniRecipe
from xdub_core.training.pairs import Redubber, RedubSettings, SpeechFeatures, other_frames

CLIP_BATCH = 8
LEAST_MOUTH_CHANGE = 0.01
"""Mean absolute difference, of 0..1, of the masked pixels below which a pair has but one mouth."""


def clip_batches(numbers: range) -> list[range]:
    """Clips by their numbers, a few at a time."""
    return [numbers[start : start + CLIP_BATCH] for start in range(0, len(numbers), CLIP_BATCH)]


@dataclass(frozen=True)
class PairBatch:
    """Some clips, each in two takes: what the first shows is dubbed with what the second says."""

    takes: tuple[int, int]
    members: range

    def rendered(self, share: float) -> list[int]:
        """Those that the renderer dubs, and not the generator; about `share` of them."""
        rng = np.random.default_rng([3, *self.takes, self.members.start])
        return [number for number in self.members if rng.random() < share]

    def drawn(self, share: float) -> list[tuple[int, int]]:
        """What must be drawn for it, as (clip, take)."""
        rendered = self.rendered(share)
        return [
            (number, take)
            for number in self.members
            for take in (self.takes if number in rendered else self.takes[:1])
        ]


@dataclass(frozen=True)
class MiniExamples:
    """Makes the examples of `recipe` from a work folder that has the small networks, in `shipped`, already.

    `networks_folder`: where they are instead.
    """

    recipe: MiniRecipe
    folder: Path
    networks_folder: Path | None = None

    @cached_property
    def clips(self) -> TalkingHeads:
        """The training clips, kept in the work folder."""
        return TalkingHeads(
            "train", length=self.recipe.clips, config=self.recipe.heads, cache=self.folder / "clips"
        )

    @cached_property
    def networks(self) -> MiniNetworks:
        return load_networks(self.networks_folder or self.folder / "shipped")

    @cached_property
    def vae(self) -> MiniVAE:
        return MiniVAE(self.networks.vae)

    @property
    def generator(self) -> Path:
        """The file of Stage I's generator."""
        return self.folder / "generator" / "model.safetensors"

    def pair_batches(self) -> list[PairBatch]:
        """All pairs that the recipe asks for."""
        members = clip_batches(range(self.recipe.clips))
        return [PairBatch(takes, numbers) for takes in self.recipe.pair_takes for numbers in members]

    def segments(self, members: range) -> dict[str, Tensor]:
        """The generator's examples from some clips, stacked."""
        return collate(list(chain.from_iterable(self._segments(number) for number in members)))

    def _segments(self, number: int) -> Iterator[dict[str, Tensor]]:
        rng, clip = np.random.default_rng([1, number]), self.clips[number]
        frames, features = _unit(clip.frames), waveform_features(clip.audio, self.networks.phonemes)
        mask, face, lip = (_mask(part) for part in (clip.inpainting_masks, clip.face_masks, lip_masks(clip)))
        first = clip.audio_start // SAMPLES_PER_FRAME
        for span in self._spans(rng, len(frames)):
            stills = other_frames(rng, len(frames), span.start, span.stop)
            yield generator_example(
                self.vae,
                frames[span],
                mask[span],
                frames[stills],
                features,
                first + span.start,
                face[span],
                lip[span],
            )

    def pairs(self, batch: PairBatch) -> dict[str, Tensor]:
        """The editor's examples from a batch, stacked; empty when no pair of it is good enough (paper B.1 to B.7).

        The generator must be there already, unless all of them are rendered.
        """
        rng = np.random.default_rng([2, *batch.takes, batch.members.start])
        rendered = batch.rendered(self.recipe.rendered_share)
        redubbed = [number for number in batch.members if number not in rendered]
        dubs = self._redubbed(redubbed, batch.takes, int(rng.integers(2**31))) if redubbed else {}
        examples: list[dict[str, Tensor]] = []
        for number in batch.members:
            first, second = batch.takes
            clip = self.clips.dubbed(number, first)
            original, mask = _unit(clip.frames), _mask(clip.inpainting_masks)
            if number in rendered:  # either is as real as the other
                other = self.clips.dubbed(number, second)
                original, dub = augment_pair(original, _unit(other.frames), rng, self.recipe.augmentation)
                examples += self._windows(clip, original, dub, rng)
                examples += self._windows(other, dub, original, rng)
            elif _is_useful(self.networks.identity, original, dubs[number], mask):
                original, dub = augment_pair(original, dubs[number], rng, self.recipe.augmentation)
                examples += self._windows(clip, original, dub, rng)
        return collate(examples) if examples else {}

    def _windows(
        self, clip: AnnotatedClip, real: Tensor, dubbed: Tensor, rng: np.random.Generator
    ) -> list[dict[str, Tensor]]:
        """Windows of `dubbed`, out of which the editor is to make those of `real`, which shows what `clip` says."""
        features = waveform_features(clip.audio, self.networks.phonemes)
        first = clip.audio_start // SAMPLES_PER_FRAME
        face, lip = _mask(clip.face_masks), _mask(lip_masks(clip))
        if rng.random() < self.recipe.mirrored:
            real, dubbed, face, lip = (part.flip(2) for part in (real, dubbed, face, lip))
        return [
            editor_example(
                self.vae, real[span], dubbed[span], features, first + span.start, face[span], lip[span]
            )
            for span in self._spans(rng, len(real))
        ]

    def _redubbed(self, numbers: Sequence[int], takes: tuple[int, int], seed: int) -> dict[int, Tensor]:
        """Clips by number, in their first take, as the generator dubs them with the second; float32 [F, S, S, 3]."""
        sampler = SamplerSettings(self.recipe.pair_steps, UNGUIDED, border=0, seed=seed)
        settings = RedubSettings(segment=GEOMETRY, sampler=sampler)
        redubber = Redubber(load_dit(self.generator), self.recipe.context, self.vae, settings)
        sources = [self.clips.dubbed(number, takes[0]) for number in numbers]
        first = sources[0].audio_start // SAMPLES_PER_FRAME
        speech = [
            SpeechFeatures(
                waveform_features(self.clips.speech(number, takes[1]).samples, self.networks.phonemes), first
            )
            for number in numbers
        ]
        frames = torch.stack([_unit(clip.frames) for clip in sources])
        masks = torch.stack([_mask(clip.inpainting_masks) for clip in sources])
        return dict(zip(numbers, redubber.redub(frames, masks, speech), strict=True))

    def _spans(self, rng: np.random.Generator, frames: int) -> list[slice]:
        starts = rng.integers(0, frames - GEOMETRY.frames + 1, self.recipe.windows).tolist()
        return [slice(start, start + GEOMETRY.frames) for start in starts]


def lip_masks(clip: AnnotatedClip) -> np.ndarray:
    """The box around the lips in each frame, float32 [F, S, S]."""
    return vae_example(clip).mouth.numpy()


def _is_useful(network: IdentityNet, original: Tensor, dubbed: Tensor, mask: Tensor) -> bool:
    """Whether a pair shows one person with two mouths (B.6).

    Identity has the paper's threshold; mouths are told apart by their pixels, which costs less than landmarks.
    """
    apart = ((original - dubbed).abs().mean(-1) * mask).sum() / mask.sum().clamp(min=1)
    alike = identity_similarity(network, original, dubbed)
    return bool(apart >= LEAST_MOUTH_CHANGE) and alike >= SAME_PERSON


def _unit(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).float() / 255


def _mask(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask).float()
