"""The built-in mini as it is shipped: small enough, whole, and it dubs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from xdub_core.audio.features import TensorFeatures
from xdub_core.audio.recording import SAMPLE_RATE, open_recording
from xdub_core.cli.demo import SAMPLE
from xdub_core.evaluation.held_out import dub_frames
from xdub_core.evaluation.pictures import psnr
from xdub_core.evaluation.sync import sync_score
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import track_faces
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import load_mini
from xdub_core.mini.network_files import load_networks
from xdub_core.mini.phonemes import waveform_features
from xdub_core.mini.syncnet import MiniSyncScorer

FRAMES = 61


@pytest.fixture(scope="module")
def mini():
    return load_mini()


@pytest.fixture(scope="module")
def crops(mini):
    """The sample's face, uint8 [61, 96, 96, 3]."""
    with VideoReader(SAMPLE / "source.mp4") as reader:
        frames = list(reader.frames(reader.timeline.source_index[:FRAMES]))
    track = track_faces(iter(frames), mini.detector)
    cut = [crop_frame(frame, box, mini.card.crop) for frame, box in zip(frames, track.boxes, strict=True)]
    return torch.from_numpy((np.stack(cut) * 255).round().astype(np.uint8))


@pytest.fixture(scope="module")
def speech(mini):
    with open_recording(SAMPLE / "recording.wav") as recording:
        features = mini.features(recording)
        return features.read(0, 2 * FRAMES)


def dubbed(mini, crops, features, seed=42):
    settings = mini.card.settings
    settings = replace(settings, sampler=replace(settings.sampler, seed=seed))
    return dub_frames(crops, TensorFeatures(features), mini.model, settings)


@pytest.fixture(scope="module")
def dub(mini, crops, speech):
    return dubbed(mini, crops, speech)


def test_the_bundle_is_small():
    assert sum(path.stat().st_size for path in BUILT_IN.glob("*.safetensors")) <= 20_000_000


def test_the_lips_speak_the_recording(crops, dub, speech):
    """In sync with the new speech, which the source is not."""
    scorer = MiniSyncScorer(load_networks(BUILT_IN).sync)
    before, after = (sync_score(scorer, frames, speech) for frames in (crops, dub))
    assert abs(after.offset) <= 1
    assert after.confidence > before.confidence + 0.4


def test_the_rest_of_the_face_stays(crops, dub):
    upper = torch.zeros(crops.shape[:3], dtype=torch.bool)
    upper[:, : crops.shape[1] // 2] = True
    assert psnr(dub, crops, upper) > 50


def test_silence_closes_the_mouth(mini, crops, dub):
    features = waveform_features(np.zeros(FRAMES * SAMPLE_RATE // 25, np.float32), mini.phonemes).tensor
    finder = mini.detector.finder
    silent = finder.find(list(dubbed(mini, crops, features).numpy())).openness
    speaking = finder.find(list(dub.numpy())).openness
    assert silent.std() < 0.2 * speaking.std()
    assert silent.mean() < 0.2 * speaking.mean()


def test_the_same_seed_gives_the_same_dub(mini, crops, dub, speech):
    assert torch.equal(dubbed(mini, crops, speech), dub)
    assert not torch.equal(dubbed(mini, crops, speech, seed=7), dub)
