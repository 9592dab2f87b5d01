"""The nodes around the model: footage in, crops, features and reference latents out, and back into a video."""

from fractions import Fraction

import comfy.model_management as management
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from minis import CARD, make_mini, speech, write_footage

from xdub_core.errors import FaceError, MediaError, SettingsError
from xdub_core.media.picture.frame import made_of


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def mini_folder(tmp_path_factory):
    return make_mini(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    return InputImpl.VideoFromFile(str(write_footage(tmp_path_factory.mktemp("video") / "in.mp4")))


@pytest.fixture(scope="session")
def mini(pack, mini_folder):
    with torch.inference_mode():
        return pack("comfy_bridge.mini").load_mini_parts(mini_folder, experts=False)


@pytest.fixture
def crop(pack):
    def run(source, **options):
        given = {"face": "box", "crop_size": 32, "box": "8,4,56,52", "detect_every": 1, "as_released": False}
        return pack("face_crop").FaceCrop.execute(source, **given, **options, image_fps=25.0).args

    return run


@pytest.fixture
def planned(pack, mini, crop, video):
    """A track, its crops, and 30 frames of reference latents: three clips of 13 with 5 in common."""
    face, crops, _ = crop(video)
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(1.2), mini.encoders, "audio").args
    (reference,) = pack("reference_latents").EncodeReference.execute(crops, face, mini.vae, heard, 13, 5).args
    return face, crops, reference


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


def test_the_mini_s_vae_is_its_codec(pack, mini):
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


def test_crops_are_the_box_25_times_a_second(crop, video):
    face, crops, preview = crop(video)
    assert crops.shape == (30, 32, 32, 3)
    assert preview.shape == (16, 64, 80, 3)
    assert face.track.boxes[0].tolist() == [8, 4, 56, 52]


def test_a_trimmed_video_of_another_rate_is_cropped_as_trimmed(crop, tmp_path):
    video = InputImpl.VideoFromFile(str(write_footage(tmp_path / "fast.mp4", 60, fps=50)))
    whole = crop(video)[1]
    trimmed = crop(video.as_trimmed(0.4, 0.4))[1]
    assert len(whole) == 30
    assert torch.equal(trimmed, whole[10:20])


def test_images_and_a_video_of_images_are_cropped_alike(crop):
    images = (torch.rand(12, 64, 80, 3) * 255).round() / 255
    made = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, frame_rate=Fraction(25)))
    assert torch.allclose(crop(images)[1], crop(made)[1], atol=1 / 255)
    assert len(crop(images, mask=None)[1]) == 12


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("images", ("h264", 8)), ("8 bits", ("h264", 8)), ("10 bits", ("hevc", 10)), ("file", ("h264", 8))],
)
def test_a_video_is_as_deep_as_its_source_is_known_to_be(pack, video, kind, expected):
    from xdub_core.media.video.video_info import probe_video

    images = torch.rand(4, 64, 80, 3)
    source = {"images": images, "file": video}.get(kind)
    if source is None:
        components = Types.VideoComponents(images=images, frame_rate=Fraction(25))
        source = InputImpl.VideoFromComponents(components, bit_depth=int(kind.split()[0]))
    footage = pack("comfy_bridge.media.footage").footage(source)
    made = pack("comfy_bridge.media.result").video_of(map(made_of, footage.slots()), footage, None, 16)
    info = probe_video(made.get_stream_source())
    assert (info.codec, info.bit_depth) == expected


def test_pictures_of_any_depth_come_back_as_pictures(pack):
    images = torch.rand(4, 64, 80, 3)
    footage = pack("comfy_bridge.media.footage").footage(images)
    again = pack("comfy_bridge.media.result").image_of(map(made_of, footage.slots()), 4, footage)
    assert (again - images).abs().max() <= 0.51 / 65535


def test_a_mask_says_where_the_face_is(pack, crop, video):
    mask = torch.zeros(1, 64, 80)
    mask[:, 10:40, 20:50] = 1
    node = pack("face_crop").FaceCrop
    face = node.execute(video, "mask", 32, "", 1, False, 25.0, mask=mask).args[0]
    assert face.track.boxes[0].tolist() == [20, 10, 50, 40]
    with pytest.raises(FaceError, match="mask is empty"):
        node.execute(video, "mask", 32, "", 1, False, 25.0, mask=torch.zeros(1, 64, 80))
    with pytest.raises(FaceError, match="resize it"):
        node.execute(video, "mask", 32, "", 1, False, 25.0, mask=torch.ones(1, 32, 80))


@pytest.mark.parametrize("kind", ["FACE_LANDMARKS", "BOUNDING_BOX"])
def test_faces_that_another_node_found_follow_the_frames_of_the_source(pack, kind):
    """Entries are the source's, 50 a second; crops are every other frame."""
    meshes = [20.0 + 4 * frame + np.linspace(0, 10, 468)[:, None].repeat(2, 1) for frame in range(6)]
    given = {
        "FACE_LANDMARKS": {
            "frames": [[{"landmarks_xy": mesh, "score": 1.0}] for mesh in meshes],
            "image_size": (96, 96),
        },
        "BOUNDING_BOX": [[{"x": mesh[0, 0], "y": mesh[0, 1], "width": 10, "height": 10}] for mesh in meshes],
    }[kind]
    (detector,) = pack("face_landmarks").FaceFromLandmarks.execute(given, 1).args
    face, crops, _ = (
        pack("face_crop")
        .FaceCrop.execute(torch.rand(6, 96, 96, 3), "find it", 32, "", 1, True, 50.0, face_detector=detector)
        .args
    )
    assert len(crops) == len(face.timeline) == 3
    assert face.track.present.all()
    if kind == "BOUNDING_BOX":  # boxes are taken as they are, landmarks smoothed
        assert np.diff(face.track.boxes[:, 0]).tolist() == [8, 8]
    with pytest.raises(FaceError, match="for 6 frames"):
        pack("face_crop").FaceCrop.execute(
            torch.rand(9, 96, 96, 3), "find it", 32, "", 1, True, 50.0, face_detector=detector
        )


@pytest.mark.parametrize("kind", ["BOUNDING_BOX", "masks"])
def test_given_faces_of_a_trimmed_video_are_those_of_the_frames_that_are_left(pack, tmp_path, kind):
    """50 frames a second, the first 20 trimmed away: 20 entries for the rest, of which every other is shown."""
    whole = InputImpl.VideoFromFile(str(write_footage(tmp_path / "fast.mp4", 60, fps=50)))
    lefts = range(20, 40)
    if kind == "masks":
        masks = torch.zeros(20, 64, 80)
        for number, left in enumerate(lefts):
            masks[number, 30:40, left : left + 10] = 1
        given = {"face": "mask", "mask": masks}
    else:
        boxes = [[{"x": left, "y": 30, "width": 10, "height": 10}] for left in lefts]
        (detector,) = pack("face_landmarks").FaceFromLandmarks.execute(boxes, 1).args
        given = {"face": "find it", "face_detector": detector}
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": True, "image_fps": 25.0}
    face = pack("face_crop").FaceCrop.execute(whole.as_trimmed(0.4, 0.4), **options, **given).args[0]
    centers = face.track.boxes[:, [0, 2]].mean(axis=1)
    assert len(face.timeline) == 10
    assert np.diff(centers).tolist() == [2] * 9
    with pytest.raises(FaceError, match="for 9 frames"):
        short = {"face": "mask", "mask": torch.ones(9, 64, 80)}
        pack("face_crop").FaceCrop.execute(whole.as_trimmed(0.4, 0.4), **options, **short)


def test_no_face_is_told(pack, video):
    class Blind:
        def detect(self, frames, numbers=None):
            return [None] * len(frames)

    with pytest.raises(FaceError, match="no face in any of the 30 frames"):
        pack("face_crop").FaceCrop.execute(video, "find it", 32, "", 1, False, 25.0, face_detector=Blind())


def test_detection_and_cropping_stop_within_one_frame(pack, video):
    seen = []

    class Watched:
        def detect(self, frames, numbers=None):
            seen.extend(numbers)
            if len(seen) == 3:
                management.interrupt_current_processing()
            return [None] * len(frames)

    with pytest.raises(management.InterruptProcessingException):
        pack("face_crop").FaceCrop.execute(video, "find it", 32, "", 1, False, 25.0, face_detector=Watched())
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"face": "find it"}, "connect a face detector"),
        ({"face": "mask"}, "connect a mask"),
        ({"face": "box", "box": "1,2,3"}, "four numbers"),
        ({"face": "box", "box": "9,2,3,8"}, "not right of"),
        ({"face": "boxes"}, "face 'boxes' is not in the list"),
    ],
)
def test_face_crop_says_what_is_missing_before_it_runs(pack, given, told):
    assert told in pack("face_crop").FaceCrop.validate_inputs(**given)


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


def test_reference_latents_are_planned_and_encoded_as_the_engine_does(planned, mini, pack):
    from xdub_core.media.timeline import ping_pong

    _face, crops, reference = planned
    assert (reference.frames, reference.clips, len(reference.shots)) == (30, 4, 1)
    (shot,) = reference.shots
    video_vae = pack("comfy_bridge.model.vae").ComfyVAE(mini.vae)
    second = crops[ping_pong(30, 60)[8:21]]
    assert torch.equal(shot.latents[1], video_vae.encode(second))


def test_crops_of_another_track_are_told(pack, planned, mini):
    face, crops, _reference = planned
    node = pack("reference_latents").EncodeReference
    features = type("Features", (), {"frames": 30})
    with pytest.raises(SettingsError, match="one and the same Face Crop"):
        node.execute(crops[:20], face, mini.vae, features, 13, 5)
    assert "multiple of 4 plus 1" in node.validate_inputs(clip_frames=12, motion_frames=5)


def test_a_vae_of_another_kind_is_told(pack):
    check = pack("comfy_bridge.model.vae").check_vae
    image_vae = type("Vae", (), {"first_stage_model": 1, "latent_channels": 4, "latent_dim": 2})()
    with pytest.raises(SettingsError, match="an image VAE"):
        check(image_vae)


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


def test_a_video_in_memory_leaves_no_file_behind(pack, tmp_path):
    import gc
    import io

    footage, temporary = (
        pack("comfy_bridge.media.footage"),
        pack("comfy_bridge.media.footage").temporary_path("").parent,
    )
    before = set(temporary.iterdir())
    content = write_footage(tmp_path / "in.mp4", 5).read_bytes()
    made = footage.footage(InputImpl.VideoFromFile(io.BytesIO(content)))
    assert len(list(made.slots())) == 5
    assert len(set(temporary.iterdir()) - before) == 1
    del made
    gc.collect()
    assert set(temporary.iterdir()) == before
    for damaged in (b"no video at all" * 99, content[:300]):
        with pytest.raises(MediaError):
            footage.footage(InputImpl.VideoFromFile(io.BytesIO(damaged)))
    assert set(temporary.iterdir()) == before


def test_the_mini_s_vae_has_everything_that_core_s_constructor_sets(mini):
    """It does without that constructor, which knows files by their weights: what core adds to it must be added here."""
    import comfy.sd
    from comfy.taesd.taesd import TAESD

    core = comfy.sd.VAE(sd=TAESD(latent_channels=4).state_dict())
    assert core.first_stage_model is not None
    assert set(vars(core)) - set(vars(mini.vae)) == set()
