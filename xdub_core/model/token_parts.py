"""Where the tokens of a sequence are, and those that go through a block together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

PART_TOKENS = 1024
"""Without gradients, a CPU takes so many tokens (more where a latent frame has more) through all of a block but its
self-attention before it goes on to the next ones, so that what it makes of them stays in its cache."""


class Part(NamedTuple):
    """Some of the tokens: those of `members` of the batch from `start` to `stop`. Of these, the first `reference` are
    the reference's, and the first `clean` have timestep 0."""

    members: slice
    start: int
    stop: int
    reference: int
    clean: int

    def of(self, tokens: Tensor, first: int = 0) -> Tensor:
        """The part of `tokens` [batch, tokens, dim], which begin at token `first`."""
        return tokens[self.members, self.start - first : self.stop - first]


@dataclass(frozen=True)
class Layout:
    """Where the tokens are: `batch` times `tokens`, of which the first `reference` are the reference's and the first
    `clean` have timestep 0; `frame` of them are a latent frame."""

    batch: int
    tokens: int
    reference: int
    clean: int
    frame: int

    @property
    def is_long(self) -> bool:
        """Whether there are enough tokens for parts to be worth it."""
        return self.batch * self.tokens > 2 * PART_TOKENS

    def whole(self, first: int = 0) -> tuple[Part, ...]:
        """All tokens from `first` on as one part."""
        return (
            Part(slice(None), first, self.tokens, max(self.reference - first, 0), max(self.clean - first, 0)),
        )

    def parts(self, first: int = 0) -> tuple[Part, ...]:
        """The tokens from `first` on in parts of whole frames, each of one kind and of one member."""
        step = max(PART_TOKENS // self.frame, 1) * self.frame
        bounds = sorted({first, self.reference, self.clean, self.tokens} - set(range(first)))
        cuts = [
            (start, min(start + step, end))
            for begin, end in pairwise(bounds)
            for start in range(begin, end, step)
        ]
        return tuple(
            Part(
                slice(member, member + 1),
                start,
                stop,
                (stop - start) * (stop <= self.reference),
                (stop - start) * (stop <= self.clean),
            )
            for member in range(self.batch)
            for start, stop in cuts
        )


def together(parts: tuple[Part, ...], function: Callable[[Part], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What `function` makes of the parts of [batch, tokens, dim], put together."""
    if len(parts) == 1:
        return function(parts[0])
    first, last = parts[0].start, parts[-1]
    wholes: tuple[Tensor, ...] = ()
    for part in parts:
        made = function(part)
        wholes = wholes or tuple(x.new_empty(last.members.stop, last.stop - first, x.shape[2]) for x in made)
        for whole, piece in zip(wholes, made, strict=True):
            part.of(whole, first).copy_(piece)
    return wholes
