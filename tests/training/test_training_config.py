"""Configurations: the pack's own build the real model, and one step of it runs at one layer."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.experts.expert import LIP_RANGE, TEXTURE_RANGE, ExpertInfo
from xdub_core.model.config import RELEASED
from xdub_core.training import config
from xdub_core.training.build import build_dit, build_objective, example_shapes
from xdub_core.training.config import TrainingConfig, load_config
from xdub_core.training.objective import FlowSettings
from xdub_core.training.rewards import PixelLossSettings
from xdub_core.training.settings import TrainerSettings

STAGES = ("generator", "editor", "lip", "texture")


def real(stage):
    return load_config(Path(config.__file__).parent / f"configs/xdub-5b-{stage}.yaml")


def write(tmp_path, text):
    path = tmp_path / "some.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("stage", STAGES)
def test_real_configurations_build_the_real_model_without_memory(stage):
    config = real(stage)
    dit = build_dit(config, device="meta")
    context = torch.zeros(1, config.text_tokens, config.model.text_dim, device="meta")
    objective = build_objective(config, dit, context)
    assert replace(config.model, background=False) == RELEASED
    trained = sum(p.numel() for p in objective.parameters() if p.requires_grad)
    if config.expert is None:
        assert trained == sum(p.numel() for p in dit.parameters()) > 6e9
    else:
        assert trained == sum(p.numel() for p in objective.adapters.parameters()) < 4e8


def test_real_configurations_hold_the_papers_numbers():
    configs = {stage: real(stage) for stage in STAGES}
    timesteps = {stage: config.flow.timesteps for stage, config in configs.items()}
    assert timesteps["generator"].base == "uniform"
    assert [timesteps[stage].alpha for stage in STAGES[1:]] == [5.0, 1.5, 0.2]
    assert [configs[stage].clip.frames for stage in STAGES] == [25, 77, 77, 77]
    assert all(config.clip.motion_frames == 5 for config in configs.values())
    assert [config.trainer.learning_rate for config in configs.values()] == [1e-5, 1e-5, 5e-6, 5e-6]
    assert (configs["lip"].expert.lowest, configs["lip"].expert.highest) == LIP_RANGE
    assert (configs["texture"].expert.lowest, configs["texture"].expert.highest) == TEXTURE_RANGE


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
@pytest.mark.parametrize(("stage", "width"), [("editor", 1536), ("lip", 1536)])
def test_one_step_at_one_layer(stage, width):
    """1 of 30 blocks, 1 of 4 audio layers, a 64-pixel crop and clips of 9 frames, with bfloat16 weights.

    Both are of half the real width, for the machine's sake.
    """
    config = real(stage)
    model = config.model
    config = replace(
        config,
        model=replace(
            model,
            dim=width,
            heads=width // model.head_dim,
            ffn_dim=model.ffn_dim * width // model.dim,
            layers=1,
            audio_layers=1,
        ),
        clip=replace(config.clip, frames=9),
        crop=64,
        text_tokens=4,
        weights="bfloat16",
    )
    objective = build_objective(config, build_dit(config), torch.zeros(1, 4, config.model.text_dim))
    random = torch.Generator().manual_seed(0)
    batch = {name: torch.rand(1, *shape, generator=random) for name, shape in example_shapes(config).items()}
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective(batch, random)["loss"]
    loss.backward()
    parameters = [p for p in objective.parameters() if p.requires_grad and p.grad is not None]
    assert torch.isfinite(loss)
    assert sum(p.numel() for p in parameters) > (1e6 if config.expert else 8e7)
    before = parameters[-1].detach().clone()
    torch.optim.AdamW(parameters, lr=1e-2).step()
    assert not torch.equal(parameters[-1], before)


def test_unknown_settings_are_named(tmp_path):
    with pytest.raises(SettingsError, match="trainer: stepz is unknown"):
        load_config(write(tmp_path, "stage: editor\ntrainer:\n  stepz: 3\n"))


def test_values_of_the_wrong_kind_are_told(tmp_path):
    with pytest.raises(SettingsError, match=r"learning_rate: '1e-5' is no float .*1\.0e-5"):
        load_config(write(tmp_path, "stage: editor\ntrainer:\n  steps: 3\n  learning_rate: 1e-5\n"))
    with pytest.raises(SettingsError, match="stage: 'painter' is none of generator"):
        load_config(write(tmp_path, "stage: painter\ntrainer:\n  steps: 3\n"))
    with pytest.raises(SettingsError, match="steps"):
        load_config(write(tmp_path, "stage: editor\ntrainer: {}\n"))


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="needs expert"):
        load_config(write(tmp_path, "stage: lip\ntrainer:\n  steps: 3\n"))
    with pytest.raises(SettingsError, match="background"):
        load_config(write(tmp_path, "stage: generator\ntrainer:\n  steps: 3\n"))


def test_a_missing_or_broken_file_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="no YAML"):
        load_config(write(tmp_path, "stage: [editor\n"))


def test_what_is_said_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("stage: editor\ntrainer:\n  steps: 1\ntrainer:\n  steps: 2\n")
    with pytest.raises(SettingsError, match="'trainer' comes twice"):
        load_config(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SettingsError, match="no text"):
        load_config(path)


def test_an_expert_of_another_kind_than_the_stage_is_refused():
    expert = ExpertInfo("texture", 2, 2.0, 0.0, 0.3)
    with pytest.raises(SettingsError, match="kind texture"):
        TrainingConfig("lip", TrainerSettings(steps=1), expert=expert)


@pytest.mark.parametrize(
    ("settings", "unfit"),
    [
        (FlowSettings, {"motion_probability": 7.0}),
        (FlowSettings, {"face_weight": -3.0}),
        (PixelLossSettings, {"threshold": -1.0}),
        (PixelLossSettings, {"silent": 9.0}),
    ],
)
def test_weights_and_shares_out_of_range_are_refused(settings, unfit):
    with pytest.raises(SettingsError, match=next(iter(unfit))):
        settings(**unfit)
