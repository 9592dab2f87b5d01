"""What the browser's panels are answered."""

import pytest

from xdub_core.sampling.guidance import Guidance

VALUES = {
    "reference_scale": 3.0,
    "audio_scale": 8.0,
    "dynamic": True,
    "audio_power": 1.5,
    "reference_high": 1.0,
    "reference_middle": 0.6,
    "reference_low": 0.3,
    "high_until": 0.85,
    "middle_from": 0.75,
    "middle_until": 0.45,
    "low_from": 0.35,
    "start": 0.9,
    "end": 0.0,
    "curves": "numbers",
}


@pytest.fixture
def answer(pack):
    return pack("routes").guidance_of


def test_the_guidance_of_the_widgets_values_is_the_engine_s(answer):
    told, guidance = answer(VALUES), Guidance(3.0, 8.0, start=0.9)
    assert told["window"] == [0.9, 0.0] and told["steps"] == []
    for sigma, reference, audio, _ in told["line"]:
        assert reference == pytest.approx(guidance.reference(sigma), abs=1e-3)
        assert audio == pytest.approx(guidance.audio(sigma), abs=1e-3)


def test_drawn_curves_come_as_a_prompt_has_them(answer):
    flat = {"points": [[0.0, 0.5], [1.0, 0.5]], "interpolation": "linear"}
    told = answer(
        {**VALUES, "curves": "drawn", "curves.audio": flat, "curves.window": {"min": 0.2, "max": 1.0}}
    )
    assert told["window"] == [1.0, 0.2]
    assert {row[2] for row in told["line"] if row[0] >= 0.2} == {4.0}


@pytest.mark.parametrize(
    "values",
    [{**VALUES, "end": 0.95}, {**VALUES, "reference_scale": -1.0}, {**VALUES, "start": "x"}, {}, [], None,
     {**VALUES, "curves": "no such"}, {**VALUES, "curves": "drawn", "curves.audio": 3}],
)  # fmt: skip
def test_values_that_are_none_are_refused_in_one_line(answer, values):
    assert "\n" not in answer(values)["error"]


def test_the_node_tells_its_guidance_when_it_has_run(pack, answer):
    ui = pack("guidance").DubGuidance.execute(**VALUES).ui
    assert ui["xdub_guidance"] == [answer(VALUES)]
