"""Progress bars: each from when its stage starts."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from xdub_core.cli import console
from xdub_core.progress import Progress, Stage


@pytest.fixture
def terminal(monkeypatch):
    """A terminal's text, and a clock to be moved by hand."""
    clock, text = [0.0], io.StringIO()
    shown = Console(file=text, force_terminal=True, width=120)
    monkeypatch.setattr(console, "progress_console", shown)
    monkeypatch.setattr(
        console, "Bars", lambda *columns, console: Bars(*columns, console=console, get_time=lambda: clock[0])
    )
    return text, clock


def last_line(text, word):
    return [line for line in text.getvalue().replace("\r", "\n").split("\n") if word in line][-1]


def test_a_stage_that_cannot_be_measured_is_shown_at_once_and_ends_with_its_own_time(terminal):
    text, clock = terminal
    with console.progress_bars() as show:
        show(Progress(Stage.MODEL, 0, None, "X-Dub"))
        clock[0] = 154.0
        show(Progress(Stage.MODEL, 1, 1))
        clock[0] = 300.0
    assert "0:02:34" in last_line(text, "Loading model")


def test_the_first_step_of_long_work_is_shown_while_it_runs(terminal):
    text, clock = terminal
    with console.progress_bars() as show:
        show(Progress(Stage.CLIPS, 0, None, "first step"))
        clock[0] = 24.0
        show(Progress(Stage.CLIPS, 1, 30, "clip 1 of 1, step 1 of 30"))
    assert "1/30" in last_line(text, "Dubbing")
    assert "0:00:24" in last_line(text, "Dubbing")
