"""A report with everything in it, and what HTML must not take for its own in every text."""

from dataclasses import replace

import numpy as np
import pytest

from xdub_core.report.model import (
    Cost,
    PassedThrough,
    Report,
    ReportedAttempt,
    ReportedClip,
    ReportedFile,
    ReportedPerson,
    StageTime,
)
from xdub_core.report.people import span
from xdub_core.report.pictures import data_uri

EVIL = "<script>alert('1')</script> & \"x\" <img src=//evil.example/a.png>"


def face(color):
    y, x = np.mgrid[:96, :96]
    inside = ((x - 48) / 34) ** 2 + ((y - 48) / 42) ** 2 < 1
    return data_uri(np.where(inside[..., None], np.array(color), 60).astype(np.uint8))


def clips(count, person=1, first=0):
    for number in range(first, first + count):
        start = 72 * (number - first)
        yield ReportedClip(
            number=number + 1,
            person=person,
            shot=1 + (number - first) // 3,
            span=span(start, start + 77),
            seed=42,
            shown_attempt=1,
            attempts=(ReportedAttempt((), {"sharpness": 0.91}),),
            seconds=12.3,
            before=face((200, 150, 120)),
            after=face((205, 150, 125)),
        )


def make_report(count=4, **changes):
    mine = list(clips(count))
    mine[1] = replace(
        mine[1],
        shown_attempt=2,
        attempts=(ReportedAttempt(("it flickers", "its colours flash"), {"flicker": 3.2}), ReportedAttempt()),
    )
    mine[2] = replace(mine[2], attempts=(ReportedAttempt(("noise",)), ReportedAttempt((f"noise {EVIL}",))))
    mine[3] = replace(mine[3], kept=True, seconds=0.0)
    frames = 72 * count + 5
    people = (
        ReportedPerson(
            1, "Anna", "anna.wav", face((200, 150, 120)), 2, 310, 9.5,
            (span(0, 100), span(120, frames)), (span(100, 120, "the face is turned away"),),
        ),
        ReportedPerson(2, EVIL, EVIL, "javascript:alert(1)", 1, 90, 3.0, (), (span(0, frames, EVIL),)),
    )  # fmt: skip
    return replace(
        Report(
            made_by="X-Dub 0.1.0",
            name=f"{EVIL}.mp4",
            files=(
                ReportedFile(
                    "video",
                    f"{EVIL}/in.mp4",
                    {"width": 1920, "height": 1080, "frames_a_second": 23.976, "mirrored": True, "tag": EVIL},
                ),
                ReportedFile("recording", "anna.wav", {"bytes": 123456}),
                ReportedFile("output", "out.mp4", {"bytes": 9876543, "codec": "h264", "profile": None}),
            ),
            settings={"sampling": {"seed": 42, "steps": 30, EVIL: EVIL}},
            chosen={"seed": 42, "text": EVIL},
            model={"model": "released", "device": "cuda"},
            environment={"python": "3.12.1"},
            frame_rate=25.0,
            seconds=frames / 25,
            people=people,
            clips=tuple(mine) + tuple(clips(2, 2, count)),
            untouched=(PassedThrough(100, 20, 4.0, 4.8, f"the face is turned away; {EVIL}"),),
            warnings=("a warning", EVIL),
            stages=(StageTime("Preparing", 1.0), StageTime("Dubbing", 47.25)),
            cost=Cost(frames, frames - 20, 77 * (count + 4), 77),
        ),
        **changes,
    )


@pytest.fixture
def report():
    return make_report()
