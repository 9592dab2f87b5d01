"""What a report knows of the guidance: the levels of the first clip that was sampled, and all predictions."""

from types import SimpleNamespace

from xdub_core.report.guidance import GuidanceWatch
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import SPEEDS

ASKED = ((1.0, 3), (0.8, 1), (0.3, 0))
RECORD = SimpleNamespace()


def sample(watch, attempt=0, asked=ASKED):
    watch.begins(None, attempt, 42)
    for sigma, predictions in asked:
        watch.predicted(sigma, predictions)


def test_until_a_clip_is_made_it_is_the_plan():
    watch = GuidanceWatch(Guidance(), [1.0, 0.5], SPEEDS["fast"])
    sample(watch)
    assert not watch.used
    assert [step.sigma for step in watch.reported().steps] == [1.0, 0.5]


def test_then_it_is_what_the_shown_attempt_of_the_first_clip_asked_for():
    watch = GuidanceWatch(Guidance(), [1.0, 0.5])
    sample(watch, 0, ((1.0, 3), (0.6, 3)))
    sample(watch, 1)
    watch.made(RECORD)
    sample(watch, 0, ((1.0, 3), (0.7, 3)))
    watch.made(RECORD)
    told = watch.reported()
    assert told.used
    assert [(step.sigma, step.predictions) for step in told.steps] == list(ASKED)


def test_predictions_of_every_attempt_and_clip_count_beside_those_without_reuse():
    watch = GuidanceWatch(Guidance(), [1.0])
    for attempt in range(2):
        sample(watch, attempt)
    watch.made(RECORD)
    sample(watch)
    watch.made(RECORD)
    told = watch.reported()
    assert (told.predictions, told.predictions_exact) == (3 * 4, 3 * 9)


def test_a_clip_that_was_kept_asks_for_nothing():
    watch = GuidanceWatch(Guidance(), [1.0])
    watch.begins(None, 0, 42)
    watch.made(RECORD)
    told = watch.reported()
    assert (told.used, told.predictions) == (False, None)
