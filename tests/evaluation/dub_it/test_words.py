"""Words that were asked for and heard, counted by hand."""

import pytest

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.words import edits, spoken_words, word_error_rate


@pytest.mark.parametrize(
    ("asked", "heard", "rate"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 0),
        ("the cat sat on the mat", "the cat sat on a mat", 1 / 6),
        ("the cat sat on the mat", "cat sat on the mat", 1 / 6),
        ("the cat sat on the mat", "the big cat sat on the mat", 1 / 6),
        ("the cat sat", "", 1),
        ("hello there", "one two three four", 2),
        ("a b c d", "b c d a", 1 / 2),
    ],
)
def test_the_rate_is_edits_by_words_asked_for(asked, heard, rate):
    assert word_error_rate(asked, heard) == pytest.approx(rate)


def test_marks_and_capitals_are_no_errors_in_any_script():
    assert word_error_rate("\u00bfQu\u00e9 hora es?", "que\u0301 hora, es") == 0
    assert word_error_rate("\u00c7a, c\u2019est tout !", "\u00e7a c'est tout") == 0
    assert (
        word_error_rate(
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
            "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
        )
        == 0
    )
    assert word_error_rate("Stra\u00dfe", "STRASSE") == 0


def test_a_script_without_spaces_counts_characters():
    assert spoken_words("\u4f60\u597d\uff0cworld") == ["\u4f60", "\u597d", "world"]


def test_edits_are_the_fewest():
    assert edits("kitten", "sitting") == 3


def test_without_words_there_is_nothing_to_compare():
    with pytest.raises(SettingsError, match="no words"):
        word_error_rate(" ... ", "hello")
