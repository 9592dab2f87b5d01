"""Predictions that need not be made: what earlier steps found stands in for them.

The guided velocity is a sum of three terms (released model §4, written from its other end):

    v = both + (a - 1) (both - ref) + (r - 1) (ref - none)

What a term is hardly changes from one noise level to the next, and each enters with a factor of its own. So a term may
be kept as long as its factor, times how far the noise has fallen since the term was found, stays below a limit, of
which `Reuse` has one for each. A kept term goes on as it changed between the last two times that it was found, along a
straight line over the noise level, no further than once. The scales are always those of the step that uses it.

Nothing here counts steps, or knows the schedule or the sampler: what is far apart is predicted. So with few steps
nothing is kept, and with many not more is predicted. A sampler that asks twice at one noise level (Heun's) has one
prediction for both. One that adds noise of its own arrives elsewhere than the velocity led, and there, as at a higher
noise level than before, everything is predicted anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from xdub_core.errors import SettingsError
from xdub_core.sampling.guidance import BranchWeights, Guidance, Velocities

Term = tuple[int, ...]
"""A term by its branches' places in `Velocities`: the one that all builds on, or (upper, lower), their difference."""

_ROUNDING = 1e-6
_REFERENCE = Velocities._fields.index("reference")


@dataclass(frozen=True)
class Reuse:
    """How far the noise level may fall before a term is found again; 0: it is found in every step.

    `whole`: for the prediction from reference and audio; while it is kept, none is made at all. `audio`: for what the
    audio changes, and `reference`: for what the reference changes, both times their factors |a - 1| and |r - 1|.

    Raises SettingsError for a limit outside 0..1.
    """

    whole: float = 0.0
    audio: float = 0.0
    reference: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if not 0 <= limit <= 1:
                raise SettingsError(f"a limit of {limit} for keeping predictions ({name}): use 0 to 1")

    @property
    def exact(self) -> bool:
        """Whether every prediction is made."""
        return self == EXACT

    def limit(self, term: Term) -> float:
        """That of a term."""
        if len(term) == 1:
            return self.whole
        return self.audio if term[-1] == _REFERENCE else self.reference


EXACT = Reuse()
"""Every prediction is made."""

SPEEDS: Mapping[str, Reuse] = {
    "exact": EXACT,
    "balanced": Reuse(whole=0.035, audio=0.1, reference=0.02),
    "fast": Reuse(whole=0.078, audio=0.06, reference=0.07),
}
"""By name. Chosen on the built-in model with the release's guidance and schedule, where they make 90, 45 and 24
predictions in 30 steps; `benchmarks/speed_quality.py` shows what they cost in likeness."""


LIMITS = "0.035,0.1,0.02"
"""How limits of one's own are written: whole, audio, reference."""


def reuse_named(name: str) -> Reuse:
    """One of `SPEEDS`, or limits of one's own, written as `LIMITS`.

    Raises SettingsError for another name, for what are not three numbers, and for a limit outside 0..1.
    """
    if name in SPEEDS:
        return SPEEDS[name]
    try:
        whole, audio, reference = map(float, name.split(","))
    except ValueError:
        raise SettingsError(
            f"a speed named {name!r}: use {', '.join(SPEEDS)}, or limits of your own, as {LIMITS}"
        ) from None
    return Reuse(whole, audio, reference)


@dataclass
class Due:
    """Which branches are to be predicted at the noise levels that a sampler asks for, one after the other, of one clip.

    It knows when terms were found, and not what they are.
    """

    reuse: Reuse
    found: dict[Term, float] = field(default_factory=dict)
    """The noise level at which each term was found last, of those that counted ever since."""

    def branches(self, sigma: float, weights: BranchWeights) -> tuple[int, ...]:
        """The places in `Velocities` of those to be predicted at `sigma`; taken as found there from now on."""
        terms = terms_of(weights)
        if any(sigma > before + _ROUNDING for before in self.found.values()):
            self.forget()
        self.found = {term: before for term, before in self.found.items() if term in terms}
        missing = [depth for depth, term in enumerate(terms, 1) if term not in self.found]
        due = [depth for depth, term in enumerate(terms, 1) if self._is_due(term, sigma, weights)]
        # A difference is found from both of its branches, so those before it are predicted, too.
        predicted = terms[: max(due)] if 1 in due else terms[: max(missing, default=0)]
        self.found |= dict.fromkeys(predicted, sigma)
        return tuple(term[-1] for term in predicted)

    def forget(self) -> None:
        """Nothing that was found holds any more."""
        self.found.clear()

    def _is_due(self, term: Term, sigma: float, weights: BranchWeights) -> bool:
        if term not in self.found:
            return True
        factor = abs(sum(weights[: term[-1] + 1]))
        return factor * (self.found[term] - sigma) >= self.reuse.limit(term) - _ROUNDING


def terms_of(weights: BranchWeights) -> tuple[Term, ...]:
    """The terms that make up the guided velocity: a branch that all builds on, then each difference to the next."""
    counting = [place for place in reversed(range(len(weights))) if weights[place]]
    return ((counting[0],), *pairwise(counting)) if counting else ()


def predictions_planned(guidance: Guidance, reuse: Reuse, sigmas: Iterable[float]) -> tuple[int, ...]:
    """How many predictions, 0 to 3, are made at each noise level that a sampler asks for in this order."""
    due = Due(reuse)
    return tuple(len(due.branches(sigma, guidance.weights(sigma))) for sigma in sigmas)
