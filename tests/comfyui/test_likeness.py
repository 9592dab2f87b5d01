"""A real face and the built-in model: told before the work, in the log and on the node."""

import logging

import pytest
import torch
from comfy_api.latest import InputImpl
from minis import speech

from xdub_core.mini.card import BUILT_IN, is_mini

pytestmark = pytest.mark.skipif(not is_mini(BUILT_IN), reason="the built-in model is not there")


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def mini(pack):
    with torch.inference_mode():
        return pack("comfy_bridge.mini").load_mini_parts(BUILT_IN, experts=False)


def told(caplog):
    return [record.getMessage() for record in caplog.records if "no rendered head" in record.getMessage()]


def dub(pack, mini, video, box, frames=5):
    face = pack("face_crop").FaceCrop.execute(video, "box", mini.card.crop, box, 1, False, 25.0).args[0]
    given = {"model": mini.model, "vae": mini.vae, "audio_encoders": mini.encoders, "face_track": face}
    given |= {
        "seed": 1,
        "steps": 1,
        "quality": 30,
        "as_released": False,
        "image_fps": 25.0,
        "length": "audio",
    }
    return pack("dub_video").DubVideo.execute(video, speech(frames / 25), **given)


def test_a_real_face_is_told_before_the_work_and_dubbed_all_the_same(pack, mini, media, caplog, monkeypatch):
    shown = []
    monkeypatch.setattr(pack("comfy_bridge.mini"), "warn", lambda line: shown.append(line))
    video = InputImpl.VideoFromFile(str(media / "video.mp4"))
    width, height = video.get_dimensions()
    dub(pack, mini, video.as_trimmed(0, 0.5), f"0,0,{min(width, height)},{min(width, height)}")
    (line,) = shown
    assert "no rendered head" in line and "load the released model" in line and "\n" not in line


def test_a_rendered_head_is_not_warned_of(pack, mini, caplog):
    video, _ = pack("sample").LoadSample.execute().args
    face, _, _ = (
        pack("face_crop")
        .FaceCrop.execute(
            video.as_trimmed(0, 0.6),
            "find it",
            mini.card.crop,
            "",
            1,
            False,
            25.0,
            face_detector=mini.detector,
        )
        .args
    )
    with caplog.at_level(logging.WARNING):
        pack("comfy_bridge.mini").warn_of_real_face(
            mini.model,
            pack("comfy_bridge.media.footage").footage(video.as_trimmed(0, 0.6)),
            face,
            mini.card.crop,
        )
    assert told(caplog) == []


def test_step_by_step_it_is_told_too(pack, mini, caplog):
    """Noise is no rendered head either."""
    pictures = torch.rand(13, 64, 64, 3)
    face, crops, _ = (
        pack("face_crop").FaceCrop.execute(pictures, "whole frame", mini.card.crop, "", 1, False, 25.0).args
    )
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(0.5), mini.encoders, "audio").args
    (reference,) = pack("reference_latents").EncodeReference.execute(crops, face, mini.vae, heard, 13, 5).args
    with caplog.at_level(logging.WARNING):
        pack("comfy_bridge.mini").warn_of_real_crops(mini.model, reference)
    (line,) = told(caplog)
    assert line.startswith("X-Dub: ")


def test_other_models_are_not_asked(pack, mini, caplog):
    other = mini.model.clone()
    other.set_attachments("xdub_heads_only", False)
    pack("comfy_bridge.mini").warn_of_real_face(other, None, None, 96)
    assert told(caplog) == []


def test_a_warning_is_shown_on_the_node(pack, monkeypatch, caplog):
    from comfy_execution.utils import CurrentNodeContext
    from server import PromptServer

    shown = []

    class Server:
        def send_progress_text(self, text, node_id):
            shown.append((node_id, text))

    monkeypatch.setattr(PromptServer, "instance", Server(), raising=False)
    with CurrentNodeContext("prompt", "7"), caplog.at_level(logging.WARNING):
        pack("comfy_bridge.host.warnings").warn("mind the gap")
    assert shown == [("7", "mind the gap")]
    assert "X-Dub: mind the gap" in caplog.text
