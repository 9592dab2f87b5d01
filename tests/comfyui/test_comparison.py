"""What the Before/after panel plays: written beside the dub, and never in its way."""

import json
from pathlib import Path

import av
import folder_paths
import pytest
import torch
from minis import speech

from xdub_core.errors import MediaError

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture(scope="module")
def dub(pack, mini_folder, video):
    """Dubs 30 frames of 80 x 64 pixels."""
    with torch.inference_mode():
        parts = pack("comfy_bridge.mini").load_mini_parts(mini_folder)
        track = pack("face_crop").FaceCrop.execute(video, "box", 32, "8,4,56,52", 1, False, 25.0).args[0]

    def run(**more):
        given = {
            "steps": 0,
            "quality": 0,
            "as_released": False,
            "image_fps": 25.0,
            "retries": 0,
            "length": "audio",
        }
        models = {
            "model": parts.model,
            "vae": parts.vae,
            "audio_encoders": parts.encoders,
            "face_track": track,
        }
        return pack("dub_video").DubVideo.execute(video, speech(1.6), seed=1, **{**models, **given, **more})

    return run


def temporary(file):
    return Path(folder_paths.get_temp_directory()) / file["subfolder"] / file["filename"]


def test_the_panel_gets_both_pictures_and_where_the_face_is(dub):
    (shown,) = dub().ui["xdub_compare"]
    facts = json.loads(temporary(shown["facts"]).read_text(encoding="utf-8"))
    assert {name: facts[name] for name in ("size", "frames", "rate", "sounds")} == {
        "size": [80, 64], "frames": 40, "rate": 25, "sounds": 1,
    }  # fmt: skip
    (face,) = facts["faces"]
    assert len(face["x"]) == 40
    assert (face["x"][0], face["y"][0], face["side"][0]) == (4000, 4375, 7500)
    with av.open(str(temporary(shown["video"]))) as container:
        frames = list(container.decode(video=0))
        assert (len(frames), frames[0].width, frames[0].height) == (40, 80, 128)


def test_where_it_cannot_be_written_there_is_a_dub_all_the_same(dub, pack, monkeypatch, caplog):
    def full(self, frame):
        raise MediaError("the disk is full")

    before = set(Path(folder_paths.get_temp_directory()).iterdir())
    monkeypatch.setattr(pack("comfy_bridge.comparison").BeforeAfterWriter, "write", full)
    made = dub()
    assert made.ui["xdub_compare"] == []
    assert "no before/after video (the disk is full)" in caplog.text
    new = set(Path(folder_paths.get_temp_directory()).iterdir()) - before
    videos = [path for path in new if path.suffix == ".mp4"]
    assert videos == [Path(made.args[0].get_stream_source())]


def test_cancel_leaves_nothing_half_written(dub, pack, monkeypatch):
    def cancelled(self, frame):
        raise KeyboardInterrupt

    before = set(Path(folder_paths.get_temp_directory()).rglob("*.mp4"))
    monkeypatch.setattr(pack("comfy_bridge.comparison").BeforeAfterWriter, "write", cancelled)
    with pytest.raises(KeyboardInterrupt):
        dub()
    assert set(Path(folder_paths.get_temp_directory()).rglob("*.mp4")) == before
