"""A phase from its configuration to its file, from Python and from the command line."""

from dataclasses import replace

import pytest
import torch

from tests.training.conftest import TINY, context, tiny_batch
from xdub_core.errors import SettingsError
from xdub_core.experts.expert import ExpertInfo, load_expert
from xdub_core.model.checkpoint import load_dit
from xdub_core.text import save_empty_prompt
from xdub_core.training.__main__ import main
from xdub_core.training.config import TrainingConfig
from xdub_core.training.examples import ExampleFolder, TensorExamples
from xdub_core.training.initial import editor_from_generator
from xdub_core.training.run import run_stage


@pytest.fixture
def config(settings):
    return TrainingConfig("editor", settings, model=TINY, crop=32, text_tokens=1)


def test_generator_editor_and_expert_follow_each_other(tmp_path, config):
    first = replace(config, stage="generator", model=replace(TINY, background=True))
    made = run_stage(first, TensorExamples(tiny_batch(background=True)), context(), tmp_path / "generator")
    generator = load_dit(made)
    assert generator.config == first.model

    examples = TensorExamples(tiny_batch())
    editor = editor_from_generator(generator)
    made = run_stage(config, examples, context(), tmp_path / "editor", dit=editor)
    loaded = load_dit(made)
    assert loaded.config == TINY
    assert all(torch.equal(x, editor.state_dict()[name]) for name, x in loaded.state_dict().items())
    assert not torch.equal(editor.blocks[0].ffn[0].weight, generator.blocks[0].ffn[0].weight)

    tuning = replace(config, stage="lip", expert=ExpertInfo("lip", 2, 2.0, 0.4, 0.8))
    before = {name: tensor.clone() for name, tensor in editor.state_dict().items()}
    made = run_stage(tuning, examples, context(), tmp_path / "lip", dit=editor)
    assert load_expert(made).info == tuning.expert
    assert all(torch.equal(x, before[name]) for name, x in editor.state_dict().items())
    assert not editor.blocks[0].ffn[0]._forward_hooks


def test_an_expert_needs_a_model_to_start_from(tmp_path, config):
    tuning = replace(config, stage="lip", expert=ExpertInfo("lip", 2, 2.0, 0.4, 0.8))
    with pytest.raises(SettingsError, match="trained editor"):
        run_stage(tuning, TensorExamples(tiny_batch()), context(), tmp_path)


def test_the_command_trains_and_goes_on(tmp_path, capsys):
    path = tmp_path / "tiny.yaml"
    sizes = "\n".join(f"  {name}: {value}" for name, value in vars(TINY).items() if isinstance(value, int))
    path.write_text(
        f"stage: editor\ntext_tokens: 3\nmodel:\n{sizes}\n"
        "trainer:\n  steps: 2\n  batch_size: 2\n  precision: float32\n  log_every: 1\n"
    )
    folder = ExampleFolder(tmp_path / "examples")
    examples = TensorExamples(tiny_batch())
    folder.add([examples[i] for i in range(4)])
    save_empty_prompt(tmp_path / "prompt.safetensors", torch.zeros(1, TINY.text_dim))
    command = [str(path), "--examples", str(folder.folder), "--out", str(tmp_path / "out"), "--device", "cpu",
               "--empty-prompt", str(tmp_path / "prompt.safetensors")]  # fmt: skip
    assert main(command) == 0
    made = load_dit(tmp_path / "out" / "model.safetensors")
    path.write_text(path.read_text().replace("steps: 2", "steps: 3"))
    assert main(command) == 0
    further = load_dit(tmp_path / "out" / "model.safetensors")
    assert not torch.equal(made.head.head.weight, further.head.head.weight)
    assert (tmp_path / "out" / "log.jsonl").read_text().count("\n") == 3


def test_the_command_tells_errors_in_one_line(tmp_path, capsys):
    missing = str(tmp_path / "none")
    status = main([missing, "--examples", missing, "--out", missing, "--empty-prompt", missing])
    assert status == 1
    assert capsys.readouterr().err == f"error: cannot read {missing} (No such file or directory): " \
        "give a configuration file\n"  # fmt: skip
