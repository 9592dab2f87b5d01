"""Voice, and Dub Video's choice of people: with a mini of random weights, and two faces side by side."""

import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from crowd import LEFT, RIGHT, TwoFaces, changed
from minis import speech, write_footage

from xdub_core.errors import FaceError, MediaError, SettingsError

pytestmark = pytest.mark.usefixtures("inference")


@pytest.fixture
def source(tmp_path):
    return InputImpl.VideoFromFile(str(write_footage(tmp_path / "two.mp4")))


@pytest.fixture
def dubbed(pack, mini, source):
    def run(audio, detector=None, **changes):
        given = {"model": mini.model, "vae": mini.vae, "audio_encoders": mini.encoders}
        given |= {
            "face_detector": detector or TwoFaces(),
            "seed": 1,
            "steps": 1,
            "length": "audio",
            "quality": 0,
        }
        given |= {"as_released": False, "image_fps": 25.0, "retries": 0} | changes
        return pack("dub_video").DubVideo.execute(source, audio, **given).args[0]

    return run


@pytest.fixture
def voices(pack):
    def add(audio, person="2", **others):
        return pack("voice").AddVoice.execute(audio, person, **others).args[0]

    return add


@pytest.fixture
def shown(pack, source):
    """Frames of a video, uint8 [n, h, w, 3], and as many of the source's."""

    def run(video):
        footage = pack("comfy_bridge.media.footage").footage
        new, old = (np.stack(list(footage(each).slots())) for each in (video, source))
        return new, old[: len(new)]

    return run


def at(seconds, total=0.8):
    """AUDIO with a buzz of 0.2 s at a time."""
    sound, rate = torch.zeros(1, 1, round(total * 16000)), 16000
    buzz = speech(0.2)["waveform"][:, :1]
    sound[..., round(seconds * rate) :][..., : buzz.shape[-1]] = buzz
    return {"waveform": sound, "sample_rate": rate}


@pytest.mark.parametrize(("person", "box", "other"), [("right", RIGHT, LEFT), ("1", LEFT, RIGHT)])
def test_one_person_is_dubbed_and_the_other_left_alone(dubbed, shown, person, box, other):
    new, old = shown(dubbed(speech(0.8), person=person))
    assert changed(new, old, box) > 2
    assert changed(new, old, other) < 1


def test_a_point_in_the_face_names_a_person(dubbed, shown):
    new, old = shown(dubbed(speech(0.4), person="60,20@0.1"))
    assert changed(new, old, RIGHT) > 2 > 1 > changed(new, old, LEFT)
    with pytest.raises(FaceError, match="no face at"):
        dubbed(speech(0.4), person="40,60@0.1")


def test_without_a_choice_one_person_is_followed_through_the_whole_video(dubbed, shown):
    """The detector gives one face and the other in turn where it is asked for a single one."""
    new, old = shown(dubbed(speech(0.8)))
    left, right = changed(new, old, LEFT), changed(new, old, RIGHT)
    assert min(left, right) < 1 and max(left, right) > 2


def test_two_people_say_a_recording_each_and_both_are_heard(dubbed, voices, shown):
    first, second = at(0.1), at(0.5)
    video = dubbed(first, person="left", voices=voices(second, "right"))
    new, old = shown(video)
    assert changed(new, old, LEFT) > 2 and changed(new, old, RIGHT) > 2
    assert changed(new, old, (0, 44, 80, 64)) < 1
    sound = video.get_components().audio
    level = sound["waveform"][0].abs().amax(0)
    assert level.shape[0] / sound["sample_rate"] == pytest.approx(0.8, abs=0.1)
    places = [
        level[round(s * sound["sample_rate"]) :][: sound["sample_rate"] // 10].max()
        for s in (0.15, 0.35, 0.55)
    ]
    assert places[0] > 0.2 > 0.05 > places[1] and places[2] > 0.2


def test_each_of_two_people_is_dubbed_as_the_engine_does_it(pack, mini, dubbed, voices, shown, source):
    """Each speaker's face is what it is when the same dub is made with that speaker alone."""
    both, _ = shown(dubbed(speech(0.6), person="left", voices=voices(at(0.2, 0.6), "right")))
    left, _ = shown(dubbed(speech(0.6), person="left"))
    right, _ = shown(dubbed(at(0.2, 0.6), person="right"))
    assert changed(both, left, LEFT) < 1
    assert changed(both, right, RIGHT) < 1


def test_the_dub_is_as_long_as_the_longest_recording(dubbed, voices):
    assert dubbed(speech(0.4), person="1", voices=voices(speech(0.8), "2")).get_frame_count() == 20
    assert dubbed(speech(0.8), person="1", voices=voices(speech(0.4), "2")).get_frame_count() == 20


def test_a_voice_may_bring_its_face_along(pack, dubbed, voices, shown, source):
    crop = {"crop_size": 32, "box": "44,8,76,40", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    face = pack("face_crop").FaceCrop.execute(source, "box", **crop).args[0]
    new, old = shown(dubbed(speech(0.4), person="left", voices=voices(speech(0.4), "", face_track=face)))
    assert changed(new, old, LEFT) > 2 and changed(new, old, RIGHT) > 2


def test_a_person_cannot_be_chosen_without_a_face_detector(pack, dubbed, voices, source):
    crop = {"crop_size": 32, "box": "44,8,76,40", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    face = pack("face_crop").FaceCrop.execute(source, "box", **crop).args[0]
    with pytest.raises(SettingsError, match="there is no face detector: connect one"):
        dubbed(speech(0.4), voices=voices(speech(0.4), "2"), face_track=face, face_detector=None)


@pytest.mark.parametrize(
    "changes", [{"as_released": True}, {"face_detector": "given"}, {"face_detector": "counts"}]
)
def test_where_there_is_nobody_to_choose_from_a_choice_is_refused(dubbed, changes):
    from xdub_core.face.boxes import WholeFrame
    from xdub_core.face.rtmw_detector import RTMWSettings

    counting = TwoFaces()
    counting.settings = RTMWSettings(person=1)
    detectors = {"given": WholeFrame(), "counts": counting}
    changes = changes | {"face_detector": detectors.get(changes.get("face_detector"), TwoFaces())}
    with pytest.raises(SettingsError, match=r"person is '2', but .*: leave person empty"):
        dubbed(speech(0.4), person="2", **changes)


def test_a_detector_that_counts_people_itself_does_as_before(dubbed, shown):
    """It gives one face and the other in turn, and both are dubbed."""
    counting = TwoFaces()
    counting.settings = type("Settings", (), {"person": 0})
    new, old = shown(dubbed(speech(0.8), counting))
    assert changed(new, old, LEFT) > 1 and changed(new, old, RIGHT) > 1


def test_voices_are_collected_in_order(voices):
    first, second = speech(0.1), speech(0.2)
    collected = voices(second, "3", voices=voices(first, "2"))
    assert [
        (voice.audio is one, voice.person) for voice, one in zip(collected, (first, second), strict=True)
    ] == [
        (True, "2"),
        (True, "3"),
    ]


def test_two_recordings_for_one_person_are_an_error_before_the_work(dubbed, voices):
    with pytest.raises(SettingsError, match="recordings 1 and 2 are for one and the same person"):
        dubbed(speech(0.4), person="left", voices=voices(speech(0.4), "1"))


def test_a_person_who_is_not_there_is_told(dubbed, voices):
    with pytest.raises(FaceError, match="no person 3: the video has people 1 to 2"):
        dubbed(speech(0.4), person="left", voices=voices(speech(0.4), "3"))


def test_a_recording_for_somebody_who_is_not_seen_in_the_dub_is_told(dubbed, voices):
    class Late(TwoFaces):
        def detect_all(self, frames, numbers=None):
            found = super().detect_all(frames, numbers)
            return [faces[: 2 if number >= 20 else 1] for faces, number in zip(found, numbers, strict=True)]

    with pytest.raises(
        FaceError, match=r"first seen at 0\.80 s of the video, when the dub has ended, at 0\.40 s"
    ):
        dubbed(speech(0.4), Late(), person="1", voices=voices(speech(0.4), "2"))


def test_a_voice_without_sound_is_told(dubbed, voices):
    silent = {"waveform": torch.zeros(1, 1, 0), "sample_rate": 16000}
    with pytest.raises(MediaError, match="holds no sound"):
        dubbed(speech(0.4), person="left", voices=voices(silent, "2"))


@pytest.mark.parametrize("person", ["second", "0", "-1", "1.5", "10,20", "10,20@", "1,2,3@4", "nan,1@0"])
def test_what_names_nobody_is_refused_before_the_run(pack, person):
    wired = {"face_detector": "linked"}
    for told in (
        pack("dub_video").DubVideo.validate_inputs(length="audio", person=person, **wired),
        pack("face_crop").FaceCrop.validate_inputs(face="find it", person=person, **wired),
        pack("voice").AddVoice.validate_inputs(person=person),
    ):
        assert "no person is called" in told and "\n" not in told


@pytest.mark.parametrize("person", ["", " ", "2", " Left ", "right", "largest", "speaking", "10,20.5@1.25"])
def test_what_names_somebody_is_taken(pack, person):
    assert pack("voice").AddVoice.validate_inputs(person=person) is True


def test_face_crop_follows_the_person_who_is_chosen(pack, source):
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    finder, chosen = TwoFaces(), []
    for person in ("2", "left", "right"):
        face, *_ = (
            pack("face_crop")
            .FaceCrop.execute(source, "find it", **options, face_detector=finder, person=person)
            .args
        )
        chosen.append(tuple(face.track.boxes[0]))
    assert chosen == [RIGHT, LEFT, RIGHT]
    assert finder.asked == 30  # once through the video, for all of them


def test_dub_video_looks_no_second_time_for_who_was_found_before(pack, dubbed, voices, source):
    finder = TwoFaces()
    options = {"crop_size": 32, "box": "", "detect_every": 1, "as_released": False, "image_fps": 25.0}
    pack("face_crop").FaceCrop.execute(source, "find it", **options, face_detector=finder)
    dubbed(speech(0.2), finder, person="left", voices=voices(speech(0.2), "right"))
    assert finder.asked == 30
