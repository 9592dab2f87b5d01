"""Training a LoRA on core's own LTX-2: what the transformer is given, its gradients, and the LoRA that comes of it."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import comfy.ldm.lightricks.av_model
import comfy.model_management
import comfy.ops
import folder_paths
import ltx
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.autograd.graph import saved_tensors_hooks

import nodes
from xdub_core.dub_it.layouts import LTX_2_3, PAPER, PAPER_RELEASE
from xdub_core.errors import SettingsError, XDubError
from xdub_core.training.dub_it.examples import PairExamples
from xdub_core.training.dub_it.lora import count_parameters, new_lora, save_lora
from xdub_core.training.dub_it.objective import NoisedPair, PairLoss, PairObjective
from xdub_core.training.dub_it.records import read_manifest
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


def test_a_raw_text_goes_through_the_model_s_own_connectors(training, version):
    model, shown = ltx.transformer(version), ltx.scene()
    transformer, velocity = model.model.diffusion_model, training("velocity")
    widths = training("loading").text_widths(transformer)
    text = torch.randn(1, 7, *widths[True])
    with torch.no_grad(), velocity.core_trains():
        whole = transformer.preprocess_text_embeds(text, unprocessed=True)
        assert whole.shape[-1] in widths[False]
        predict, pair = velocity.LtxVelocity(model, PAPER), noised(version, shown)
        raw, same, other = (
            predict(replace(pair, text=each, raw_text=is_raw))[0]
            for each, is_raw in ((text, True), (whole, False), (2 * text, True))
        )
    assert torch.equal(raw, same)
    assert not torch.equal(raw, other)


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


def loaded_by_core(model, path):
    """A clone of a MODEL with a LoRA's file, by core's own node."""
    loras = Path(folder_paths.get_folder_paths("loras")[0])
    loras.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, loras / "dub.safetensors")
    (clone,) = nodes.LoraLoaderModelOnly().load_lora_model_only(model, "dub.safetensors", 1.0)
    return clone


def test_what_core_makes_of_the_file_is_what_was_trained(version, tmp_path):
    model, shown = ltx.transformer(version), ltx.scene()
    lora, path = awake(model.model.diffusion_model), tmp_path / "lora.safetensors"
    save_lora(path, lora, PAPER, version, torch.float32)
    with torch.no_grad():
        trained = ltx.predict(model, version, shown)
        lora.detach()
        plain = ltx.predict(model, version, shown)
        loaded = loaded_by_core(model, path)
        comfy.model_management.load_models_gpu([loaded])
        try:
            merged = ltx.predict(loaded, version, shown)
        finally:
            loaded.detach()
    for ours, core, without in zip(trained, merged, plain, strict=True):
        torch.testing.assert_close(ours, core, rtol=0, atol=1e-5)
        assert (ours - without).abs().max() > 1e-3


def test_fifty_steps_lower_both_losses_and_core_loads_the_lora(pack, training, version, folder, tmp_path):
    loading, velocity = training("loading"), training("velocity")
    model, shown = ltx.transformer(version, layers=1), ltx.scene(frames=2, sounds=9)
    out, settings = tmp_path / "out", replace(SMALL, steps=50, save_every=50)
    with torch.no_grad():
        before = ltx.predict(model, version, shown)
    with velocity.core_trains():
        unlearnt = mean_losses(model, folder, velocity.LtxVelocity(model, PAPER))
        path = train_lora(settings, loading.trained(model, PAPER), folder, out)

    loaded = loaded_by_core(model, path)
    assert len(loaded.patches) == 28
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


def test_the_lora_of_the_real_sizes_has_as_many_parameters_as_the_released_one():
    """1,233,125,376 at rank 128: 28 layers in each of 48 blocks, counted at the sizes of LTX-2 19B without memory."""
    with torch.device("meta"):
        real = comfy.ldm.lightricks.av_model.LTXAVModel(
            num_layers=2, dtype=torch.bfloat16, device="meta", operations=comfy.ops.disable_weight_init
        )
    lora = new_lora(real, 128)
    assert len(lora.names) == 2 * 28
    assert 24 * sum(parameter.numel() for parameter in lora.parameters()) == 1_233_125_376
    assert 24 * count_parameters(real, 128) == 1_233_125_376


@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float8_e4m3fn])
def test_frozen_weights_may_be_small(training, tmp_path, weights):
    folder, loading = write_pairs(tmp_path / "pairs", "2.0", count=1), training("loading")
    model = ltx.transformer("2.0", layers=1, dtype=weights)
    before = {name: value.clone() for name, value in model.model.diffusion_model.state_dict().items()}
    with training("velocity").core_trains():
        path = train_lora(replace(SMALL, steps=2), loading.trained(model, PAPER), folder, tmp_path / "out")
    assert all(
        torch.equal(before[name], value) for name, value in model.model.diffusion_model.state_dict().items()
    )
    made = load_file(path)
    assert all(value.isfinite().all() for value in made.values())
    assert all(made[name].abs().max() > 0 for name in made if "lora_B" in name)


def test_core_is_told_of_training_only_while_it_lasts(training):
    velocity = training("velocity")
    with pytest.raises(ZeroDivisionError), velocity.core_trains():
        assert comfy.model_management.in_training
        raise ZeroDivisionError
    assert not comfy.model_management.in_training


def test_a_change_in_place_of_what_a_gradient_needs_is_never_passed_over(training):
    """Hidden states are copied; of anything else that core might change some day, the gradient would be wrong."""
    checkpointed = training("checkpointing").checkpointed

    def block(video, audio):
        inner = video.exp()  # its gradient needs what it gives
        out = inner * 2
        inner.add_(1)
        return video.add_(out), audio.mul_(2)

    video, audio = (torch.randn(1, 2, 3, requires_grad=True) for _ in range(2))
    made = checkpointed(block, video, audio)
    with pytest.raises(RuntimeError, match="in place"):
        sum(each.sum() for each in made).backward()


PROGRAM = PACK / "nodes" / "comfy_bridge" / "training"


def program(config, model, folder, out):
    """The program's process, not waited for."""
    command = [sys.executable, PROGRAM, config, "--model", model, "--pairs", folder, "--out", out]
    command += ["--comfyui", os.environ["XDUB_INSIDE_COMFYUI"], "--device", "cpu"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def write_config(path, settings):
    own = {name: value for name, value in vars(settings).items() if value != getattr(LoraTraining(), name)}
    path.write_text(yaml.safe_dump(own))
    return path


def test_a_run_that_was_killed_ends_as_one_that_was_not(training, tmp_path):
    folder = write_pairs(tmp_path / "pairs", "2.0")
    model, settings = ltx.write_transformer(tmp_path / "ltx.safetensors", "2.0", 1), replace(SMALL, steps=20)
    loaded = training("loading").load_trained(model, PAPER, "float32")
    with training("velocity").core_trains():
        whole = train_lora(settings, loaded, folder, tmp_path / "whole")

    out, config = tmp_path / "killed", write_config(tmp_path / "config.yaml", settings)
    process = program(config, model, folder, out)
    for line in process.stdout:
        if line.startswith("step 3 of 20"):
            process.kill()
            break
    else:
        pytest.fail(process.stderr.read()[-2000:])
    process.communicate()
    assert not (out / "lora.safetensors").exists()
    process = program(config, model, folder, out)
    told, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    assert "step 1 of" not in told  # it goes on, and does not begin anew
    for name in ("lora.safetensors", "lora-000003.safetensors", "checkpoint.safetensors"):
        ours, theirs = load_file(whole.with_name(name)), load_file(out / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


@pytest.fixture
def own_signals():
    """What handled signals before the test does so after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_loses_nothing(training, tmp_path, monkeypatch, own_signals, number):
    folder, out = write_pairs(tmp_path / "pairs", "2.0"), tmp_path / "out"
    model = ltx.write_transformer(tmp_path / "ltx.safetensors", "2.0", 1)
    settings = replace(SMALL, checkpoint_every=100)
    run, told = training("program"), []

    def say(line):
        told.append(line.split(":")[0])
        if line.startswith("step 3 ") and told.count("step 3 of 6") == 1:
            signal.raise_signal(number)

    monkeypatch.setattr(run, "_say", say)
    with pytest.raises(KeyboardInterrupt):
        run.train(settings, model, folder, out)
    run.train(settings, model, folder, out)
    assert [line for line in told if line.startswith("step ")] == [
        f"step {step} of 6" for step in range(1, 7)
    ]
    assert told[0].startswith("LTX-2.0 on cpu")


def test_a_version_that_no_lora_for_dubbing_is_of_is_refused(training, monkeypatch):
    loading = training("loading")
    monkeypatch.setattr(loading, "ltx_version", lambda model: "2.5")
    _told("the model is LTX-2.5", lambda: loading.trained(ltx.transformer("2.3", layers=1), PAPER))


def test_what_is_wrong_is_told_in_a_line(training, tmp_path):
    folder, loading = write_pairs(tmp_path / "pairs", "2.0", count=1), training("loading")
    model = ltx.write_transformer(tmp_path / "ltx.safetensors", "2.3", layers=1)
    _told("there is no model file", lambda: loading.load_trained(tmp_path / "none", PAPER, "float32"))
    (tmp_path / "text.safetensors").write_text("no weights")
    _told("text.safetensors", lambda: loading.load_trained(tmp_path / "text.safetensors", PAPER, "float32"))
    _told(
        "no model that ComfyUI knows",
        lambda: loading.load_trained(next(folder.glob("pairs/*")), PAPER, "float32"),
    )
    loaded = loading.load_trained(model, PAPER, "file")
    _told("LTX-2.0, and the model is LTX-2.3", lambda: train_lora(SMALL, loaded, folder, tmp_path / "out"))

    config = write_config(tmp_path / "config.yaml", SMALL)
    process = program(config, model, tmp_path, tmp_path / "out")
    _, errors = process.communicate()
    assert process.returncode == 2
    assert errors.startswith(f"{tmp_path / 'records.json'} cannot be read")
    assert errors.count("\n") == 1


def _told(words, run):
    with pytest.raises(XDubError, match=words) as told:
        run()
    assert "\n" not in str(told.value)
