"""Clips by number, their splits and their cache."""

import logging

import numpy as np
import pytest

from tests.espeak import needs_espeak
from xdub_core.errors import SettingsError
from xdub_core.heads import conversation_sample, dataset, demo_sample
from xdub_core.heads.dataset import SAMPLES_PER_FRAME, HeadsConfig, TalkingHeads
from xdub_core.media.video.video_info import probe_video

SMALL = HeadsConfig(size=48, frames=9, context_frames=4, train_identities=5, held_out_identities=3)


def heads(split="train", **options) -> TalkingHeads:
    return TalkingHeads(split, length=12, config=SMALL, **options)


def same(first, second) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("frames", "mouth", "landmarks")
    )


def test_splits_share_no_identity_and_no_voice():
    train, held_out = ([heads(split).speaker(i) for i in range(12)] for split in ("train", "held-out"))
    assert len({person for person, _ in train}) == 5 and len({person for person, _ in held_out}) == 3
    assert not {person for person, _ in train} & {person for person, _ in held_out}
    assert not {voice for _, voice in train} & {voice for _, voice in held_out}


def test_a_person_keeps_the_voice():
    voices: dict[int, object] = {}
    for seed in range(3):
        data = TalkingHeads("train", seed, 12, SMALL)
        for index in range(12):
            person, voice = data.speaker(index)
            assert voices.setdefault(person, voice) == voice


def test_bad_settings_are_named():
    with pytest.raises(SettingsError, match="no split"):
        TalkingHeads("test")
    with pytest.raises(SettingsError, match="even"):
        HeadsConfig(size=95)


@needs_espeak
def test_the_same_number_is_the_same_clip():
    first, second = heads()[3], heads()[3]
    assert same(first, second)
    np.testing.assert_array_equal(first.audio, second.audio)
    assert not same(first, heads()[4])


@needs_espeak
def test_lengths_agree():
    clip = heads()[1]
    assert clip.frames.shape == (9, 48, 48, 3) and clip.mouth.shape == (9, 8)
    assert len(clip.audio) == 17 * SAMPLES_PER_FRAME and len(clip.phonemes) == 34


@needs_espeak
def test_phonemes_and_mouth_tell_the_same_story():
    """Over several clips, an open vowel in the rows means an opener mouth in the frames."""
    opened, closed = [], []
    for index in range(8):
        clip = heads()[index]
        rows = clip.phonemes[2 * SMALL.context_frames :][: 2 * SMALL.frames].reshape(-1, 2)[:, 0]
        opened += [clip.openness[i] for i in range(9) if dataset_viseme(rows[i]) in ("a", "ae", "aw", "e")]
        closed += [clip.openness[i] for i in range(9) if dataset_viseme(rows[i]) in ("p", "silence")]
    assert np.mean(opened) > np.mean(closed) + 0.25


def dataset_viseme(number: int) -> str:
    from xdub_core.heads.visemes import VISEMES

    return VISEMES[number]


@needs_espeak
def test_another_take_is_the_true_dub():
    data = heads()
    clips = [(data[i], data.dubbed(i, 1)) for i in range(3)]
    for source, dub in clips:
        changed = (source.frames != dub.frames).any(axis=-1)
        assert not (changed & ~source.jaw_masks).any()
        assert source.identity == dub.identity and source.voice == dub.voice
    assert any(not np.array_equal(source.audio, dub.audio) for source, dub in clips)


@needs_espeak
def test_the_cache_gives_back_what_was_made(tmp_path):
    made = heads()[2]
    for _ in range(2):
        kept = heads(cache=tmp_path)[2]
        assert same(made, kept)
        np.testing.assert_allclose(made.audio, kept.audio, atol=1e-4)
        for name in ("face_masks", "jaw_masks", "occluder_masks", "phonemes"):
            np.testing.assert_array_equal(getattr(made, name), getattr(kept, name))
        assert (kept.identity, kept.voice, kept.audio_start) == (made.identity, made.voice, made.audio_start)


@needs_espeak
def test_a_damaged_file_is_made_again(tmp_path, caplog):
    data = heads(cache=tmp_path)
    made = data[0]
    path = next(tmp_path.rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:2000])
    with caplog.at_level(logging.WARNING):
        assert same(data[0], made)
    assert "damaged" in caplog.text


@needs_espeak
def test_filling_goes_on_where_it_stopped(tmp_path, monkeypatch):
    heads(cache=tmp_path)[1]
    made = []
    monkeypatch.setattr(dataset.TalkingHeads, "_make", made_by(made))
    progress = []
    data = TalkingHeads("train", 0, 3, SMALL, tmp_path)
    data.fill_cache(on_progress=lambda done, total: progress.append((done, total)))
    assert made == [0, 2] and progress == [(2, 3), (3, 3)]


@needs_espeak
def test_only_the_wanted_dubs_are_made(tmp_path):
    data = TalkingHeads("train", 0, 3, SMALL, tmp_path)
    data.fill_cache(wanted=[(2, 1), (0, 1)])
    assert sorted(path.stem for path in tmp_path.rglob("*.npz")) == ["000000-1", "000002-1"]


def made_by(made):
    original = dataset.TalkingHeads._make

    def make(self, index, take):
        made.append(index)
        return original(self, index, take)

    return make


@needs_espeak
def test_processes_fill_one_cache(tmp_path):
    TalkingHeads("held-out", 1, 3, SMALL, tmp_path).fill_cache(workers=2)
    assert len(list(tmp_path.rglob("*.npz"))) == 3
    assert same(TalkingHeads("held-out", 1, 3, SMALL, tmp_path)[2], TalkingHeads("held-out", 1, 3, SMALL)[2])


@needs_espeak
def test_the_demo_is_a_video_with_its_speech_and_a_small_recording(tmp_path):
    scene = demo_sample.DemoScene(seconds=0.8, width=160, height=120)
    files = demo_sample.render_demo(tmp_path, scene)
    info = probe_video(files["video"])
    assert (info.width, info.height, info.frames, info.audio_start) == (160, 120, 20, 0)
    assert files["recording"].stat().st_size == 44 + 2 * 12800
    full = demo_sample.DemoScene()
    assert 44 + 2 * 16000 * full.seconds <= 200_000
    assert not set(full.spoken) & set(full.dubbed)


@needs_espeak
def test_the_sample_of_two_people_has_a_recording_for_each_who_speak_in_turn(tmp_path):
    small = conversation_sample.Conversation(seconds=2.4, width=96, height=54)
    files = conversation_sample.render_conversation(tmp_path, small)
    info = probe_video(files["video"])
    assert (info.width, info.height, info.frames, info.audio_start) == (96, 54, 60, 0)
    first, second = (
        np.frombuffer(files[f"recording_{number}"].read_bytes()[44:], "<i2") for number in (1, 2)
    )
    assert len(first) == len(second) == 2.4 * 16000
    assert not second[: 2 * 16000].any() and first[:16000].any() and second[2 * 16000 :].any()
