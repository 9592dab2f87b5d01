"""The example workflows in a real server: what can run on a CPU runs, the rest is accepted up to missing weights."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from comfy_server import Server
from ltx_files import with_tiny_models, write_models, write_talk, write_words_node
from minis import CARD, make_mini, speech, write_footage

from xdub_core.heads.demo_sample import write_wav
from xdub_core.media.video.video_info import probe_video
from xdub_core.mini.card import BUILT_IN, is_mini

PACK = Path(__file__).resolve().parents[2]
COMFYUI = Path(os.environ["XDUB_INSIDE_COMFYUI"])
API = sorted((PACK / "workflows" / "api").glob("*.json"))
RELEASED = [path for path in API if "XDubLoadMini" not in path.read_text(encoding="utf-8")]
X_DUB = [path for path in RELEASED if "XDubEmptyPrompt" in path.read_text(encoding="utf-8")]
DUB_IT = [path for path in RELEASED if "LTXAVTextEncoderLoader" in path.read_text(encoding="utf-8")]
MEDIA = {"LoadVideo", "LoadAudio"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("server")
    write_words_node(base / "custom_nodes")
    running = Server(COMFYUI, sys.executable, base, XDUB_FOLDERS=str(tmp_path_factory.getbasetemp()))
    write_footage(base / "input" / "video.mp4")
    for name in ("speech", "clip"):
        write_wav(speech(0.8)["waveform"][0, 0].numpy(), base / "input" / f"{name}.wav")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mini_folder(tmp_path_factory):
    return make_mini(tmp_path_factory.mktemp("mini"))


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def the(prompt, kind):
    """Number and node of the one node of a class."""
    ((number, node),) = [item for item in prompt.items() if item[1]["class_type"] == kind]
    return number, node


def with_random_mini(prompt, mini_folder):
    """The same workflow with a mini of random weights, which finds no faces: the face is given as a box."""
    sample, _ = the(prompt, "XDubLoadSample")
    for node in prompt.values():
        if node["class_type"] == "XDubLoadMini":
            node["inputs"]["folder"] = str(mini_folder)
        sizes = {"crop_size": CARD.crop, "clip_frames": CARD.clip_frames}
        node["inputs"] |= {name: size for name, size in sizes.items() if name in node["inputs"]}
    prompt["video"] = {"class_type": "LoadVideo", "inputs": {"file": "video.mp4"}}
    prompt["audio"] = {"class_type": "LoadAudio", "inputs": {"audio": "speech.wav"}}
    del prompt[sample]
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if value in ([sample, 0], [sample, 1]):
                node["inputs"][name] = [["video", "audio"][value[1]], 0]
    box = {"face": "box", "box": "8,4,56,52", "crop_size": 32, "detect_every": 1, "as_released": False}
    crops = [node for node in prompt.values() if node["class_type"] == "XDubFaceCrop"]
    if crops:
        del crops[0]["inputs"]["face.face_detector"]
        crops[0]["inputs"] |= {"face": "box", "face.box": "8,4,56,52"}
    else:
        prompt["face"] = {
            "class_type": "XDubFaceCrop",
            "inputs": {"source": ["video", 0], "image_fps": 25.0, **box},
        }
        the(prompt, "XDubDub")[1]["inputs"]["face_track"] = ["face", 0]
    return prompt


def saved_video(server, history):
    """What Save Video wrote; Dub Video shows its own, in the temporary folder."""
    videos = [out.get("images") or out.get("video") for out in history["outputs"].values() if out]
    (saved,) = [file for found in videos if found for file in found if file["type"] == "output"]
    return probe_video(server.base / "output" / saved["subfolder"] / saved["filename"])


def test_the_pack_is_there_without_a_word(server):
    log = "".join(server.log)
    assert "IMPORT FAILED" not in log
    assert not [line for line in server.log if "x-dub" in line.lower() and "WARNING" in line.upper()]
    assert set(server.get("/workflow_templates")["comfyui-x-dub"]) == {path.stem for path in API}
    assert "XDubDub" in server.get("/object_info")


@pytest.mark.parametrize("name", ["1_quick_start_built_in_model", "2_built_in_model_every_step"])
def test_workflows_of_the_built_in_model_run(server, mini_folder, name):
    prompt = with_random_mini(load(PACK / "workflows" / "api" / f"{name}.json"), mini_folder)
    history = server.run(prompt)
    assert history["outcome"] == "execution_success", history.get("exception_message")
    video = saved_video(server, history)
    assert (video.frames, video.width, video.height, video.fps) == (20, 80, 64, 25)
    assert video.audio_start is not None


@pytest.mark.skipif(not is_mini(BUILT_IN), reason="the built-in model is not there yet")
@pytest.mark.parametrize("name", ["1_quick_start_built_in_model", "2_built_in_model_every_step"])
def test_they_run_as_they_are_shipped(server, name):
    history = server.run(load(PACK / "workflows" / "api" / f"{name}.json"))
    assert history["outcome"] == "execution_success", history.get("exception_message")
    assert saved_video(server, history).audio_start is not None


@pytest.mark.skipif(not is_mini(BUILT_IN), reason="the built-in model is not there yet")
def test_two_people_are_found_listed_and_dubbed(server):
    prompt = load(PACK / "workflows" / "api" / "8_two_people.json")
    number, _ = the(prompt, "XDubPeople")
    the(prompt, "XDubDub")[1]["inputs"]["steps"] = 1  # as shipped but for the time that it takes
    prompt["told"] = {"class_type": "PreviewAny", "inputs": {"source": [number, 1]}}
    history = server.run(prompt)
    assert history["outcome"] == "execution_success", history.get("exception_message")
    (told,) = history["outputs"]["told"]["text"]
    assert [line[:2] for line in told.splitlines()] == ["1:", "2:"]
    (shown,) = history["outputs"][number]["xdub_people"]
    assert [person["number"] for person in shown["people"]] == [1, 2]
    video = saved_video(server, history)
    assert (video.frames, video.width, video.height) == (110, 480, 270)
    assert video.audio_start is not None


def test_a_folder_is_dubbed_pair_by_pair(server, mini_folder, tmp_path):
    prompt = with_random_mini(
        load(PACK / "workflows" / "api" / "1_quick_start_built_in_model.json"), mini_folder
    )
    batch = load(PACK / "workflows" / "api" / "7_batch_over_a_folder.json")
    _, folder = the(batch, "XDubLoadFolder")
    for name, seconds in (("anna", 0.4), ("bert", 0.8)):
        write_footage(tmp_path / f"{name}.mp4", 20)
        write_wav(speech(seconds)["waveform"][0, 0].numpy(), tmp_path / f"{name}.wav")
    prompt["pairs"] = folder | {"inputs": {"folder": str(tmp_path)}}
    prompt["face"]["inputs"]["source"] = ["pairs", 0]
    the(prompt, "XDubDub")[1]["inputs"] |= {"video": ["pairs", 0], "audio": ["pairs", 1]}
    the(prompt, "SaveVideo")[1]["inputs"]["filename_prefix"] = ["pairs", 2]
    del prompt["video"], prompt["audio"]
    assert server.run(prompt)["outcome"] == "execution_success"
    frames = {path.name[:4]: probe_video(path).frames for path in (server.base / "output").glob("*.mp4")}
    assert frames == {"anna": 10, "bert": 20}


def test_cancel_stops_a_dub_and_the_server_goes_on(server, mini_folder):
    prompt = with_random_mini(
        load(PACK / "workflows" / "api" / "1_quick_start_built_in_model.json"), mini_folder
    )
    number, dub = the(prompt, "XDubDub")
    dub["inputs"] |= {"seed": 7, "steps": 200}

    def sampling(kind, data):
        return kind == "progress" and data["node"] == number and data["max"] > 200

    history = server.run(prompt, interrupt_at=sampling)
    assert history["outcome"] == "execution_interrupted"
    dub["inputs"]["steps"] = 1
    assert server.run(prompt)["outcome"] == "execution_success"


def test_errors_say_what_to_do_and_the_server_goes_on(server, mini_folder):
    prompt = with_random_mini(
        load(PACK / "workflows" / "api" / "1_quick_start_built_in_model.json"), mini_folder
    )
    crop = prompt["face"]["inputs"]
    crop["box"] = "8,4,560,520"
    history = server.run(prompt)
    assert history["outcome"] == "execution_error"
    assert "reaches outside the frame of 80 x 64" in history["exception_message"]
    crop["box"] = "8,4"
    status, answer = server.post("/prompt", {"prompt": prompt})
    assert status == 400
    assert all("four numbers" in error["details"] for error in answer["node_errors"]["face"]["errors"])
    crop["box"] = "8,4,56,52"
    assert server.run(prompt)["outcome"] == "execution_success"


def files_asked_for(prompt):
    """(node's number, input) of every file that the released model's workflows name."""
    names = {
        "unet_name",
        "vae_name",
        "clip_name",
        "whisper",
        "person_detector",
        "expert",
        "lora_name",
        "ckpt_name",
        "text_encoder",
        "model_name",
        "folder",
        "file",
        "audio",
    }
    return {(number, name) for number, node in prompt.items() for name in names & node["inputs"].keys()}


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_the_released_model_s_workflows_lack_nothing_but_its_files(server, path):
    prompt = load(path)
    for node in prompt.values():
        if node["class_type"] in MEDIA:
            node["inputs"] |= (
                {"file": "video.mp4"} if node["class_type"] == "LoadVideo" else {"audio": "speech.wav"}
            )
    status, answer = server.post("/prompt", {"prompt": prompt})
    assert status == 400
    allowed = {number for number, _ in files_asked_for(prompt)}
    for number, errors in answer["node_errors"].items():
        assert number in allowed, errors
        for error in errors["errors"]:
            told = error["message"] + error["details"]
            assert "not in list" in told or "is missing" in told or "is no folder" in told, error


@pytest.fixture(scope="module")
def tiny_models(server):
    write_models(server.base / "models")
    write_talk(server.base / "input" / "talk.mp4")


def with_mini_for_the_lips(prompt, mini_folder):
    """The same workflow with the mini in place of the released X-Dub, and its face given as a box."""
    loaders = {"UNETLoader": 0, "VAELoader": 1, "XDubLoadAudioEncoders": 2, "XDubLoadFaceDetector": 3}
    gone = {"XDubLoadTextEncoder", "XDubEmptyPrompt"}
    numbers = {number: loaders.get(node["class_type"]) for number, node in prompt.items()}
    _, dub = the(prompt, "XDubDub")
    del dub["inputs"]["empty_prompt"], dub["inputs"]["face_detector"]
    for name, value in dub["inputs"].items():
        if isinstance(value, list) and numbers[value[0]] is not None:
            dub["inputs"][name] = ["mini", numbers[value[0]]]
    kept = {
        number: node
        for number, node in prompt.items()
        if numbers[number] is None and node["class_type"] not in gone
    }
    kept["mini"] = {"class_type": "XDubLoadMini", "inputs": {"experts": True, "folder": str(mini_folder)}}
    box = {"face": "box", "face.box": "8,4,56,52", "crop_size": CARD.crop, "as_released": False}
    inputs = {"source": [the(prompt, "LoadVideo")[0], 0], "image_fps": 25.0, **box}
    kept["face"] = {"class_type": "XDubFaceCrop", "inputs": inputs}
    dub["inputs"]["face_track"] = ["face", 0]
    return kept


@pytest.mark.parametrize("path", DUB_IT, ids=lambda path: path.stem)
def test_dub_it_runs_on_small_models(server, tiny_models, mini_folder, path):
    """Every node as shipped, loaders too, but for the text encoder; Dub It's sound is Dub Video's recording in one."""
    prompt = with_tiny_models(load(path))
    if path in X_DUB:
        prompt = with_mini_for_the_lips(prompt, mini_folder)
    history = server.run(prompt)
    assert history["outcome"] == "execution_success", history.get("exception_message")
    video = saved_video(server, history)
    assert (video.frames, video.width, video.height, video.fps) == (25, 80, 64, 25)
    assert video.audio_start is not None


@pytest.fixture
def kept_prompt(server):
    from xdub_core.released.empty_prompt import save_empty_prompt

    path = server.base / "user" / "x-dub" / "empty_prompt.safetensors"
    save_empty_prompt(path, torch.zeros(1, 4096))
    yield
    path.unlink()


@pytest.mark.parametrize("path", X_DUB, ids=lambda path: path.stem)
def test_once_the_prompt_is_kept_the_text_encoder_may_be_gone(server, kept_prompt, path):
    prompt = load(path)
    number, _ = the(prompt, "XDubLoadTextEncoder")
    prompt["use"] = {"class_type": "PreviewAny", "inputs": {"source": [the(prompt, "XDubEmptyPrompt")[0], 0]}}
    alone = {name: prompt[name] for name in ("use", number, the(prompt, "XDubEmptyPrompt")[0])}
    assert server.run(alone)["outcome"] == "execution_success"
    _, answer = server.post("/prompt", {"prompt": prompt})
    assert number not in answer["node_errors"]


@pytest.fixture(scope="module")
def empty_files(server):
    """A file of every name that the released model's workflows ask for, with nothing of use in it."""
    places = {
        "unet_name": "diffusion_models",
        "vae_name": "vae",
        "clip_name": "text_encoders",
        "expert": "loras",
        "lora_name": "loras",
    }
    places |= {"ckpt_name": "checkpoints", "text_encoder": "text_encoders"}
    places |= {"model_name": "latent_upscale_models"}
    places |= {"whisper": "audio_encoders", "wav2vec2": "audio_encoders"}
    places |= {"person_detector": "detection", "pose": "detection"}
    for path in RELEASED:
        for node in load(path).values():
            for name, folder in places.items():
                if name in node["inputs"]:
                    file = server.base / "models" / folder / node["inputs"][name]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    torch.save({"nothing": torch.zeros(1)}, file)
    pairs = server.base / "input" / "x-dub"
    pairs.mkdir()
    write_footage(pairs / "anna.mp4", 5)
    write_wav(speech(0.4)["waveform"][0, 0].numpy(), pairs / "anna.wav")


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_with_files_of_those_names_they_are_accepted(server, empty_files, path):
    history = server.run(load(path))  # which asserts that /prompt took it
    assert history["outcome"] == "execution_error"


def test_the_api_twin_is_what_the_canvas_would_send(server):
    """Widget values by their places, as the front end reads them, give the API format back."""
    sys.path.insert(0, str(PACK / "tools"))
    from workflow_format import UPLOAD_WIDGETS, widget_names

    schemas = server.get("/object_info")
    for path in API:
        shown, asked = load(PACK / "workflows" / path.name), load(path)
        for node in shown["nodes"]:
            if node["type"] == "MarkdownNote":
                continue
            wanted = asked[str(node["id"])]["inputs"]
            values, found = list(node["widgets_values"]), {}
            for name, options in widget_names(schemas[node["type"]], wanted):
                found[name] = values.pop(0)
                if options.get("control_after_generate"):
                    assert values.pop(0) == "fixed"
                for upload, extra in UPLOAD_WIDGETS.items():
                    if options.get(upload):
                        assert [values.pop(0) for _ in extra] == extra
            assert values == []
            plain = {name: value for name, value in wanted.items() if not isinstance(value, list)}
            assert plain == {name: found[name] for name in plain}


def test_workflows_made_with_core_s_load_clip_are_still_accepted(server, empty_files):
    prompt = load(X_DUB[0])
    _, loader = the(prompt, "XDubLoadTextEncoder")
    loader["class_type"] = "CLIPLoader"
    loader["inputs"] |= {"type": "wan", "device": "default"}
    assert server.run(prompt)["outcome"] == "execution_error"  # which asserts that /prompt took it


@pytest.mark.parametrize("kind", ["XDubLoadFolder", "XDubLoadMini"])
@pytest.mark.parametrize("folder", ["/etc", "../../../../../../etc", "//host/share", "~root"])
def test_a_stranger_s_workflow_learns_nothing_of_the_server(server, kind, folder):
    inputs = {"folder": folder, "experts": False}
    prompt = {"1": {"class_type": kind, "inputs": inputs}}
    prompt["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}}
    status, answer = server.post("/prompt", {"prompt": prompt})
    assert status == 400
    assert "passwd" not in json.dumps(answer) and str(server.base) not in json.dumps(answer)
