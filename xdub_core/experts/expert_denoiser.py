"""Sampling with experts, each at its own noise levels and without merging (paper section 3.3, table 8).

A clip's text and audio keys and values are computed once. An expert that changes their layers changes them too, so
they are kept once for each set of such experts that acts: nothing computed with an expert is used without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from xdub_core.experts.adapters import Adapters
from xdub_core.sampling.denoiser import ALL, ClipDenoiser, Denoiser, LatentNeeds, needs_of
from xdub_core.sampling.guidance import BranchWeights, Velocities

_CLIP_CONSTANT_LAYERS = re.compile(
    r"(text_embedding|audio_embedding)\..*|blocks\.\d+\.(cross_attn\.(k|v|o)|audio_attn\.(k|v))"
)
"""Layers that `XDubDiT.prepare` runs once a clip (the output of the attention to text, where its tokens are merged)."""


@dataclass(frozen=True)
class ExpertDenoiser:
    """A denoiser whose model has `experts` attached: each acts where its range holds sigma, and nowhere else.

    `base` must sample the very model that the experts are attached to. Outside all ranges it is `base`, bit for bit.
    """

    base: Denoiser
    experts: Sequence[Adapters]

    @property
    def needs(self) -> LatentNeeds | None:
        return needs_of(self.base)

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        def prepare() -> ClipDenoiser:
            return self.base.for_clip(reference, audio, motion_latents)

        return _ExpertClip(prepare, tuple(self.experts))


@dataclass(frozen=True)
class _ExpertClip:
    prepare: Callable[[], ClipDenoiser]
    experts: tuple[Adapters, ...]
    prepared: dict[frozenset[int], ClipDenoiser] = field(default_factory=dict)

    def __call__(self, latents: Tensor, sigma: float, weights: BranchWeights = ALL) -> Velocities:
        acting = frozenset(i for i, expert in enumerate(self.experts) if expert.info.acts_at(sigma))
        changing = frozenset(i for i in acting if changes_clip_constants(self.experts[i]))
        if changing not in self.prepared:
            with self._only(changing):
                self.prepared[changing] = self.prepare()
        with self._only(acting):
            return self.prepared[changing](latents, sigma, weights)

    @contextmanager
    def _only(self, acting: frozenset[int]) -> Iterator[None]:
        with ExitStack() as stack:
            for i, expert in enumerate(self.experts):
                stack.enter_context(expert.switched(i in acting))
            yield


def changes_clip_constants(expert: Adapters) -> bool:
    """Whether an expert changes what `XDubDiT.prepare` computes once a clip."""
    return any(_CLIP_CONSTANT_LAYERS.fullmatch(name) for name in expert.names)
