"""Branches on several devices: the CPU under several names, which gives what one device gives, to the last bit."""

import threading

import pytest
import torch

from tests.training.conftest import context, tiny_batch, tiny_dit
from tests.training.test_objective import awake
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.devices import BranchesOnDevices
from xdub_core.sampling.guidance import UNGUIDED, Guidance


class Watched:
    """A denoiser that notes who predicts how many branches."""

    def __init__(self, meeting=None):
        self.base, self.asked = DiTDenoiser(awake(tiny_dit()), context(), batched=False), []
        self.meeting = meeting

    def for_clip(self, *clip):
        predict = self.base.for_clip(*clip)

        def noted(latents, sigma, weights):
            self.asked.append(sum(weight != 0 for weight in weights))
            if self.meeting is not None:
                self.meeting.wait(60)
            return predict(latents, sigma, weights)

        return noted


def inputs():
    batch = tiny_batch(1)
    return ClipInputs(batch["reference"], batch["audio"], batch["target"][:, :, :1])


@pytest.mark.parametrize(("devices", "shares"), [(1, [3]), (2, [2, 1]), (3, [1, 1, 1]), (4, [1, 1, 1, 0])])
def test_branches_are_dealt_out_and_the_dub_is_the_same(devices, shares):
    settings, denoisers = SamplerSettings(steps=2), [Watched() for _ in range(devices)]
    alone = sample_clip(denoisers[0].base, inputs(), settings)
    assert torch.equal(sample_clip(BranchesOnDevices(denoisers), inputs(), settings), alone)
    assert [d.asked[0] if d.asked else 0 for d in denoisers] == shares


def test_all_devices_predict_at_the_same_time():
    meeting = threading.Barrier(3)  # which breaks where one waits for another to be done
    denoisers = [Watched(meeting) for _ in range(3)]
    assert sample_clip(BranchesOnDevices(denoisers), inputs(), SamplerSettings(steps=1)).isfinite().all()


def test_a_lone_branch_stays_on_the_first_device():
    denoisers = [Watched(), Watched()]
    sample_clip(BranchesOnDevices(denoisers), inputs(), SamplerSettings(steps=2, guidance=UNGUIDED))
    assert len(denoisers[0].asked) == 2 and not denoisers[1].asked


def test_an_error_on_a_device_is_raised():
    class Broken(Watched):
        def for_clip(self, *clip):
            def fail(*_):
                raise RuntimeError("out of memory")

            return fail

    with pytest.raises(RuntimeError, match="out of memory"):
        sample_clip(BranchesOnDevices([Watched(), Broken()]), inputs(), SamplerSettings(2, Guidance()))
