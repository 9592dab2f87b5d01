"""The store: whole files, checked when they are read; a help and never a need."""

import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from xdub_core.job.store import RESERVE_BYTES, Store

ROWS = {"rows": np.arange(12, dtype=np.float32).reshape(3, 4), "there": np.array([True, False])}


def loaded(folder, key="a"):
    return Store(folder).load("rows", key)


def test_what_is_kept_is_found_by_another_store(tmp_path):
    Store(tmp_path / "new" / "job").save("rows", "a", ROWS, {"name": "ä"})
    kept = loaded(tmp_path / "new" / "job")
    assert {name: (array.dtype, array.tolist()) for name, array in kept.arrays.items()} == {
        name: (array.dtype, array.tolist()) for name, array in ROWS.items()
    }
    assert kept.told == {"name": "ä"}
    assert loaded(tmp_path / "new" / "job", "b") is None


def test_nothing_is_made_before_something_is_kept(tmp_path):
    assert Store(tmp_path / "job").load("rows", "a") is None
    assert not (tmp_path / "job").exists()


def _cut(data):
    return data[: len(data) // 2]


def _flip(place):
    def flipped(data):
        changed = bytearray(data)
        changed[place] ^= 1
        return bytes(changed)

    return flipped


@pytest.mark.parametrize(
    "damage",
    [_cut, lambda data: b"", lambda data: b"\xff" * 64, lambda data: data + b"\0", _flip(-1), _flip(-30), _flip(12),
     _flip(0), lambda data: b"\0" * len(data)],
)  # fmt: skip
def test_a_damaged_file_is_told_and_made_again(tmp_path, caplog, damage):
    Store(tmp_path).save("rows", "a", ROWS, {"name": "a"})
    path = Store(tmp_path).path("rows", "a")
    path.write_bytes(damage(path.read_bytes()))
    assert loaded(tmp_path) is None
    (line,) = caplog.messages
    assert str(path) in line and "damaged" in line
    Store(tmp_path).save("rows", "a", ROWS)
    assert loaded(tmp_path) is not None


@pytest.mark.parametrize("number", [28, 30, 5, 13])
def test_a_disk_that_refuses_is_told_once_and_the_work_goes_on(tmp_path, caplog, monkeypatch, number):
    store = Store(tmp_path)
    store.save("rows", "a", ROWS)

    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        store.save("rows", "b", ROWS)
    store.save("rows", "c", ROWS)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["a.safetensors"]
    (line,) = caplog.messages
    assert os.strerror(number).lower() in line and str(tmp_path) in line
    assert not store.writable and store.load("rows", "a") is not None


def test_the_last_of_a_disk_is_left_to_the_output(tmp_path, caplog, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, RESERVE_BYTES - 1))
    store = Store(tmp_path / "job")
    store.save("rows", "a", ROWS)
    assert not (tmp_path / "job").exists()
    assert "left on its disk" in caplog.text


def test_what_another_run_used_last_goes_last(tmp_path):
    array = {"rows": np.zeros(1000, np.float32)}
    first = Store(tmp_path)
    for age, key in enumerate("abc"):
        first.save("rows", key, array)
        os.utime(first.path("rows", key), (1000 - age, 1000 - age))
    size = first.path("rows", "a").stat().st_size
    Store(tmp_path).load("rows", "c")  # the oldest
    Store(tmp_path, limit=3 * size + 10).save("rows", "d", array)
    assert {path.stem for path in (tmp_path / "rows").iterdir()} == {"a", "c", "d"}


def test_within_the_limit_what_is_not_used_goes_first_and_the_oldest_before_others(tmp_path, caplog):
    array = {"rows": np.zeros(1000, np.float32)}
    first = Store(tmp_path)
    for age, key in enumerate("abc"):
        first.save("rows", key, array)
        os.utime(first.path("rows", key), (1000 - age, 1000 - age))
    size = first.path("rows", "a").stat().st_size
    store = Store(tmp_path, limit=3 * size + 10)
    assert store.load("rows", "c") is not None  # the oldest, but used now
    store.save("rows", "d", array)
    assert {path.stem for path in (tmp_path / "rows").iterdir()} == {"a", "c", "d"}
    store.save("rows", "e", array)
    assert {path.stem for path in (tmp_path / "rows").iterdir()} == {"c", "d", "e"}
    assert not caplog.messages
    store.save("rows", "f", array)
    (line,) = caplog.messages
    assert "limit" in line
    assert {path.stem for path in (tmp_path / "rows").iterdir()} == {"c", "d", "e"}
