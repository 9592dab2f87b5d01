"""One dub measured against what is known of it: the source, the true dub, the speech."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from xdub_core.evaluation.judges import Judges
from xdub_core.evaluation.mouth import landmark_distance
from xdub_core.evaluation.pictures import psnr, ssim
from xdub_core.evaluation.sync import sync_score
from xdub_core.vae.protocol import VideoVAE


@dataclass(frozen=True)
class DubCase:
    """A held-out dub whose true answer is known. F frames at 25 fps.

    `source`, `truth`: uint8 [F, H, W, 3], the video and the same performance speaking the new speech. `features`
    [2 F, width]: of the new speech, as the judge of its sync reads them. `mouth`: bool [F, H, W], where any speech may
    change the picture; `mask`: the same without what passes before the face, which is what a mask-based method may
    paint. `source_opening`, `target_opening` [F]: the mouth's true openings.
    `kind`: "plain", or what makes the scene hard (occlusion, profile, light, ...).
    """

    name: str
    source: Tensor
    truth: Tensor
    features: Tensor
    mouth: Tensor
    mask: Tensor
    source_opening: np.ndarray
    target_opening: np.ndarray
    kind: str = "plain"


@dataclass(frozen=True)
class Measures:
    """What came out for one dub.

    Sync: `sync_confidence` (Sync-C), `sync_distance`, `sync_offset` in frames. Against the true dub: `lmd` in percent
    of the face, `mouth_psnr` in dB, `looks_distance` (the perceptual distance). Against the source:
    `outside_psnr`, `outside_ssim`, and `identity` (CSIM, calibrated). `opening` [F]: the mouth, as the finder sees it.
    """

    name: str
    kind: str
    sync_confidence: float
    sync_distance: float
    sync_offset: int
    lmd: float
    mouth_psnr: float
    looks_distance: float
    outside_psnr: float
    outside_ssim: float
    identity: float
    opening: np.ndarray = field(repr=False)


def measure(case: DubCase, dubbed: Tensor, judges: Judges) -> Measures:
    """Measure a dub, uint8 [F, H, W, 3], of a case.

    Raises SettingsError where sizes differ, or the clip is too short for its sync.
    """
    outside = ~case.mouth.bool()
    sync = sync_score(judges.sync, dubbed, case.features)
    found = judges.landmarks.find(list(dubbed.numpy()))
    true_points = judges.landmarks.find(list(case.truth.numpy())).points
    return Measures(
        name=case.name,
        kind=case.kind,
        sync_confidence=sync.confidence,
        sync_distance=sync.distance,
        sync_offset=sync.offset,
        lmd=landmark_distance(found.points, true_points, judges.landmarks.mouth_points),
        mouth_psnr=psnr(dubbed, case.truth, case.mouth),
        looks_distance=judges.perceptual(dubbed, case.truth),
        outside_psnr=psnr(dubbed, case.source, outside),
        outside_ssim=ssim(dubbed, case.source, outside),
        identity=judges.identity(dubbed, case.source),
        opening=found.openness,
    )


def through_vae(vae: VideoVAE, frames: Tensor) -> Tensor:
    """Frames uint8 [F, H, W, 3] encoded and decoded: the best that any model of that VAE's latents can do.

    The last frame is repeated to fill the last latent, and cut off again.
    """
    missing = vae.grid.filled(len(frames)) - len(frames)
    filled = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
    with torch.no_grad():
        decoded = vae.decode(vae.encode(filled.float() / 255))
    return (decoded[: len(frames)] * 255).round().to(torch.uint8)
