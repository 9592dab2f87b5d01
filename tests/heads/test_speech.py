"""Synthetic speech. Whatever needs espeak-ng skips without it."""

# ruff: noqa: RUF001 (phonetic letters look like others)
import sys

import numpy as np
import pytest

from tests.espeak import needs_espeak
from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.errors import MissingModelError
from xdub_core.heads import espeak_worker, speech
from xdub_core.heads.corpus import LINES
from xdub_core.heads.speech import VOICES, Speech, Voice, joined, lines_of, silence
from xdub_core.heads.visemes import PhonemeInterval


def test_splits_share_neither_lines_nor_voices():
    for language in LINES:
        train, held_out = (set(lines_of(split, language)) for split in ("train", "held-out"))
        assert train and held_out and not train & held_out
    train, held_out = ({voice.variant.lower() for voice in VOICES[split]} for split in ("train", "held-out"))
    assert len(held_out) >= 8 and not train & held_out


def test_the_corpus_has_no_line_twice():
    for lines in LINES.values():
        assert len(set(lines)) == len(lines)
    assert len(LINES["en"]) >= 200


def test_without_the_library_the_message_says_what_to_install(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(f"raise SystemExit({espeak_worker.NO_LIBRARY})")
    monkeypatch.setattr(speech, "_WORKER", worker)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(MissingModelError, match="apt-get install espeak-ng"):
        speech.synthesise("never said before", Voice("en-us", "m1"))


def test_joined_speech_shifts_phonemes():
    part = Speech(np.ones(1600, np.float32), (PhonemeInterval(0.0, 0.1, "a"),))
    whole = joined([silence(0.5), part, part])
    assert len(whole.samples) == SAMPLE_RATE * 0.7
    assert [round(p.start, 6) for p in whole.phonemes] == [0.5, 0.6]


def test_a_cut_begins_at_zero():
    part = Speech(np.arange(16000, dtype=np.float32), (PhonemeInterval(0.5, 0.6, "a"),))
    cut = part.cut(0.25, 0.75)
    assert cut.samples[0] == 4000 and len(cut.samples) == 8000
    assert cut.phonemes[0].start == pytest.approx(0.25)


@needs_espeak
def test_the_same_words_always_sound_the_same():
    first, second = (speech._speak("The boat is blue.", Voice("en-us", "f2")) for _ in range(2))
    assert first == second


@needs_espeak
def test_phonemes_are_in_order_and_within_the_sound():
    said = speech.synthesise("Maybe my boat is blue.", Voice("en-us", "m1"))
    starts = [p.start for p in said.phonemes]
    assert starts == sorted(starts) and said.phonemes[-1].stop <= said.seconds + 1e-6
    assert [p.ipa for p in said.phonemes][:2] == ["m", "eɪ"]
    assert 1.0 < said.seconds < 3.0 and 0.5 < np.abs(said.samples).max() <= 1.0


@needs_espeak
def test_phonemes_are_where_they_sound():
    """The closure of "apa" is quieter than its vowels."""
    said = speech.synthesise("Papa, apart.", Voice("en-us", "m1", speed=140))

    def loudness(p):
        return float(np.sqrt(np.mean(said.samples[int(p.start * 16000) : int(p.stop * 16000)] ** 2)))

    vowels = [loudness(p) for p in said.phonemes if p.ipa and p.ipa[0] in "aɑɐə"]
    pauses = [loudness(p) for p in said.phonemes if p.ipa == ""]
    assert vowels and pauses and min(vowels) > 3 * max(pauses[-1:])


@needs_espeak
def test_every_voice_speaks():
    for split, voices in VOICES.items():
        for voice in voices[::4]:
            said = speech.synthesise(lines_of(split, voice.language)[0], voice)
            assert said.seconds > 1 and np.sqrt(np.mean(said.samples**2)) > 0.03


@needs_espeak
def test_an_unknown_voice_is_named():
    with pytest.raises(MissingModelError, match="xx-nowhere"):
        speech.synthesise("Hello.", Voice("xx-nowhere", "m1"))


@needs_espeak
def test_talk_has_the_asked_length():
    talked = speech.talk("held-out", VOICES["held-out"][0], 4.0, 7)
    assert len(talked.samples) == 4 * SAMPLE_RATE
    assert np.abs(talked.samples).max() <= 1
