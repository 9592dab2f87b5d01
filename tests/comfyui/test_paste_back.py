"""From sampled clips back into the video: Stitch Clips, Colour Match and Paste Back."""

import comfy.model_management as management
import pytest
import torch
from comfy_api.latest import InputImpl
from minis import speech, write_footage

from xdub_core.errors import FaceError, SettingsError

pytestmark = pytest.mark.usefixtures("inference")


def test_untouched_clips_come_back_as_the_source(pack, planned, mini, video):
    """Reference latents instead of the sampler's: stitched, decoded, matched and pasted they are the source again."""
    from nodes import VAEDecode

    face, crops, reference = planned
    latent_format = pack("comfy_bridge.model.latent_format").latent_format(48)
    sampled = [{"samples": latent_format.process_out(torch.cat(shot.latents))} for shot in reference.shots]
    (stitched,) = pack("stitch_clips").StitchClips.execute(sampled, [reference]).args
    assert stitched[0]["samples"].shape[2] == 4 + 3 * 2
    decoded = [VAEDecode().decode(mini.vae, shot)[0] for shot in stitched]
    (matched,) = pack("color_match").ColorMatch.execute(decoded, [reference]).args
    assert [len(shot) for shot in matched] == [30]
    unchanged = [crops[shot.slots[: len(shot.frames)]] for shot in reference.shots]
    arguments = ([video], unchanged, [face], [reference], ["change"], [False])
    node = pack("paste_back").PasteBack
    _, images = node.execute(*arguments, ["images"], [0], [25.0]).args
    slots = pack("comfy_bridge.media.footage").footage(video).slots()
    frames = torch.stack([pack("comfy_bridge.media.frames").image_from_frame(frame) for frame in slots])
    assert torch.equal(images, frames)
    made, _ = node.execute(*arguments, ["video"], [0], [25.0], [speech(1.2)]).args
    components = made.get_components()
    assert components.images.shape == frames.shape
    assert (components.images - frames).abs().mean() < 2 / 255
    assert components.audio["waveform"].shape[-1] > 16000


def test_clips_of_another_plan_are_told(pack, planned):
    reference = planned[2]
    with pytest.raises(SettingsError, match="same reference"):
        pack("stitch_clips").StitchClips.execute([{"samples": torch.zeros(2, 48, 4, 4, 4)}], [reference])
    with pytest.raises(SettingsError, match="crops of 16 x 16 pixels"):
        pack("color_match").ColorMatch.execute([torch.zeros(40, 16, 16, 3)], [reference])


def test_several_videos_at_once_are_told_by_the_nodes_that_take_one(pack, planned, video):
    face, crops, reference = planned
    told = "take one at a time"
    with pytest.raises(SettingsError, match=told):
        pack("stitch_clips").StitchClips.execute([], [reference, reference])
    with pytest.raises(SettingsError, match=told):
        pack("color_match").ColorMatch.execute([], [reference, reference])
    single = {
        "source": [video],
        "images": [crops[shot.slots[: len(shot.frames)]] for shot in reference.shots],
        "face_track": [face],
        "reference": [reference],
        "paste": ["change"],
        "keep_unchanged": [False],
        "output": ["images"],
        "quality": [16],
        "image_fps": [25.0],
        "audio": [speech(1.2)],
    }
    node = pack("paste_back").PasteBack
    node.execute(**single)
    for name in ("source", "face_track", "reference", "audio"):
        with pytest.raises(SettingsError, match=f"2 videos come in .{name}.*{told}"):
            node.execute(**single | {name: single[name] * 2})


def test_paste_back_stops_within_one_frame_and_leaves_no_file(pack, planned, video, monkeypatch):
    from pathlib import Path

    import folder_paths

    face, crops, reference = planned
    unchanged = [crops[shot.slots[: len(shot.frames)]] for shot in reference.shots]
    written = []
    writer = pack("comfy_bridge.media.result").VideoWriter
    write = writer.write

    def interrupting(self, frame):
        written.append(1)
        if len(written) == 4:
            management.interrupt_current_processing()
        write(self, frame)

    monkeypatch.setattr(writer, "write", interrupting)
    before = set(Path(folder_paths.get_temp_directory()).iterdir())
    with pytest.raises(management.InterruptProcessingException):
        pack("paste_back").PasteBack.execute(
            [video],
            unchanged,
            [face],
            [reference],
            ["change"],
            [True],
            ["video"],
            [16],
            [25.0],
            [speech(1.2)],
        )
    assert len(written) == 4
    assert set(Path(folder_paths.get_temp_directory()).iterdir()) == before


def test_a_video_that_the_track_is_not_of_is_told(pack, planned, tmp_path):
    face, _, reference = planned
    other = InputImpl.VideoFromFile(str(write_footage(tmp_path / "other.mp4", 40)))
    with pytest.raises(FaceError, match="30 frames of 80 x 64, but the video has 40 frames"):
        pack("paste_back").PasteBack.execute(
            [other], [], [face], [reference], ["change"], [True], ["video"], [16], [25.0]
        )


@pytest.mark.parametrize(("extend", "shown"), [("bounce", 26), ("loop", 2), ("hold", 29)])
def test_a_short_video_is_made_longer_as_chosen_in_reference_latents(pack, mini, crop, video, extend, shown):
    face, crops, _ = crop(video)
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(1.4), mini.encoders, "audio").args
    encode = pack("reference_latents").EncodeReference.execute
    (reference,) = encode(crops, face, mini.vae, heard, 13, 5, extend).args
    unchanged = [crops[shot.slots[: len(shot.frames)]] for shot in reference.shots]
    given = ([video], unchanged, [face], [reference], ["change"], [False], ["images"], [0], [25.0])
    _, images = pack("paste_back").PasteBack.execute(*given).args
    assert len(images) == 35
    slots = list(pack("comfy_bridge.media.footage").footage(video).slots())
    assert torch.equal(images[32], pack("comfy_bridge.media.frames").image_from_frame(slots[shown]))
