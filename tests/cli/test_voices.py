"""Several recordings in one dub: what `--voice` takes, and how it refuses."""

import json
from contextlib import ExitStack

import av
import numpy as np
import pytest

from tests.audio.sounds import tone
from tests.cli.conftest import QUICK, write_wav
from tests.cli.test_dub_command import assert_refused, frames_of
from tests.dub.fakes import track_of
from xdub_core.audio.recording import open_recording
from xdub_core.cli.batch.row_job import parse_row
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.speech import SpeechOptions, Voice, given_voices
from xdub_core.cli.voices import Faces, Spoken, check_seen, said_by
from xdub_core.dub.silence import Silence
from xdub_core.errors import FaceError, SettingsError
from xdub_core.media.sound.sound_place import AudioTrack


def dub(run, files, *more, quick=QUICK):
    return run("dub", "--video", files / "video.mp4", "--out", files / "out.mkv", *quick, *more)


def test_recordings_belong_to_people_by_number_whatever_their_paths_hold(tmp_path):
    speech = SpeechOptions(["2=a=b@1.wav", " 1 = c d.wav "], ["2=-0.5"], ["1=3"])
    first, second = speech.voices()
    assert (first.person, str(first.path), first.offset, first.stream) == (1, "c d.wav", 0.0, 3)
    assert (second.person, str(second.path), second.offset, second.stream) == (2, "a=b@1.wav", -0.5, None)
    moved = speech.with_paths(lambda path: tmp_path / path).voices()
    assert [voice.path for voice in moved] == [tmp_path / "c d.wav", tmp_path / "a=b@1.wav"]
    assert moved[1].offset == -0.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"voice": ["a.wav"]}, "--voice a.wav: write the person's number first, as in --voice 1=a.wav"),
        ({"voice": ["1="]}, "person's number first"),
        ({"voice": ["=a.wav"]}, "person's number first"),
        ({"voice": ["-1=a.wav"]}, "person's number first"),
        ({"voice": ["left=a.wav"]}, "person's number first"),
        ({"voice": ["0=a.wav"]}, "numbered from 1 on"),
        ({"voice": ["1=a.wav", "01=b.wav"]}, "person 1 has a.wav already"),
        ({"voice": ["1=a.wav"], "voice_offset": ["2=1"]}, "--voice-offset 2=...: person 2 has no recording"),
        ({"voice_stream": ["1=1"]}, "--voice-stream 1=...: person 1 has no recording"),
        ({"voice": ["1=a.wav"], "voice_offset": ["1=soon"]}, "'soon' is no number"),
        ({"voice": ["1=a.wav"], "voice_offset": ["1=nan"]}, "audio offset of nan"),
        ({"voice": ["1=a.wav"], "voice_offset": ["1=1", "1=2"]}, "person 1 has 1.0 already"),
        ({"voice": ["1=a.wav"], "voice_stream": ["1=1.5"]}, "'1.5' is no number"),
    ],
)
def test_what_is_no_voice_is_told_in_one_line(options, told):
    with pytest.raises(SettingsError) as error:
        SpeechOptions(**options)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("files", "voice", "as_released", "told"),
    [
        ({}, None, False, "nothing is said: give --audio FILE, or --voice"),
        ({"audio": "a.wav"}, ["1=b.wav"], False, "--voice and --audio contradict"),
        ({"audio_offset": 1.0}, ["1=b.wav"], False, "use --voice-offset PERSON="),
        ({"audio_stream": 0}, ["1=b.wav"], False, "use --voice-stream PERSON="),
        ({}, ["1=b.wav"], True, "--voice and --as-released contradict"),
    ],
)
def test_voices_and_one_recording_contradict_each_other(tmp_path, files, voice, as_released, told):
    given = FileOptions(video=tmp_path, out=tmp_path, **files)
    with pytest.raises(SettingsError, match=told):
        given_voices(given, SpeechOptions(voice), as_released)


def test_one_recording_is_that_of_whoever_is_chosen(tmp_path):
    files = FileOptions(
        video=tmp_path, out=tmp_path, audio=tmp_path / "a.wav", audio_offset=2, audio_stream=1
    )
    assert given_voices(files, SpeechOptions()) == (Voice(tmp_path / "a.wav", None, 2, 1),)


def test_lips_are_closed_in_silence_except_as_the_release_has_it():
    assert SpeechOptions().chosen_silence(as_released=False) is Silence.CLOSED
    assert SpeechOptions().chosen_silence(as_released=True) is Silence.MODEL
    assert SpeechOptions(silence=Silence.SOURCE).chosen_silence(as_released=False) is Silence.SOURCE
    with pytest.raises(SettingsError, match="--silence source"):
        SpeechOptions(silence=Silence.SOURCE).chosen_silence(as_released=True)


def test_a_face_that_is_given_is_person_1_s(run, files):
    assert dub(run, files, "--voice", f"1={files / 'voice.wav'}", "--codec", "ffv1").code == 0
    with_voice = frames_of(files / "out.mkv")
    (files / "out.mkv").unlink()
    assert dub(run, files, "--audio", files / "voice.wav", "--codec", "ffv1").code == 0
    assert np.array_equal(frames_of(files / "out.mkv"), with_voice)


def test_a_recording_for_somebody_who_is_not_there_is_told_before_the_work(run, files):
    outcome = dub(run, files, "--voice", f"1={files / 'voice.wav'}", "--voice", f"2={files / 'voice.wav'}")
    assert_refused(outcome, files, "--voice 2=", "there is no person 2")


def test_a_recording_without_sound_is_told_before_faces_are_looked_for(run, files):
    voices = ("--voice", f"1={files / 'voice.wav'}", "--voice", f"2={files / 'video.mp4'}")
    assert_refused(dub(run, files, *voices), files, "video.mp4", "no sound")


def test_an_output_must_not_replace_a_recording(run, files):
    write_wav(files / "out.mkv", 0.1 * tone(1.0, 16000))
    outcome = dub(run, files, "--voice", f"1={files / 'out.mkv'}", "--overwrite")
    assert_refused(outcome, files, "its own input", kept=("video.mp4", "voice.wav", "out.mkv"))


@pytest.mark.parametrize("silence", ["closed", "source", "model"])
def test_a_recording_of_silence_is_dubbed_too(run, files, silence):
    write_wav(files / "nothing.wav", np.zeros(16000))
    outcome = dub(run, files, "--audio", files / "nothing.wav", "--silence", silence, "--codec", "ffv1")
    assert outcome.code == 0, outcome.err
    source, result = frames_of(files / "video.mp4"), frames_of(files / "out.mkv")
    shown = [*range(20), *range(18, 13, -1)]
    assert np.array_equal(result, source[shown]) == (silence == "source")


def test_source_leaves_pauses_as_they_are_and_speech_as_model_makes_it(run, files):
    with av.open(str(files / "voice.wav")) as file:
        voice = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)]) / 32768
    write_wav(files / "late.wav", np.concatenate([np.zeros(32000), voice]))
    made = {}
    for silence in ("source", "model"):
        assert (
            dub(run, files, "--audio", files / "late.wav", "--silence", silence, "--codec", "ffv1").code == 0
        )
        made[silence] = frames_of(files / "out.mkv")
        (files / "out.mkv").unlink()
    untouched = frames_of(files / "video.mp4")[[*range(20), *range(18, -1, -1), 1, 2]]
    assert np.array_equal(made["source"][:40], untouched[:40])
    assert np.array_equal(made["source"][55:], made["model"][55:])
    assert not np.array_equal(made["source"][:40], made["model"][:40])


def test_a_manifest_has_columns_for_the_voices():
    cells = {
        "video": "v.mp4",
        "out": "o.mp4",
        "voice_1": "a.wav",
        "voice_2": "b.wav",
        "voice_offset_2": "1.5",
    }
    job, wrong = parse_row(cells)
    assert wrong == {}
    assert [(voice.person, str(voice.path), voice.offset) for voice in job.speech.voices()] == [
        (1, "a.wav", 0.0),
        (2, "b.wav", 1.5),
    ]


@pytest.mark.parametrize(
    ("cells", "columns", "told"),
    [
        ({"voice_0": "a.wav"}, ("voice_0",), "numbered from 1"),
        ({"voice_1": "a.wav", "voice_offset_2": "1"}, ("voice_offset_2",), "no recording"),
        ({"audio": "a.wav", "seed_2": "3"}, ("seed_2",), "no such option"),
        ({}, ("audio",), "must not be empty"),
    ],
)
def test_what_is_wrong_with_a_voice_in_a_manifest_is_told_by_its_column(cells, columns, told):
    job, wrong = parse_row({"video": "v.mp4", "out": "o.mp4", **cells})
    assert job is None
    assert told in wrong[columns]


def test_a_batch_dubs_rows_with_voices_and_tells_of_files_that_are_not_there(run, files):
    quick = {
        name.lstrip("-").replace("-", "_"): value for name, value in zip(QUICK[::2], QUICK[1::2], strict=True)
    }
    row = {"video": "video.mp4", "out": "a.mkv", "voice_1": "voice.wav", **quick}
    (files / "jobs.json").write_text(json.dumps([row]))
    assert run("batch", files / "jobs.json").code == 0
    assert len(frames_of(files / "a.mkv")) == 30
    (files / "jobs.json").write_text(json.dumps([{**row, "out": "b.mkv", "voice_1": "other.wav"}]))
    outcome = run("batch", files / "jobs.json")
    assert outcome.code == 2
    assert "row 1, column voice_1" in outcome.err and "no such file" in outcome.err
    assert not (files / "b.mkv").exists()


def test_a_recording_for_somebody_who_comes_after_the_end_is_told(tmp_path):
    track = track_of(np.repeat([-1, 0], [50, 10]))
    spoken = [Spoken(Voice(tmp_path / "b.wav", 2), AudioTrack(tmp_path / "b.wav"), None)]
    check_seen(spoken, [track], np.arange(60))
    with pytest.raises(FaceError, match=r"b.wav: person 2 is first seen at 2.00 s .* at 1.00 s; leave"):
        check_seen(spoken, [track], np.arange(25))


def test_nearer_faces_come_later_and_a_report_calls_people_by_their_numbers(tmp_path):
    near, far = (track_of(np.zeros(25, int), box=np.array([0.0, 0, side, side])) for side in (60, 20))
    write_wav(tmp_path / "a.wav", 0.3 * tone(1.0, 16000))
    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(tmp_path / "a.wav"))
        spoken = [
            Spoken(Voice(tmp_path / name), AudioTrack(tmp_path / name), recording) for name in ("n", "f")
        ]
        faces = Faces((near, far), ((far,), (near,)), (2, 5))
        said = said_by(spoken, faces, 25, Silence.MODEL, tmp_path, stack)
    assert [(one.named.name, one.named.recording, one.track is near) for one in said] == [
        ("person 5", "f", False),
        ("person 2", "n", True),
    ]
