"""Hidden files beside outputs: what a killed process leaves of them, and what must stay."""

import os
import subprocess
import sys

import pytest

from xdub_core.errors import MediaError
from xdub_core.media.output.output_file import HiddenFile

ABANDON = """
import os, sys
from xdub_core.media.output.output_file import HiddenFile
HiddenFile(sys.argv[1])
os._exit(9)
"""


def abandoned(output):
    """The hidden file of a process that was killed while it wrote an output."""
    before = set(output.parent.iterdir())
    subprocess.run([sys.executable, "-c", ABANDON, str(output)], check=False)
    (left,) = set(output.parent.iterdir()) - before
    return left


def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path):
    left, other = abandoned(tmp_path / "a [1].mp4"), abandoned(tmp_path / "b.mp4")
    new = HiddenFile(tmp_path / "a [1].mp4")
    assert not left.exists()
    assert other.exists() and new.path.exists()


def test_what_a_process_still_writes_stays(tmp_path):
    one, other = HiddenFile(tmp_path / "a.mp4"), HiddenFile(tmp_path / "a.mp4")
    assert one.path.exists() and other.path.exists()


def test_what_is_not_ours_stays(tmp_path):
    strangers = [
        tmp_path / name for name in (".a.mp4", ".a.backup.mp4", f".a.ffffff-{2**22 + 1}-12345678.mp4")
    ]
    for stranger in strangers:
        stranger.touch()
    HiddenFile(tmp_path / "a.mp4")
    assert all(stranger.exists() for stranger in strangers)


def test_a_finished_file_that_could_not_take_its_place_stays(tmp_path, monkeypatch):
    finished = HiddenFile(tmp_path / "a.mp4", overwrite=False)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MediaError, match="the finished file is") as error:
        finished.keep()
    monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(ProcessLookupError))  # it has ended
    HiddenFile(tmp_path / "a.mp4")
    assert finished.path.exists() and str(finished.path) in str(error.value)
