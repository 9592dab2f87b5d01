"""Structured prompts, composed and read."""

import json
from collections import Counter

import numpy as np
import pytest

from xdub_core.dub_it.prompt import LANGUAGES
from xdub_core.dub_it.speaking_time import speaking_seconds
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.data.prompts import (
    Script,
    _lines,
    letters,
    read_scripts,
    scripts,
    write_scripts,
)


def test_a_hundred_scripts_are_different_and_have_all_languages_equally_often():
    made = scripts(100)
    assert len({json.dumps(vars(each)) for each in made}) == 100
    for half in (0, 1):
        counted = Counter(each.languages[half] for each in made)
        assert set(counted) == set(LANGUAGES) and max(counted.values()) - min(counted.values()) <= 6
    assert scripts(100) == made != scripts(100, seed=1)


def test_every_line_is_there_in_every_language_and_fits_the_time_that_a_half_has():
    for line in _lines():
        assert set(line) == set(LANGUAGES)
        for language, words in line.items():
            assert 1.2 < speaking_seconds(words, language) < 4.2, words


def script(**given):
    lines = ({"French": "Bonjour.", "English": "Hello."}, {"French": "Adieu.", "English": "Farewell."})
    return Script(("French", "English"), lines, "a kitchen", "Eleanor, a cook", "She", **given)


def test_the_prompt_has_looks_times_two_languages_and_a_pause():
    told = script().prompt(10)
    assert "At [00:00\u201300:04]: She looks directly at the camera" in told
    assert "She speaks in French, saying: \u201cBonjour.\u201d At [00:04\u201300:06]: SILENT PAUSE." in told
    assert told.endswith(
        "At [00:06\u201300:10]: She goes on, speaking calmly. She speaks in English, saying: \u201cFarewell.\u201d"
    )


def test_a_half_that_is_made_anew_says_the_same_in_the_other_s_language():
    first, second = script().prompt(10, remade=0), script().prompt(10, remade=1)
    assert "saying: \u201cHello.\u201d" in first and "saying: \u201cFarewell.\u201d" in first
    assert "saying: \u201cBonjour.\u201d" in second and "saying: \u201cAdieu.\u201d" in second
    assert "French" not in first and "English" not in second


def test_lip_augmentation_speaks_letters_in_the_half_alone():
    told = script().prompt(10, remade=0, letters="A..B..C")
    assert (
        "She is speaking \u201cA..B..C\u201d" in told
        and "\u201cFarewell.\u201d" in told
        and "Hello" not in told
    )


def test_letters_are_different_and_seeded():
    drawn = letters(np.random.default_rng(3)).split("..")
    assert len(set(drawn)) == 8 and all(len(each) == 1 for each in drawn)
    assert letters(np.random.default_rng(3)).split("..") == drawn


def test_scripts_are_read_as_they_were_written(tmp_path):
    made = scripts(3)
    write_scripts(tmp_path / "prompts.json", made)
    assert read_scripts(tmp_path / "prompts.json") == made


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense", "cannot be read"),
        ("[]", "no list of prompts"),
        ('[{"languages": ["French"]}]', "prompt 1 cannot be used"),
        (
            '[{"languages": ["French", "French"], "lines": [{}, {}], "scene": "", "speaker": ""}]',
            "French twice",
        ),
        (
            '[{"languages": ["French", "English"], "lines": [{"French": "a"}, {}], "scene": "", "speaker": ""}]',
            "half 1 is lacking in English",
        ),
    ],
)
def test_a_file_of_prompts_that_is_odd_is_told_in_a_line(tmp_path, content, told):
    path = tmp_path / "prompts.json"
    path.write_text(content)
    with pytest.raises(SettingsError) as error:
        read_scripts(path)
    assert told in str(error.value) and "\n" not in str(error.value) and str(path) in str(error.value)
