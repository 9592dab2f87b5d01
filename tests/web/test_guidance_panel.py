"""The Guidance panel: what the engine makes of the node's values, and what a sampler has used."""

import pytest

from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.guidance_steps import guidance_at, guidance_line
from xdub_core.sampling.schedule import flow_sigmas

TELL = """([id, whole]) => window.comfyAPI.api.api.dispatchCustomEvent(
    "xdub.guidance", { node: String(id), prompt: "a prompt", run: 0, whole })"""
AT = """(e) => {
    const { left, top, width, height } = e.getBoundingClientRect()
    return [left, top, width, height, width / e.clientWidth]
}"""
BESIDE = 30  # pixels of the plot's axes


def part(editor, name):
    return editor.page.locator(f"[data-panel=guidance] .xdub-{name}")


def says(editor, name, text):
    editor.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[f"[data-panel=guidance] .xdub-{name}", text],
    )


def rows(scales):
    return [[each.sigma, each.reference, each.audio, each.predictions] for each in scales]


@pytest.fixture
def used(editor):
    """A sampler's panel, told of 4 steps; their guidance."""
    node, guidance = editor.add("XDubSampler", 100, 40), Guidance(2.5, 10.0, end=0.7)
    steps = guidance_at(guidance, flow_sigmas(4)[:-1].tolist())
    part(editor, "line").or_(part(editor, "head")).first.wait_for()
    expert = {"name": "lips", "strength": 0.8, "lowest": 0.4, "highest": 0.9}
    record = {"line": rows(guidance_line(guidance)), "steps": rows(steps), "used": True, "window": [1.0, 0.7]}
    editor.js(TELL, [node, record | {"experts": [expert], "patched": False}])
    part(editor, "plot canvas").wait_for()
    editor.settle()
    return steps


def test_the_node_draws_its_values_as_they_change(editor):
    node = editor.add("XDubGuidance", 100, 40)
    part(editor, "plot canvas").wait_for()
    drawn = "() => document.querySelector('[data-panel=guidance] canvas').toDataURL()"
    before = editor.js(drawn)
    editor.set(node, "start", 0.9)
    says(editor, "head", "guided from noise 0.9 to 0")
    editor.settle()
    assert editor.js(drawn) != before
    editor.set(node, "end", 0.95)
    says(editor, "line", "must be at or below the one before it")
    editor.set(node, "end", 0.5)
    says(editor, "head", "guided from noise 0.9 to 0.5")


def test_the_value_at_each_step_can_be_read_with_the_pointer(editor, used):
    assert (
        part(editor, "head")
        .text_content()
        .startswith("as used, at 4 noise levels · guided from noise 1 to 0.7")
    )
    left, top, width, height, scale = part(editor, "plot").evaluate(AT)
    for place, step in enumerate(used):
        x = left + scale * BESIDE + (1 - step.sigma) * (width - 2 * scale * BESIDE)
        editor.page.mouse.move(x, top + height / 2)
        told = part(editor, "lines").text_content()
        assert told.startswith(
            f"{place + 1} of 4 · noise {step.sigma:.3f} · reference {round(step.reference, 2):g}"
        )
        assert f"audio {round(step.audio, 2):g}" in told
        assert ("lips" in told) == (0.4 <= step.sigma <= 0.9)
        assert ("not guided" in told) == (step.sigma < 0.7)


def test_the_keyboard_goes_from_step_to_step(editor, used):
    part(editor, "plot").focus()
    for key, place in (("ArrowRight", 2), ("ArrowRight", 3), ("End", 4), ("ArrowRight", 4), ("Home", 1)):
        editor.page.keyboard.press(key)
        assert (
            part(editor, "lines")
            .text_content()
            .startswith(f"{place} of 4 · noise {used[place - 1].sigma:.3f}")
        )
