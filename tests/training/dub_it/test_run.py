"""A run from pairs to a LoRA's file, on a toy transformer; core's own is in tests/comfyui."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.dub_it.pairs import write_records
from tests.training.dub_it.toy import toy_model
from xdub_core.errors import XDubError
from xdub_core.training import config
from xdub_core.training.dub_it.run import train_lora
from xdub_core.training.dub_it.settings import LoraTraining
from xdub_core.training.settings_file import read_settings

SHORT = LoraTraining(rank=2, steps=7, video_rate=1e-2, audio_rate=1e-3, checkpoint_every=3, save_every=3)
SHORT = replace(SHORT, saved="float32")


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    return write_records(folder, width=24)


class StoppedError(Exception):
    pass


def stop_after(steps):
    def stop(progress):
        if progress.done == steps:
            raise StoppedError

    return stop


def same(first, second):
    a, b = load_file(first), load_file(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("after", [1, 4, 6])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, records, after):
    whole = train_lora(SHORT, toy_model(), records, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train_lora(SHORT, toy_model(), records, tmp_path / "halves", on_progress=stop_after(after))
    assert not (tmp_path / "halves" / "lora.safetensors").exists()
    halves = train_lora(SHORT, toy_model(), records, tmp_path / "halves")
    assert same(whole, halves)
    assert same(whole.with_name("lora-000003.safetensors"), halves.with_name("lora-000003.safetensors"))
    assert _log(whole) == _log(halves)


def _log(lora):
    rows = [json.loads(line) for line in (lora.parent / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 8))
    return [(row["loss"], row["video"], row["audio"], row["norm"]) for row in rows]


def test_loras_on_the_way_are_kept_and_say_their_steps(tmp_path, records):
    train_lora(SHORT, toy_model(), records, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("lora*")} == {
        "lora.safetensors",
        "lora-000003.safetensors",
        "lora-000006.safetensors",
    }


def test_sound_learns_at_its_own_rate(tmp_path, records):
    """AdamW's first step is as long as its rate, wherever there is a gradient."""
    once = replace(SHORT, steps=1, weight_decay=0.0)
    made = load_file(train_lora(once, toy_model(), records, tmp_path / "out"))
    layer = "diffusion_model.transformer_blocks.0.{}.lora_B.weight"
    for name, rate in (("ff.net.2", 1e-2), ("audio_ff.net.2", 1e-3), ("video_to_audio_attn.to_out.0", 1e-3)):
        assert made[layer.format(name)].abs().max().item() == pytest.approx(rate, rel=1e-3)


def test_a_run_goes_on_with_what_it_was_begun_with_only(tmp_path, records):
    out = tmp_path / "out"
    train_lora(replace(SHORT, steps=2), toy_model(), records, out)
    for change in ({"layout": "ltx 2.3"}, {"rank": 3}, {"audio_rate": 1e-4}, {"seed": 1}):
        _told(*change, lambda change=change: train_lora(replace(SHORT, **change), toy_model(), records, out))
    train_lora(replace(SHORT, save_every=2), toy_model(), records, out)


def test_pairs_of_another_model_are_told(tmp_path, records):
    _told("LTX-2.3", lambda: train_lora(SHORT, toy_model("2.3"), records, tmp_path / "out"))
    other = tmp_path / "other"
    other.mkdir()
    write_records(other, width=20)
    _told("20 wide", lambda: train_lora(SHORT, toy_model(), other, tmp_path / "out"))
    _told("records.json", lambda: train_lora(SHORT, toy_model(), tmp_path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_and_a_damaged_run_are_told(tmp_path, records):
    (tmp_path / "file").write_text("")
    _told("cannot hold a run", lambda: train_lora(SHORT, toy_model(), records, tmp_path / "file"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{")
    _told("run.json", lambda: train_lora(SHORT, toy_model(), records, out))


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "papers"},
        {"rank": 0},
        {"video_rate": 0.0},
        {"audio_rate": -1e-5},
        {"steps": 0},
        {"save_every": 0},
        {"clip_norm": 0.0},
        {"final_rate": 2.0},
        {"warmup": -1},
    ],
)
def test_odd_settings_are_told(wrong):
    _told(".", lambda: LoraTraining(**wrong))


@pytest.mark.parametrize(
    "text", ["rank: many", "rnk: 4", "loss: {face: 0.0}", "layout: [paper]", "a: b: c", "- 3"]
)
def test_odd_files_of_settings_are_told(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    _told("config.yaml" if "face" not in text else "face", lambda: read_settings(path, LoraTraining))


def test_the_pack_s_own_settings_are_the_paper_s():
    path = Path(config.__file__).parent / "configs" / "dub-it-ltx-2-19b.yaml"
    assert read_settings(path, LoraTraining) == LoraTraining()
    assert (LoraTraining().rank, LoraTraining().video_rate, LoraTraining().audio_rate) == (128, 2e-4, 1e-5)


def _told(words, run):
    with pytest.raises(XDubError, match=words) as told:
        run()
    assert "\n" not in str(told.value)
