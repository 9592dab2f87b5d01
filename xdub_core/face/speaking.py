"""Who speaks: whose mouth moves with the sound.

A speaker's mouth moves while there is sound and rests while there is none; somebody who chews or smiles does so at any
time. So a person's score is how the movement of the mouth goes with the loudness over the whole video (a covariance,
for which who is not seen does not move), and a little of how much it moves while there is sound: where there is sound
all the time, that decides.
"""

from __future__ import annotations

import numpy as np

from xdub_core.face.people import People
from xdub_core.media.timeline import MODEL_FPS

SYLLABLES = 0.36
"""Seconds over which movements and sound are averaged: lips and sound of one syllable do not coincide."""
ALL_THE_TIME = 0.1
"""What movement during sound counts, as against movement with the sound."""
STRONGEST = 0.98
"""Quantile of all movements that is as much as anybody moves; what exceeds it is a mistake of the detector's."""


def speaking_scores(people: People, loudness: np.ndarray) -> list[float]:
    """A score a person: the higher the more surely they speak, 0 or less for those who do not.

    `loudness`: of the video's sound, float [frames], in any unit in which silence is 0.
    """
    moving = np.stack([np.nan_to_num(person.mouth_motion) for person in people])
    seen = moving[moving > 0]
    if not len(seen) or loudness.max() <= 0:
        return [0.0] * len(people)
    moving = np.minimum(moving / np.quantile(seen, STRONGEST), 1)
    window = max(1, round(SYLLABLES * MODEL_FPS))
    sound = _averaged(np.minimum(loudness / np.quantile(loudness, STRONGEST).clip(1e-9), 1), window)
    moving = np.stack([_averaged(one, window) for one in moving])
    together = ((moving - moving.mean(1, keepdims=True)) * (sound - sound.mean())).mean(1)
    during = (moving * sound).mean(1)
    return [float(score) for score in together + ALL_THE_TIME * during]


def _averaged(values: np.ndarray, window: int) -> np.ndarray:
    padded = np.pad(values, (window // 2, window - 1 - window // 2), mode="edge")
    return np.convolve(padded, np.full(window, 1 / window), mode="valid")
