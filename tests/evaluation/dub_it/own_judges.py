"""Judges of somebody's own, which `named` finds by module and name."""

import numpy as np


class LoudWords:
    """Hears one word, and another in what is silent."""

    def words(self, sound, language):
        return "hello" if len(sound) and np.abs(sound).max() > 0.01 else "nothing"


class Mean:
    """Embeds a sound by its mean and its deviation."""

    def embedding(self, sound):
        return np.array([sound.mean(), sound.std()])
