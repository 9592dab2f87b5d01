"""What Dub Video keeps in ComfyUI's user folder, and goes on from: with a mini of random weights."""

import shutil
from pathlib import Path

import comfy.model_management as management
import folder_paths
import pytest
import torch
from comfy_api.latest import InputImpl
from crowd import TwoFaces
from minis import make_mini, speech, write_footage
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from xdub_core.mini.network_files import DIT

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def folder():
    place = Path(folder_paths.get_user_directory()) / "x-dub" / "kept"
    shutil.rmtree(place, ignore_errors=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)


class Work:
    """How many clips were sampled, recordings encoded and frames looked at since the last `take`."""

    def __init__(self):
        self.clips = self.heard = self.looked = 0
        self.stop_at = None

    def take(self):
        done, self.clips, self.heard, self.looked = (self.clips, self.heard, self.looked), 0, 0, 0
        return done


@pytest.fixture
def work(pack, monkeypatch):
    counted = Work()
    guider, encoders = (
        pack("comfy_bridge.clip_sampler").ClipGuider,
        pack("comfy_bridge.audio_encoders").ManagedEncoders,
    )
    sample, features = guider.sample, encoders.features

    def sampled(self, *args, **kwargs):
        counted.clips += 1
        if counted.clips == counted.stop_at:
            management.interrupt_current_processing()
        return sample(self, *args, **kwargs)

    def heard(self, *args):
        counted.heard += 1
        return features(self, *args)

    monkeypatch.setattr(guider, "sample", sampled)
    monkeypatch.setattr(encoders, "features", heard)
    return counted


@pytest.fixture
def restarted(pack, mini_folder, folder, work, tmp_path):
    """Dub Video as it is after ComfyUI was started again: with nothing in memory, and everything loaded anew."""
    source = write_footage(tmp_path / "in.mp4")
    kept = pack("comfy_bridge.host.kept")

    class Finder(TwoFaces):
        def detect_all(self, frames, numbers=None):
            work.looked += len(frames)
            return super().detect_all(frames, numbers)

    def run(audio=None, change=lambda model: model, mini=mini_folder, **changes):
        for module, name in (("people", "PEOPLE"), ("people", "TRACKS"), ("dub_video", "FEATURES")):
            getattr(pack(f"comfy_bridge.{module}"), name)._kept.clear()
        parts = pack("comfy_bridge.mini").load_mini_parts(mini)
        given = {"model": change(parts.model), "vae": parts.vae, "audio_encoders": parts.encoders}
        given |= {
            "face_detector": kept.made_of(Finder(), "two faces"),
            "seed": 1,
            "steps": 1,
            "length": "audio",
        }
        given |= {"quality": 0, "as_released": False, "image_fps": 25.0, "retries": 0} | changes
        video = InputImpl.VideoFromFile(str(source))
        return (
            pack("dub_video")
            .DubVideo.execute(video, audio or speech(1.2), **given)
            .args[0]
            .get_components()
            .images
        )

    return run


CLIPS = 4
"""Of 30 frames in clips of 13 that have 5 in common."""


def test_the_same_dub_after_a_restart_is_only_pasted(restarted, work):
    first = restarted()
    assert work.take() == (CLIPS, 1, 30)
    again = restarted(quality=0)
    assert work.take() == (0, 0, 0)
    assert torch.equal(first, again)


def test_another_seed_samples_again_but_neither_listens_nor_looks(restarted, work):
    first = restarted()
    work.take()
    other = restarted(seed=2)
    assert work.take() == (CLIPS, 0, 0)
    assert not torch.equal(first, other)


def test_a_cancelled_dub_goes_on_where_it_was(restarted, work):
    work.stop_at = CLIPS
    with pytest.raises(management.InterruptProcessingException):
        restarted()
    work.stop_at = None
    assert work.take() == (CLIPS, 1, 30)
    resumed = restarted()
    assert work.take() == (1, 0, 0)
    whole = restarted(resume=False)
    assert work.take() == (CLIPS, 1, 30)
    assert torch.equal(resumed, whole)


def test_with_resume_off_nothing_is_kept(restarted, folder):
    restarted(resume=False)
    assert not folder.exists()


def test_what_is_kept_is_of_this_video_and_this_recording(restarted, work, tmp_path):
    restarted()
    work.take()
    restarted(speech(1.1))
    assert work.take()[1:] == (1, 0)
    write_footage(tmp_path / "in.mp4", frames=29)
    restarted()
    assert work.take() == (CLIPS, 0, 29)


@pytest.mark.parametrize("changes", [{"steps": 2}, {"as_released": True}, {"person": "right"}])
def test_other_settings_sample_again(restarted, work, changes):
    restarted(person="left") if "person" in changes else restarted()
    work.take()
    restarted(**changes)
    assert work.take()[0] == CLIPS or changes == {"as_released": True}


def test_another_model_samples_again(restarted, work, tmp_path):
    """Of the same name, in the same place, with one layer changed a little, as a merged LoRA would."""
    folder = make_mini(tmp_path / "mini")
    restarted(mini=folder)
    weights = load_file(folder / DIT)
    name = "blocks.0.self_attn.q.weight"
    weights[name] = weights[name] + 0.01
    with safe_open(folder / DIT, "pt") as file:
        metadata = file.metadata()
    save_file(weights, folder / DIT, metadata=metadata)
    work.take()
    restarted(mini=folder)
    assert work.take()[0] == CLIPS


def patched_in(kind):
    """A MODEL in which a node has put something that nobody can know in the next run."""

    def change(model):
        model = model.clone()
        if kind == "wrapper":
            model.add_wrapper("predict_noise", lambda predict, *args, **kwargs: predict(*args, **kwargs))
        elif kind == "lora":
            name = "diffusion_model.blocks.0.self_attn.q.weight"
            model.add_patches({name: ("diff", (torch.zeros_like(model.model.state_dict()[name]),))})
        elif kind == "guidance":
            model.set_model_sampler_post_cfg_function(lambda given: given["denoised"])
        elif kind == "attention":
            model.set_model_attn1_patch(lambda q, k, v, options: (q, k, v))
        elif kind == "object":
            model.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
        return model

    return change


@pytest.mark.parametrize("kind", ["wrapper", "lora", "guidance", "attention", "object"])
def test_of_a_patched_model_no_clips_are_kept_but_faces_and_speech_are(restarted, work, folder, kind):
    restarted(change=patched_in(kind))
    assert not list(folder.glob("clips/*"))
    work.take()
    restarted(change=patched_in(kind))
    assert work.take() == (CLIPS, 0, 0)


def test_a_model_s_key_tells_of_its_experts_and_not_of_where_it_was_loaded(pack, mini_folder, tmp_path):
    parts, loaded = pack("comfy_bridge.dub_video"), pack("comfy_bridge.mini").load_mini_parts
    copy = shutil.copytree(mini_folder, tmp_path / "elsewhere")

    def key(folder, experts=True):
        mini = loaded(folder, experts)
        return parts.dubbing_key(parts.DubModels(mini.model, mini.vae, mini.encoders))

    assert key(mini_folder) == key(copy) != key(mini_folder, experts=False)
    weaker = loaded(mini_folder)
    weaker.model.get_attachment("xdub_experts")[0].strength = 0.5
    assert parts.dubbing_key(parts.DubModels(weaker.model, weaker.vae, weaker.encoders)) != key(mini_folder)


def test_pictures_are_told_apart_by_every_pixel(pack):
    key = pack("comfy_bridge.host.kept").contents_key
    pictures = torch.rand(3, 16, 16, 3)
    other = pictures.clone()
    other[1, 3, 5, 0] += 1e-3
    assert key(pictures, 25.0) == key(pictures.clone(), 25.0)
    assert len({key(pictures, 25.0), key(other, 25.0), key(pictures, 30.0), key(pictures[:2], 25.0)}) == 4


def test_clips_that_were_sampled_again_are_kept_beside_those_of_before(restarted, work):
    first = restarted()
    work.take()
    last = restarted(redo=str(CLIPS))
    assert work.take() == (1, 0, 0)
    assert torch.equal(first[:20], last[:20]) and not torch.equal(first, last)
    twice = restarted(redo=f"{CLIPS},{CLIPS}")
    assert work.take() == (1, 0, 0)
    assert not torch.equal(last, twice)
    assert torch.equal(restarted(redo=str(CLIPS)), last) and torch.equal(restarted(), first)
    assert work.take() == (0, 0, 0)
    unkept = restarted(redo=str(CLIPS), resume=False)
    assert torch.equal(unkept, last)
