"""The mini's distillation, from its work folder to a mini that dubs in few steps."""

import shutil

import pytest
import torch

from xdub_core.errors import MissingModelError, SettingsError
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import load_mini
from xdub_core.mini.network_files import DIT
from xdub_core.model.dit_file import load_dit
from xdub_core.model.few_steps import stated_few_steps
from xdub_core.sampling.clip_sampling import ClipInputs, sample_clip
from xdub_core.training.distillation import DistillationSettings
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.mini.few_steps import MiniFewSteps


@pytest.fixture
def folder(tmp_path):
    """A work folder whose examples, of noise, are made already: nothing is drawn."""
    random = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.randn(3, *shape, generator=random)

    examples = ExampleFolder(tmp_path / "pairs")
    mask = torch.ones(3, 1, 4, 12, 12)
    examples.add_stacked(
        {
            "target": noise(48, 4, 12, 12), "reference": noise(48, 4, 12, 12), "audio": noise(4, 8, 64),
            "face": mask, "lip": mask.clone(),
        }
    )  # fmt: skip
    (tmp_path / "pairs" / "batches-done").write_text("1")
    return tmp_path


def test_what_is_made_is_a_mini_of_few_steps(folder):
    torch.set_num_threads(1)
    settings = DistillationSettings(steps=2, substeps=1, shift=4.0)
    maker = MiniFewSteps(folder, settings=settings, clips=8, training_steps=2, batch=1)
    shipped = maker.make()
    mini = load_mini(shipped)
    sampler = mini.card.sampler
    assert (sampler.steps, sampler.shift, sampler.guidance.weights(1.0)) == (2, 4.0, (0.0, 0.0, 1.0))
    said = stated_few_steps(shipped / DIT)
    assert (said.steps, said.teacher_steps, said.audio_scale, said.dynamic) == (2, 2, 10.0, True)
    reference, audio = torch.randn(1, 48, 4, 12, 12), torch.randn(1, 4, 8, 64)
    assert sample_clip(mini.model.denoiser, ClipInputs(reference, audio), sampler).isfinite().all()
    before, after = load_dit(BUILT_IN / DIT), load_dit(shipped / DIT)
    changed = [n for n, p in after.named_parameters() if not torch.equal(p, before.get_parameter(n))]
    assert changed


def test_an_unknown_guidance_is_refused_before_anything_is_made(folder):
    with pytest.raises(SettingsError, match="released, own, none"):
        MiniFewSteps(folder, guidance="both")


def test_a_teacher_that_is_not_there_is_missed_before_anything_is_made(folder):
    shutil.rmtree(folder / "pairs")
    with pytest.raises(MissingModelError):
        MiniFewSteps(folder, folder / "nobody").make()
    assert not list(folder.iterdir())
