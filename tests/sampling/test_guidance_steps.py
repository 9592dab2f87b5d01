import pytest

from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.guidance_steps import guidance_at, guidance_line


def test_steps_have_the_scales_and_the_work_of_their_noise_levels():
    guidance = Guidance(2.0, 10.0, start=0.9, end=0.2)
    before, inside, after = guidance_at(guidance, [0.95, 0.5, 0.1])
    assert (before.reference, before.audio, before.predictions) == (1.0, 1.0, 1)
    assert (inside.reference, inside.audio) == pytest.approx((guidance.reference(0.5), guidance.audio(0.5)))
    assert inside.predictions == 3 and after.predictions == 1


def test_the_released_steps_take_three_predictions_each():
    sigmas = SamplerSettings().sigmas[:-1].tolist()
    assert [step.predictions for step in guidance_at(Guidance(), sigmas)] == [3] * 30


def test_the_line_goes_from_all_noise_to_none_and_jumps_where_the_window_ends():
    line = guidance_line(Guidance(2.0, 10.0, dynamic=False, start=0.805, end=0.305))
    levels = [each.sigma for each in line]
    assert (levels[0], levels[-1]) == (1.0, 0.0) and levels == sorted(levels, reverse=True)
    for edge in (0.805, 0.305):
        near = {each.audio for each in line if abs(each.sigma - edge) < 1e-4}
        assert near == {1.0, 10.0}


def test_without_a_window_every_level_is_guided():
    assert all(each.audio == 10 for each in guidance_line(Guidance(2.0, 10.0, dynamic=False)))
