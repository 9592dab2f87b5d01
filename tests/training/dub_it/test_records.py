"""The folder of training pairs: what is written is read, and what is odd is told in one line."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.dub_it.pairs import pair, write_records
from xdub_core.errors import XDubError
from xdub_core.training.dub_it.records import (
    MANIFEST,
    Manifest,
    Record,
    check_records,
    read_manifest,
    read_pair,
    write_manifest,
    write_pair,
)


def test_what_is_written_is_read(tmp_path):
    record = Record("a", "a.safetensors", Fraction(30000, 1001), 17, "says: “é”", {"lmd": 0.02})
    made = pair(17, record.fps, raw_text=True)
    write_pair(tmp_path / record.file, made)
    write_manifest(tmp_path, Manifest("2.3", (record,)))
    manifest = read_manifest(tmp_path)
    assert manifest == Manifest("2.3", (record,))
    check_records(tmp_path, manifest)
    found = read_pair(tmp_path, manifest.records[0])
    assert found.raw_text
    assert torch.equal(found.target_video, made.target_video.half())
    assert torch.equal(found.text, made.text.bfloat16())
    assert torch.equal(found.face, made.face.half())


def test_a_face_may_be_unknown(tmp_path):
    folder = write_records(tmp_path, count=1, face=False)
    assert read_pair(folder, read_manifest(folder).records[0]).face is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format 1"),
        ({"ltx_version": 2.0}, "ltx_version"),
        ({"records": {}}, "list of records"),
        ({"records": []}, "no records"),
        ({"records": [3]}, "record 1"),
        ({"records": [{"name": "a"}]}, "record 1"),
    ],
)
def test_an_odd_manifest_is_told(tmp_path, change, told):
    folder = write_records(tmp_path, count=1)
    content = json.loads((folder / MANIFEST).read_text()) | change
    (folder / MANIFEST).write_text(json.dumps(content))
    _told(folder, told)


@pytest.mark.parametrize(
    "change",
    [
        {"fps": "25/0"},
        {"fps": "fast"},
        {"fps": "-25"},
        {"frames": 10},
        {"frames": 1},
        {"frames": True},
        {"file": "../pairs/clip-0.safetensors"},
        {"file": "/clip-0.safetensors"},
        {"file": "C:/clip-0.safetensors"},
        {"file": ""},
        {"name": 3},
        {"colour": "red"},
        {"about": []},
    ],
)
def test_an_odd_record_is_told(tmp_path, change):
    folder = write_records(tmp_path, count=1)
    content = json.loads((folder / MANIFEST).read_text())
    content["records"][0] |= change
    (folder / MANIFEST).write_text(json.dumps(content))
    _told(folder, "record 1")


def test_no_manifest_and_no_text_are_told(tmp_path):
    _told(tmp_path, "cannot be read")
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe\x00")
    _told(tmp_path, "UTF-8")


def test_two_of_one_name_are_told(tmp_path):
    folder = write_records(tmp_path, count=1)
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, records=manifest.records * 2))
    _told(folder, "twice")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors: tensors.pop("text"), "text is missing"),
        (lambda tensors: tensors.update(lips=torch.zeros(1)), "lips is unknown"),
        (lambda tensors: tensors.update(source_video=tensors["source_video"][:, :1].clone()), "source_video"),
        (lambda tensors: tensors.update(face=torch.zeros(1, 2, 3)), "face"),
        (lambda tensors: tensors.update(target_audio=torch.zeros(8, 16)), "target_audio"),
        (lambda tensors: tensors.update(text=torch.zeros(0, 12)), "empty"),
        (lambda tensors: tensors.update(text=torch.zeros(5, 12, dtype=torch.int64)), "no float"),
        (lambda tensors: tensors["source_audio"].fill_(torch.nan), "source_audio holds numbers"),
        (lambda tensors: tensors["face"].fill_(-0.5), "face is not within"),
        (
            lambda tensors: tensors.update(
                source_audio=torch.zeros(8, 8, 16), target_audio=torch.zeros(8, 8, 16)
            ),
            "8 of sound",
        ),
    ],
)
def test_an_odd_pair_is_told(tmp_path, change, told):
    folder = write_records(tmp_path, count=1)
    path = folder / "pairs" / "clip-0.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"raw_text": "false"})
    _told(folder, told)


def test_a_missing_and_a_cut_file_are_told(tmp_path):
    folder = write_records(tmp_path, count=1)
    path = folder / "pairs" / "clip-0.safetensors"
    whole = path.read_bytes()
    save_file(load_file(path), path)
    _told(folder, "raw_text")
    path.write_bytes(whole[: len(whole) // 2])
    _told(folder, "cut short")
    path.unlink()
    _told(folder, "clip-0.safetensors is missing")


def test_an_odd_pair_is_not_written(tmp_path):
    made = pair()
    huge = replace(made, source_audio=1e6 * made.source_audio)  # beyond half precision
    for odd in (replace(made, source_audio=torch.zeros(8, 3, 16)), huge):
        with pytest.raises(XDubError, match="source_audio"):
            write_pair(tmp_path / "a.safetensors", odd)
    assert list(tmp_path.iterdir()) == []


def _told(folder, words):
    with pytest.raises(XDubError, match=words) as caught:
        manifest = read_manifest(folder)
        check_records(folder, manifest)
        read_pair(folder, manifest.records[0])
    assert "\n" not in str(caught.value)
