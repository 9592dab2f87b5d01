"""Training a LoRA on core's own LTX-2: what the transformer is given, its gradients, and the LoRA that comes of it."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import comfy.ldm.lightricks.av_model
import comfy.model_management
import comfy.ops
import comfy.sd
import comfy.utils
import ltx
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from xdub_core.dub_it.layouts import LTX_2_3, PAPER, PAPER_RELEASE
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.lora import new_lora
from xdub_core.training.dub_it.objective import NoisedPair, PairLoss, PairObjective
from xdub_core.training.dub_it.run import train_lora
from xdub_core.training.dub_it.settings import LoraTraining

PACK = Path(__file__).resolve().parents[2]
SMALL = LoraTraining(
    rank=4,
    steps=6,
    video_rate=1e-2,
    audio_rate=1e-2,
    weights="float32",
    saved="float32",
    checkpoint_every=2,
    save_every=3,
)


def _pairs_module():
    path = PACK / "tests" / "training" / "dub_it" / "pairs.py"
    spec = importlib.util.spec_from_file_location("dub_it_pairs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pairs = _pairs_module()


@pytest.fixture(params=ltx.VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def training(pack):
    """velocity, checkpointing, loading: a module of the bridge's room for training."""
    return lambda name: pack(f"comfy_bridge.training.{name}")


def noised(version, shown):
    """What the objective gives for a scene."""
    text = ltx.conditioning(version)[0][0]
    return NoisedPair(
        shown.video, shown.audio, shown.guide, shown.reference, text, False, 25.0, shown.sigma, shown.given
    )


def awake(transformer, rank=4):
    """A LoRA that changes what a transformer says, attached."""
    lora = new_lora(transformer, rank).attach(transformer)
    random = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for layer in lora.pairs:
            layer.up.normal_(0, 0.1, generator=random)
    return lora


@pytest.mark.parametrize("layout", [PAPER, LTX_2_3])
@pytest.mark.parametrize("given", [0, 1])
def test_training_gives_the_transformer_what_a_dub_gives_it(pack, training, version, layout, given):
    model, shown = ltx.transformer(version), ltx.scene(given=given)
    with torch.no_grad():
        dub = pack("comfy_bridge.dub_it.conditioning").in_layout(model, layout)
        picture, sound = ltx.predict(dub, version, shown)
        with training("velocity").core_trains():
            found, heard = training("velocity").LtxVelocity(model, layout)(noised(version, shown))
    torch.testing.assert_close(found, picture[:, :, : shown.video.shape[2]], rtol=0, atol=2e-6)
    torch.testing.assert_close(heard, sound, rtol=0, atol=2e-6)


def test_gradients_are_those_without_checkpoints(pack, training, version):
    model, shown = ltx.transformer(version), ltx.scene()
    lora = awake(model.model.diffusion_model)
    velocity = training("velocity")
    with velocity.core_trains():
        _square(*velocity.LtxVelocity(model, PAPER)(noised(version, shown))).backward()
        found = [parameter.grad for parameter in lora.parameters()]
        lora.zero_grad()
        dub = pack("comfy_bridge.dub_it.conditioning").in_layout(model, PAPER)
        with saved_tensors_hooks(torch.clone, lambda saved: saved):
            picture, sound = ltx.predict(dub, version, shown)
        _square(picture[:, :, : shown.video.shape[2]], sound).backward()
    for gradient, parameter in zip(found, lora.parameters(), strict=True):
        assert parameter.grad.abs().max() > 0
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-7)


def test_gradients_are_those_of_finite_differences(training):
    model, shown = ltx.transformer("2.0"), ltx.scene(frames=2, sounds=5)
    lora = awake(model.model.diffusion_model)
    velocity = training("velocity")
    predict = velocity.LtxVelocity(model, PAPER)

    def loss():
        return _square(*predict(noised("2.0", shown)))

    with velocity.core_trains():
        loss().backward()
        direction = [parameter.grad / parameter.grad.norm() for parameter in lora.parameters()]
        slope = sum((d * p.grad).sum() for d, p in zip(direction, lora.parameters(), strict=True))
        around = []
        for step in (0.005, -0.01):
            with torch.no_grad():
                for each, parameter in zip(direction, lora.parameters(), strict=True):
                    parameter += step * each
                around.append(loss())
    assert ((around[0] - around[1]) / 0.01).item() == pytest.approx(slope.item(), rel=0.01)


def _square(picture, sound):
    return picture.double().square().mean() + sound.double().square().mean()


def one_block(version, silenced=True):
    """A MODEL of one block, whose self-attentions say nothing where they are `silenced`."""
    model = ltx.transformer(version, layers=1)
    block = model.model.diffusion_model.transformer_blocks[0]
    for attention in (block.attn1, block.audio_attn1) if silenced else ():
        for parameter in attention.to_out.parameters():
            parameter.data.zero_()
    return model


def crossing(training, version, layout):
    """Gradients that cross: of the picture's loss by the sound's reference, and of the sound's by the picture's."""
    model, shown = one_block(version), ltx.scene()
    guide, reference = shown.guide.clone().requires_grad_(), shown.reference.clone().requires_grad_()
    velocity = training("velocity")
    with velocity.core_trains():
        pair = noised(version, replace(shown, guide=guide, reference=reference))
        picture, sound = velocity.LtxVelocity(model, layout)(pair)
        of_picture = torch.autograd.grad(
            picture.square().mean(), reference, retain_graph=True, allow_unused=True
        )
        of_sound = torch.autograd.grad(sound.square().mean(), guide, allow_unused=True)
    return [
        0.0 if gradient is None else gradient.abs().max().item() for (gradient,) in (of_picture, of_sound)
    ]


def test_no_gradient_crosses_from_a_loss_to_the_other_stream_s_reference(training, version):
    assert crossing(training, version, PAPER) == [0.0, 0.0]
    assert min(crossing(training, version, LTX_2_3)) > 1e-7


@pytest.fixture
def folder(tmp_path, version):
    return write_pairs(tmp_path / "pairs", version, count=2)


def write_pairs(folder, version, **options):
    folder.mkdir()
    return pairs.write_records(folder, version=version, width=ltx.TEXT_WIDTH[version], **options)


def mean_losses(model, folder, predict):
    """Losses of a MODEL as it is, over all pairs at four noise levels."""
    from xdub_core.training.dub_it.examples import PairExamples
    from xdub_core.training.dub_it.records import read_manifest

    objective = PairObjective(torch.nn.Identity(), predict, PairLoss(first_frame=0))
    sums = {"video": 0.0, "audio": 0.0}
    examples = PairExamples(folder, read_manifest(folder))
    with torch.no_grad():
        for number in range(len(examples)):
            batch = {name: value[None] for name, value in examples[number].items()}
            for seed in range(4):
                losses = objective(batch, torch.Generator().manual_seed(seed))
                sums = {name: value + losses[name].item() for name, value in sums.items()}
    return sums


def test_fifty_steps_lower_both_losses_and_core_loads_the_lora(pack, training, version, folder, tmp_path):
    loading, velocity = training("loading"), training("velocity")
    model, shown = ltx.transformer(version), ltx.scene(frames=2, sounds=9)
    out, settings = tmp_path / "out", replace(SMALL, steps=50, save_every=50)
    with torch.no_grad():
        before = ltx.predict(model, version, shown)
    with velocity.core_trains():
        unlearnt = mean_losses(model, folder, velocity.LtxVelocity(model, PAPER))
        path = train_lora(settings, loading.trained(model, PAPER), folder, out)

    state, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    assert len(state) == 2 * 28 * 2
    loaded, _ = comfy.sd.load_lora_for_models(model, None, state, 1.0, 0.0, metadata)
    assert len(loaded.patches) == 28 * 2
    comfy.model_management.load_models_gpu([loaded])
    try:
        with torch.no_grad(), velocity.core_trains():
            learnt = mean_losses(model, folder, velocity.LtxVelocity(loaded, PAPER))
            with_lora = ltx.predict(loaded, version, shown)
    finally:
        loaded.detach()
    for name, value in unlearnt.items():
        assert learnt[name] < 0.97 * value, (name, learnt, unlearnt)
    with torch.no_grad():
        after = ltx.predict(model, version, shown)
    for old, new, changed in zip(before, after, with_lora, strict=True):
        assert torch.equal(old, new)
        assert (old - changed).abs().max() > 1e-3

    check_model = pack("comfy_bridge.dub_it.ltx").check_model
    check_model(loaded, PAPER)
    for other in (PAPER_RELEASE, LTX_2_3):
        with pytest.raises(SettingsError, match="was trained in the layout 'paper'"):
            check_model(loaded, other)
