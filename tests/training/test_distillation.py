"""Distillation: what the student is taught, that it learns it, and that a stopped run goes on bit for bit."""

from dataclasses import replace

import pytest
import torch

from tests.training.conftest import TINY, context, tiny_batch, tiny_dit
from tests.training.test_objective import awake, fit, mean_loss
from xdub_core.cli.chosen_model import choose_model
from xdub_core.cli.options.face import Detector
from xdub_core.cli.options.model import ModelOptions
from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.model.dit_file import load_dit, save_dit
from xdub_core.model.few_steps import stated_few_steps
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import UNGUIDED, Guidance
from xdub_core.training.distillation import Distillation, DistillationSettings, distil
from xdub_core.training.example_files import TensorExamples
from xdub_core.weights.tensor_file import save_tensors

GUIDED = Guidance(2.0, 3.0)


def teacher():
    return DiTDenoiser(awake(tiny_dit()), context())


def distillation(settings):
    return Distillation(awake(tiny_dit()), teacher(), context(), settings)


def taught(inputs, settings):
    """The teacher's own dub of a clip, in all its steps."""
    sampler = SamplerSettings(settings.steps * settings.substeps, settings.guidance, settings.shift)
    return sample_clip(teacher(), inputs, sampler)


def dubbed(dit, inputs, settings):
    """The student's, in its few steps, unguided."""
    sampler = SamplerSettings(settings.steps, UNGUIDED, settings.shift)
    return sample_clip(DiTDenoiser(dit, context()), inputs, sampler)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_without_guidance():
    same = DistillationSettings(steps=2, substeps=1, guidance=UNGUIDED)
    assert mean_loss(distillation(same), tiny_batch()) < 1e-10
    assert mean_loss(distillation(replace(same, substeps=3)), tiny_batch()) > 1e-5
    assert mean_loss(distillation(replace(same, guidance=GUIDED)), tiny_batch()) > 1e-5


@pytest.mark.parametrize("substeps", [1, 3])
def test_loss_falls_and_the_student_dubs_more_like_its_teacher(substeps):
    settings = DistillationSettings(steps=2, substeps=substeps, guidance=GUIDED)
    trained, batch = distillation(settings), tiny_batch()
    inputs = ClipInputs(batch["reference"][:1], batch["audio"][:1])
    before, aim = mean_loss(trained, batch), taught(inputs, settings)
    apart = (dubbed(trained.dit, inputs, settings) - aim).square().mean()
    fit(trained, batch, steps=80, rate=2e-3)
    assert mean_loss(trained, batch) < 0.5 * before
    assert (dubbed(trained.dit, inputs, settings) - aim).square().mean() < 0.7 * apart


def test_known_border_and_motion_frames_are_no_lesson():
    settings = DistillationSettings(steps=2, substeps=2, guidance=GUIDED, border=2, motion_probability=1.0)
    batch = tiny_batch()  # of 4 x 4 latent pixels: all of it is border, but for the motion frames
    assert mean_loss(distillation(settings), batch) < 1e-10


def test_the_teacher_stays_as_it_is_and_only_the_student_is_trained():
    trained = distillation(DistillationSettings(steps=1, substeps=2, guidance=GUIDED))
    before = [p.clone() for p in trained.teacher.model.parameters()]
    fit(trained, tiny_batch(), steps=2)
    assert all(torch.equal(a, b) for a, b in zip(before, trained.teacher.model.parameters(), strict=True))
    assert {name.split(".")[0] for name, _ in trained.named_parameters()} == {"dit"}


def test_the_teachers_levels_begin_and_end_with_the_students():
    settings = DistillationSettings(steps=3, substeps=4)
    levels = [settings.teacher_sigmas(number) for number in range(3)]
    assert torch.equal(torch.stack([level[0] for level in levels]), settings.sigmas[:-1])
    assert torch.equal(torch.stack([level[-1] for level in levels]), settings.sigmas[1:])
    assert all(len(level) == 5 and (level.diff() < 0).all() for level in levels)


class StopHere(Exception):  # noqa: N818
    pass


def test_a_stopped_run_ends_in_the_same_bytes(tmp_path, settings):
    few, examples = DistillationSettings(steps=2, substeps=2), TensorExamples(tiny_batch(5))

    def run(folder, on_progress):
        return distil(
            tiny_dit(), teacher(), context(), examples, few, settings, folder, on_progress=on_progress
        )

    def stop(progress):
        if progress.done == 3:
            raise StopHere

    whole = run(tmp_path / "whole", lambda _: None)
    with pytest.raises(StopHere):
        run(tmp_path / "stopped", stop)
    assert run(tmp_path / "stopped", lambda _: None).read_bytes() == whole.read_bytes()


def test_the_file_loads_and_says_what_it_was_made_for(tmp_path, settings):
    few = DistillationSettings(steps=2, substeps=3, shift=4.0, guidance=GUIDED)
    path = distil(tiny_dit(), teacher(), context(), TensorExamples(tiny_batch(5)), few, settings, tmp_path)
    assert load_dit(path).config == TINY
    said = stated_few_steps(path)
    assert (said.steps, said.shift, said.teacher_steps) == (2, 4.0, 6)
    assert (said.reference_scale, said.audio_scale, said.dynamic) == (2.0, 3.0, True)
    assert "2 Euler steps at shift 4, without guidance" in said.text


def test_other_checkpoints_say_nothing_and_odd_words_are_refused(tmp_path):
    save_dit(tiny_dit(), tmp_path / "plain.safetensors")
    assert stated_few_steps(tmp_path / "plain.safetensors") is None
    save_tensors(
        tmp_path / "odd.safetensors", tiny_dit().state_dict(), {"config": '{"few_steps": {"steps": 2}}'}
    )
    with pytest.raises(CheckpointError, match="does not state"):
        stated_few_steps(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"substeps": 0}, {"shift": 0.0}, {"motion_probability": 2}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(SettingsError):
        DistillationSettings(**wrong)


def test_a_distilled_file_is_sampled_as_it_says(tmp_path):
    few = DistillationSettings(steps=3, shift=4.0).few_steps
    path = tmp_path / "few.safetensors"
    save_dit(tiny_dit(), path, few)
    chosen = choose_model(ModelOptions(model=str(path)), Detector.RTMW).settings.sampler
    assert (chosen.steps, chosen.shift, chosen.guidance.weights(0.9)) == (3, 4.0, (0.0, 0.0, 1.0))
