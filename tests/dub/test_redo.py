"""Clips that are sampled again, as they are typed."""

import pytest

from xdub_core.dub.redo import parse_clips, redo_counts
from xdub_core.errors import SettingsError


def test_numbers_and_ranges():
    assert parse_clips("12,40-42") == (range(12, 13), range(40, 43))


@pytest.mark.parametrize("text", ["", "0", "3-2", "two", "1,,2", "-4"])
def test_what_is_no_number_is_told_with_the_option(text):
    with pytest.raises(SettingsError, match=f"--redo {text}: give numbers of clips"):
        parse_clips(text, "--redo")


def test_each_is_sampled_again_as_often_as_it_is_named():
    assert redo_counts(parse_clips("2,1-3,2"), 3, "redo") == {0: 1, 1: 3, 2: 1}


def test_a_clip_that_there_is_not_is_told_at_once():
    with pytest.raises(
        SettingsError, match="redo 1-9999999999: this dub has 3 clips, so there is no 9999999999"
    ):
        redo_counts(parse_clips("1-9999999999"), 3, "redo 1-9999999999")
