"""Damaged media files through the command line: a short run of `benchmarks/damaged_media.py`."""

import sys
from pathlib import Path

import av
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import damaged_media
from damaged_media import FORMATS, Case, make_case, run_case, run_cases, write_samples


def test_the_healthy_files_have_what_their_format_says(tmp_path):
    write_samples(tmp_path)
    for suffix, (picture, sound) in FORMATS.items():
        with av.open(str(tmp_path / f"healthy.{suffix}")) as file:
            assert (bool(file.streams.video), bool(file.streams.audio)) == (
                picture is not None,
                sound is not None,
            )


def test_a_seed_is_a_case():
    cases = [make_case(seed) for seed in range(48)]
    assert cases == [make_case(seed) for seed in range(48)]
    assert {case.suffix for case in cases} == set(FORMATS)
    assert {case.role for case in cases} == {"video", "audio", "both"}


def test_damaged_files_are_dubbed_or_refused_and_nothing_else():
    results = list(run_cases(range(len(FORMATS)), limit=120))
    assert [(r.case, r.fault, r.message) for r in results if r.fault] == []
    assert {result.code for result in results} == {0, 2}


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("import os; os.kill(os.getpid(), 11)", "exit code -11"),
        ("import time; time.sleep(60)", "it still ran after 10 s"),
        ("print('Traceback (most recent call last):')", "a traceback"),
        ("open('.hidden', 'w')", "left behind or missing: .hidden, out.mp4"),
        ("open('voice.wav', 'w'); open('out.mp4', 'w')", "an input is changed"),
        ("import sys; sys.exit(2)", "exit code 2 with 0 lines of error"),
    ],
)
def test_what_counts_as_a_failure(tmp_path, monkeypatch, program, fault):
    write_samples(tmp_path)
    monkeypatch.setattr(damaged_media, "_dub", _Program(program))
    result = run_case(Case(0, "wav", "audio", "out.mp4"), tmp_path, limit=10, memory=8)
    assert result.fault == fault


class _Program:
    """Stands for the command line in its process."""

    def __init__(self, program):
        self.program = program

    def __call__(self, case, work, log, memory):
        import os

        os.chdir(work)
        with Path(log).open("wb") as file:
            os.dup2(file.fileno(), 1)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        exec(self.program)
        sys.stdout.flush()
