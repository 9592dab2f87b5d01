"""What is collected while a dub is made: people, spans with reasons, clips, time, cost, warnings."""

import base64
import json
import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from tests.dub.fakes import BOX, SETTINGS, Frames, Inventing, scene, speaker, track_of
from tests.report.conftest import make_report
from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipOutcome, ClipRecord, ClipVerdict
from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub, plan_scene
from xdub_core.dub.playback import Playback
from xdub_core.dub.scene import Scene
from xdub_core.face.presence import Reason
from xdub_core.media.timeline import constant_clock, timeline_from_timestamps
from xdub_core.progress import Progress, Stage
from xdub_core.report.model import PassedThrough, report_json
from xdub_core.report.people import BETWEEN, NO_FACE, SILENT, Named
from xdub_core.report.pictures import SIDE, face_picture
from xdub_core.report.watcher import PREPARING, DubWatcher
from xdub_core.vae.cosine import CosineVAE

MODEL = DubModel(CosineVAE(48), Inventing())


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def watched(a_scene, settings=SETTINGS):
    watcher = DubWatcher()
    frames = list(watcher.pictured(dub(a_scene, MODEL, settings, observer=watcher)))
    return watcher, frames


def decoded(uri):
    kind, content = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


def two_people():
    first, second = np.repeat([0, -1, 1], [20, 5, 9]), np.repeat([-1, 0], [22, 12])
    return scene(34, 34, speakers=[speaker(track_of(first)), speaker(track_of(second))])


def test_it_tells_who_was_dubbed_where_and_who_not():
    watcher, _ = watched(two_people())
    (anna, ben), untouched = watcher.people([Named("Anna", "a.wav", 2), Named("Ben", "b.wav", 1)])
    assert (anna.number, anna.name, anna.recording, anna.shots) == (2, "Anna", "a.wav", 2)
    assert [(s.start_frame, s.stop_frame) for s in anna.dubbed] == [(0, 20), (25, 34)]
    assert [(s.start_frame, s.stop_frame, s.reason) for s in anna.untouched] == [(20, 25, NO_FACE)]
    assert [(s.start_frame, s.stop_frame) for s in ben.dubbed] == [(22, 34)]
    assert (anna.mean_size, anna.seconds_on_screen) == (40, 29 / 25)
    assert untouched == (PassedThrough(20, 2, 0.8, 0.88, NO_FACE),)


def test_what_it_calls_untouched_is_what_came_out_as_it_went_in():
    a_scene = two_people()
    watcher, frames = watched(a_scene)
    _, untouched = watcher.people([Named("", "")] * 2)
    same = [number for number, frame in enumerate(frames) if np.array_equal(frame.rgb, frame.source.rgb)]
    assert same == [
        number for each in untouched for number in range(each.first_frame, each.first_frame + each.frames)
    ]


@pytest.mark.parametrize("rate", [10, 24, 50, 60])
def test_it_counts_the_output_s_own_frames_at_any_rate(rate):
    clock = constant_clock(40, rate)
    timeline = timeline_from_timestamps(clock.seconds, float(clock.end), nearest=True)
    frames = len(timeline)
    there = np.where(np.arange(frames) // max(1, frames // 3) == 1, -1, 0)
    there[2 * (frames // 3) :] = 1
    there[-2:] = 2  # and a cut
    a_scene = Scene(
        Frames(40), timeline, (speaker(track_of(there)),), frames, playback=Playback(clock, timeline)
    )
    watcher, shown = watched(a_scene)
    _, untouched = watcher.people([Named("", "")])
    same = [number for number, frame in enumerate(shown) if np.array_equal(frame.rgb, frame.source.rgb)]
    assert len(shown) == 40 and same
    assert same == [
        number for each in untouched for number in range(each.first_frame, each.first_frame + each.frames)
    ]
    for each in untouched:
        assert each.reason == NO_FACE or (
            each.reason == BETWEEN and each.frames == 1 and rate > 25
        )  # frames are noise
        assert each.start_seconds == pytest.approx(each.first_frame / rate, abs=1e-3)
        assert each.stop_seconds == pytest.approx((each.first_frame + each.frames) / rate, abs=1e-3)
    assert all(clip.before for clip in watcher.clips)


def test_frames_in_which_nothing_is_said_are_told_as_such():
    strength = np.ones(20, np.float32)
    strength[5:9] = 0
    silent = replace(speaker(track_of(np.repeat([0, -1], [16, 4]))), strength=strength)
    watcher, _ = watched(scene(20, 20, speakers=[silent]))
    (person,), _ = watcher.people([Named("", "")])
    told = [(s.start_frame, s.stop_frame, s.reason) for s in person.untouched]
    assert told == [(5, 9, SILENT), (16, 20, NO_FACE)]


def test_a_face_that_is_there_but_cannot_be_dubbed_is_told_with_its_reason():
    why = np.repeat([Reason.THERE, Reason.TURNED, Reason.TINY, Reason.NOT_FOUND], [12, 3, 3, 2]).astype(
        np.uint8
    )
    track = replace(track_of(np.where(why == Reason.THERE, 0, -1)), reasons=why)
    watcher, _ = watched(scene(20, 20, speakers=[speaker(track)]))
    (person,), untouched = watcher.people([Named("", "")])
    assert [(each.first_frame, each.reason) for each in untouched] == [
        (12, "the face is turned away"), (15, "the face is tiny"), (18, "the face was not found"),
    ]  # fmt: skip
    assert person.seconds_on_screen == 18 / 25


def test_every_clip_has_its_pictures_before_and_after():
    watcher, _ = watched(scene(34, 34))
    assert [clip.number for clip in watcher.clips] == [1, 2, 3, 4]
    for clip in watcher.clips:
        before, after = decoded(clip.before), decoded(clip.after)
        assert before.shape == after.shape == (44, 44, 3)  # a tenth more than the box
        inside = (slice(12, 32), slice(12, 32))
        assert before[inside].astype(float).std() > 1.3 * after[inside].astype(float).std()  # noise, and grey
    (person,), _ = watcher.people([Named("", "")])
    assert person.picture in [clip.before for clip in watcher.clips]


def test_what_somebody_should_know_is_told_and_nothing_else():
    assert watched(scene(20, 20))[0].notes() == []
    watcher, _ = watched(two_people())
    assert watcher.notes() == ["0.08 s of 1.36 s came out as they went in, with nobody dubbed."]
    verdicts = (ClipVerdict(reasons=("noise",)),) * 2
    watcher.made(ClipRecord(0, 0, Clip(6, 8, 21, 5), 42, ClipOutcome(0, verdicts, 1.0)))
    assert watcher.notes()[1] == "1 clip passed the self-check in no attempt: 7."


def test_the_cost_counts_every_attempt_against_the_frames_that_are_shown():
    a_scene = two_people()
    watcher = DubWatcher()
    watcher.planned(a_scene, plan_scene(a_scene, SETTINGS))
    bad, good = ClipVerdict({"noise": float("nan")}, ("noise",)), ClipVerdict()
    for outcome, clip in (
        (ClipOutcome(2, (bad, bad, good), 3.0), Clip(0, 0, 13, 0)),
        (ClipOutcome(0, (good,), 1.0), Clip(1, 8, 21, 5)),
    ):
        watcher.made(ClipRecord(0, 0, clip, 42, outcome))
    cost = watcher.cost
    assert (cost.frames_shown, cost.frames_dubbed, cost.frames_sampled) == (34, 20 + 9 + 12, 13 * 4)
    assert cost.sampled_per_dubbed == pytest.approx(52 / 41)
    first, second = watcher.clips
    assert (first.sampled, first.passed, first.shown_attempt, first.attempts[0].measures) == (
        3, True, 3, {"noise": None},
    )  # fmt: skip
    assert (second.sampled, second.passed) == (1, True)


def test_a_long_dub_has_few_pictures_but_all_of_clips_that_were_sampled_again(monkeypatch):
    monkeypatch.setattr("xdub_core.report.watcher.MOST_PICTURES", 2)
    a_scene = scene(50, 50)

    class Judging(DubWatcher):
        def made(self, record):
            verdicts = (ClipVerdict(reasons=("noise",)), ClipVerdict()) if record.clip.number == 3 else ()
            super().made(replace(record, outcome=ClipOutcome(len(verdicts[1:]), verdicts, 1.0)))

    watcher = Judging()
    list(watcher.pictured(dub(a_scene, MODEL, SETTINGS, observer=watcher)))
    assert len(watcher.clips) == 6
    assert [clip.number for clip in watcher.clips if clip.before] == [
        1,
        4,
        5,
    ]  # every fourth, and the one again


def test_without_a_report_only_what_somebody_should_know_is_kept():
    a_scene, watcher = two_people(), DubWatcher(report=False)
    list(watcher.pictured(dub(a_scene, MODEL, SETTINGS, observer=watcher)))
    assert watcher.clips == () and len(watcher.notes()) == 1
    verdicts = (ClipVerdict(reasons=("noise",)), ClipVerdict())
    watcher.made(ClipRecord(0, 0, Clip(6, 8, 21, 5), 42, ClipOutcome(1, verdicts, 1.0)))
    assert watcher.notes()[1] == "Every clip passed the self-check, 1 when sampled again."
    watcher.made(ClipRecord(0, 0, Clip(7, 8, 21, 5), 42, ClipOutcome(0, verdicts[:1], 1.0)))
    assert watcher.notes()[1] == "1 clip passed the self-check in no attempt: 8."


def test_time_is_the_stages_in_which_it_passed():
    now = [0.0]
    watcher = DubWatcher(clock=lambda: now[0])
    told = []
    tell = watcher.timed(told.append)
    for at, progress in (
        (1.0, Progress(Stage.FACES, 0, 10)),
        (4.0, Progress(Stage.FACES, 10, 10)),
        (4.5, Progress(Stage.CLIPS, 0, None)),
        (9.0, Progress(Stage.CLIPS, 1, 2)),
        (10.0, Progress(Stage.FRAMES, 1, 2)),
        (15.0, Progress(Stage.CLIPS, 2, 2)),
        (15.5, Progress(Stage.FRAMES, 2, 2)),
    ):
        now[0] = at
        tell(progress)
    now[0] = 16.0
    assert {stage.name: stage.seconds for stage in watcher.stages} == {
        PREPARING: 1.0, "Finding the face": 3.5, "Dubbing": 9.5, "Writing frames": 2.0,
    }  # fmt: skip
    assert len(told) == 7


def test_warnings_are_kept_once_each_and_only_those_of_the_dub():
    watcher = DubWatcher()
    log = logging.getLogger("xdub_core.media")
    log.warning("before")
    with watcher.listening():
        log.warning("%s is odd", "a.mp4")
        log.warning("a.mp4 is odd")
        log.info("nothing")
        logging.getLogger("another.library").warning("its own")
    log.warning("after")
    assert watcher.warnings == ["a.mp4 is odd"]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_is_small_and_shows_the_face(kind):
    frame = np.zeros((400, 600, 3), kind)
    frame[100:300, 200:400] = np.array([200, 120, 40]) * (np.iinfo(kind).max // 255)
    picture = decoded(face_picture(frame, np.array([200.0, 100, 400, 300])))
    assert max(picture.shape) == SIDE and min(picture.shape[:2]) >= SIDE - 1
    assert np.abs(picture[SIDE // 2, SIDE // 2].astype(int) - [40, 120, 200]).max() < 6
    assert face_picture(frame, np.array([700.0, 100, 900, 300])) == ""
    assert decoded(face_picture(frame, BOX - 30)).shape[0] < 40  # cut at the frame's edge


def test_the_json_is_plain_and_says_what_its_parts_work_out():
    told = json.loads("".join(report_json(make_report())))
    assert told["format"] == 2
    assert told["cost"]["sampled_per_dubbed"] == round(77 * 9 / 273, 4)
    assert [clip["passed"] for clip in told["clips"]] == [True, True, False, True, True, True]
    assert told["people"][0]["untouched"] == [
        {"start_frame": 100, "stop_frame": 120, "start_seconds": 4.0, "stop_seconds": 4.8,
         "reason": "the face is turned away"},
    ]  # fmt: skip
