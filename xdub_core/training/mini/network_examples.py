"""The small networks' examples, from clips of talking heads."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.heads.dataset import AnnotatedClip
from xdub_core.mini.phonemes import PhonemeNet, waveform_features
from xdub_core.mini.syncnet import region_boxes
from xdub_core.training.mini.identity_training import IdentityExample
from xdub_core.training.mini.landmark_training import LandmarkExample
from xdub_core.training.mini.phoneme_training import SpeechExample
from xdub_core.training.mini.sync_training import SyncExample
from xdub_core.training.mini.vae_training import VAEExample

_ROW_SAMPLES = 320
_LIP_MARGIN = 4  # pixels


def vae_example(clip: AnnotatedClip) -> VAEExample:
    """A clip for the VAE: the lips' boxes, a little widened, are its mouths."""
    mouth = np.zeros(clip.frames.shape[:3], dtype=np.float32)
    for picture, (x0, y0, x1, y1) in zip(mouth, clip.mouth_boxes.round().astype(int), strict=True):
        corner, other = (x0 - _LIP_MARGIN, y0 - _LIP_MARGIN), (x1 + _LIP_MARGIN, y1 + _LIP_MARGIN)
        cv2.rectangle(picture, corner, other, 1.0, cv2.FILLED)
    return VAEExample(torch.from_numpy(clip.frames), torch.from_numpy(mouth))


def speech_example(clip: AnnotatedClip) -> SpeechExample:
    """A clip's sound and phonemes, context included."""
    return SpeechExample(clip.audio, clip.phonemes)


def clip_features(clip: AnnotatedClip, network: PhonemeNet) -> torch.Tensor:
    """The audio features of exactly a clip's frames [2 F, width], computed with the context that the clip has."""
    first = clip.audio_start // _ROW_SAMPLES
    return waveform_features(clip.audio, network).read(first, first + ROWS_PER_FRAME * len(clip.frames))


def sync_example(clip: AnnotatedClip, network: PhonemeNet) -> SyncExample:
    """A clip for the SyncNet, which takes the standard crop's mouth region."""
    frames = torch.from_numpy(clip.frames)
    return SyncExample(frames, region_boxes(frames), clip_features(clip, network))


def landmark_example(clip: AnnotatedClip) -> LandmarkExample:
    """A clip for the landmark finder: the landmarks, then the corners of the face box."""
    corners = clip.face_boxes.reshape(-1, 2, 2)
    return LandmarkExample(clip.frames, np.concatenate([clip.landmarks, corners], axis=1), clip.openness)


def identity_example(clip: AnnotatedClip) -> IdentityExample:
    """A clip for the identity network."""
    return IdentityExample(torch.from_numpy(clip.frames), clip.identity)
