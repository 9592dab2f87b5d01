"""JUST-DUB-IT's training data, made by a ComfyUI server with LTX-2 of random weights."""

import json
import os
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import ltx
import numpy as np
import pytest
import tiny_ltx
import torch
from comfy_server import Server
from safetensors.torch import load_file

from xdub_core.dub_it.layouts import PAPER
from xdub_core.errors import JobError
from xdub_core.evaluation.dub_it.judges import DubItJudges, no_mouths
from xdub_core.training.dub_it.data import workflows
from xdub_core.training.dub_it.data.carried import latents_of, mask_video, padded_wave, read_frames
from xdub_core.training.dub_it.data.carrier import Carrier
from xdub_core.training.dub_it.data.comfy_client import ComfyClient
from xdub_core.training.dub_it.data.half import WORDS
from xdub_core.training.dub_it.data.prompts import scripts
from xdub_core.training.dub_it.data.quality import QualityThresholds
from xdub_core.training.dub_it.fine_mask import coarse_mask, fine_mask, spread
from xdub_core.training.dub_it.records import check_records, read_manifest, read_pair
from xdub_core.training.dub_it.run import train_lora
from xdub_core.training.dub_it.settings import LoraTraining

HERE = Path(__file__).resolve().parent
COMFYUI = Path(os.environ["XDUB_INSIDE_COMFYUI"])
PROMPTS = 2 * (1 + 2 * 4)
"""For two clips: the clip, and for each half a probe, two passes and the pair's encoding."""
SECONDS = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("server")
    tiny_ltx.install(base / "custom_nodes" / "tiny_ltx")
    running = Server(COMFYUI, sys.executable, base, ["--disable-api-nodes"])
    yield running
    running.stop()


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A folder whose making was killed in its midst, and then ended: (folder, what there is, when it was killed)."""
    folder = tmp_path_factory.mktemp("data")
    first = subprocess.Popen(
        [sys.executable, str(HERE / "tiny_ltx.py"), str(folder), server.address],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"},
    )
    note, end = folder / "clips" / "0000" / f"a-{WORDS}.json", time.monotonic() + SECONDS
    while not note.is_file():
        assert first.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    first.kill()
    first.wait()
    killed = {
        path: path.stat().st_mtime_ns for path in note.parent.iterdir() if not path.name.startswith(".")
    }
    return folder, tiny_ltx.maker(folder, server.address).make(scripts(2)), killed


def history(server):
    return server.get("/history")


def test_four_pairs_are_made_though_it_was_killed(made):
    folder, told, _ = made
    assert (told.kept, told.rejected, told.given_up) == (4, 0, 0)
    manifest = read_manifest(folder)
    check_records(folder, manifest)
    assert [record.name for record in manifest.records] == ["0000-a", "0000-b", "0001-a", "0001-b"]
    assert {(record.fps, record.frames) for record in manifest.records} == {(25, 9), (25, 17)}
    record = manifest.records[0]
    pair = read_pair(folder, record)
    assert not torch.equal(pair.source_video, pair.target_video)
    assert pair.face.mean() > 0 and pair.text.shape[1] == ltx.TEXT_WIDTH["2.0"] and not pair.raw_text
    assert record.about["words"]["target"] in record.prompt
    assert record.about["words"]["source"] not in record.prompt
    assert set(record.about["verdict"]["unknown"]) == {"identity", "source_wer", "target_wer"}


def test_the_pairs_train_a_lora(pack, made, tmp_path):
    velocity, loading = (pack(f"comfy_bridge.training.{name}") for name in ("velocity", "loading"))
    model = loading.trained(ltx.transformer("2.0", layers=1), PAPER)
    settings = LoraTraining(rank=2, steps=4, weights="float32")
    with velocity.core_trains():
        path = train_lora(settings, model, made[0], tmp_path / "out")
    assert len(load_file(path)) == 2 * 28
    steps = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]


@pytest.mark.usefixtures("inference")
def test_a_pair_has_the_frames_of_its_half(made):
    folder, vae = made[0], ltx.video_vae()
    for record in read_manifest(folder).records[:2]:
        pair, half = read_pair(folder, record), range(*record.about["frames_of_clip"])
        for name, latents in (("clip", pair.target_video), (f"{record.name[-1]}-letters", pair.source_video)):
            frames = np.stack(read_frames(folder / "clips" / "0000" / f"{name}.mp4", half))
            own = vae.encode(torch.from_numpy(frames).float() / 255)[0]
            assert (own - latents).abs().mean() < 0.1 * own.std()


def test_nothing_is_made_twice(server, made):
    folder, told, killed = made
    assert {path: path.stat().st_mtime_ns for path in killed} == killed
    done = history(server)
    assert len(done) == PROMPTS and all(each["status"]["status_str"] == "success" for each in done.values())
    assert tiny_ltx.maker(folder, server.address).make(scripts(2)) == told
    assert len(history(server)) == PROMPTS


def test_other_thresholds_judge_anew_and_make_nothing(server, made, tmp_path_factory):
    folder, before = made[0], len(history(server))
    strict = tiny_ltx.maker(folder, server.address, quality=QualityThresholds(lmd=0.5))
    assert strict.make(scripts(1)).rejected == 2
    assert read_manifest(folder).records == ()
    assert "the lips are the target's own" in (folder / "verdicts.json").read_text()
    assert tiny_ltx.maker(folder, server.address).make(scripts(2)).kept == 4
    assert len(history(server)) == before


def test_halves_without_lips_are_given_up_and_it_is_told_why(server, made, tmp_path):
    class Blind:
        def find(self, frames):
            return no_mouths(len(frames))

    folder, before = shutil.copytree(made[0], tmp_path / "data"), len(history(server))
    blind = tiny_ltx.maker(folder, server.address, judges=DubItJudges(mouths=Blind()), judged_by="blind")
    told = blind.make(scripts(1))
    assert (told.kept, told.given_up, len(history(server))) == (0, 2, before)
    assert "the lips were found in no frame" in (folder / "verdicts.json").read_text()


def test_what_is_not_masked_stays_as_it_is_in_both_streams(server, made):
    """A mask of some cells, and of the first 9 of 33 frames' sound."""
    maker = tiny_ltx.maker(made[0], server.address)
    clip, carrier, folder = (
        maker.shop.settings.clip,
        Carrier(ComfyClient(server.address)),
        made[0] / "clips" / "0000",
    )
    cells, times = np.zeros((5, 2, 2), bool), np.zeros((1, 33, 16), bool)
    cells[:2, 1], times[:, :9] = True, True
    sound = np.random.default_rng(0).standard_normal((2, 31_000)).astype(np.float32) * 0.1
    graph = workflows.inpainting(
        maker.shop.models,
        clip,
        maker.shop.settings.sampling,
        "She speaks.",
        1,
        carrier.upload("test", "clip.mp4", (folder / "clip.mp4").read_bytes),
        carrier.upload("test", "cells.mov", lambda: mask_video(cells)),
        workflows.Sound(
            carrier.upload("test", "clip.wav", lambda: padded_wave(sound, 24_000)),
            33,
            carrier.upload("test", "time.mov", lambda: mask_video(times)),
        ),
        "test",
    )
    kinds = {node["class_type"]: name for name, node in graph.items()}
    graph["given"] = {
        "class_type": "LTXVSeparateAVLatent",
        "inputs": {"av_latent": [kinds["LTXVConcatAVLatent"], 0]},
    }
    for when, node in (("before", "given"), ("after", kinds["LTXVSeparateAVLatent"])):
        for stream in (0, 1):
            inputs = {"samples": [node, stream], "filename_prefix": f"{when}-{stream}"}
            graph[f"{when}-{stream}"] = {"class_type": "SaveLatent", "inputs": inputs}
    saved = carrier.fetched(graph, "test", [f"{when}-{n}" for when in ("before", "after") for n in (0, 1)])
    picture, heard = (latents_of(saved[f"before-{n}"]) - latents_of(saved[f"after-{n}"]) for n in (0, 1))
    changed = picture.abs().amax(0) > 1e-4
    assert torch.equal(changed, torch.from_numpy(cells))
    assert (heard.abs().amax((0, 2)) > 1e-4).tolist() == times[0, :, 0].tolist()


def test_masks_come_there_as_they_are(server, tmp_path):
    mask = np.random.default_rng(1).random((3, 17, 30)) > 0.5
    (tmp_path / "mask.mov").write_bytes(mask_video(mask))
    assert np.array_equal(np.stack(read_frames(tmp_path / "mask.mov"))[..., 0] > 127, mask)


def test_what_a_server_lacks_refuses_or_fails_at_is_told_in_a_line(server):
    client = ComfyClient(server.address)
    image = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    wrong = [
        ("has no node NoSuchNode: update it", lambda: client.check_nodes({"NoSuchNode", "EmptyImage"})),
        ("has no node XDubNew: install this pack", lambda: client.check_nodes({"XDubNew"})),
        (
            "refuses the prompt: SaveImage: Required input is missing",
            lambda: client.run(
                {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}, "refused"
            ),
        ),
        (
            "failed at the prompt: VAEEncode: ",
            lambda: client.run(
                {
                    "1": image,
                    "2": {"class_type": "TinyLTX", "inputs": {}},
                    "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["2", 3]}},
                    "4": {
                        "class_type": "SaveLatent",
                        "inputs": {"samples": ["3", 0], "filename_prefix": "x"},
                    },
                },
                "failed",
            ),
        ),
    ]
    for told, run in wrong:
        with pytest.raises(JobError) as error:
            run()
        assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.usefixtures("inference")
def test_the_fine_mask_holds_what_other_lips_change_and_the_coarse_one_does_not():
    """LTX-2's own encoder, with few channels of random weights: 17 frames of 256 x 192, lips of 24 x 16 pixels."""
    vae, generator = ltx.video_vae(), torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 4, 6, 8, generator=generator)
    images = torch.nn.functional.interpolate(small, (17, 192, 256), mode="trilinear")[0].movedim(0, -1)
    lips = torch.zeros(17, 192, 256, dtype=torch.bool)
    lips[:, 112:128, 116:140] = True
    black, other = images.clone(), images.clone()
    black[lips] = 0
    other[lips] = torch.rand(int(lips.sum()), 3, generator=generator)
    plain, masked, spoken = (vae.encode(each)[0].float() for each in (images, black, other))
    fine, coarse = (spread(mask, plain, spoken) for mask in (fine_mask(plain, masked), coarse_mask(lips)))
    assert fine.held > 0.85 and fine.inside > 0.95 and fine.outside < 0.15
    assert coarse.held < 0.15 and coarse.outside > 0.4
    assert coarse.coverage < fine.coverage < 0.6


@pytest.mark.usefixtures("inference")
def test_a_prompt_is_saved_as_the_text_encoder_gives_it(pack, tmp_path, monkeypatch):
    import folder_paths
    from safetensors.torch import load_file

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    ((text, _),) = ltx.conditioning("2.3")
    node = pack("dub_it_save_prompt").DubItSavePrompt
    raw = [[text, {"unprocessed_ltxav_embeds": True}]]
    (file,) = node.execute(raw, "some/prompt").ui["xdub_files"]
    saved = load_file(tmp_path / file["subfolder"] / file["filename"])
    assert torch.equal(saved["text"], text[0]) and saved["unprocessed"] == 1
    (file,) = node.execute([[text, {}]], "some/prompt").ui["xdub_files"]
    assert load_file(tmp_path / file["subfolder"] / file["filename"])["unprocessed"] == 0
    with pytest.raises(Exception, match="several texts"):
        node.execute([raw[0], raw[0]], "some/prompt")


def test_a_sound_s_latents_are_those_of_its_time():
    """Core's VAE crops a sound at both ends, but not a padded one, which has the latents that are wanted."""
    import io

    import av

    vae = ltx.audio_vae()
    for frames, fps in ((97, Fraction(25)), (121, Fraction(25)), (249, Fraction(30000, 1001))):
        with av.open(
            io.BytesIO(padded_wave(np.zeros((1, round(frames / fps * 24_000)), np.float32), 24_000))
        ) as file:
            wave = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in file.decode(audio=0)])
        assert len(wave) % 4096 == 0
        with torch.inference_mode():
            latents = vae.encode(torch.from_numpy(wave)[None])
        assert latents.shape[2] >= workflows.sound_latents(frames, fps)
