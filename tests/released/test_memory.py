"""What fits is dubbed, and what does not is refused with numbers before any work; on hollow files of the real sizes."""

import importlib.util
import json
import math
import struct
import sys

import pytest
import torch

from tests.cli.conftest import Outcome, files, originals, run  # noqa: F401 (fixtures)
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.model.config import RELEASED
from xdub_core.model.dit import XDubDiT
from xdub_core.released import free_memory as memory
from xdub_core.released import memory as released_memory
from xdub_core.released.empty_prompt import save_empty_prompt
from xdub_core.released.manifest import released_file
from xdub_core.released.memory import CACHED_PER_PIXEL, Plan, chosen_dtype, chosen_vae_dtype
from xdub_core.vae.wan import _cache_length, wan_network_class
from xdub_core.weights.identify import describe_file

needs_diffsynth = pytest.mark.skipif(
    importlib.util.find_spec("diffsynth") is None or importlib.util.find_spec("einops") is None,
    reason="diffsynth is not installed",
)
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere holes in files take room on the disk"
)
ENCODERS = (
    {"encoder.conv1.weight": (637_000_000,)},
    {"feature_extractor.conv_layers.0.conv.weight": (94_000_000,)},
)


def write_hollow(path, shapes, dtype="BF16"):
    """A safetensors file whose tensors are a hole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    described = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(described)) + described)
        file.truncate(8 + len(described) + offset)
    return path


def shapes_of(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of the release, without a number in it."""
    folder = tmp_path_factory.mktemp("hollow")
    write_hollow(folder / released_file("model").path, shapes_of(XDubDiT(RELEASED, device="meta")))
    write_hollow(folder / released_file("vae").path, {"conv1.weight": (704_688_668,)}, "F32")
    write_hollow(
        folder / released_file("whisper").path, ENCODERS[0] | {"decoder.rest": (904_000_000,)}, "F16"
    )
    wav2vec = folder / released_file("wav2vec").path
    write_hollow(wav2vec / "model.safetensors", ENCODERS[1], "F32")
    for name in ("config.json", "preprocessor_config.json"):
        (wav2vec / name).write_text("{}")
    save_empty_prompt(folder / "empty_prompt.safetensors", torch.zeros(1, 4096))
    return folder


def plan(models, **changes):
    dit = describe_file(models / released_file("model").path)
    given = {"device": "cpu", "dtype": torch.bfloat16, "batched": True, "settings": DubSettings()} | changes
    return Plan(models, dit, **given)


def total(a_plan):
    return sum(part.bytes for part in a_plan.parts)


def test_on_a_cpu_the_large_model_is_the_mapped_file_and_a_small_one_stays_in_float32(models, tmp_path):
    large = describe_file(models / released_file("model").path)
    small = describe_file(write_hollow(tmp_path / "small.safetensors", {"a": (1000,)}))
    whole = describe_file(write_hollow(tmp_path / "f32.safetensors", {"a": (2_000_000_000,)}, "F32"))
    half = describe_file(write_hollow(tmp_path / "f16.safetensors", {"a": (2_000_000_000,)}, "F16"))
    assert chosen_dtype(large, "cpu") is torch.bfloat16
    assert chosen_dtype(small, "cpu") is torch.float32
    assert chosen_dtype(whole, "cpu") is torch.float32  # the file's own numbers
    assert chosen_dtype(half, "cpu") is torch.bfloat16
    assert {chosen_dtype(found, "cuda") for found in (large, small, whole, half)} == {torch.bfloat16}


def test_on_a_cpu_the_vae_stays_in_its_files_float32(models, tmp_path):
    vae = describe_file(models / released_file("vae").path)
    half = describe_file(write_hollow(tmp_path / "half.safetensors", {"a": (1000,)}, "F16"))
    assert chosen_vae_dtype(vae, "cpu", torch.bfloat16) is torch.float32
    assert chosen_vae_dtype(vae, "cuda", torch.bfloat16) is torch.bfloat16
    assert chosen_vae_dtype(half, "cpu", torch.bfloat16) is torch.bfloat16


def test_what_is_mapped_is_not_owned(models):
    small = DubSettings(crop_size=128)
    assert total(plan(models, settings=small)) == pytest.approx(2.9e9, rel=0.1)  # the encoders
    assert total(plan(models, settings=small, dtype=torch.float32)) > 25e9
    assert total(plan(models, settings=small, device="cuda")) > 12.6e9 + 1.4e9


def test_less_is_needed_branch_by_branch_and_of_smaller_crops(models):
    whole = total(plan(models, device="cuda"))
    assert whole == pytest.approx(18e9, rel=0.15)
    assert total(plan(models, device="cuda", settings=DubSettings(crop_size=256))) < whole - 2e9
    batched, single = (
        released_memory.sampling_bytes(plan(models, batched=batched)) for batched in (True, False)
    )
    assert single < 0.5 * batched


def test_what_does_not_fit_is_refused_with_numbers_and_what_helps(models, monkeypatch):
    needed = total(plan(models, device="cuda"))
    monkeypatch.setattr(released_memory, "free_memory", lambda device: needed)
    plan(models, device="cuda").check()
    monkeypatch.setattr(released_memory, "free_memory", lambda device: None)  # nobody knows
    plan(models, device="cuda").check()
    monkeypatch.setattr(released_memory, "free_memory", lambda device: 11_900_000_000)
    with pytest.raises(
        SettingsError, match=r"about 1\d\.\d GB of memory on cuda \(the model 12\.6 GB.*11\.9 GB are free"
    ):
        plan(models, device="cuda").check()


@needs_diffsynth
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_command_line_refuses_before_any_work(run, files, models, monkeypatch, dtype):  # noqa: F811
    monkeypatch.setattr(released_memory, "free_memory", lambda device: 8_000_000_000)
    monkeypatch.setattr("xdub_core.cli.dub.follow_faces", lambda *_, **__: pytest.fail("the work began"))
    outcome: Outcome = run(
        "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4",
        "--models-dir", models, "--box", "16,8,80,72", "--device", "cpu", "--dtype", dtype,
    )  # fmt: skip
    assert outcome.code == 2, outcome.err
    assert "8.0 GB are free" in outcome.err
    assert ("--dtype bfloat16" in outcome.err) is (dtype == "float32")


@needs_diffsynth
def test_the_decoders_cache_is_as_large_as_is_counted_with():
    with torch.device("meta"), torch.inference_mode():
        network, cache = wan_network_class()(), None
        for _ in range(2):
            first, cache = cache is None, cache or [None] * _cache_length(network)
            z = network.conv2(torch.empty(1, 48, 1, 4, 4))
            result = network.decoder(z, feat_cache=cache, feat_idx=[0], first_chunk=first)
            cache = result[1] if isinstance(result, tuple) else cache
    kept = sum(entry.numel() for entry in cache if isinstance(entry, torch.Tensor))
    assert kept == pytest.approx(CACHED_PER_PIXEL * 64**2, rel=0.01)


def test_free_memory_is_what_the_system_says_at_most(monkeypatch, tmp_path):
    assert 0 < memory.free_memory("cpu") < 2**50
    assert memory.free_memory("meta") is None
    table = tmp_path / "meminfo"
    table.write_text("MemTotal: 100 kB\nMemAvailable:  80 kB\nSwapFree: 20 kB\nHugePages_Total: 0\n")
    monkeypatch.setattr(memory, "_MEMINFO", table)
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path / "absent")
    assert memory.free_memory("cpu") == 100 * 1024


@pytest.mark.parametrize(("stated", "expected"), [("max", 100 * 1024), ("50000", 50000 - 30000 + 10000)])
def test_a_containers_limit_counts(monkeypatch, tmp_path, stated, expected):
    table = tmp_path / "meminfo"
    table.write_text("MemAvailable: 100 kB\n")
    for name, text in {"max": stated, "current": "30000", "stat": "anon 1\ninactive_file 10000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "_MEMINFO", table)
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    assert memory.free_memory("cpu") == expected


def test_what_does_not_fit_as_a_whole_comes_block_by_block(models, monkeypatch):
    monkeypatch.setattr(released_memory, "free_memory", lambda device: 8_000_000_000)
    placed = plan(models, device="cuda").placed()
    assert (placed.batched, placed.resident) == (False, 5)
    placed.check()
    monkeypatch.setattr(released_memory, "free_memory", lambda device: 24_000_000_000)
    assert plan(models, device="cuda").placed() == plan(models, device="cuda")
    small = plan(models, device="cuda", budget=6_000_000_000).placed()  # less than is free
    assert small.resident == 0
    with pytest.raises(SettingsError, match=r"3\.0 GB are allowed: try a smaller --crop-size"):
        plan(models, device="cuda", budget=3_000_000_000).placed().check()


def test_on_a_cpu_nothing_is_moved(run, files, models, monkeypatch):  # noqa: F811
    monkeypatch.setattr(released_memory, "free_memory", lambda device: 1_000)
    assert plan(models).placed() == plan(models)
    told = {"12": "on a CPU there is nothing to move", "much": "a number of GB", "-3": "a number of GB"}
    given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")
    for limit, words in told.items():
        outcome = run("dub", *given, "--models-dir", models, "--device", "cpu", "--memory", limit)
        assert outcome.code == 2 and words in outcome.err, outcome.err


def test_the_table_of_cards_is_shown(run):  # noqa: F811
    outcome = run("models", "memory", "8", "3")
    assert outcome.code == 0, outcome.err
    assert "5 of 30" in outcome.out and "needs 5." in outcome.out
