"""Whole dubs of footage that is hard: people who cross, cuts, who leaves and returns, bystanders, odd frames.

Each is compared with what the renderer knows of every pixel.
"""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from tests.cli.footage import (
    HEIGHT,
    WIDTH,
    Take,
    actor,
    differs,
    dub,
    frames_of,
    near,
    said,
)
from tests.media.conftest import turn_mp4, write_video
from xdub_core.dub import scene
from xdub_core.face.presence import FADE
from xdub_core.heads.crowd import Place

LEFT, RIGHT = Place(95, 95, 100), Place(225, 95, 100)


def changed_faces(take, changed, number):
    """In which frames a person's own pixels about the face are changed, bool [frames]."""
    return np.array(
        [
            number in faces and (mask & (owner == number) & near(faces[number], 1.0)).any()
            for mask, owner, faces in zip(changed, take.owners, take.faces, strict=True)
        ]
    )


class TestWhoCross:
    """Person 1 walks behind person 2 from left to right; each is dubbed alone, and both together."""

    @pytest.fixture(scope="class")
    def take(self):
        first = actor(20, lambda frame: Place(60 + 6 * frame, 90, 90))
        second = actor(21, lambda frame: Place(260 - 6 * frame, 95, 100), seed=1)
        return Take().add({1: first, 2: second}, 0, 34)

    @pytest.fixture(scope="class")
    def dubs(self, take, tmp_path_factory):
        """The source, and the dubs of whom is named: of person 1, of person 2, of both."""
        folder = tmp_path_factory.mktemp("cross")
        video = write_video(folder / "in.mp4", take.frames)
        quiet = said(folder / "quiet.wav", 1, 1.4, quiet=(0, 1.4))
        spoken = {number: said(folder / f"{number}.wav", number, 1.4) for number in (1, 2)}
        made = {(): frames_of(video)}
        for who in ((1,), (2,), (1, 2)):
            voices = [f"{number}={spoken[number] if number in who else quiet}" for number in (1, 2)]
            options = ("--voice", voices[0], "--voice", voices[1], "--silence", "source", "--keep-job")
            out = dub(
                video, folder / f"{len(made)}.mp4", *options, "--job", folder / "job"
            )  # found faces are kept
            made[who] = frames_of(out)
        return made

    @pytest.mark.parametrize(("speaker", "other"), [(1, 2), (2, 1)])
    def test_each_keeps_their_own_voice(self, take, dubs, speaker, other):
        changed = differs(dubs[(speaker,)], dubs[()])
        frames = changed_faces(take, changed, speaker)
        assert frames[:8].all() and frames[-8:].all()  # apart, before and after
        assert not changed_faces(take, changed, other)[[*range(8), *range(-8, 0)]].any()

    def test_outside_of_their_faces_nothing_changes(self, take, dubs):
        for who in ((1,), (2,), (1, 2)):
            changed = differs(dubs[who], dubs[()])
            apart = [*range(10), *range(-8, 0)]
            assert not (changed & ~take.around(*who))[apart].any()
            assert not (
                changed & ~take.around(1, 2, reach=2)
            ).any()  # the finder sees one large face between them

    def test_who_is_in_front_is_not_painted_over(self, take, dubs):
        front, behind = np.stack(take.owners) == 2, differs(dubs[(1,)], dubs[()])
        overlap = take.around(1) & take.around(2)
        assert behind[overlap & ~front].any()
        assert (behind & front).sum() < 0.02 * behind.sum()

    def test_where_both_change_the_one_in_front_is_shown(self, take, dubs):
        alone, both = (differs(dubs[who], dubs[(2,)]) for who in ((), (1, 2)))
        front = np.stack(take.owners) == 2
        assert (alone & front & take.around(1)).any()
        assert (both & front).sum() < 0.02 * (alone & front).sum()


class TestCuts:
    """A cut between two people every second."""

    @pytest.fixture(scope="class")
    def take(self):
        one, other = actor(22, Place(150, 95, 110)), actor(23, Place(180, 90, 80), seed=1)
        take = Take()
        for second, (number, who) in enumerate([(1, one), (2, other), (1, one)]):
            take.add({number: who}, 25 * second, 25 * second + 25, scene=number)
        return take

    @pytest.fixture(scope="class")
    def made(self, take, tmp_path_factory):
        folder = tmp_path_factory.mktemp("cuts")
        video = write_video(folder / "in.mp4", take.frames)
        voices = [f"{number}={said(folder / f'{number}.wav', number, 3.0)}" for number in (1, 2)]
        options = ("--voice", voices[0], "--voice", voices[1], "--silence", "model", "--report")
        out = dub(video, folder / "out.mp4", *options, "--clip-frames", "25")
        return frames_of(video), frames_of(out), json.loads((folder / "out.report.json").read_text())

    def test_every_frame_is_dubbed_where_its_own_person_is(self, take, made):
        changed = differs(made[1], made[0])
        assert changed.any(axis=(1, 2)).all()
        assert not (changed & ~take.around(1, 2)).any()

    def test_each_second_is_a_clip_of_its_own_person(self, made):
        clips = [
            (clip["person"], clip["span"]["start_frame"], clip["span"]["stop_frame"])
            for clip in made[2]["clips"]
        ]
        assert sorted(clips, key=lambda clip: clip[1]) == [(1, 0, 25), (2, 25, 50), (1, 50, 75)]

    def test_no_more_is_sampled_than_shown(self, made):
        assert made[2]["cost"]["sampled_per_dubbed"] == 1.0


class TestWhoLeavesAndReturns:
    """Somebody who walks out of the picture, and comes back from where they went."""

    @pytest.fixture(scope="class")
    def take(self):
        steps = [0] * 14 + [24 * step for step in range(1, 11)] + [240] * 8
        who = actor(24, lambda frame: Place(160 + (steps + steps[::-1])[frame], 95, 110))
        return Take().add({1: who}, 0, 2 * len(steps))

    @pytest.fixture(scope="class")
    def made(self, take, tmp_path_factory):
        """The source, its dub, and the dub as it is where nothing fades; and the dub's report."""
        folder = tmp_path_factory.mktemp("leave")
        video, voice = write_video(folder / "in.mp4", take.frames), said(folder / "a.wav", 1, 2.4)
        options = ("--audio", voice, "--silence", "model", "--job", folder / "job", "--keep-job")
        out = dub(video, folder / "out.mp4", *options, "--report")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(scene, "fades", lambda *_: None)
            whole = dub(video, folder / "whole.mp4", *options)
        report = json.loads((folder / "out.report.json").read_text())
        return frames_of(video), frames_of(out), frames_of(whole), report

    @pytest.fixture
    def away(self, take, made):
        """The frames that the report tells to have passed through."""
        (span,) = made[3]["untouched"]
        frames = range(span["first_frame"], span["first_frame"] + span["frames"])
        seen = [(owner > 0).any() for owner in take.owners]
        inside = [faces[1][2] < WIDTH for faces in take.faces]
        assert np.delete(seen, frames).all() and "not found" in span["reason"]
        assert not np.array(inside)[frames].any()
        return frames

    def test_frames_without_them_are_the_source_s(self, made, away):
        changed = differs(made[1], made[0]).any(axis=(1, 2))
        assert not changed[away].any()
        assert np.delete(changed, away).all()

    def test_the_change_goes_and_comes_by_and_by(self, made, away):
        before, faded, whole = (np.delete(each.astype(int), away, axis=0) for each in made[:3])
        shares = abs(faded - before).sum(axis=(1, 2, 3)) / abs(whole - before).sum(axis=(1, 2, 3))
        from_edge = abs(np.arange(len(shares)) + 0.5 - away.start) + 0.5  # 1 at the frame next to them
        assert shares == pytest.approx(np.minimum(from_edge / (FADE + 1), 1), abs=0.08)


class TestBystanders:
    """Somebody who speaks between two others, behind one and before the other."""

    @pytest.fixture(scope="class")
    def take(self):
        behind, speaker, front = (
            actor(number, place, seed)
            for number, place, seed in (
                (28, Place(62, 85, 84), 0),
                (26, Place(150, 90, 96), 1),
                (27, Place(230, 98, 100), 2),
            )
        )
        return Take().add({1: behind, 2: speaker, 3: front}, 0, 16)

    @pytest.fixture(scope="class")
    def made(self, take, tmp_path_factory):
        folder = tmp_path_factory.mktemp("bystanders")
        video, voice = write_video(folder / "in.mp4", take.frames), said(folder / "a.wav", 1, 0.64)
        point = f"{take.faces[5][2][[0, 2]].mean():.0f},{take.faces[5][2][[1, 3]].mean():.0f}@0.2"
        out = dub(video, folder / "out.mp4", "--audio", voice, "--silence", "model", "--person", point)
        return frames_of(video), frames_of(out)

    def test_the_speaker_s_face_changes_in_every_frame(self, take, made):
        assert changed_faces(take, differs(made[1], made[0]), 2).all()

    def test_the_faces_of_the_others_do_not(self, take, made):
        changed = differs(made[1], made[0])
        assert (take.around(2) & (take.around(1) | take.around(3))).any(axis=(1, 2)).all()
        for number in (1, 3):
            faces = np.stack([near(faces[number], 1.0) for faces in take.faces])
            assert not (changed & faces & (np.stack(take.owners) == number)).any()
        assert not (changed & ~take.around(2)).any()


@pytest.fixture(scope="module")
def pair():
    """Two people beside each other, the right one nearer."""
    return Take().add({1: actor(30, LEFT), 2: actor(31, RIGHT, seed=1)}, 0, 20)


def assert_only_the_right_one_changes(before, after, middle):
    changed = differs(after, before)
    assert changed[:, :, middle:].any(axis=(1, 2)).all()
    assert not changed[:, :, :middle].any()


def test_a_portrait_that_is_stored_lying_down(pair, tmp_path):
    upright = [frame[:, 40:280] for frame in pair.frames]
    lying = [np.ascontiguousarray(np.rot90(frame)) for frame in upright]
    video = turn_mp4(write_video(tmp_path / "in.mp4", lying, pixel_format="yuv444p"), (0, 1, -1, 0))
    out = dub(
        video,
        tmp_path / "out.mp4",
        "--audio",
        said(tmp_path / "a.wav", 1, 0.8),
        "--person",
        "right",
        "--silence",
        "model",
    )
    before, after = frames_of(video), frames_of(out)
    assert before.shape[1:3] == (HEIGHT, 240)
    assert_only_the_right_one_changes(before, after, 120)  # halved chroma cannot be turned exactly


def test_anamorphic_pixels(pair, tmp_path):
    stored = [cv2.resize(frame, (240, HEIGHT), interpolation=cv2.INTER_AREA) for frame in pair.frames]
    video = write_video(tmp_path / "in.mp4", stored, sample_aspect_ratio=Fraction(4, 3))
    out = dub(
        video,
        tmp_path / "out.mp4",
        "--audio",
        said(tmp_path / "a.wav", 1, 0.8),
        "--person",
        "right",
        "--silence",
        "model",
    )
    assert_only_the_right_one_changes(frames_of(video), frames_of(out), 120)
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("rate", [50, 60])
def test_two_people_at_high_rates(pair, tmp_path, rate):
    video = write_video(tmp_path / "in.mp4", pair.frames, time_base=Fraction(1, rate))
    voices = [f"{number}={said(tmp_path / f'{number}.wav', number, 20 / rate)}" for number in (1, 2)]
    out = dub(video, tmp_path / "out.mp4", "--voice", voices[0], "--voice", voices[1], "--silence", "model")
    changed = differs(frames_of(out), frames_of(video))
    assert changed_faces(pair, changed, 1).all() and changed_faces(pair, changed, 2).all()
    assert not (changed & ~pair.around(1, 2)).any()
    assert times_of(out) == [Fraction(number, rate) for number in range(20)]


def test_uneven_times_with_a_cut(pair, tmp_path):
    alone = Take().add({1: actor(30, LEFT)}, 20, 32, scene=3)
    frames = [*pair.frames[:12], *alone.frames]
    steps = np.random.default_rng(5).integers(25, 60, len(frames))
    ticks = [0, *np.cumsum(steps)[:-1].tolist()]
    video = write_video(tmp_path / "in.mkv", frames, pts=ticks, time_base=Fraction(1, 1000))
    voice = said(tmp_path / "a.wav", 1, 1.2)
    out = dub(video, tmp_path / "out.mkv", "--audio", voice, "--person", "2", "--silence", "model")
    changed = differs(frames_of(out), frames_of(video))
    assert changed[:12, :, WIDTH // 2 :].any(axis=(1, 2)).all()
    assert not changed[:12, :, : WIDTH // 2].any() and not changed[12:].any()
    assert times_of(out) == [Fraction(tick, 1000) for tick in ticks]


def times_of(path):
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]
