"""The built-in model in ComfyUI: its parts, its VAE, and a warning where a face is none that it knows."""

import logging

import pytest
import torch
from comfy_api.latest import InputImpl
from minis import CARD, speech

from xdub_core.mini.card import BUILT_IN, is_mini

pytestmark = pytest.mark.usefixtures("inference")
built_in_there = pytest.mark.skipif(not is_mini(BUILT_IN), reason="the built-in model is not there")


def test_a_mini_gives_everything_that_a_dub_needs(pack, mini_folder, monkeypatch):
    monkeypatch.setenv("XDUB_FOLDERS", str(mini_folder.parent))
    outputs = pack("mini").LoadMini.execute(experts=False, folder=str(mini_folder)).args
    assert [type(output).__name__ for output in outputs[:4]] == [
        "ModelPatcher",
        "MiniVae",
        "ManagedEncoders",
        "MiniDetector",
    ]
    assert outputs[5:] == (CARD.crop, CARD.clip_frames, CARD.steps)


def test_a_folder_without_a_mini_is_told_before_anything_runs(pack, tmp_path, monkeypatch):
    monkeypatch.setenv("XDUB_FOLDERS", str(tmp_path))
    assert "holds no xdub-mini" in pack("mini").LoadMini.validate_inputs(folder=str(tmp_path))


def test_core_s_vae_nodes_work_with_the_mini_s_vae(mini):
    from nodes import VAEDecode, VAEEncode

    images = torch.rand(13, 32, 48, 3)
    (latents,) = VAEEncode().encode(mini.vae, images)
    assert latents["samples"].shape == (1, 48, 4, 4, 6)
    (decoded,) = VAEDecode().decode(mini.vae, latents)
    assert decoded.shape == images.shape
    assert decoded.min() >= 0 and decoded.max() <= 1


def test_the_mini_s_vae_in_core_is_the_engine_s(pack, mini):
    from xdub_core.mini.vae import MiniVAE

    video_vae = pack("comfy_bridge.model.vae").ComfyVAE(mini.vae)
    own = MiniVAE(mini.vae.first_stage_model.network)
    frames = torch.rand(9, 32, 32, 3)
    latents = own.encode(frames)
    assert torch.allclose(video_vae.encode(frames), latents, atol=1e-5)
    assert torch.allclose(video_vae.decode(latents), own.decode(latents), atol=1e-5)
    stream, whole = video_vae.stream(), own.decode(latents)
    pieces = [
        stream.decode(latents[:, :, :1]),
        stream.peek(latents[:, :, 1:]),
        stream.decode(latents[:, :, 1:2]),
    ]
    assert torch.allclose(torch.cat([pieces[0], pieces[1]]), whole, atol=1e-5)
    assert torch.allclose(pieces[2], whole[1:5], atol=1e-5)


def test_the_mini_s_vae_has_everything_that_core_s_constructor_sets(mini):
    """It does without that constructor, which knows files by their weights: what core adds to it must be added here."""
    import comfy.sd
    from comfy.taesd.taesd import TAESD

    core = comfy.sd.VAE(sd=TAESD(latent_channels=4).state_dict())
    assert core.first_stage_model is not None
    assert set(vars(core)) - set(vars(mini.vae)) == set()


@pytest.fixture(scope="module")
def built_in(pack):
    with torch.inference_mode():
        return pack("comfy_bridge.mini").load_mini_parts(BUILT_IN, experts=False)


def told(caplog):
    return [record.getMessage() for record in caplog.records if "no rendered head" in record.getMessage()]


def dub(pack, built_in, video, box, frames=5):
    face = pack("face_crop").FaceCrop.execute(video, "box", built_in.card.crop, box, 1, False, 25.0).args[0]
    given = {
        "model": built_in.model,
        "vae": built_in.vae,
        "audio_encoders": built_in.encoders,
        "face_track": face,
    }
    given |= {
        "seed": 1,
        "steps": 1,
        "quality": 30,
        "as_released": False,
        "image_fps": 25.0,
        "length": "audio",
    }
    return pack("dub_video").DubVideo.execute(video, speech(frames / 25), **given)


@built_in_there
def test_a_real_face_is_told_before_the_work_and_dubbed_all_the_same(
    pack, built_in, media, caplog, monkeypatch
):
    shown = []
    monkeypatch.setattr(pack("comfy_bridge.mini"), "warn", lambda line: shown.append(line))
    video = InputImpl.VideoFromFile(str(media / "video.mp4"))
    width, height = video.get_dimensions()
    dub(pack, built_in, video.as_trimmed(0, 0.5), f"0,0,{min(width, height)},{min(width, height)}")
    (line,) = shown
    assert "no rendered head" in line and "load the released model" in line and "\n" not in line


@built_in_there
def test_a_rendered_head_is_not_warned_of(pack, built_in, caplog):
    video, *_ = pack("sample").LoadSample.execute().args
    face, _, _ = (
        pack("face_crop")
        .FaceCrop.execute(
            video.as_trimmed(0, 0.6),
            "find it",
            built_in.card.crop,
            "",
            1,
            False,
            25.0,
            face_detector=built_in.detector,
        )
        .args
    )
    with caplog.at_level(logging.WARNING):
        pack("comfy_bridge.mini").warn_of_real_face(
            built_in.model,
            pack("comfy_bridge.media.footage").footage(video.as_trimmed(0, 0.6)),
            face,
            built_in.card.crop,
        )
    assert told(caplog) == []


@built_in_there
def test_step_by_step_it_is_told_too(pack, built_in, caplog):
    """Noise is no rendered head either."""
    pictures = torch.rand(13, 64, 64, 3)
    face, crops, _ = (
        pack("face_crop")
        .FaceCrop.execute(pictures, "whole frame", built_in.card.crop, "", 1, False, 25.0)
        .args
    )
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(0.5), built_in.encoders, "audio").args
    (reference,) = (
        pack("reference_latents").EncodeReference.execute(crops, face, built_in.vae, heard, 13, 5).args
    )
    with caplog.at_level(logging.WARNING):
        pack("comfy_bridge.mini").warn_of_real_crops(built_in.model, reference)
    (line,) = told(caplog)
    assert line.startswith("X-Dub: ")


@built_in_there
def test_other_models_are_not_asked(pack, built_in, caplog):
    other = built_in.model.clone()
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
