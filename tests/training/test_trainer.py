"""The training loop: it resumes exactly, survives kill -9, keeps an average, and says when it cannot go on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import TINY, context, tiny_batch, tiny_dit
from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.training.batches import batch_indices, shuffled
from xdub_core.training.editor import edit
from xdub_core.training.example_files import ExampleFolder, TensorExamples
from xdub_core.training.objective import FlowSettings, Objective
from xdub_core.training.optimizers import is_inner_matrix, make_optimizers
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import LOG_NAME, load_weights, train
from xdub_core.training.training_state import FILE_NAME

REPOSITORY = Path(__file__).resolve().parents[2]


def objective(config=TINY):
    return Objective(tiny_dit(config), edit, context(config), FlowSettings())


def batches():
    return shuffled(TensorExamples(tiny_batch(5)))


class StopHere(Exception):  # noqa: N818
    pass


def stop_at(step):
    def stop(progress):
        if progress.done == step:
            raise StopHere

    return stop


def weights(trained):
    return torch.cat([parameter.detach().flatten() for parameter in trained.parameters()])


@pytest.mark.filterwarnings(
    "ignore:Mismatch dtype"
)  # an RMSNorm of bfloat16 with float32 weights is not fused
@pytest.mark.parametrize(
    ("precision", "optimizer"), [("float32", "adamw"), ("bfloat16", "adamw"), ("float32", "muon")]
)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, settings, precision, optimizer):
    settings = replace(settings, precision=precision, optimizer=optimizer)
    whole, parts = objective(), objective()
    whole_average = train(whole, batches(), settings, tmp_path / "whole")
    with pytest.raises(StopHere):
        train(parts, batches(), settings, tmp_path / "parts", on_progress=stop_at(3))
    again = objective()
    average = train(again, batches(), settings, tmp_path / "parts")
    assert torch.equal(weights(whole), weights(again))
    assert all(torch.equal(whole_average[name], average[name]) for name in average)

    def losses(folder):
        return [json.loads(line)["loss"] for line in (folder / LOG_NAME).read_text().splitlines()]

    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert len(losses(tmp_path / "whole")) == settings.steps


def test_a_finished_run_is_not_trained_further(tmp_path, settings):
    train(objective(), batches(), settings, tmp_path)
    steps, again = [], objective()
    train(again, batches(), settings, tmp_path, on_progress=steps.append)
    assert steps == []
    assert not torch.equal(weights(again), weights(objective()))


KILLED_RUN = """
import sys, torch
torch.set_num_threads(1)
from tests.training.test_trainer import batches, objective
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import train
settings = TrainerSettings(steps=100000, batch_size=2, precision="float32", checkpoint_every=5, log_every=1)
train(objective(), batches(), settings, sys.argv[1])
"""


def test_kill_9_loses_no_more_than_one_checkpoint_interval(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.Popen([sys.executable, "-c", KILLED_RUN, str(tmp_path)], env=environment)
    log, limit = tmp_path / LOG_NAME, time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 12) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    reached = json.loads(log.read_text().splitlines()[-1])["step"]
    settings = TrainerSettings(
        steps=reached + 5, batch_size=2, precision="float32", checkpoint_every=5, log_every=1
    )
    first, resumed, straight = [], objective(), objective()
    train(resumed, batches(), settings, tmp_path, on_progress=lambda progress: first.append(progress.done))
    assert reached - 5 < first[0] <= reached + 1
    train(straight, batches(), settings, tmp_path / "straight")
    assert torch.equal(weights(resumed), weights(straight))


PROCESS_RUN = """
import sys, torch
torch.set_num_threads(1)
from dataclasses import replace
from tests.training.test_trainer import batches, objective, weights
from xdub_core.training.parallel import processes
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import train
with processes() as process:
    settings = TrainerSettings(steps=3, batch_size=2, precision="float32", checkpoint_every=2, log_every=1)
    trained = objective()
    train(trained, batches(), settings, sys.argv[1], process=process)
    torch.save(weights(trained), f"{sys.argv[1]}/weights-{process.rank}.pt")
"""


def test_processes_started_by_torchrun_train_one_model(tmp_path):
    shared = {
        "PYTHONPATH": str(REPOSITORY), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20000 + os.getpid() % 20000),
    }  # fmt: skip
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS_RUN, str(tmp_path)],
            env={**os.environ, **shared, "RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    first, second = (torch.load(tmp_path / f"weights-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, weights(objective()))
    alone = objective()
    train(alone, batches(), TrainerSettings(steps=3, batch_size=2, precision="float32"), tmp_path / "alone")
    assert not torch.equal(first, weights(alone))  # the other process's examples count too
    assert (tmp_path / LOG_NAME).read_text().count("\n") == 3


def test_the_average_follows_the_weights_more_slowly(tmp_path, settings):
    start = weights(objective())
    trained, averaged = objective(), objective()
    load_weights(averaged, train(trained, batches(), replace(settings, steps=20), tmp_path))
    moved = (weights(trained) - start).norm()
    assert 0 < (weights(averaged) - weights(trained)).norm() < moved


def test_accumulated_batches_count_as_one(tmp_path, settings):
    """Two half batches give the gradient of the whole one, where nothing is drawn at random between them."""

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def forward(self, batch, generator):
            return {"loss": (batch["x"] * self.weight).square().mean()}

    data = shuffled(TensorExamples({"x": torch.randn(8, 3, generator=torch.Generator().manual_seed(0))}))
    one, two = Plain(), Plain()
    settings = replace(settings, steps=2)
    train(one, data, replace(settings, batch_size=4), tmp_path / "one")
    train(two, data, replace(settings, batch_size=2, accumulate=2), tmp_path / "two")
    assert torch.allclose(one.weight, two.weight, atol=1e-6)


def test_every_epoch_shows_every_example_once_in_an_order_of_its_own():
    seen = [index for batch in range(6) for index in batch_indices(8, 4, batch, seed=3)]
    epochs = [seen[i : i + 8] for i in (0, 8, 16)]
    assert all(sorted(epoch) == list(range(8)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert batch_indices(8, 4, 4, seed=3) == epochs[2][:4]
    assert batch_indices(8, 4, 4, seed=4) != epochs[2][:4]


def test_learning_rate_falls_along_a_line():
    settings = TrainerSettings(steps=110, learning_rate=1.0, warmup=10, schedule="linear", final_rate=0.1)
    assert [settings.rate(step) for step in (0, 10, 60, 110)] == pytest.approx([0.1, 1.0, 0.55, 0.1])


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    settings = TrainerSettings(steps=110, learning_rate=1.0, warmup=10, schedule="cosine", final_rate=0.1)
    rates = [settings.rate(step) for step in (0, 4, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.55, 0.1])
    assert replace(settings, schedule="constant").rate(100) == 1.0


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, settings):
    batch = tiny_batch(5)
    batch["target"] = batch["target"] * torch.inf
    with pytest.raises(SamplingError, match="step 1"):
        train(objective(), shuffled(TensorExamples(batch)), settings, tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_checkpoint_of_another_model_is_refused(tmp_path, settings):
    train(objective(), batches(), settings, tmp_path)
    with pytest.raises(CheckpointError, match="another model"):
        train(objective(replace(TINY, layers=3)), batches(), settings, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_keeps_nothing_of_its_checkpoint_file(tmp_path, settings, optimizer):
    """Windows replaces a file only if nothing is mapped to it."""
    settings = replace(settings, optimizer=optimizer)
    with pytest.raises(StopHere):
        train(objective(), batches(), settings, tmp_path, on_progress=stop_at(settings.steps - 1))
    assert (tmp_path / FILE_NAME).exists()
    seen = []

    def look(progress):
        seen.append(str(tmp_path / FILE_NAME) in Path("/proc/self/maps").read_text())

    train(objective(), batches(), settings, tmp_path, on_progress=look)
    assert seen and not any(seen)


def test_a_damaged_checkpoint_is_told(tmp_path, settings):
    (tmp_path / FILE_NAME).write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError, match="damaged"):
        train(objective(), batches(), settings, tmp_path)


def test_nothing_to_train_is_told(tmp_path, settings):
    with pytest.raises(SettingsError, match="nothing to train"):
        train(objective().requires_grad_(False), batches(), settings, tmp_path)


def test_example_folders_grow_by_whole_shards(tmp_path):
    folder = ExampleFolder(tmp_path)
    batch = TensorExamples(tiny_batch(5))
    folder.add([batch[i] for i in range(3)])
    folder.add([])
    folder.add([batch[3], batch[4]])
    assert len(ExampleFolder(tmp_path)) == 5
    loaded = folder.load()
    assert all(torch.equal(loaded.tensors[name], tensor) for name, tensor in batch.tensors.items())
    with pytest.raises(SettingsError, match="no examples"):
        ExampleFolder(tmp_path / "mistyped").load()
    assert not (tmp_path / "mistyped").exists()


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path, settings):
    train(objective(), batches(), settings, tmp_path)
    with pytest.raises(CheckpointError, match="AdamW, not AdamW and Muon"):
        train(objective(), batches(), replace(settings, optimizer="muon"), tmp_path)


def test_muon_takes_the_matrices_between_hidden_features_only():
    parameters = dict(tiny_dit(TINY).named_parameters())
    taken = {name for name, parameter in parameters.items() if is_inner_matrix(name, parameter)}
    assert "blocks.0.self_attn.q.weight" in taken
    assert not taken & {
        "patch_embedding.weight",
        "head.head.weight",
        "blocks.0.modulation",
        "time_projection.1.weight",
    }
    adam, muon = make_optimizers(parameters, TrainerSettings(1, optimizer="muon"))
    assert len(muon.param_groups[0]["params"]) == len(taken)
    assert len(adam.param_groups[0]["params"]) == len(parameters) - len(taken)


class Poisoned(torch.nn.Module):
    """A loss that is finite with a gradient that is not."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch, generator):
        return {"loss": torch.sqrt(self.weight).sum() * 0}


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path, settings):
    poisoned = Poisoned()
    with pytest.raises(SamplingError, match="gradient's norm nan"):
        train(poisoned, batches(), settings, tmp_path)
    assert not poisoned.weight.any()
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    "unfit", [{"clip_norm": 0.0}, {"learning_rate": -1.0}, {"final_rate": 2.0}, {"warmup": -1}]
)
def test_settings_out_of_range_are_refused(unfit):
    with pytest.raises(SettingsError, match=next(iter(unfit))):
        TrainerSettings(steps=1, **unfit)


def test_a_shard_that_is_made_again_replaces_itself(tmp_path):
    folder = ExampleFolder(tmp_path)

    def add(count, number):
        folder.add_stacked({name: tensor.clone() for name, tensor in tiny_batch(count).items()}, number)

    for count, number in ((2, 0), (2, 2), (2, 2), (3, 2), (1, 2)):
        add(count, number)
    assert len(folder) == len(folder.load()) == 3
    folder.add_stacked({}, 0)  # made again, and nothing came of it
    assert len(folder) == len(folder.load()) == 1
    add(4, None)
    assert [path.name for path in folder.shards()] == [
        "shard-00002-1.safetensors",
        "shard-00003-4.safetensors",
    ]


def test_a_shard_that_cannot_be_written_leaves_the_former_one(tmp_path):
    folder = ExampleFolder(tmp_path)
    folder.add_stacked({"a": torch.zeros(2)}, 0)
    with pytest.raises(RuntimeError, match="share memory"):
        shared = torch.zeros(3)
        folder.add_stacked({"a": shared, "b": shared}, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000-2.safetensors"]
