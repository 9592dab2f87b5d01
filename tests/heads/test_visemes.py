"""Mouths from hand-made phonemes: no speech synthesiser needed."""

# ruff: noqa: RUF001 (phonetic letters look like others)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.heads.visemes import (
    VISEMES,
    PhonemeInterval,
    mouth_track,
    phoneme_ids,
    viseme_intervals,
    visemes_of,
)
from xdub_core.mini.labels import MOUTH_PARAMETERS

APERTURE, WIDTH, PROTRUSION, JAW = (
    MOUTH_PARAMETERS.index(n) for n in ("aperture", "width", "protrusion", "jaw")
)


def spoken(*ipa: str, each: float = 0.1, start: float = 0.0) -> list[PhonemeInterval]:
    return [PhonemeInterval(start + i * each, start + (i + 1) * each, name) for i, name in enumerate(ipa)]


@pytest.mark.parametrize(
    ("ipa", "visemes"),
    [
        ("p", ("p",)),
        ("iː", ("i",)),
        ("oʊ", ("o", "u")),
        ("tʃ", ("t", "sh")),
        ("əl", ("uh", "l")),
        ("œ̃", ("y",)),
        ("ç", ("j",)),
        ("", ("silence",)),
        ("(en)", ("silence",)),
        ("ʘ", ("uh",)),
    ],
)
def test_mnemonics_pass_through_their_visemes(ipa, visemes):
    assert visemes_of(ipa) == visemes


def test_a_diphthong_shares_its_time():
    times, classes = viseme_intervals([PhonemeInterval(0.2, 0.4, "aʊ")])
    np.testing.assert_allclose(times, [[0.2, 0.3], [0.3, 0.4]])
    assert [VISEMES[c] for c in classes] == ["a", "u"]


def test_lips_meet_in_every_bilabial_however_short():
    for start in np.linspace(0.30, 0.34, 9):  # wherever it falls between frames
        track = mouth_track(
            [
                PhonemeInterval(0.0, start, "a"),
                PhonemeInterval(start, start + 0.03, "b"),
                PhonemeInterval(start + 0.03, 0.8, "a"),
            ],
            20,
        )
        assert track[:, APERTURE].min() < 0.12
        assert track[:, APERTURE].max() > 0.8


def test_pauses_close_the_mouth():
    track = mouth_track(
        [*spoken("a", "e", "a"), PhonemeInterval(0.3, 1.0, ""), *spoken("a", "a", start=1.0)], 30
    )
    assert track[10:23, APERTURE].max() < 0.02
    assert track[3:6, APERTURE].min() > 0.4


def test_the_mouth_closes_where_nobody_says_anything_between_two_sentences():
    sentences = [*spoken("a", "e", "a"), *spoken("a", "a", start=1.0)]
    track = mouth_track(sentences, 30)
    assert track[10:23, APERTURE].max() < 0.02
    assert track[3:6, APERTURE].min() > 0.4
    times, classes = viseme_intervals(sentences)
    np.testing.assert_allclose(times[1:, 0], times[:-1, 1], atol=1e-3)
    assert [VISEMES[c] for c in classes] == ["a", "e", "a", "silence", "a", "a"]


def test_nothing_said_is_a_closed_mouth():
    track = mouth_track([], 5)
    assert track.shape == (5, len(MOUTH_PARAMETERS))
    assert track[:, [APERTURE, WIDTH, PROTRUSION, JAW]].max() == 0


def test_before_and_after_speech_the_mouth_rests():
    track = mouth_track(spoken("a", start=1.0, each=0.2), 60)
    assert track[:20, APERTURE].max() < 0.05
    assert track[36:, APERTURE].max() < 0.05
    assert track[26, APERTURE] > 0.7


def test_rounding_begins_before_the_vowel():
    """Co-articulation: the t of "too" is more rounded than the t of "tea"."""
    too = mouth_track(spoken("t", "u"), 5)
    tea = mouth_track(spoken("t", "i"), 5)
    assert too[1, PROTRUSION] > tea[1, PROTRUSION] + 0.1
    assert too[1, WIDTH] < tea[1, WIDTH] - 0.2


def test_vowels_differ_as_mouths_do():
    held = {name: mouth_track([PhonemeInterval(0, 1, name)], 25)[12] for name in ("ɑ", "i", "u")}
    assert held["ɑ"][APERTURE] > 2 * held["i"][APERTURE]
    assert held["i"][WIDTH] > 0.8 > -0.8 > held["u"][WIDTH]
    assert held["u"][PROTRUSION] > 0.9


def test_a_span_is_the_same_as_cut_from_the_whole():
    phonemes = spoken("h", "ə", "l", "oʊ", "w", "ɜː", "l", "d")
    np.testing.assert_array_equal(mouth_track(phonemes, 40)[10:20], mouth_track(phonemes, 10, start_frame=10))


def test_rows_of_ids_are_at_fifty_hertz():
    ids = phoneme_ids(spoken("m", "ɑ", start=0.1), 20)
    assert [VISEMES[i] for i in ids] == ["silence"] * 5 + ["p"] * 5 + ["a"] * 5 + ["silence"] * 5


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*"ptkbmfvszlaeiou", "θ", "ʃ", "ɹ", ""]), st.floats(0.02, 0.4)), max_size=20
    )
)
def test_any_phonemes_keep_the_mouth_in_range(sounds):
    at, phonemes = 0.0, []
    for ipa, length in sounds:
        phonemes.append(PhonemeInterval(at, at + length, ipa))
        at += length
    track = mouth_track(phonemes, 50)
    assert np.isfinite(track).all()
    assert track[:, APERTURE].min() >= 0 and track.max() <= 1 and track.min() >= -1
