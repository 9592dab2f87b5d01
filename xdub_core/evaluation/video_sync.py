"""The sync of whole videos in which a face was tracked: what the demonstration prints before and after."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from xdub_core.evaluation.sync import SyncScore, sync_score
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack
from xdub_core.mini.syncnet import SyncNet, region_boxes


def video_sync(
    network: SyncNet, frames: Iterable[np.ndarray], track: FaceTrack, features: Tensor, crop: int
) -> SyncScore:
    """The score of a video's frames at 25 fps, [H, W, 3] each, against audio features [2 F, width].

    Frames are cut along `track` to `crop` pixels, the size that the SyncNet knows faces at. What is longer of picture
    and sound is cut off. Raises SettingsError for less than a second.
    """
    crops = [crop_frame(frame, box, crop) for frame, box in zip(frames, track.boxes, strict=False)]
    pictures = torch.from_numpy(np.stack(crops))
    length = min(len(pictures), len(features) // 2)
    pictures = pictures[:length]
    return sync_score(network, pictures, region_boxes(pictures), features[: 2 * length])
