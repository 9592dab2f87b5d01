"""Processes started from Python train one model together, and end together."""

import os
from functools import partial

import pytest
import torch
from torch import nn

from tests.training.test_trainer import batches, objective, weights
from xdub_core.errors import SettingsError
from xdub_core.training.muon import Muon
from xdub_core.training.parallel import ALONE, run_together
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import train


def learn(folder, process):
    settings = TrainerSettings(
        steps=3, batch_size=2, optimizer="muon", precision="float32", checkpoint_every=2, log_every=1
    )
    trained = objective()
    train(trained, batches(), settings, folder, process=process)
    torch.save(weights(trained), folder / f"weights-{process.rank}.pt")
    return folder


def test_one_process_is_this_one(tmp_path):
    def own(process):
        assert process is ALONE
        return tmp_path

    assert run_together(1, own, own) == tmp_path
    with pytest.raises(SettingsError, match="0 processes"):
        run_together(0, own, own)


def test_two_processes_train_one_model(tmp_path):
    threads = torch.get_num_threads()
    assert run_together(2, partial(learn, tmp_path), partial(learn, tmp_path)) == tmp_path
    first, second = (torch.load(tmp_path / f"weights-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    alone = tmp_path / "alone"
    alone.mkdir()
    learn(alone, ALONE)
    assert not torch.equal(first, torch.load(alone / "weights-0.pt", weights_only=True))
    assert torch.get_num_threads() == threads


def step_of_muon(folder, process):
    """The gradients are the same in both processes."""
    generator = torch.Generator().manual_seed(0)
    matrices = [nn.Parameter(torch.randn(n, 6, generator=generator)) for n in (4, 6, 9)]
    optimizer = Muon(matrices, lr=0.1)
    for _ in range(2):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        optimizer.step()
    torch.save([matrix.detach() for matrix in matrices], folder / f"muon-{process.rank}-{process.world}.pt")
    return folder


def test_muon_s_work_is_shared_out_and_its_result_the_same(tmp_path):
    step_of_muon(tmp_path, ALONE)
    run_together(2, partial(step_of_muon, tmp_path), partial(step_of_muon, tmp_path))
    alone = torch.load(tmp_path / "muon-0-1.pt", weights_only=True)
    for rank in (0, 1):
        shared = torch.load(tmp_path / f"muon-{rank}-2.pt", weights_only=True)
        torch.testing.assert_close(shared, alone, atol=0, rtol=0)


def test_what_ends_this_process_ends_the_others(tmp_path):
    def stopped(process):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_together(2, stopped, partial(learn, tmp_path))
    assert not torch.distributed.is_initialized()


def fail(process):
    raise ValueError("no")


def test_a_failing_helper_ends_this_process_too(tmp_path):
    with pytest.raises(RuntimeError):
        run_together(2, partial(learn, tmp_path), fail)


def exit_at_once():
    os._exit(3)


class EndsUnpickling:
    """Work that ends the process it is sent to before this can do anything."""

    def __reduce__(self):
        return exit_at_once, ()


def test_a_process_that_ends_as_it_starts_is_not_waited_for():
    with pytest.raises(RuntimeError, match="exit code 3"):
        run_together(2, lambda process: None, EndsUnpickling())
