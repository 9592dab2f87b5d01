"""Keys: the same of the same inputs in every process, another of others."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from xdub_core.dub.settings import DubSettings
from xdub_core.job import keys
from xdub_core.job.keys import file_fingerprint, fingerprint, key_of
from xdub_core.media.timeline import Extend

SETTINGS = DubSettings()


def test_a_key_is_the_same_in_another_process():
    program = "from xdub_core.job.keys import key_of; from xdub_core.dub.settings import DubSettings; "
    program += "print(key_of(DubSettings(), {'b': 1, 'a': (0.1, None)}))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert other.stdout.strip() == key_of(SETTINGS, {"a": [0.1, None], "b": 1})


@pytest.mark.parametrize(
    "other",
    [
        (),
        (SETTINGS, None),
        (replace(SETTINGS, crop_size=256),),
        (replace(SETTINGS, sampler=replace(SETTINGS.sampler, seed=43)),),
        (replace(SETTINGS, sampler=replace(SETTINGS.sampler, shift=np.nextafter(5.0, 6))),),
        (SETTINGS.sampler,),
    ],
)
def test_what_differs_in_anything_has_another_key(other):
    assert key_of(*other) != key_of(SETTINGS)


def test_arrays_count_by_contents_shape_and_type():
    array = np.arange(6)
    assert key_of(array) == key_of(array[::-1][::-1])
    others = [array.reshape(2, 3), array.astype(np.int32), array + 1, array.tolist()]
    assert len({key_of(each) for each in (array, *others)}) == 5


@pytest.mark.parametrize("value", [object(), torch.zeros(1), {1, 2}, DubSettings, lambda: None])
def test_what_has_no_contents_is_no_part_of_a_key(value):
    with pytest.raises(TypeError, match="no contents"):
        key_of(value)
    assert key_of(Extend.LOOP) == key_of("loop")


def test_files_count_by_their_contents(tmp_path):
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(text)
    one, same, two = (file_fingerprint(tmp_path / name) for name in "abc")
    assert one == same != two
    assert fingerprint([tmp_path]) == {"a": one, "b": one, "c": two}
    assert fingerprint([tmp_path / "c"]) == {"c": two}


@pytest.mark.parametrize("place", [0, 500_000, -1])
def test_a_large_file_that_changes_anywhere_has_another_fingerprint(tmp_path, monkeypatch, place):
    monkeypatch.setattr(keys, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(keys, "_SAMPLE_BYTES", 16)
    data = bytearray(1_000_000)
    (tmp_path / "a").write_bytes(data)
    before = file_fingerprint(tmp_path / "a")
    assert file_fingerprint(tmp_path / "a") == before
    data[place] = 1
    (tmp_path / "a").write_bytes(data)
    os.utime(tmp_path / "a", (1, 1))
    assert file_fingerprint(tmp_path / "a") != before
