"""`python -m xdub_core dub`: what it makes, and how it refuses."""

import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.cli.conftest import BOX, HEIGHT, QUICK, WIDTH, write_video, write_wav
from tests.media.clicks import flash_times, played, write_clicks, write_film
from xdub_core.cli import chosen_model
from xdub_core.errors import MediaError
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.video.reader import VideoReader
from xdub_core.released.untrained import untrained_model


def dub(run, files, *more, video="video.mp4", audio="voice.wav", out="out.mp4"):
    return run("dub", "--video", files / video, "--audio", files / audio, "--out", files / out, *QUICK, *more)


def frames_of(path):
    with VideoReader(path) as reader:
        return np.stack(list(reader.frames(range(reader.info.frames))))


INPUTS = ("video.mp4", "voice.wav")
JOB = "out.mp4.xdub"


def assert_refused(outcome, folder, *words, kept=INPUTS):
    """Exit code 2, one line of error that has the words, no traceback, and nothing left behind but what is `kept`."""
    assert outcome.code == 2, outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in lines[0]
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)


def test_the_output_is_as_long_as_the_speech_and_keeps_sound_and_surroundings(run, files):
    outcome = dub(run, files, "--quality", "1")
    assert outcome.code == 0, outcome.err
    source, result = frames_of(files / "video.mp4"), frames_of(files / "out.mp4")
    assert result.shape == (30, HEIGHT, WIDTH, 3)
    with av.open(str(files / "out.mp4")) as file:
        sound = sum(frame.samples for frame in file.decode(audio=0)) / file.streams.audio[0].rate
    assert sound == pytest.approx(1.2, abs=0.04)
    shown = [*range(20), *range(18, 8, -1)]
    difference = np.abs(result[:, :, 84:].astype(int) - source[shown][:, :, 84:])
    assert difference.mean() < 3  # encoded twice
    assert np.abs(result[:, 24:56, 32:64].astype(int) - source[shown][:, 24:56, 32:64]).mean() > 10


@pytest.mark.parametrize(
    ("length", "frames"), [("audio", 30), ("source", 20), ("shortest", 20), ("longest", 30)]
)
def test_length_can_be_chosen(run, files, length, frames):
    assert dub(run, files, "--length", length).code == 0
    assert len(frames_of(files / "out.mp4")) == frames


def test_speech_shorter_than_the_video_is_followed_by_silence(run, files):
    write_wav(files / "short.wav", 0.5 * np.sin(np.arange(8000) / 20))
    assert dub(run, files, "--length", "source", audio="short.wav").code == 0
    assert len(frames_of(files / "out.mp4")) == 20


def test_the_same_seed_gives_the_same_dub_and_another_another(run, files):
    for out, seed in (("a.mkv", 1), ("b.mkv", 1), ("c.mkv", 2)):
        assert dub(run, files, "--seed", seed, "--codec", "ffv1", out=out).code == 0
    a, b, c = (frames_of(files / name) for name in ("a.mkv", "b.mkv", "c.mkv"))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_pixels_outside_the_box_are_bit_identical_before_encoding(run, files):
    assert dub(run, files, "--codec", "ffv1", out="out.mkv").code == 0
    source, result = frames_of(files / "video.mp4"), frames_of(files / "out.mkv")
    shown = [*range(20), *range(18, 8, -1)]
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[8:72, 16:80] = False
    assert np.array_equal(result[:, outside], source[shown][:, outside])


def test_preview_shows_both_side_by_side(run, files):
    assert dub(run, files, "--preview").code == 0
    preview = frames_of(files / "out.preview.mp4")
    assert preview.shape == (30, HEIGHT, 2 * WIDTH, 3)


def test_faces_in_some_frames_only(run, files):
    boxes = [[16, 8, 80, 72]] * 8 + [None] * 4 + [[16, 8, 80, 72]] * 8
    (files / "boxes.json").write_text(json.dumps(boxes))
    arguments = [argument for argument in QUICK if argument not in ("--box", BOX)]
    outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mkv",
        *arguments, "--boxes", files / "boxes.json", "--codec", "ffv1", "--length", "source",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    source, result = frames_of(files / "video.mp4"), frames_of(files / "out.mkv")
    touched = (source != result).any(axis=(1, 2, 3))
    assert touched.tolist() == [box is not None for box in boxes]


def test_boxes_are_given_for_the_sources_own_frames(run, files):
    """A source of 50 frames a second has 40 frames in the 20 of the timeline."""
    with VideoWriter(files / "fast.mp4", WIDTH, HEIGHT, 50) as writer:
        for number in range(40):
            writer.write(np.full((HEIGHT, WIDTH, 3), 60 + 3 * number, np.uint8))
    arguments = [argument for argument in QUICK if argument not in ("--box", BOX)]
    boxes = [[16, 8, 80, 72]] * 40
    for count, code in ((40, 0), (20, 2)):
        (files / "boxes.json").write_text(json.dumps(boxes[:count]))
        outcome = run(
            "dub", "--video", files / "fast.mp4", "--audio", files / "voice.wav", "--out", files / f"{count}.mp4",
            *arguments, "--boxes", files / "boxes.json",
        )  # fmt: skip
        assert outcome.code == code, outcome.err
    assert "20 frames" in outcome.err


def test_no_face_in_the_whole_video(run, files):
    (files / "boxes.json").write_text(json.dumps([None] * 20))
    arguments = [argument for argument in QUICK if argument not in ("--box", BOX)]
    outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4",
        *arguments, "--boxes", files / "boxes.json",
    )  # fmt: skip
    assert_refused(outcome, files, "20 frames", "face box", kept=("video.mp4", "voice.wav", "boxes.json"))


def test_a_video_of_one_frame_is_held(run, files):
    write_video(files / "one.mp4", frames=1)
    assert dub(run, files, video="one.mp4").code == 0
    assert len(frames_of(files / "out.mp4")) == 30


def test_silence_is_dubbed(run, files):
    write_wav(files / "silent.wav", np.zeros(16000))
    assert dub(run, files, audio="silent.wav").code == 0
    assert len(frames_of(files / "out.mp4")) == 25


def test_odd_sizes_play(run, files):
    write_video(files / "odd.mkv", width=97, height=81)
    assert dub(run, files, video="odd.mkv").code == 0
    with VideoReader(files / "out.mp4") as reader:
        assert (reader.info.width, reader.info.height) == (98, 82)


@pytest.mark.parametrize(
    ("samples", "words"), [(0, ("voice.wav",)), (3, ("voice.wav", "short"))], ids=["empty", "3 samples"]
)
def test_too_little_sound(run, files, samples, words):
    write_wav(files / "voice.wav", np.zeros(samples))
    assert_refused(dub(run, files), files, *words)


@pytest.mark.parametrize("name", ["video.mp4", "voice.wav"])
def test_a_corrupt_file(run, files, name):
    (files / name).write_bytes(b"\x00\x01garbage" * 500)
    assert_refused(dub(run, files), files, name)


@pytest.mark.parametrize("name", ["video.mp4", "voice.wav"])
def test_a_missing_file(run, files, name):
    (files / name).unlink()
    assert_refused(dub(run, files), files, name, kept=[n for n in ("video.mp4", "voice.wav") if n != name])


def test_a_video_that_breaks_off_is_dubbed_as_far_as_it_goes(run, files):
    """Matroska says 2 s in its header; the data end in the middle."""
    write_video(files / "long.mkv", frames=50)
    whole = (files / "long.mkv").read_bytes()
    (files / "long.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    outcome = dub(run, files, "--length", "source", video="long.mkv")
    assert outcome.code == 0, outcome.err
    assert 5 < len(frames_of(files / "out.mp4")) < 50


def test_sound_without_a_picture_as_video(run, files):
    assert_refused(dub(run, files, video="voice.wav"), files, "voice.wav", "video")


def test_an_existing_output_is_kept_unless_told_otherwise(run, files):
    (files / "out.mp4").write_text("precious")
    assert_refused(dub(run, files), files, "--overwrite", kept=("video.mp4", "voice.wav", "out.mp4"))
    assert (files / "out.mp4").read_text() == "precious"
    assert dub(run, files, "--overwrite").code == 0
    assert len(frames_of(files / "out.mp4")) == 30


def test_a_failing_dub_leaves_the_older_output_alone(run, files, monkeypatch):
    (files / "out.mp4").write_text("precious")
    monkeypatch.setattr(chosen_model, "untrained_model", broken_model)
    outcome = dub(run, files, "--overwrite")
    assert_refused(outcome, files, "NaN", kept=(*INPUTS, "out.mp4", JOB))
    assert (files / "out.mp4").read_text() == "precious"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_dub_says_that_nothing_was_written(run, files, monkeypatch, signal_number):
    monkeypatch.setattr(chosen_model, "untrained_model", lambda **options: signal.raise_signal(signal_number))
    outcome = dub(run, files)
    assert outcome.code == 130
    told = "interrupted; no output was written; {} keeps what is done, and the same command goes on with it"
    assert outcome.err.splitlines()[-1] == told.format(files / JOB)
    assert sorted(path.name for path in files.iterdir()) == [JOB, *INPUTS]


def test_a_full_gpu_is_one_line_with_what_to_try(run, files, monkeypatch):
    def model(**options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(chosen_model, "untrained_model", model)
    assert_refused(
        dub(run, files), files, "GPU", "--low-memory", "--crop-size", "--device cpu", kept=(*INPUTS, JOB)
    )


def test_a_file_that_appears_meanwhile_is_not_replaced_and_the_dub_not_lost(run, files, monkeypatch):
    def model(**options):
        (files / "out.mp4").write_text("precious")
        return untrained_model(**options)

    monkeypatch.setattr(chosen_model, "untrained_model", model)
    outcome = dub(run, files, "--preview")
    assert outcome.code == 2
    assert (files / "out.mp4").read_text() == "precious"
    (hidden,) = files.glob(".out.*.mp4")
    assert str(hidden) in outcome.err
    assert len(frames_of(hidden)) == len(frames_of(files / "out.preview.mp4")) == 30


def test_output_and_preview_are_both_finished_before_either_appears(run, files, monkeypatch):
    finish, finished = VideoWriter.finish, []

    def failing(writer):
        finish(writer)
        finished.append(writer.path.name)
        assert not (files / "out.mp4").exists() and not (files / "out.preview.mp4").exists()
        if len(finished) == 2:
            raise MediaError("the disk is full")

    monkeypatch.setattr(VideoWriter, "finish", failing)
    assert_refused(dub(run, files, "--preview"), files, "disk is full", kept=(*INPUTS, JOB))
    assert len(finished) == 2


def test_a_dub_with_a_name_that_the_console_lacks(run, files, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    out = files / "出力.mp4"
    arguments = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", out)
    assert run("dub", *arguments, *QUICK).code == 0
    assert out.stat().st_size > 1000
    assert b"\\u51fa\\u529b.mp4" in console.buffer.getvalue()


def test_names_in_square_brackets_are_told_as_they_are(run, files):
    outcome = dub(run, files, out="a[b]c[red].mp4")
    assert outcome.code == 0, outcome.err
    assert "a[b]c[red].mp4" in outcome.out.replace("\n", "")


def broken_model(**options):
    model = untrained_model(**options)
    model.denoiser.model.head.head.bias.fill_(torch.nan)
    return model


def test_nan_in_the_latents(run, files, monkeypatch):
    monkeypatch.setattr(chosen_model, "untrained_model", broken_model)
    assert_refused(dub(run, files), files, "NaN", kept=(*INPUTS, JOB))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write into")
def test_an_unwritable_folder(run, files):
    assert_refused(dub(run, files, out="/proc/out.mp4"), files, "/proc/out.mp4", "write")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("nowhere/out.mp4", ("nowhere",)),
        ("out.avi", (".avi", ".mp4")),
        ("video.mp4", ("input",)),
        (f"{'a' * 300}.mp4", ("File name too long", "choose another")),
    ],
)
def test_an_impossible_output(run, files, out, words):
    assert_refused(dub(run, files, out=out), files, *words)


def test_a_preview_whose_name_would_be_too_long(run, files):
    outcome = dub(run, files, "--preview", out=f"{'a' * 246}.mp4")
    assert_refused(outcome, files, ".preview.mp4", "File name too long")


@pytest.mark.parametrize("option", ["video", "audio"])
def test_an_input_whose_name_is_too_long(run, files, option):
    assert_refused(dub(run, files, **{option: f"{'a' * 300}.mp4"}), files, "File name too long")


def test_a_full_disk(run, files):
    place = files / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "false", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    try:
        outcome = dub(run, files, "--quality", "0", out="disk/out.mp4")
        assert outcome.code == 2
        assert outcome.err.count("error: ") == 1
        assert "full" in outcome.err or "space" in outcome.err
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--box", "16,8,80"), ("four numbers",)),
        (("--box", "16,8,800,72"), ("outside",)),
        (("--box", "10,10,10.5,10.5"), ("[10.0, 10.0, 10.5, 10.5]", "less than a pixel", "in pixels")),
        (("--box", "0.1,0.1,0.8,0.9"), ("less than a pixel", "not in fractions")),
        (("--steps", "0"), ("steps",)),
        (("--audio-scale", "-1"), ("audio scale",)),
        (("--clip-frames", "12"), ("multiple of 4",)),
        (("--crop-size", "40"), ("multiple",)),
        (("--crop-size", "48"), ("--crop-size", "multiple of 32")),
        (("--crop-size", "0"), ("multiple",)),
        (("--seed", "99999999999999999999"), ("seed", "18446744073709551615")),
        (("--shift", "0"), ("shift",)),
        (("--shift", "nan"), ("shift",)),
        (("--sampler", "lcm"), ("euler, heun, dpmpp_2m or uni_pc_bh2",)),
        (("--speed", "quick"), ("exact, balanced, fast", "limits of your own")),
        (("--speed", "fast", "--as-released"), ("as released", "exact")),
        (("--schedule", "normal"), ("simple, beta, karras, exponential or kl_optimal",)),
        (("--model", "typo.safetensors"), ("typo.safetensors", "not there")),
        (("--whole-frame",), ("--box", "--whole-frame")),
        (("--detect-every", "0"), ("--detect-every",)),
        (("--device", "quantum"), ("quantum", "cpu")),
        (("--codec", "theora"), ("theora", "h264")),
        (("--quality", "99"), ("quality",)),
    ],
)
def test_settings_out_of_range(run, files, options, words):
    assert_refused(dub(run, files, *options), files, *words)


def no_tracking(*arguments, **options):
    pytest.fail("the long work has begun")


@pytest.mark.parametrize(
    ("option", "value"), [("--crop-size", "48"), ("--seed", str(2**64)), ("--steps", "0"), ("--shift", "-1")]
)
def test_settings_are_checked_before_the_long_work(run, files, monkeypatch, option, value):
    monkeypatch.setattr("xdub_core.cli.dub.follow_faces", no_tracking)
    assert dub(run, files, option, value).code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("--device", "meta"), ("--dtype", "bfloat16"), ("--detector", "openmmlab"), ("--crop-size", "40")],
)
def test_what_the_built_in_model_does_not_do_is_told_before_the_long_work(
    run, files, monkeypatch, option, value
):
    monkeypatch.setattr("xdub_core.cli.dub.follow_faces", no_tracking)
    outcome = dub(run, files, "--model", "mini", option, value)
    assert_refused(outcome, files, value, "multiple" if option == "--crop-size" else "a mini runs on the CPU")


def test_a_lora_given_as_the_model_is_told_before_the_long_work(run, files, monkeypatch):
    monkeypatch.setattr("xdub_core.cli.dub.follow_faces", no_tracking)
    name = "diffusion_model.blocks.0.self_attn.q"
    weights = {f"{name}.lora_A.weight": torch.zeros(4, 48), f"{name}.lora_B.weight": torch.zeros(48, 4)}
    save_file(weights, files / "lora.safetensors")
    outcome = dub(run, files, "--model", files / "lora.safetensors")
    assert_refused(outcome, files, "LoRA", kept=("video.mp4", "voice.wav", "lora.safetensors"))


def test_missing_models_are_listed_with_the_command_that_gets_them(run, files):
    outcome = dub(run, files, "--model", "released", "--models-dir", files / "none")
    assert_refused(outcome, files, "X-Dub_model.safetensors", "12.6 GB", "models download")


def test_a_missing_detector_is_named(run, files):
    arguments = [argument for argument in QUICK if argument not in ("--box", BOX)]
    outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4",
        *arguments, "--models-dir", files / "none",
    )  # fmt: skip
    assert_refused(outcome, files, "yolox", "rtmw")


def test_debug_shows_where_an_error_comes_from(run, files):
    with pytest.raises(Exception, match="steps"):
        dub(run, files, "--steps", "0", "--debug")


def test_real_media_at_the_real_geometry(run, media, tmp_path):
    """The acceptance command with one step and the first two seconds of speech."""
    with av.open(str(media / "audio.wav")) as file:
        rate = file.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    write_wav(tmp_path / "voice.wav", sound[: 2 * rate] / 32768, rate)
    outcome = run(
        "dub", "--video", media / "video.mp4", "--audio", tmp_path / "voice.wav", "--out", tmp_path / "out.mkv",
        "--model", "untrained", "--box", "24,46,426,448", "--steps", "1", "--codec", "ffv1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    with VideoReader(media / "video.mp4") as source, VideoReader(tmp_path / "out.mkv") as result:
        assert result.info.frames == 50
        outside = np.ones((source.info.height, source.info.width), bool)
        outside[46:448, 24:426] = False
        for ours, theirs in zip(result.frames(range(50)), source.frames(range(50)), strict=True):
            assert np.array_equal(ours[outside], theirs[outside])


def test_a_video_dubbed_with_its_own_sound_keeps_flash_and_click_together(run, tmp_path, caplog):
    write_film(tmp_path / "film.mkv", "flac", picture_begins=0.4)
    outcome = dub(run, tmp_path, "--box", "8,8,40,40", video="film.mkv", audio="film.mkv")
    assert outcome.code == 0, outcome.err
    assert any("before the first picture" in message for message in caplog.messages)
    assert played(tmp_path / "out.mp4")[0] == pytest.approx(flash_times(tmp_path / "out.mp4"), abs=0.02)


def test_an_offset_moves_the_speech(run, files):
    write_clicks(files / "clicks.wav", "pcm_s16le", at=(0.5,))
    outcome = dub(run, files, "--audio-offset", "0.4", audio="clicks.wav")
    assert outcome.code == 0, outcome.err
    times, end = played(files / "out.mp4")
    assert times == pytest.approx([0.9], abs=0.01)
    assert end == pytest.approx(2.4, abs=0.05)
    assert len(frames_of(files / "out.mp4")) == 60


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--audio-offset", "nan"), "audio offset of nan seconds"),
        (("--audio-offset", "-5"), "nothing is left of it"),
        (("--audio-offset", "5", "--length", "source"), "when the output has ended already"),
        (("--audio-stream", "1"), "there is no audio stream 1; it has 0 (pcm_s16le, 1 channel)"),
    ],
)
def test_a_place_of_the_speech_that_cannot_be_is_refused(run, files, more, words):
    assert_refused(dub(run, files, *more), files, words)


def test_help_says_what_time_0_is(run):
    told = " ".join(run("dub", "--help").out.replace("\u2502", " ").split())
    assert "Its time 0, the earliest start of its tracks" in told
    assert "--audio-offset" in told and "--audio-stream" in told


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_an_output_without_a_name_is_told(run, files, name):
    outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", name, "--report"
    )
    assert outcome.code == 2
    assert "this is a folder" in outcome.err and "Traceback" not in outcome.err


def test_a_speed_that_there_is_none_of_is_refused(run, files):
    for wrong in ("quick", "0.1,0.2", "0.1,0.2,7"):
        assert_refused(dub(run, files, "--speed", wrong), files, "use")


def test_limits_of_one_s_own_are_a_speed(run, files):
    for name, speed in (("exact", "exact"), ("kept", "0.9,1,1")):
        outcome = dub(run, files, "--steps", "3", "--speed", speed, out=f"{name}.mp4")
        assert outcome.code == 0, outcome.err
    assert not np.array_equal(frames_of(files / "exact.mp4"), frames_of(files / "kept.mp4"))
