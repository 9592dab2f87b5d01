"""The mini's networks as judges of a dub that speaks: of rendered heads only. Words and voices they do not judge."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.recording import MIN_SAMPLES, recording_from_waveform
from xdub_core.errors import FaceError, SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, FoundMouths, no_mouths
from xdub_core.evaluation.dub_it.lips import MOUTH
from xdub_core.evaluation.video_sync import video_sync
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import track_faces
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.face_landmarks import FACE_BOX, LandmarkFinder
from xdub_core.mini.identity_net import identity_similarity
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.mini.network_files import load_networks
from xdub_core.mini.syncnet import MiniSyncScorer

FPS = 25
FOUND = 0.5
"""Score from which on something is a face."""
_OUTER, _INNER = 12, 8


class MiniMouths:
    """A `MouthFinder` of the mini's eight points: corners, top and bottom of both lips, and ellipses through them."""

    def __init__(self, finder: LandmarkFinder) -> None:
        self.finder = finder

    def find(self, frames: Sequence[np.ndarray]) -> FoundMouths:
        """Mouths of frames uint8 [H, W, 3]."""
        seen = self.finder.find(frames)
        found = no_mouths(len(frames))
        for number in np.flatnonzero(seen.score >= FOUND):
            found.points[number] = mouth_of_eight(seen.points[number][:8])
            found.faces[number] = seen.points[number][FACE_BOX].reshape(4)
        return found


def mouth_of_eight(points: np.ndarray) -> np.ndarray:
    """A mouth [20, 2] in the usual order from the mini's points [8, 2]: see `mini.labels.LANDMARK_NAMES`."""
    left, right, top, bottom, inner_top, inner_bottom, inner_left, inner_right = points
    rings = [
        _ring(left, right, top, bottom, _OUTER),
        _ring(inner_left, inner_right, inner_top, inner_bottom, _INNER),
    ]
    mouth = np.concatenate(rings)
    assert mouth.shape == (MOUTH, 2)
    return mouth


def _ring(left: np.ndarray, right: np.ndarray, top: np.ndarray, bottom: np.ndarray, count: int) -> np.ndarray:
    """Points from the left corner over the top, round to it again: an arc of an ellipse between two neighbours."""
    middle = (left + right) / 2
    turn = np.pi - 2 * np.pi * np.arange(count)[:, None] / count
    across = np.where(np.cos(turn) < 0, left - middle, right - middle)
    down = np.where(np.sin(turn) > 0, top - middle, bottom - middle)
    return np.asarray(middle + np.abs(np.cos(turn)) * across + np.abs(np.sin(turn)) * down)


class MiniSync:
    """A `SyncFinder` by the mini's SyncNet, on crops along the face's track, at 25 fps."""

    def __init__(self, mini: Mini, scorer: MiniSyncScorer) -> None:
        self.mini, self.scorer = mini, scorer

    def offset(self, frames: Sequence[np.ndarray], fps: Fraction, sound: np.ndarray) -> float | None:
        """Frames of 25 a second; None for less than a second, and where no face is seen."""
        if len(sound) < MIN_SAMPLES:
            return None
        step, count = fps / FPS, int(len(frames) / fps * FPS)
        shown = [frames[min(len(frames) - 1, round(number * step))] for number in range(count)]
        try:
            track = track_faces(shown, self.mini.detector)
            with recording_from_waveform(sound[None], SAMPLE_RATE) as recording:
                features = self.mini.features(recording)
                rows = features.read(0, features.rows)
            return video_sync(self.scorer, shown, track, rows, self.mini.card.crop).offset
        except (FaceError, SettingsError):
            return None


class MiniLikeness:
    """A `Likeness` by the mini's identity network, on crops of every fifth frame."""

    def __init__(self, mini: Mini, folder: Path) -> None:
        self.mini, self.network = mini, load_networks(folder).identity

    def likeness(self, frames: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float | None:
        """CSIM on ArcFace's scale; None where no face is seen."""
        try:
            pictures = [self._crops(each) for each in (frames, others)]
        except FaceError:
            return None
        return identity_similarity(self.network, *pictures)

    def _crops(self, frames: Sequence[np.ndarray]) -> torch.Tensor:
        shown = [frames[number] for number in range(0, len(frames), 5)]
        track = track_faces(shown, self.mini.detector)
        crops = [
            crop_frame(frame, box, self.mini.card.crop) for frame, box in zip(shown, track.boxes, strict=True)
        ]
        return torch.from_numpy(np.stack(crops))


def mini_dub_it_judges(folder: Path = BUILT_IN) -> DubItJudges:
    """Those that come with a mini. Raises MissingModelError or CheckpointError where it is not whole."""
    networks = load_networks(folder)
    mini = load_mini(folder, experts=())
    return DubItJudges(
        mouths=MiniMouths(networks.landmarks),
        sync=MiniSync(mini, MiniSyncScorer(networks.sync)),
        identity=MiniLikeness(mini, folder),
    )
