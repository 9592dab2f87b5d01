"""Flow matching: Eq. 1, 4, 5 and 12."""

import torch

from xdub_core.training.flow import flow_loss, loss_weights, noise_target, single_step_latents

SHAPE = (2, 3, 4, 2, 2)


def drawn(t, motion=0):
    random = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(SHAPE, generator=random), torch.randn(SHAPE, generator=random)
    return clean, noise, noise_target(clean, noise, torch.tensor(t), motion)


def test_noising_runs_from_clean_to_noise():
    clean, noise, target = drawn([0.0, 1.0])
    assert torch.equal(target.latents[0], clean[0])
    assert torch.equal(target.latents[1], noise[1])
    assert torch.equal(target.velocity, noise - clean)


def test_motion_frames_stay_clean_and_cost_nothing():
    clean, _, target = drawn([0.5, 0.9], motion=2)
    assert torch.equal(target.latents[:, :, :2], clean[:, :, :2])
    assert not torch.equal(target.latents[:, :, 2:], clean[:, :, 2:])
    wrong = target.velocity.clone()
    wrong[:, :, :2] += 7
    assert flow_loss(wrong, target, torch.ones(2, 1, 4, 2, 2)).item() == 0


def test_motion_frames_take_the_noise_that_they_are_given():
    clean, noise, _ = drawn([0.5, 0.5])
    target = noise_target(clean, noise, torch.tensor([0.5, 0.5]), 2, motion_noise=torch.tensor([0.0, 0.1]))
    assert torch.equal(target.latents[0, :, :2], clean[0, :, :2])
    torch.testing.assert_close(target.latents[1, :, :2], clean[1, :, :2] + 0.1 * noise[1, :, :2])
    assert torch.equal(target.latents[:, :, 2:], drawn([0.5, 0.5], motion=2)[2].latents[:, :, 2:])


def test_errors_within_the_masks_weigh_more():
    _, _, target = drawn([0.5, 0.5])
    face, lip = torch.zeros(2, 1, 4, 2, 2), torch.zeros(2, 1, 4, 2, 2)
    face[..., 1, :], lip[..., 1, 1] = 1, 1
    weights = loss_weights(face, lip, 0.3, 0.3)

    def loss_of_error_at(row, column):
        predicted = target.velocity.clone()
        predicted[..., row, column] += 2
        return flow_loss(predicted, target, weights)  # an error of 2 in one of 4 pixels: 1, weighted

    found = torch.tensor([[loss_of_error_at(row, column) for column in (0, 1)] for row in (0, 1)])
    assert torch.allclose(found, torch.tensor([[1.0, 1.0], [1.3, 1.6]]))


def test_the_true_velocity_steps_back_to_the_clean_latents():
    clean, _, target = drawn([0.3, 0.95], motion=1)
    assert torch.allclose(single_step_latents(target, target.velocity), clean)


def test_single_step_is_the_plain_one_below_the_threshold_and_truncated_above():
    clean, _, target = drawn([0.3, 0.95])
    predicted = target.velocity + 1
    estimate = single_step_latents(target, predicted, threshold=0.6)
    plain = target.latents - target.t.view(-1, 1, 1, 1, 1) * predicted  # Eq. 10
    assert torch.allclose(estimate[0], plain[0], atol=1e-6)
    assert torch.allclose(estimate[1], clean[1] - 0.6, atol=1e-6)


def test_gradients_reach_the_prediction_through_the_single_step():
    _, _, target = drawn([0.3, 0.95])
    predicted = target.velocity.clone().requires_grad_()
    single_step_latents(target, predicted).sum().backward()
    assert torch.allclose(predicted.grad[:, 0, 0, 0, 0], torch.tensor([-0.3, -0.6]))
