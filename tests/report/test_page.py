"""The page: whole by itself, safe whatever the names are, and it says what matters."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.report.conftest import EVIL, clips, make_report
from xdub_core.report.guidance import ExpertBand, GuidanceWatch
from xdub_core.report.lips import SyncCurve
from xdub_core.report.model import Cost
from xdub_core.report.page import report_page, verdict
from xdub_core.report.words import clock, numbered, predictions_in_words, told_of_passed
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import SPEEDS

VOID = {"meta", "img", "rect", "line"}


class Page(HTMLParser):
    """Text, tags and addresses of a page; fails where tags are not closed in their order."""

    def __init__(self, html):
        super().__init__()
        self.text, self.open, self.tags, self.addresses = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def test_it_needs_nothing_beside_it(report):
    html = report_page(report)
    page = Page(html)
    assert page.addresses and all(address.startswith("data:image/") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", html.split("</style>")[0])


def test_names_and_texts_stay_texts(report):
    page = Page(report_page(report))
    shown = len(report.clips) + len(report.failed_clips)
    assert page.tags.count("img") == 1 + 2 * shown  # the second person's picture is none
    assert EVIL in "".join(page.text)


def test_it_says_what_matters(report):
    words = Page(report_page(report)).words
    for told in (
        "1 clip passed the self-check in no attempt: 3. 2 warnings, below.",
        "0.80 s of 11.72 s came out as they went in, with nobody dubbed",
        "the face is turned away",
        "attempt 1: it flickers, its colours flash",
        "kept",
        "a warning",
        "1920",
        "Anna",
    ):
        assert told.replace("1920", "1,920") in words, told


def test_long_tables_are_folded_and_short_ones_are_not():
    assert "<details><summary>42 clips" in report_page(make_report(count=40))
    assert "6 clips</summary>" not in report_page(make_report())


def test_a_page_of_very_many_clips_shows_those_with_pictures():
    many = [replace(clip, before="") if clip.number % 2 else clip for clip in clips(500)]
    words = Page(report_page(make_report(clips=tuple(many)))).words
    assert "250 of 500 are shown here; all are in the JSON." in words


@pytest.mark.parametrize(
    ("made", "warnings", "told"),
    [
        (clips(3), (), ("Every clip passed the self-check.", "good")),
        (clips(3), ("x",), ("Every clip passed the self-check. 1 warning, below.", "note")),
        ((), (), ("Every clip was made; none was checked.", "good")),
    ],
)
def test_the_verdict_is_a_sentence(made, warnings, told):
    assert verdict(make_report(clips=tuple(made), warnings=warnings)) == told


def test_a_report_of_nothing_is_a_page():
    empty = make_report(
        people=(), clips=(), untouched=(), warnings=(), stages=(), files=(), settings={}, chosen={},
        model={}, environment={}, cost=Cost(0, 0, 0),
    )  # fmt: skip
    Page(report_page(empty))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0.00 s"), (3.2, "3.20 s"), (123.44, "2:03.4"), (59.999, "60.00 s"), (3723, "1:02:03")],
)
def test_times_read_as_on_a_clock(seconds, told):
    assert clock(seconds) == told


def test_many_numbers_are_told_in_short():
    assert numbered(range(1, 4)) == "1, 2, 3"
    assert numbered(range(1, 2000)).endswith("9, 10 and 1,989 more")


def test_nothing_is_said_where_everything_was_dubbed():
    assert told_of_passed((), 3.0) == ""


def test_lips_and_sound_are_drawn_however_long_they_are():
    lips = tuple(None if number % 50 == 0 else 0.5 for number in range(90_000))
    curve = SyncCurve(1, "opening", lips, lips, (0.2,) * 90_000, 2, 0.51, -0.04)
    page = report_page(make_report(sync=(curve,)))
    assert "Lips and sound" in page
    assert "correlation 0.51 (the source&#x27;s: -0.04) with the lips +0.08 s after the sound" in page
    assert len(page) - len(report_page(make_report())) < 60_000


def test_without_a_lag_that_stands_out_none_is_told():
    curve = SyncCurve(1, "movement", (0.1,) * 9, (0.1,) * 9, (0.2,) * 9, None, 0.1, None)
    assert "no lag that stands out" in report_page(make_report(sync=(curve,)))


def test_stills_are_wiped_over_each_other(report):
    page = report_page(report)
    assert (
        page.count('class="wipe"') == sum(bool(clip.before) for clip in report.clips) + 1
    )  # the clip to look at
    assert "clip 1, before" in page
    assert "clip 1, after" in page


def reported_guidance():
    return GuidanceWatch(Guidance(), (1.0, 0.9, 0.5, 0.1), SPEEDS["fast"]).reported(
        (ExpertBand(EVIL, 1.0, 0.4, 0.8),)
    )


def test_guidance_is_drawn_with_a_tick_for_each_step_and_its_experts():
    html = report_page(make_report(guidance=reported_guidance()))
    page = Page(html)
    assert html.count('class="tick"') == 4
    assert "As planned, at 4 noise levels." in page.words
    assert "acts from noise 0.8 to 0.4" in page.words
    assert EVIL in "".join(page.text)


def test_a_window_of_guidance_is_shaded_outside():
    guided = replace(Guidance(), start=0.9, end=0.2)
    html = report_page(make_report(guidance=GuidanceWatch(guided, [1.0, 0.5]).reported()))
    assert 'class="left" x="0.0" y="0" width="100.0"' in html
    assert 'class="left" x="800.0" y="0" width="200.0"' in html


def test_what_a_speed_saved_is_said_and_nothing_where_nobody_counted():
    counted = replace(reported_guidance(), predictions=1024, predictions_exact=3600)
    (told,) = predictions_in_words(counted)
    assert told == "1,024 predictions of the model; speed exact would have made 3,600"
    assert told in Page(report_page(make_report(guidance=counted))).words
    assert predictions_in_words(replace(counted, predictions=3600)) == ["3,600 predictions of the model"]
    assert predictions_in_words(reported_guidance()) == []
