"""What the model is told, and how long it takes to say."""

import pytest

from xdub_core.dub_it.layouts import LTX_2_3, PAPER, PAPER_RELEASE
from xdub_core.dub_it.prompt import divided, dub_prompt
from xdub_core.dub_it.speaking_time import compared, seconds_of_speech, speaking_seconds, syllables
from xdub_core.errors import SettingsError


def test_the_paper_s_form():
    told = dub_prompt(PAPER_RELEASE, "An old man", "Spanish", "Buenos d\u00edas.")
    assert told == 'An old man is speaking Spanish, saying: "Buenos d\u00edas."'
    assert dub_prompt(PAPER, "An old man", "Spanish", "Buenos d\u00edas.") == told


def test_the_form_of_ltx_2_3_begins_with_the_scene():
    told = dub_prompt(LTX_2_3, "a woman", "French", "Bonjour !", "A caf\u00e9 at night.")
    assert told == 'A caf\u00e9 at night. a woman speaking in French saying: "Bonjour !"'
    assert dub_prompt(LTX_2_3, "A woman", "French", "Bonjour !").startswith("A woman speaking")


def test_quotation_marks_and_line_breaks_do_not_end_the_dialogue():
    told = dub_prompt(PAPER, "", "English", ' "He said\n "no" to me." ')
    assert told == "The person is speaking English, saying: \"He said 'no' to me.\""


@pytest.mark.parametrize(("language", "dialogue"), [("Spanish", " \n"), ("Spanish", ""), (" ", "Hola")])
def test_without_text_or_language_there_is_nothing_to_say(language, dialogue):
    with pytest.raises(SettingsError, match=r"there is no text to speak|no language is given"):
        dub_prompt(PAPER, "She", language, dialogue)


COUNTED = {
    "English": ("The people made a simple table for seven", 12),
    "Spanish": ("Buenos d\u00edas, se\u00f1ora, \u00bfc\u00f3mo est\u00e1 usted?", 13),
    "French": ("Je ne sais pas o\u00f9 elle habite", 9),
    "German": ("Die Katze sitzt auf dem warmen Stein", 9),
    "Italian": ("La mattina ha l'oro in bocca", 10),
    "Russian": (
        "\u042f \u0441\u0435\u0433\u043e\u0434\u043d\u044f \u0438\u0434\u0443 \u0434\u043e\u043c\u043e\u0439",
        8,
    ),
    "Greek": ("\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03c3\u03b1\u03c2", 5),
    "Mandarin Chinese": ("\u4f60\u597d\uff0c\u4e16\u754c", 4),
    "Japanese": ("\u3053\u3093\u306b\u3061\u306f", 5),
    "Korean": ("\uc548\ub155\ud558\uc138\uc694", 5),
}


@pytest.mark.parametrize("language", COUNTED)
def test_syllables_are_counted_to_within_a_tenth(language):
    text, count = COUNTED[language]
    assert syllables(text, language) == pytest.approx(count, abs=max(1, count / 10))


def test_seconds_go_by_the_language_s_rate_and_pauses():
    assert speaking_seconds("ba " * 62, "English") == pytest.approx(62 / 6.19)
    assert speaking_seconds("ba " * 62, "Latin American Spanish") == pytest.approx(62 / 7.82)
    assert speaking_seconds("ba. ba, ba.", "German") == pytest.approx(3 / 5.97 + 0.6)
    assert speaking_seconds("", "English") == 0


def test_a_line_unlike_the_old_speech_is_told():
    assert compared(5.0, 4.5) is None
    assert "longer" in compared(6.0, 4.0) and "about 6.0 s" in compared(6.0, 4.0)
    assert "shorter" in compared(2.0, 4.0)
    assert compared(2.0, 0.0) is None


def test_old_speech_is_counted_as_it_is_heard_with_short_pauses():
    assert seconds_of_speech([]) == 0
    assert seconds_of_speech([(1.0, 3.0)]) == pytest.approx(2 - 0.28)
    assert seconds_of_speech([(0.0, 2.0), (12.0, 14.0)]) == pytest.approx(2 * (2 - 0.28) + 0.4)


LINE = "One two three four. Five six seven, eight nine ten. Eleven twelve."


def words(parts):
    return " ".join(part for part in parts if part).split()


@pytest.mark.parametrize("shares", [[1], [1, 1], [1, 2, 1], [0, 1, 0, 1, 0], [0, 0], [5] * 40])
def test_no_word_is_lost_or_doubled(shares):
    parts = divided(LINE, "English", shares)
    assert len(parts) == len(shares)
    assert words(parts) == LINE.split()


def test_who_is_silent_gets_no_words():
    parts = divided(LINE, "English", [0, 1, 0, 1, 0])
    assert [bool(part) for part in parts] == [False, True, False, True, False]


def test_text_is_rather_cut_where_a_sentence_ends():
    assert divided(LINE, "English", [1.0, 2.4]) == ["One two three four.", LINE[20:]]


def test_chinese_is_cut_between_its_characters():
    line = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002\u6211\u4eec\u51fa\u53bb\u8d70\u8d70\u5427\u3002"
    parts = divided(line, "Chinese", [1, 1])
    assert parts == [line[:7], line[7:]]
