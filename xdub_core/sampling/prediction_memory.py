"""What the terms of guidance were found to be, and what stands in for those that are kept; see `reuse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from xdub_core.sampling.guidance import BranchWeights, Guidance, Velocities
from xdub_core.sampling.reuse import Due, Reuse, Term, terms_of

Predict = Callable[[BranchWeights], Velocities]
"""Makes those predictions of a step that count, by their weights; one of weight 0 may come back as zeros."""
OnPredicted = Callable[[float, int], None]
"""Called with each noise level that a sampler asks for, and how many predictions are made there."""

_ELSEWHERE = 0.1
"""How much noise of a sampler's own, as a share of the velocity's size, makes latents other ones. Ancestral samplers
add more in every step. What is known of a clip does not follow the velocity, so as much as that moves is let pass."""

_PACE_OF_A_DIFFERENCE = 0.75
"""At what share of its pace a difference of two predictions goes on. From one noise level to the next it wavers more
than a prediction does, for its size; a line through two of its values goes on with that. Chosen on the built-in model
and on heads that no table is made of: against 1, `fast` comes 0.7 dB nearer to the exact run, to a mean of 55.2 dB."""


class Found(NamedTuple):
    """A term as it was found at a noise level."""

    sigma: float
    velocity: Tensor


class PredictionMemory:
    """The velocities of one clip's steps, of which those are predicted that are due. Each clip has its own.

    With `EXACT` all are, and nothing is kept. `on_predicted` is told of every step.
    """

    def __init__(self, guidance: Guidance, reuse: Reuse, on_predicted: OnPredicted | None = None) -> None:
        self.guidance, self.reuse, self.on_predicted = guidance, reuse, on_predicted
        self._due = Due(reuse)
        self._found: dict[Term, tuple[Found, ...]] = {}
        self._path: tuple[Tensor, Found] | None = None
        """The latents of the last predictions, and the guided velocity there."""

    def velocities(
        self, x: Tensor, sigma: float, predict: Predict, weights: BranchWeights | None = None
    ) -> Velocities:
        """The three of the latents `x` at noise level `sigma`, as `predict` makes them or as they are kept.

        `weights`: what each counts for, if not what it does for the guidance.
        """
        weights = self.guidance.weights(sigma) if weights is None else weights
        if self.reuse.exact:
            self._tell(sigma, sum(weight != 0 for weight in weights))
            return predict(weights)
        if self._path is not None and is_elsewhere(x, sigma, *self._path):
            self.forget()
        predicted = self._due.branches(sigma, weights)
        self._tell(sigma, len(predicted))
        if not predicted:
            return self._completed(sigma, weights, {}, x)
        one, two, three = (weight if place in predicted else 0.0 for place, weight in enumerate(weights))
        made = predict((one, two, three))
        self._keep(sigma, weights, made, predicted)
        completed = self._completed(sigma, weights, {place: made[place] for place in predicted}, x)
        self._path = x, Found(sigma, self.guidance.combine(completed, sigma))
        return completed

    def forget(self) -> None:
        """Nothing that was found holds any more."""
        self._due.forget()
        self._found.clear()
        self._path = None

    def _tell(self, sigma: float, predictions: int) -> None:
        if self.on_predicted is not None:
            self.on_predicted(sigma, predictions)

    def _keep(
        self, sigma: float, weights: BranchWeights, made: Velocities, predicted: tuple[int, ...]
    ) -> None:
        """Note the terms whose branches were predicted; of each, the last two times it was found."""
        for term in terms_of(weights):
            if term[-1] in predicted:
                velocity = made[term[0]] if len(term) == 1 else made[term[0]] - made[term[1]]
                self._found[term] = (Found(sigma, velocity), *self._found.get(term, ())[:1])

    def _completed(
        self, sigma: float, weights: BranchWeights, made: dict[int, Tensor], like: Tensor
    ) -> Velocities:
        """The velocities `made`, and what is kept in the place of the others that count."""
        for term in terms_of(weights):
            if term[-1] not in made:
                if len(term) == 1:
                    made[term[0]] = continued(self._found[term], sigma)
                else:
                    kept = continued(self._found[term], sigma, _PACE_OF_A_DIFFERENCE)
                    made[term[-1]] = made[term[0]] - kept
        nothing = like.new_zeros(()).expand_as(like)
        return Velocities(*(made.get(place, nothing) for place in range(len(weights))))


def continued(found: tuple[Found, ...], sigma: float, pace: float = 1.0) -> Tensor:
    """A term at `sigma` as it goes on along the straight line of the last two times, no further than between them.

    `pace`: at what share of its change it goes on.
    """
    last, *before = found
    if not before or before[0].sigma == last.sigma:
        return last.velocity
    share = (sigma - last.sigma) / (last.sigma - before[0].sigma)
    return last.velocity + pace * min(share, 1.0) * (last.velocity - before[0].velocity)


def is_elsewhere(x: Tensor, sigma: float, start: Tensor, led: Found) -> bool:
    """Whether latents `x` at `sigma` are not where the velocity `led` from `start`: other latents, or newly noised."""
    if x.shape != start.shape:
        return True
    fall = led.sigma - sigma
    off = x - start + fall * led.velocity
    return bool(off.norm() > (_ELSEWHERE + abs(fall)) * led.velocity.norm())
