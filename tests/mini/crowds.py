"""Rendered people in one picture, cheaply: small frames, few of them."""

import numpy as np

from xdub_core.heads.crowd import Actor, Place, render_crowd, soft_colors
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import mouth_track

HELD_OUT = 1_000_000
WIDTH, HEIGHT = 320, 180


def actor(number, place, mouth=None):
    """A held-out person at a place, or at `place(frame)`; silent without a mouth [frames, 8]."""
    mouth = mouth_track((), 4) if mouth is None else mouth
    performance = make_performance(make_person(HELD_OUT + number), mouth, number, hard=0.0)
    return Actor(performance, place if callable(place) else lambda _: place)


def frames(actors, start, stop, width=WIDTH, height=HEIGHT, scene=0):
    """Pictures uint8 [height, width, 3] before soft colours of a `scene`."""
    behind = soft_colors(scene, width, height)
    return [shown.image for shown in render_crowd(actors, start, stop, width, height, behind)]


def middles(person):
    """The middle of a person's box from left to right, float [frames]."""
    return np.asarray(person.track.boxes[:, 0] + person.track.boxes[:, 2]) / 2


__all__ = ["HEIGHT", "WIDTH", "Place", "actor", "frames", "middles"]
