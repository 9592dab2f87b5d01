"""What stands on a node while it works."""

import pytest
from comfy_execution.utils import CurrentNodeContext

from xdub_core.progress import Progress, Stage


@pytest.fixture
def shown():
    return []


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def text(pack, shown, clock):
    return pack("comfy_bridge.host.warnings").NodeText(
        lambda text, node: shown.append((node, text)), lambda: clock[0]
    )


def test_what_is_done_now_changes_under_what_stays(text, shown, clock):
    with CurrentNodeContext("prompt", "7"):
        for seconds, line in ((1, "frame 1 of 9"), (2, "frame 5 of 9")):
            clock[0] = seconds
            text.now(line)
        text.tell("two people")
        clock[0] = 3
        text.now("clip 1 of 3")
        text.now("")
    assert [told for _, told in shown] == [
        *("frame 1 of 9", "frame 5 of 9", "two people", "two people\nclip 1 of 3", "two people"),
    ]


def test_quick_steps_do_not_flood_the_browser(text, shown, clock):
    with CurrentNodeContext("prompt", "7"):
        for step in range(100):
            clock[0] = step / 100
            text.now(f"step {step}")
        text.now("")
    assert [told for _, told in shown] == ["step 0", "step 50", ""]


def test_another_execution_begins_anew(text, shown):
    for prompt, node in (("a", "7"), ("a", "8"), ("b", "8")):
        with CurrentNodeContext(prompt, node):
            text.tell(f"{prompt} {node}")
    text.tell("nobody executes")
    assert shown == [("7", "a 7"), ("8", "a 8"), ("8", "b 8")]


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(Stage.FACES, 120, 900), "Finding the face: 120 of 900"),
        (Progress(Stage.CLIPS, 34, 360, "clip 3 of 12, step 4 of 30"), "Dubbing: clip 3 of 12, step 4 of 30"),
        (Progress(Stage.MODEL, 0, None), "Loading model..."),
    ],
)
def test_a_line_says_what_is_done(pack, progress, line):
    assert pack("comfy_bridge.host.progress").line_of(progress) == line
