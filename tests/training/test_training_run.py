"""A phase from its configuration to its file, from Python and from the command line."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.training.conftest import TINY, context, tiny_batch, tiny_dit
from xdub_core.cli import main
from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.expert import ExpertInfo, load_expert
from xdub_core.model.dit_file import load_dit, save_dit
from xdub_core.released.empty_prompt import save_empty_prompt
from xdub_core.training.__main__ import _load_command
from xdub_core.training.config import TrainingConfig
from xdub_core.training.example_files import ExampleFolder, TensorExamples
from xdub_core.training.generator import REFERENCE_FRAMES
from xdub_core.training.initial import editor_from_generator, load_start
from xdub_core.training.objective import PixelLosses
from xdub_core.training.run import run_stage


@pytest.fixture
def config(settings):
    return TrainingConfig("editor", settings, model=TINY, crop=32, text_tokens=1, clip=ClipGeometry(13, 5))


class Judge:
    """Sees how bright pictures are; a sync scorer and a network of identity."""

    def __call__(self, frames, rows=None):
        brightness = frames.mean(dim=(-3, -2, -1))
        return brightness.mean(dim=1) if rows is not None else brightness[:, None]


def decode(latents):
    """Frames of the first three channels."""
    frames = latents[:, :3].repeat_interleave(4, dim=2)[:, :, 3:]
    return frames.permute(0, 2, 3, 4, 1)


PIXELS = PixelLosses(decode, sync=Judge(), identity=(Judge(),))


def generator_batch():
    batch = tiny_batch(background=True)
    stills = batch["reference"].repeat(1, 1, REFERENCE_FRAMES, 1, 1)[:, :, :REFERENCE_FRAMES]
    return TensorExamples(batch | {"reference": stills.contiguous()})


def test_generator_editor_and_expert_follow_each_other(tmp_path, config):
    first = replace(config, stage="generator", model=replace(TINY, background=True))
    made = run_stage(first, generator_batch(), context(), tmp_path / "generator")
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
    made = run_stage(tuning, examples, context(), tmp_path / "lip", dit=editor, pixels=PIXELS)
    assert load_expert(made).info == tuning.expert
    assert all(torch.equal(x, before[name]) for name, x in editor.state_dict().items())
    assert not editor.blocks[0].ffn[0]._forward_hooks


def test_an_expert_needs_a_model_to_start_from(tmp_path, config):
    tuning = replace(config, stage="lip", expert=ExpertInfo("lip", 2, 2.0, 0.4, 0.8))
    with pytest.raises(SettingsError, match="trained editor"):
        run_stage(tuning, TensorExamples(tiny_batch()), context(), tmp_path)


def test_an_expert_needs_what_supervises_it(tmp_path, config):
    for kind, wanted, unfit in (
        ("lip", "sync scorer", replace(PIXELS, sync=None)),
        ("texture", "networks of identity", replace(PIXELS, identity=())),
    ):
        tuning = replace(config, stage=kind, expert=ExpertInfo(kind, 2, 2.0, 0.4, 0.8))
        for pixels in (None, unfit):
            with pytest.raises(SettingsError, match=wanted):
                run_stage(
                    tuning, TensorExamples(tiny_batch()), context(), tmp_path, dit=tiny_dit(), pixels=pixels
                )


def test_a_model_or_examples_of_other_sizes_are_refused(tmp_path, config):
    examples = TensorExamples(tiny_batch())
    with pytest.raises(SettingsError, match="start from has layers 2, the configuration 3"):
        run_stage(
            replace(config, model=replace(TINY, layers=3)), examples, context(), tmp_path, dit=tiny_dit()
        )
    for unfit in (
        replace(config, clip=ClipGeometry(77, 5)),
        replace(config, model=replace(TINY, audio_dim=7)),
    ):
        with pytest.raises(SettingsError, match="but the configuration's is"):
            run_stage(unfit, examples, context(), tmp_path)
    generator = replace(config, stage="generator", model=replace(TINY, background=True))
    with pytest.raises(SettingsError, match="the examples"):
        run_stage(generator, examples, context(), tmp_path)


def test_a_generator_starts_from_an_editor_and_an_editor_from_a_generator(tmp_path):
    editor, path = tiny_dit(), tmp_path / "model.safetensors"
    save_dit(editor, path)
    generator = load_start(path, replace(TINY, background=True))
    assert generator.config.background
    save_dit(generator, path)
    again = load_start(path, TINY)
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in editor.state_dict().items())


def test_training_starts_from_a_video_model_that_cannot_hear(tmp_path):
    """At first nothing is heard, and the picture's part is the video model's."""
    config, path = replace(TINY, background=True), tmp_path / "video.safetensors"
    seen = {
        name: torch.randn_like(x)
        for name, x in tiny_dit().state_dict().items()
        if not any(part in name for part in ("audio_embedding.", ".audio_attn.", ".norm4."))
    }
    save_file(seen, path)
    dit = load_start(path, config)
    channels = config.latent_channels
    for name, tensor in dit.state_dict().items():
        if name == "patch_embedding.weight":
            assert torch.equal(tensor[:, channels:], seen[name])
        elif name in seen:
            assert torch.equal(tensor, seen[name])
        elif ".audio_attn.o." in name:
            assert not tensor.any()
    del seen["blocks.1.ffn.0.weight"]
    save_file(seen, path)
    with pytest.raises(CheckpointError, match=r"1 tensors differ, the first is blocks\.1\.ffn\.0\.weight"):
        load_start(path, config)


@pytest.fixture
def command(monkeypatch, capfd):
    """Call `python -m xdub_core.training ARGS`; gives the exit code and what went to standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["xdub_core.training", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main(_load_command)
        return end.value.code, capfd.readouterr().err

    return call


def test_the_command_trains_and_goes_on(tmp_path, command):
    path = tmp_path / "tiny.yaml"
    sizes = "\n".join(f"  {name}: {value}" for name, value in vars(TINY).items() if isinstance(value, int))
    path.write_text(
        f"stage: editor\ncrop: 64\ntext_tokens: 3\nclip:\n  frames: 13\n  motion_frames: 5\nmodel:\n{sizes}\n"
        "trainer:\n  steps: 2\n  batch_size: 2\n  precision: float32\n  log_every: 1\n"
    )
    folder = ExampleFolder(tmp_path / "examples")
    examples = TensorExamples(tiny_batch())
    folder.add([examples[i] for i in range(4)])
    save_empty_prompt(tmp_path / "prompt.safetensors", torch.zeros(1, TINY.text_dim))
    arguments = [path, "--examples", folder.folder, "--out", tmp_path / "out", "--device", "cpu",
                 "--empty-prompt", tmp_path / "prompt.safetensors"]  # fmt: skip
    code, shown = command(*arguments)
    assert code == 0
    assert "editor" in shown
    assert "2/2" in shown
    made = load_dit(tmp_path / "out" / "model.safetensors")
    path.write_text(path.read_text().replace("steps: 2", "steps: 3"))
    assert command(*arguments)[0] == 0
    further = load_dit(tmp_path / "out" / "model.safetensors")
    assert not torch.equal(made.head.head.weight, further.head.head.weight)
    assert (tmp_path / "out" / "log.jsonl").read_text().count("\n") == 3


def test_the_command_tells_errors_in_one_line(tmp_path, command):
    missing = tmp_path / "none"
    code, told = command(missing, "--examples", missing, "--out", missing, "--empty-prompt", missing)
    assert code == 2
    assert told == f"error: cannot read {missing} (No such file or directory): " \
        "give a configuration file\n"  # fmt: skip


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_told_in_one_line(command, device):
    code, told = command("a.yaml", "--examples", "b", "--out", "c", "--empty-prompt", "d", "--device", device)
    assert code == 2
    assert told == f"error: --device {device}: PyTorch cannot use it here; try --device cpu\n"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_weights_to_start_from_keep_nothing_of_their_file(tmp_path, config):
    """A run may end in the very file that it started from, which Windows replaces only if nothing is mapped to it."""
    path = tmp_path / "model.safetensors"
    save_dit(tiny_dit(), path)
    mapped, copied = load_dit(path), load_start(path, TINY)
    assert all(torch.equal(a, b) for a, b in zip(mapped.parameters(), copied.parameters(), strict=True))
    del mapped
    assert str(path) not in Path("/proc/self/maps").read_text()
