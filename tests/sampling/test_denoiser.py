"""The DiT as a denoiser: one clip or several, and no branch that does not count."""

import pytest
import torch

from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.denoiser import DiTDenoiser

TINY = DiTConfig(
    dim=16, heads=2, layers=1, ffn_dim=16, frequency_dim=16, text_dim=8, audio_dim=6,
    audio_inner_dim=16, audio_head_dim=8, audio_layers=1, latent_channels=4,
)  # fmt: skip
REFERENCE, LATENTS = (torch.randn(2, 4, 3, 4, 4, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
AUDIO = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(3))


class Counting(XDubDiT):
    """Counts the clips that go through it."""

    seen = 0

    def forward(self, latents, *args, **kwargs):
        self.seen += len(latents)
        return super().forward(latents, *args, **kwargs)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Counting(TINY).requires_grad_(False)


def denoise(model, clips=slice(None), batched=True, **options):
    denoiser = DiTDenoiser(model, torch.full((1, 2, TINY.text_dim), 0.3), batched)
    return denoiser.for_clip(REFERENCE[clips], AUDIO[clips], 0)(LATENTS[clips], 0.7, **options)


@pytest.mark.parametrize("batched", [True, False])
def test_branches_that_do_not_count_are_not_computed(model, batched):
    every = denoise(model, batched=batched)
    model.seen = 0
    some = denoise(model, batched=batched, weights=(0.0, -1.0, 2.0))
    assert model.seen == 2 * len(LATENTS)
    assert not some.none.any()
    torch.testing.assert_close(some[1:], every[1:])


@pytest.mark.parametrize("batched", [True, False])
def test_clips_that_are_sampled_together_come_out_as_each_alone(model, batched):
    together = denoise(model, batched=batched)
    for number in range(len(LATENTS)):
        alone = denoise(model, slice(number, number + 1), batched)
        for found, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(found[number : number + 1], expected)


@pytest.mark.parametrize(("batched", "branches"), [(True, 3), (False, 2)])
def test_a_clip_keeps_the_texts_keys_once_and_each_audios_once(model, batched, branches):
    """One by one, the two branches that hear nothing share theirs; none of them has the text's to itself."""
    clip = DiTDenoiser(model, torch.full((1, 2, TINY.text_dim), 0.3), batched).for_clip(REFERENCE, AUDIO, 0)
    clip(LATENTS, 0.7)
    clip(LATENTS, 0.3)
    kept = list(clip.prepared.values())
    audio = sum(len(constants.audio[0].keys) for constants in kept)
    assert audio == branches * len(LATENTS) * LATENTS.shape[2]
    assert len({id(constants.text) for constants in kept}) == 1
    assert len(kept[0].text[0].keys) == 1
