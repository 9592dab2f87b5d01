"""Audio Features: a recording, as long as the dub shall be."""

import pytest
import torch
from minis import speech

from xdub_core.errors import MediaError

pytestmark = pytest.mark.usefixtures("inference")


def test_features_outlive_their_recording_and_end_in_silence(pack, mini, crop, video):
    face = crop(video)[0]
    node = pack("audio_features").AudioFeatures
    (alone,) = node.execute(speech(0.5), mini.encoders, "audio").args
    (filled,) = node.execute(speech(0.5), mini.encoders, "source", face).args
    assert (alone.frames, filled.frames) == (13, 30)
    assert alone.features.width == mini.encoders.width == 20
    assert filled.features.rows == 60
    assert alone.features.read(0, 5).shape == (5, 20)


def test_an_audio_without_sound_is_told(pack, mini):
    node = pack("audio_features").AudioFeatures
    for audio in (None, {"waveform": torch.zeros(1, 1, 0), "sample_rate": 16000}):
        with pytest.raises(MediaError, match="no sound"):
            node.execute(audio, mini.encoders, "audio")
    with pytest.raises(MediaError, match="too short"):
        node.execute(speech(0.01), mini.encoders, "audio")
    assert "connect face_track" in node.validate_inputs(length="longest")
