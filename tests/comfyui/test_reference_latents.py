"""Reference Latents: clips planned and encoded as the engine does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from minis import speech

from xdub_core.errors import SettingsError

pytestmark = pytest.mark.usefixtures("inference")


def test_reference_latents_are_planned_and_encoded_as_the_engine_does(planned, mini, pack):
    from xdub_core.media.timeline import ping_pong

    _face, crops, reference = planned
    assert (reference.frames, reference.clips, len(reference.shots)) == (30, 4, 1)
    (shot,) = reference.shots
    video_vae = pack("comfy_bridge.model.vae").ComfyVAE(mini.vae)
    second = crops[ping_pong(30, 60)[8:21]]
    assert torch.equal(shot.latents[1], video_vae.encode(second))


def test_long_pauses_that_show_the_source_s_lips_are_not_planned(pack, mini, crop, video):
    face, crops, _ = crop(video)
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(6.0), mini.encoders, "audio").args
    strength = np.ones(150, np.float32)
    strength[30:110] = 0
    node = pack("reference_latents").EncodeReference

    def planned(strength):
        given = replace(heard, strength=strength)
        return node.execute(crops, face, mini.vae, given, 13, 5).args[0]

    assert [shot.frames for shot in planned(strength).shots] == [range(30), range(110, 150)]
    with pytest.raises(SettingsError, match="nobody speaks"):
        planned(np.zeros(150, np.float32))


def test_crops_of_another_track_are_told(pack, planned, mini):
    face, crops, _reference = planned
    node = pack("reference_latents").EncodeReference
    features = type("Features", (), {"frames": 30, "strength": None})
    with pytest.raises(SettingsError, match="one and the same Face Crop"):
        node.execute(crops[:20], face, mini.vae, features, 13, 5)
    assert "multiple of 4 plus 1" in node.validate_inputs(clip_frames=12, motion_frames=5)
