"""Audio features and windows equal the released X-Dub's."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from tests.golden import golden_metadata, relative_error
from xdub_core.audio.encoded import EncodedAudio, wav2vec_features, whisper_features
from xdub_core.audio.features import JoinedFeatures, TensorFeatures
from xdub_core.audio.recording import open_recording
from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
from xdub_core.audio.whisper import load_whisper
from xdub_core.audio.windows import audio_windows

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def expected(goldens):
    return load_file(goldens / "audio_features.safetensors")


@pytest.fixture(scope="module")
def features(goldens):
    with open_recording(goldens / "speech_like.wav") as recording:
        yield {
            "whisper": whisper_features(recording, load_whisper(goldens / "whisper_tiny.pt")),
            "wav2vec": wav2vec_features(recording, load_wav2vec(goldens / "wav2vec2_tiny")),
        }


@pytest.mark.parametrize("encoder", ["whisper", "wav2vec"])
def test_features_equal_the_goldens(features, expected, encoder):
    rows = features[encoder].read(0, features[encoder].rows)
    assert relative_error(rows, expected[f"{encoder}.last"]) < TOLERANCE


@pytest.mark.parametrize("encoder", ["whisper", "wav2vec"])
def test_windows_at_every_start_frame_equal_the_goldens(features, expected, encoder):
    names = [name for name in expected if name.startswith(f"{encoder}.window_")]
    assert names
    for name in names:
        windows = audio_windows(features[encoder], int(name.rpartition("_")[2]), len(expected[name]))
        assert relative_error(windows, expected[name]) < TOLERANCE, name


def test_whisper_comes_first_then_wav2vec(goldens, expected):
    with open_recording(goldens / "speech_like.wav") as recording:
        both = EncodedAudio(
            recording, load_whisper(goldens / "whisper_tiny.pt"), load_wav2vec(goldens / "wav2vec2_tiny")
        )
        name = next(name for name in expected if name.startswith("whisper.window_"))
        windows = audio_windows(both, int(name.rpartition("_")[2]), len(expected[name]))
    joined = torch.cat([expected[name], expected[name.replace("whisper", "wav2vec")]], dim=-1)
    assert relative_error(windows, joined) < TOLERANCE


def test_windows_of_the_chained_clips_equal_the_goldens(goldens):
    path = goldens / "long_sampling.safetensors"
    tensors, facts = load_file(path), golden_metadata(path)
    both = JoinedFeatures([TensorFeatures(tensors[name][:, -1]) for name in ("whisper_feat", "wav2vec_feat")])
    stride = int(facts["clip_frames"]) - int(facts["motion_frames"])
    clips = sorted(name for name in tensors if name.endswith(".audio_feats"))
    for name in clips:
        clip = int(name.removeprefix("clip").removesuffix(".audio_feats"))
        windows = audio_windows(both, clip * stride, tensors[name].shape[1])
        assert torch.equal(windows, tensors[name][0]), name
