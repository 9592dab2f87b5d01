"""The sync of whole videos in which a face was tracked: what the demonstration prints before and after."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from xdub_core.evaluation.judges import SyncScorer
from xdub_core.evaluation.sync import SyncScore, sync_score
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack


def video_sync(
    scorer: SyncScorer, frames: Iterable[np.ndarray], track: FaceTrack, features: Tensor, crop: int
) -> SyncScore:
    """The score of a video's frames at 25 fps, [H, W, 3] each, against audio features [2 F, width].

    Frames are cut along `track` to `crop` pixels, the size that the scorer was trained at. Frames that were not
    tracked, and what is longer of picture and sound, are left out. Raises SettingsError for less than a second.
    """
    tracked = enumerate(islice(frames, len(track)))
    crops = [crop_frame(frame, track.boxes[number], crop) for number, frame in tracked]
    pictures = torch.from_numpy(np.stack(crops))
    length = min(len(pictures), len(features) // 2)
    return sync_score(scorer, pictures[:length], features[: 2 * length])
