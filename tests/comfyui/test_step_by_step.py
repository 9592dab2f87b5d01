"""The step-by-step nodes make what Dub Video makes: with a mini of random weights, and one of two faces."""

import numpy as np
import pytest
from comfy_api.latest import InputImpl
from crowd import LEFT, RIGHT, TwoFaces, changed
from minis import CARD, write_footage

from nodes import VAEDecode

pytestmark = pytest.mark.usefixtures("inference")


SPOKEN, SILENT = slice(12, 36), slice(64, 80)
"""Frames in which the sample's recording speaks, and in which it has ended."""


@pytest.fixture
def paused(pack):
    """AUDIO that speaks for two seconds and is silent for one, which a buzz would be all the time."""
    audio = pack("sample").LoadSample.execute("two people").args[1]
    return audio | {"waveform": audio["waveform"][..., : round(3.2 * audio["sample_rate"])]}


@pytest.fixture
def fps():
    return 25


@pytest.fixture
def source(tmp_path, fps):
    return InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4", fps=fps)))


@pytest.fixture
def frames_of(pack):
    """A video's frames, uint8 [n, h, w, 3]."""

    def read(video):
        footage = pack("comfy_bridge.media.footage").footage(video)
        return np.stack(list(footage.source.frames(range(len(footage.clock)))))

    return read


@pytest.fixture
def step_by_step(pack, mini, source):
    def run(audio, person, silence):
        given = {
            "crop_size": CARD.crop,
            "box": "",
            "detect_every": 1,
            "as_released": False,
            "image_fps": 25.0,
        }
        face, crops, _ = (
            pack("face_crop")
            .FaceCrop.execute(source, "find it", **given, face_detector=TwoFaces(), person=person)
            .args
        )
        (heard,) = (
            pack("audio_features")
            .AudioFeatures.execute(audio, mini.encoders, "audio", face, silence=silence)
            .args
        )
        (plan,) = (
            pack("reference_latents")
            .EncodeReference.execute(crops, face, mini.vae, heard, CARD.clip_frames, CARD.motion_frames)
            .args
        )
        sampled = (
            pack("sampler").DubSampler.execute(mini.model, plan, heard, 1, False, 1, True, False).args[0]
        )
        (stitched,) = pack("stitch_clips").StitchClips.execute(sampled, [plan]).args
        decoded = [VAEDecode().decode(mini.vae, shot)[0] for shot in stitched]
        (matched,) = pack("color_match").ColorMatch.execute(decoded, [plan]).args
        pasted = ([source], matched, [face], [plan], ["change"], [True], ["video"], [0], [25.0])
        return pack("paste_back").PasteBack.execute(*pasted).args[0]

    return run


@pytest.fixture
def in_one_node(pack, mini, source):
    def run(audio, person, silence):
        given = {"model": mini.model, "vae": mini.vae, "audio_encoders": mini.encoders, "seed": 1, "steps": 0}
        given |= {"length": "audio", "quality": 0, "as_released": False, "image_fps": 25.0, "resume": False}
        made = pack("dub_video").DubVideo.execute(
            source, audio, **given, face_detector=TwoFaces(), person=person, silence=silence
        )
        return made.args[0]

    return run


@pytest.mark.parametrize(("silence", "fps", "frames"), [("closed", 50, 160), ("source", 25, 80)])
def test_step_by_step_is_the_whole_dub(
    step_by_step, in_one_node, frames_of, paused, silence, fps, frames, source
):
    videos = step_by_step(paused, "left", silence), in_one_node(paused, "left", silence)
    assert [video.get_components().frame_rate for video in videos] == [fps, fps]
    steps, whole = (frames_of(video) for video in videos)
    assert len(steps) == frames
    # What the model is asked and answers is the same to the last bit. Core decodes a shot in one go and the engine as
    # a stream, whose floats differ in the last bit: here and there one is rounded to the next of 256 levels.
    off = np.abs(steps.astype(int) - whole)
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-4


def test_with_silence_at_source_a_pause_shows_the_source_s_own_lips(in_one_node, frames_of, paused, source):
    made, frames = frames_of(in_one_node(paused, "left", "source")), frames_of(source)
    played = frames[[abs((number + 29) % 58 - 29) for number in range(80)]]  # to and fro
    assert changed(made[SPOKEN], played[SPOKEN], LEFT) > 2
    assert changed(made[SILENT], played[SILENT], LEFT) < 1 > changed(made[SPOKEN], played[SPOKEN], RIGHT)
