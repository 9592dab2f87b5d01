"""The small training loop: learns, resumes as if it had never stopped, refuses what it cannot go on with."""

import pytest
import torch
from torch import nn

from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.training.mini.fitting import FitSettings, fit, inner_matrices


class StoppedError(Exception):
    pass


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def loss_of(network):
    def step(generator):
        x = torch.randn(8, 3, generator=generator)
        return {"error": (network(x) - x.sum(1, keepdim=True)).square().mean()}

    return step


def test_learns():
    network, losses = line(), []
    fit(
        "line",
        network,
        loss_of(network),
        FitSettings(200, warmup=10, learning_rate=0.05),
        on_progress=losses.append,
    )
    assert losses[-1].done == losses[-1].total == 200
    assert losses[-1].losses["error"] < 0.01 < losses[0].losses["error"]


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    settings = FitSettings(20, save_every=5, warmup=2)
    whole = line()
    fit("line", whole, loss_of(whole), settings)

    def stop_at_12(progress):
        if progress.done == 12:
            raise StoppedError

    cut, steps = line(), []
    with pytest.raises(StoppedError):
        fit("line", cut, loss_of(cut), settings, tmp_path / "line.state", stop_at_12)
    resumed = line()
    fit("line", resumed, loss_of(resumed), settings, tmp_path / "line.state", lambda p: steps.append(p.done))
    assert steps == list(range(11, 21))
    assert torch.equal(resumed.weight, whole.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["line.state"]


def test_a_finished_run_is_not_repeated(tmp_path):
    settings = FitSettings(5, warmup=1)
    network, again, steps = line(), line(), []
    fit("line", network, loss_of(network), settings, tmp_path / "line.state")
    fit("line", again, loss_of(again), settings, tmp_path / "line.state", steps.append)
    assert steps == []
    assert torch.equal(again.weight, network.weight)


def test_refuses_the_state_of_other_settings(tmp_path):
    network = line()
    fit("line", network, loss_of(network), FitSettings(2), tmp_path / "line.state")
    with pytest.raises(CheckpointError, match="other settings"):
        fit("line", network, loss_of(network), FitSettings(3), tmp_path / "line.state")


def test_refuses_the_state_of_another_network(tmp_path):
    network, other = line(), nn.Linear(4, 1)
    fit("line", network, loss_of(network), FitSettings(2), tmp_path / "line.state")
    with pytest.raises(CheckpointError, match="delete it"):
        fit("line", other, loss_of(other), FitSettings(2), tmp_path / "line.state")


def test_refuses_a_damaged_state(tmp_path):
    (tmp_path / "line.state").write_bytes(b"half a file")
    network = line()
    with pytest.raises(CheckpointError, match=r"line\.state"):
        fit("line", network, loss_of(network), FitSettings(2), tmp_path / "line.state")


def test_a_loss_that_is_no_number_stops_the_run():
    with pytest.raises(SamplingError, match="step 0"):
        network = line()
        fit("line", network, lambda _: {"error": network.weight.sum() * float("nan")}, FitSettings(2))


def test_the_rate_rises_and_falls():
    settings = FitSettings(100, warmup=10)
    assert settings.share(0) == pytest.approx(0.1)
    assert settings.share(10) == pytest.approx(1.0)
    assert settings.share(99) < 0.02


def test_muon_takes_the_convolutions_and_resumes(tmp_path):
    """A blur is learnt, and a run in two halves ends where one in a single piece does."""

    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 1, 1))

    def loss(net):
        def step(generator):
            x = torch.rand(4, 1, 8, 8, generator=generator)
            return {"error": (net(x) - nn.functional.avg_pool2d(x, 3, 1, 1)).square().mean()}

        return step

    settings = FitSettings(60, matrix_rate=0.02, learning_rate=0.01, warmup=5, save_every=30)
    whole, losses = network(), []
    fit("blur", whole, loss(whole), settings, on_progress=losses.append)
    assert losses[-1].losses["error"] < losses[0].losses["error"] / 10
    assert [w.shape for w in inner_matrices(whole)] == [(6, 1, 3, 3)]

    def stop_at_40(progress):
        if progress.done == 40:
            raise StoppedError

    half, resumed = network(), network()
    with pytest.raises(StoppedError):
        fit("blur", half, loss(half), settings, tmp_path / "blur.state", stop_at_40)
    fit("blur", resumed, loss(resumed), settings, tmp_path / "blur.state")
    assert torch.equal(resumed[0].weight, whole[0].weight)


def test_refuses_no_steps():
    with pytest.raises(SettingsError, match="at least 1 step"):
        FitSettings(0)
