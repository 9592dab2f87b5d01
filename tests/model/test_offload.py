"""Blocks that come to the device one by one compute what a whole model does; 8-bit weights nearly do."""

import pytest
import torch

from tests.training.conftest import TINY, context, tiny_batch
from xdub_core.model.dit import XDubDiT
from xdub_core.model.float8 import Float8Linear, in_float8, store_in_float8
from xdub_core.model.offload import BlockOffload
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser

CONFIG = type(TINY)(**{**vars(TINY), "layers": 4})


def dit(dtype=torch.float32):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = XDubDiT(CONFIG).to(dtype).eval().requires_grad_(False)
        for block in made.blocks:
            block.modulation.normal_(0, 0.5)
        return made


def inputs():
    batch = tiny_batch(1)
    return ClipInputs(batch["reference"], batch["audio"])


def sampled(denoiser):
    return sample_clip(denoiser, inputs(), SamplerSettings(steps=2))


def whole(**options):
    return sampled(DiTDenoiser(dit(), context(), **options))


class Counting(BlockOffload):
    """Copies as to a device of its own, and counts what is there at once."""

    most = 0

    def _fetch(self, place):
        super()._fetch(place)
        self._coming = {n: {k: t.clone() for k, t in f.items()} for n, f in self._coming.items()}
        self.most = max(self.most, len(self._coming))

    def __call__(self, number, run, x):
        own = {k: p.data_ptr() for k, p in self.blocks[number].named_parameters()}
        inside = {}

        def watched(x, **given):
            inside.update({k: p.data_ptr() for k, p in self.blocks[number].named_parameters()})
            return run(x, **given)

        result = super().__call__(number, watched, x)
        assert {k: p.data_ptr() for k, p in self.blocks[number].named_parameters()} == own
        moved = self.blocks[number] in self.resting
        assert all((inside[k] != own[k]) is moved for k in own)
        return result


@pytest.mark.parametrize("resident", [0, 1, 3, 4])
@pytest.mark.parametrize("batched", [True, False])
def test_numbers_are_the_whole_models_to_the_last_bit(resident, batched):
    model = dit()
    offload = Counting(model, "cpu", resident)
    assert torch.equal(sampled(DiTDenoiser(model, context(), batched, offload)), whole(batched=batched))
    assert offload.most <= 1  # beside the one that runs
    assert len(offload.resting) == 4 - resident


def test_an_error_in_a_block_leaves_its_weights_where_they_were():
    model = dit()
    offload = BlockOffload(model, "cpu")
    before = model.blocks[1].ffn[0].weight.data_ptr()

    def fail(_, **given):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        offload(1, fail, torch.zeros(1))
    assert model.blocks[1].ffn[0].weight.data_ptr() == before


def test_eight_bits_are_off_by_a_sixteenth_at_most_and_two_percent_on_the_average():
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    stored, scale = in_float8(weight)
    error = (stored.float() * scale - weight).abs()
    normal = weight.abs() > scale * 2**-6  # below, e4m3 has fewer bits
    assert (error[normal] / weight.abs()[normal]).max() <= 1 / 16 + 1e-6
    assert error.square().mean().sqrt() / weight.square().mean().sqrt() < 0.028


def test_a_layer_of_zeros_stays_one():
    linear = torch.nn.Linear(4, 3)
    torch.nn.init.zeros_(linear.weight)
    assert torch.equal(Float8Linear(linear)(torch.randn(2, 4)), linear.bias.expand(2, 3))


def test_a_model_in_eight_bits_is_near_to_itself_in_bfloat16():
    exact = whole()
    short = sampled(DiTDenoiser(dit(torch.bfloat16), context()))
    model = dit(torch.bfloat16)
    store_in_float8(model.blocks)
    eight = sampled(DiTDenoiser(model, context()))
    scale = exact.square().mean().sqrt()
    assert (short - exact).square().mean().sqrt() / scale < 0.02
    assert 1e-4 < (eight - short).square().mean().sqrt() / scale < 0.06


def test_eight_bits_and_offload_go_together():
    models = [dit(torch.bfloat16) for _ in range(2)]
    for model in models:
        store_in_float8(model.blocks)
    assert not any(isinstance(m, torch.nn.Linear) for m in models[0].blocks.modules())
    offload = BlockOffload(models[1], "cpu", 1)
    expected = sampled(DiTDenoiser(models[0], context()))
    assert torch.equal(sampled(DiTDenoiser(models[1], context(), run_block=offload)), expected)
