"""Dub Video: the whole dub in one node, with a mini of random weights."""

from dataclasses import replace
from pathlib import Path

import comfy.model_management as management
import folder_paths
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from minis import CARD, speech, write_footage

from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.errors import FaceError, SettingsError
from xdub_core.face.detector import Detection
from xdub_core.media.output.origin import EDITED_WITH_AI, stated_source_type
from xdub_core.mini.loading import load_mini

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def parts(pack, mini_folder):
    return pack("comfy_bridge.mini").load_mini_parts(mini_folder)


@pytest.fixture
def track(pack, video):
    return pack("face_crop").FaceCrop.execute(video, "box", 32, "8,4,56,52", 1, False, 25.0).args[0]


@pytest.fixture
def dubbed(pack, parts, track):
    def run(video, audio=None, length="audio", **changes):
        given = {
            "model": parts.model,
            "vae": parts.vae,
            "audio_encoders": parts.encoders,
            "face_track": track,
        }
        given |= {
            "seed": 1,
            "steps": 0,
            "quality": 0,
            "as_released": False,
            "image_fps": 25.0,
            "retries": 0,
        } | changes
        return pack("dub_video").DubVideo.execute(video, audio or speech(1.6), length=length, **given).args[0]

    return run


def temporary_files():
    return set(Path(folder_paths.get_temp_directory()).glob("*"))


def test_the_dub_is_as_long_as_the_speech_and_carries_it(dubbed, video):
    components = dubbed(video).get_components()
    assert components.images.shape == (40, 64, 80, 3)
    assert components.frame_rate == 25
    assert components.audio["waveform"].shape[-1] / components.audio["sample_rate"] == pytest.approx(
        1.6, abs=0.1
    )


def test_what_save_video_writes_says_that_ai_edited_it(dubbed, video, tmp_path):
    dubbed(video).save_to(str(tmp_path / "saved.mp4"), metadata={"prompt": {}})
    assert stated_source_type(tmp_path / "saved.mp4") == EDITED_WITH_AI


def test_only_the_box_is_touched(pack, dubbed, video):
    made = pack("comfy_bridge.media.footage").footage(dubbed(video, length="source"))
    source = pack("comfy_bridge.media.footage").footage(video)
    for new, old in zip(made.slots(), source.slots(), strict=True):
        outside, inside = abs(new.astype(int) - old)[:, 60:], abs(new.astype(int) - old)[8:48, 12:52]
        assert outside.mean() < 1
        assert inside.mean() > 2


def test_it_is_the_engine_s_dub(pack, dubbed, video, mini_folder, track):
    """MODEL, VAE, encoders and expert through ComfyUI against the engine by itself."""
    from xdub_core.audio.recording import recording_from_waveform

    made = pack("comfy_bridge.media.footage").footage(dubbed(video, silence="model"))
    mini, audio = load_mini(mini_folder), speech(1.6)
    settings = pack("comfy_bridge.dub_video").dub_settings(
        pack("comfy_bridge.mini").load_mini_parts(mini_folder).model,
        pack("comfy_bridge.dub_video").DubChoices(1, retries=0),
    )
    assert settings.sampler.steps == CARD.steps
    source = pack("comfy_bridge.media.footage").footage(video)
    with recording_from_waveform(audio["waveform"][0], audio["sample_rate"]) as recording:
        scene = Scene(source.source, track.timeline, (Speaker(track.track, mini.features(recording)),), 40)
        model = DubModel(mini.model.vae, mini.model.denoiser)
        expected = [frame.rgb for frame in dub(scene, model, settings)]
    for new, old in zip(made.slots(), expected, strict=True):
        assert abs(new.astype(int) - old).mean() < 1  # the encoder's rounding


def test_another_seed_is_another_dub(dubbed, video):
    one, two = (dubbed(video, speech(0.5), seed=seed).get_components().images for seed in (1, 2))
    assert (one - two).abs().max() > 0.02


def test_interrupting_stops_within_a_step_and_leaves_no_file(dubbed, video, parts):
    before = temporary_files()
    steps = []

    def wrapped(predict, *args, **kwargs):
        steps.append(1)
        if len(steps) == 3:
            management.interrupt_current_processing()
        return predict(*args, **kwargs)

    model = parts.model.clone()
    model.add_wrapper("predict_noise", wrapped)
    with pytest.raises(management.InterruptProcessingException):
        dubbed(video, model=model)
    assert len(steps) == 3
    assert temporary_files() == before
    assert dubbed(video, speech(0.4)).get_frame_count() == 10


def test_what_does_not_belong_together_is_told_before_the_work(pack, dubbed, video, parts, track):
    class Deaf:
        width = 2048

    with pytest.raises(SettingsError, match="2048 wide, but the model takes 20"):
        dubbed(video, audio_encoders=Deaf())
    narrow = type("Vae", (), {"first_stage_model": 1, "latent_channels": 16, "latent_dim": 3})()
    narrow.upscale_ratio = (lambda latents: 4 * latents - 3, 8, 8)
    narrow.downscale_ratio = (lambda frames: (frames + 3) // 4, 8, 8)
    with pytest.raises(SettingsError, match="16 channels, but the model takes 48"):
        dubbed(video, vae=narrow)
    other = type("Patcher", (), {"model": torch.nn.Linear(1, 1)})()
    with pytest.raises(SettingsError, match="model of another kind"):
        dubbed(video, model=other)
    face = replace(track, crop_size=40)
    with pytest.raises(SettingsError, match="a crop size of 40"):
        dubbed(video, face_track=face)
    assert "connect a face detector" in pack("dub_video").DubVideo.validate_inputs(length="audio")


def test_a_video_without_a_face_is_told(dubbed, video):
    class Blind:
        def detect(self, frames, numbers=None):
            return [None] * len(frames)

    with pytest.raises(FaceError, match="no face in any of the 30 frames"):
        dubbed(video, face_track=None, face_detector=Blind())


def test_a_face_that_appears_after_the_speech_is_told_and_leaves_no_file(pack, dubbed, video, parts):
    class Late:
        def detect(self, frames, numbers=None):
            return [Detection(np.array([8.0, 4, 56, 52]), 1.0) if n >= 20 else None for n in numbers]

    before, listener = temporary_files(), Listener(parts.encoders)
    with pytest.raises(FaceError, match="no face in the first 10 frames"):
        dubbed(video, speech(0.4), face_track=None, face_detector=Late(), audio_encoders=listener)
    assert temporary_files() == before
    assert listener.asked == 0
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    face, crops, _ = (
        pack("face_crop").FaceCrop.execute(video, "find it", **options, face_detector=Late()).args
    )
    (heard,) = pack("audio_features").AudioFeatures.execute(speech(0.4), parts.encoders, "audio").args
    with pytest.raises(FaceError, match="no face in the first 10 frames"):
        pack("reference_latents").EncodeReference.execute(crops, face, parts.vae, heard, 13, 5)


def test_comfyui_s_schedulers_take_the_mini_s_own_noise_levels(parts):
    from comfy.samplers import calculate_sigmas

    from xdub_core.sampling.schedule import flow_sigmas

    sigmas = calculate_sigmas(parts.model.get_model_object("model_sampling"), "simple", 12)
    ours = flow_sigmas(12, parts.card.shift)  # core's come from a table of a thousand
    torch.testing.assert_close(sigmas, ours, atol=3e-3, rtol=0)


def test_the_dub_is_made_at_the_track_s_crop_size(pack, parts, dubbed, video, monkeypatch):
    face = pack("face_crop").FaceCrop.execute(video, "box", 64, "8,4,56,52", 1, False, 25.0).args[0]
    encoded = []
    video_vae = pack("comfy_bridge.model.vae").ComfyVAE
    encode = video_vae.encode
    monkeypatch.setattr(
        video_vae, "encode", lambda self, frames: encoded.append(frames.shape[1]) or encode(self, frames)
    )
    dubbed(video, speech(0.5), face_track=face)
    assert set(encoded) == {64}
    encoded.clear()
    dubbed(
        video, speech(0.5), face_track=None, face_detector=Finder(replace(face.track, boxes=face.track.boxes))
    )
    assert set(encoded) == {CARD.crop}


class Finder:
    """Finds a face of a track, and counts in how many frames it was asked for one."""

    def __init__(self, track):
        self.track = track
        self.asked = 0

    def detect(self, frames, numbers=None):
        self.asked += len(frames)
        return [Detection(np.array([8.0, 4, 56, 52]), 1.0) for _ in frames]


class Listener:
    """The mini's encoders, and how often they were asked."""

    def __init__(self, encoders):
        self.encoders = encoders
        self.asked = 0

    @property
    def width(self):
        return self.encoders.width

    def features(self, recording, on_progress):
        self.asked += 1
        return self.encoders.features(recording, on_progress)


def test_another_seed_neither_listens_nor_looks_again(pack, parts, dubbed, video, track, tmp_path):
    finder, listener = Finder(track.track), Listener(parts.encoders)
    given = {"face_track": None, "face_detector": finder, "audio_encoders": listener}
    path = write_footage(tmp_path / "in.mp4")

    def run(audio=None, source=None, **changes):
        source = InputImpl.VideoFromFile(str(path)) if source is None else source
        made = dubbed(source, audio or speech(0.5), **given | changes).get_components().images
        counts, finder.asked, listener.asked = (finder.asked, listener.asked), 0, 0
        return made, counts

    first, counts = run()
    assert counts == (30, 1)
    same, counts = run()
    assert counts == (0, 0) and torch.equal(first, same)
    other, counts = run(seed=2)
    assert counts == (0, 0) and not torch.equal(first, other)
    assert run(steps=1, quality=20)[1] == (0, 0)
    assert run(speech(0.6))[1] == (0, 1)
    assert run(length="source")[1] == (0, 1)
    assert run(as_released=True)[1] == (30, 1)  # which hears pauses as they are
    assert run(source=InputImpl.VideoFromFile(str(path)).as_trimmed(0, 0.8))[1] == (20, 0)
    write_footage(path, 25)
    assert run()[1] == (25, 0)
    pictures = torch.rand(10, 64, 80, 3)
    assert run(source=pictures)[1][0] == 10
    assert run(source=pictures.clone())[1][0] == 0
    assert run(source=pictures.flip(0))[1][0] == 10
    assert run(source=pictures, image_fps=30.0)[1][0] > 0
    assert (
        run(source=write_footage(tmp_path / "b.mp4", 5).read_bytes() and io_video(tmp_path / "b.mp4"))[1][0]
        == 5
    )
    assert run(source=io_video(tmp_path / "b.mp4"))[1][0] == 0


def io_video(path):
    import io

    return InputImpl.VideoFromFile(io.BytesIO(path.read_bytes()))


def test_what_is_remembered_is_little_and_goes_with_its_makers(pack, parts, dubbed, video):
    import gc
    import weakref

    class Noted(Listener):
        def features(self, recording, on_progress):
            made = super().features(recording, on_progress)
            features.append(weakref.ref(made))
            return made

    features, listener = [], Noted(parts.encoders)
    for tenths in range(4, 10):
        dubbed(video, speech(tenths / 10), audio_encoders=listener, steps=1)
    gc.collect()
    assert len([made for made in features if made()]) == pack("comfy_bridge.host.cache").MOST < len(features)
    del listener
    gc.collect()
    assert not [made for made in features if made()]


def test_an_interrupted_listening_is_not_remembered(pack, parts, dubbed, video):
    listener = Listener(parts.encoders)
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        dubbed(video, speech(0.7), audio_encoders=listener)
    dubbed(video, speech(0.7), audio_encoders=listener, steps=1)
    assert listener.asked == 2


@pytest.fixture
def finder(track):
    return {"face_track": None, "face_detector": Finder(track.track)}


@pytest.mark.parametrize(("fps", "frames", "rate"), [("source", 30, 50), ("25", 15, 25)])
def test_the_result_has_the_source_s_own_frames_or_the_model_s(dubbed, tmp_path, finder, fps, frames, rate):
    source = InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4", fps=50)))
    made = dubbed(source, length="source", fps=fps, **finder).get_components()
    assert (len(made.images), made.frame_rate) == (frames, rate)


def test_a_part_of_a_fast_video_keeps_its_own_frames_and_their_pixels(dubbed, tmp_path, finder):
    whole = InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4", 40, fps=50)))
    part = whole.as_trimmed(0.2, 0.4)
    made = dubbed(part, length="source", **finder).get_components().images
    shown = whole.get_components().images[10:30]
    assert made.shape == shown.shape
    assert (made - shown).abs()[:, :, 62:].mean() < 0.01  # beside the face
    others = whole.get_components().images[11:31]
    assert (made - shown).abs()[:, :, 62:].mean() < (made - others).abs()[:, :, 62:].mean() / 3


def test_pictures_come_back_at_their_own_rate(dubbed, finder):
    made = dubbed(torch.rand(12, 64, 80, 3), length="source", image_fps=30.0, **finder).get_components()
    assert (len(made.images), made.frame_rate) == (12, 30)


def test_with_a_face_track_too_the_frames_are_the_source_s(pack, dubbed, tmp_path):
    source = InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4", fps=60)))
    face = pack("face_crop").FaceCrop.execute(source, "box", 32, "8,4,56,52", 1, False, 25.0).args[0]
    made = dubbed(source, length="source", face_track=face).get_components()
    assert (len(made.images), made.frame_rate) == (30, 60)


def test_as_released_has_the_model_s_frames(dubbed, tmp_path, finder):
    source = InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4", fps=50)))
    assert dubbed(source, length="source", as_released=True, **finder).get_components().frame_rate == 25


@pytest.mark.parametrize(("extend", "shown"), [("bounce", 26), ("loop", 2), ("hold", 29)])
def test_a_short_video_is_made_longer_as_chosen(dubbed, video, extend, shown):
    made = dubbed(video, speech(1.4), extend=extend).get_components().images
    source = video.get_components().images
    assert len(made) == 35
    near = [(made[32, :, 62:] - source[number, :, 62:]).abs().mean() for number in range(30)]
    assert int(torch.stack(near).argmin()) == shown


def test_a_short_video_is_slowed_to_the_recording_s_length(dubbed, video):
    made = dubbed(video, speech(1.4), extend="slow")
    assert made.get_frame_count() == 30
    assert made.get_duration() == pytest.approx(1.4, abs=0.02)


@pytest.mark.parametrize(("name", "value"), [("extend", "stretch"), ("fps", "24")])
def test_choices_that_there_are_none_of_are_refused(pack, name, value):
    told = pack("dub_video").DubVideo.validate_inputs(length="audio", face_detector="linked", **{name: value})
    assert f"{name} {value!r} is not in the list" in told


class Server:
    """ComfyUI's server, as far as a node talks to it while it executes."""

    client_id = "tab"

    def __init__(self):
        self.sockets, self.sent, self.last_node_id = {"tab": object()}, [], None

    def send_sync(self, event, content, client=None):
        self.sent.append((event, content, client))

    def send_progress_text(self, *args):
        pass


def test_the_clips_are_told_while_they_are_made_and_afterwards(pack, parts, track, video, monkeypatch):
    from comfy_execution.utils import CurrentNodeContext
    from server import PromptServer

    server = Server()
    monkeypatch.setattr(PromptServer, "instance", server, raising=False)
    given = {"model": parts.model, "vae": parts.vae, "audio_encoders": parts.encoders, "face_track": track}
    with CurrentNodeContext("prompt", "3:5", 1):
        out = pack("dub_video").DubVideo.execute(
            video, speech(1.6), length="audio", seed=2**63, steps=2, quality=0, as_released=False,
            image_fps=25.0, retries=0, resume=False, **given,
        )  # fmt: skip
    (record,), (guidance,) = out.ui["xdub_clips"], out.ui["xdub_guidance"]
    assert (record["frames"], record["ended"], record["left"]) == (40, "done", 0)
    assert guidance["used"] and len(guidance["steps"]) == 2
    told = [content for event, content, client in server.sent if event == "xdub.clips"]
    assert {(each["node"], each["prompt"], each["run"]) for each in told} == {("3:5", "prompt", 1)}
    merged, merge = {}, pack("comfy_bridge.host.events").merge
    for each in told:
        merge(merged, each.get("whole") or each["change"])
    assert merged == record
    for number, clip in record["clips"].items():
        assert (clip["state"], clip["seed"], clip["kept"]) == ("unchecked", str(2**63), False)
        picture = Path(
            folder_paths.get_temp_directory(), clip["picture"]["subfolder"], clip["picture"]["filename"]
        )
        assert picture.read_bytes()[:2] == b"\xff\xd8" and f"_{number}.jpg" in picture.name


def test_a_dub_that_is_stopped_says_so(pack, parts, track, video, monkeypatch):
    live = pack("comfy_bridge.clips").LiveClips()
    with pytest.raises(management.InterruptProcessingException), live:
        raise management.InterruptProcessingException
    assert live.whole["ended"] == "stopped"


def test_it_shows_its_own_result(pack, parts, track, video):
    given = {"model": parts.model, "vae": parts.vae, "audio_encoders": parts.encoders, "face_track": track}
    out = pack("dub_video").DubVideo.execute(video, speech(0.4), **given, steps=1, retries=0, resume=False)
    (shown,) = out.ui["images"]
    assert out.ui["animated"] == (True,)
    assert shown["type"] == "temp"
    assert Path(folder_paths.get_temp_directory(), shown["subfolder"], shown["filename"]).samefile(
        out.args[0].get_stream_source()
    )


def test_a_length_takes_its_own_extend_as_it_takes_one_beside_it(dubbed, video):
    own, beside = (
        dubbed(video, speech(1.4), steps=1, **chosen).get_components().images
        for chosen in ({"length": {"length": "audio", "extend": "hold"}}, {"extend": "hold"})
    )
    assert torch.equal(own, beside)


def test_clips_to_redo_that_there_are_none_of_are_told_before_the_long_work(pack, dubbed, video):
    with pytest.raises(SettingsError, match=r"redo: this dub has \d clips, so there is no 12"):
        dubbed(video, redo="1,12", resume=False)
    told = pack("dub_video").DubVideo.validate_inputs(face_detector="linked", redo="first")
    assert "give numbers of clips" in told
