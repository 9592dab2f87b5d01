"""Where in a crop the model changed the picture, from one crop, and steadily over a run of them.

A place counts as changed where the generated crop differs visibly from the source crop as the VAE gives it back,
or differs a little and hangs together with such a place (hysteresis): so the outline of the old jaw belongs to it as a
whole, also where its contrast is low. What is visible is measured against the model's own noise in the crop, and
against what the VAE loses at each place.

A region is float32 [n, n, 2] in 0..1, n = the crop's side, at most `REGION_SIZE`:

- changed: how much of the generated crop is shown
- replaced: how far it shows something else there than the source did, so that the source's finer structure has to go
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import tee
from typing import Protocol, TypeVar

import cv2
import numpy as np

REGION_SIZE = 256
"""Largest side of a region: crops are judged at this size."""
WEAK, STRONG = 0.006, 0.03
"""Mean absolute differences, of 0..1: less than the first is never a change, and a change has the second somewhere."""
WEAK_OF_NOISE, STRONG_OF_NOISE = 8.0, 16.0
"""Both thresholds are at least this many times the median difference in the crop: the model's own noise."""
MOST_NOISE = 0.0025
"""What is held to be noise at most: where all of a crop is changed, the median is the change."""
WEAK_OF_LOSS, STRONG_OF_LOSS = 0.3, 0.6
"""And at each place at least this share of what the VAE loses of the source crop there."""
CLOSED, GROWN, SOFT = 10 / 512, 14 / 512, 7 / 512
"""Gaps that are closed, margin, and half the width of the soft edge, as fractions of the crop's side."""
SPREAD = 3
"""Pixels by which a difference reaches beyond its place: as far as the VAE blurs."""
REACH = 4
"""Frames before and after a change in which its place counts, less and less."""

_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, dtype=np.float32)


class CropPair(Protocol):
    """A generated crop and what to compare it with; see `changed_region`."""

    @property
    def generated(self) -> np.ndarray: ...

    @property
    def source(self) -> np.ndarray: ...

    @property
    def source_through_vae(self) -> np.ndarray | None: ...


Pair = TypeVar("Pair", bound=CropPair)


def changed_region(
    generated: np.ndarray, source: np.ndarray, source_through_vae: np.ndarray | None
) -> np.ndarray:
    """The region of a single crop.

    Crops are float32 [size, size, 3] in 0..1. `source_through_vae`: the source crop as the VAE gives it back; without
    it the source crop stands in, and what the VAE loses counts as change where it shows.
    """
    generated, source = _reduced(generated), _reduced(source)
    kept = source if source_through_vae is None else _reduced(source_through_vae)
    difference = _difference(generated, kept)
    if not difference.any():
        return np.zeros((*difference.shape, 2), dtype=np.float32)
    noise = min(float(np.median(difference[::4, ::4])), MOST_NOISE)
    loss = _difference(kept, source)
    weak = np.maximum(max(WEAK, WEAK_OF_NOISE * noise), WEAK_OF_LOSS * loss)
    strong = np.maximum(max(STRONG, STRONG_OF_NOISE * noise), STRONG_OF_LOSS * loss)
    changed = _with_soft_edge(_connected(difference > weak, difference > strong))
    replaced = np.clip((cv2.dilate(difference, _disc(SPREAD)) - weak) / (strong - weak), 0, 1)
    return cv2.merge([changed, changed * replaced])


def with_regions(crops: Iterable[Pair], wanted: bool = True) -> Iterator[tuple[Pair, np.ndarray | None]]:
    """The crops of one shot, each with its region, `steadied`; None for each where none are `wanted`.

    Looks `REACH` crops ahead.
    """
    if not wanted:
        return ((crop, None) for crop in crops)
    shown, judged = tee(crops)
    regions = (changed_region(crop.generated, crop.source, crop.source_through_vae) for crop in judged)
    return zip(shown, steadied(regions), strict=True)


def steadied(regions: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Each region joined with those of the `REACH` frames before and after it, which count less the farther they are.

    So no place's share changes by more than 1 / (REACH + 1) from one frame to the next, and every change has the
    full share that it has by itself. Holds 2 `REACH` + 1 regions.
    """
    near: deque[np.ndarray] = deque(maxlen=2 * REACH + 1)
    waiting = 0  # regions in `near` that are not yet given out
    for region in regions:
        near.append(region)
        waiting += 1
        if waiting > REACH:
            yield _joined(near, len(near) - waiting)
            waiting -= 1
    for left in range(waiting, 0, -1):
        yield _joined(list(near)[-(left + REACH) :], min(len(near) - left, REACH))


def _joined(regions: Iterable[np.ndarray], middle: int) -> np.ndarray:
    shares = (
        region * np.float32(1 - abs(number - middle) / (REACH + 1)) for number, region in enumerate(regions)
    )
    return np.maximum.reduce(list(shares))


def _reduced(crop: np.ndarray) -> np.ndarray:
    if len(crop) <= REGION_SIZE:
        return crop
    return cv2.resize(crop, (REGION_SIZE, REGION_SIZE), interpolation=cv2.INTER_AREA)


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the channels, slightly blurred; float32 [n, n]."""
    return cv2.GaussianBlur(cv2.transform(cv2.absdiff(one, other), _MEAN_OF_CHANNELS), (5, 5), 1.0)


def _connected(weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """The connected parts of `weak` that hold something `strong`: uint8 [n, n], of bool."""
    count, labels = cv2.connectedComponents(weak.view(np.uint8))
    kept = np.zeros(count, dtype=np.uint8)
    kept[labels[strong & weak]] = 1
    return kept[labels]


def _with_soft_edge(region: np.ndarray) -> np.ndarray:
    size = len(region)
    region = cv2.morphologyEx(region, cv2.MORPH_CLOSE, _disc(CLOSED * size), borderValue=0)
    grown = cv2.dilate(region, _disc(GROWN * size)).astype(np.float32)
    kernel = 2 * max(1, round(SOFT * size / 2)) + 1
    for _ in range(2):
        grown = np.asarray(cv2.blur(grown, (kernel, kernel)), dtype=np.float32)
    return np.minimum(grown, 1)


def _disc(radius: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(radius)) + 1,) * 2)
