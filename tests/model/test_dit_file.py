"""Loading checkpoints: exact where right, and plain-spoken where wrong."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from tests.model.conftest import SMALL
from tests.weights.files import FIRST_BYTES
from xdub_core.errors import CheckpointError
from xdub_core.model.config import DiTConfig, config_from_values
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import load_dit, save_dit
from xdub_core.weights.identify import describe_file
from xdub_core.weights.kinds import Kind


def test_saved_model_comes_back_whole(small_dit, tmp_path):
    save_dit(small_dit, tmp_path / "model.safetensors")
    loaded = load_dit(tmp_path / "model.safetensors")
    assert loaded.config == SMALL
    assert all(torch.equal(loaded.state_dict()[name], t) for name, t in small_dit.state_dict().items())
    assert not any(p.requires_grad for p in loaded.parameters())


def test_sizes_come_from_the_shapes_where_the_file_does_not_state_them(tmp_path):
    config = DiTConfig(
        dim=256, heads=2, layers=1, ffn_dim=64, frequency_dim=16, text_dim=8, audio_dim=12,
        audio_inner_dim=128, audio_layers=1,
    )  # fmt: skip
    save_file(XDubDiT(config).state_dict(), tmp_path / "released_layout.safetensors")
    assert load_dit(tmp_path / "released_layout.safetensors").config == config


def test_sizes_are_stated_where_comfyui_looks_for_them(small_dit, tmp_path):
    stated = json.loads(_config_metadata(small_dit, tmp_path)["config"])["transformer"]["xdub"]
    assert config_from_values(stated) == SMALL


STATED = asdict(SMALL)
NO_CONFIG = {
    "no JSON": "dim=48",
    "cut JSON": '{"transformer": {"xdub": {"dim": 4',
    "nested too deep": "[" * 100_000,
    "null": "null",
    "a list": "[1, 2]",
    "null within": '{"transformer": null}',
    "null for the sizes": {"xdub": None},
    "a list for the sizes": {"xdub": [1, 2]},
    "an unknown field": {"xdub": {**STATED, "rope": 1}},
    "a field too few": {"xdub": {name: value for name, value in STATED.items() if name != "patch"}},
    "text for a number": {"xdub": {**STATED, "heads": "2"}},
    "true for a number": {"xdub": {**STATED, "layers": True}},
    "a fraction for a count": {"xdub": {**STATED, "dim": 48.0}},
    "a number for true": {"xdub": {**STATED, "background": 0}},
    "a number for a list": {"xdub": {**STATED, "patch": 2}},
    "a list too short": {"xdub": {**STATED, "patch": [2, 2]}},
    "texts in a list": {"xdub": {**STATED, "patch": ["1", "2", "2"]}},
    "null for a number": {"xdub": {**STATED, "eps": None}},
    "an infinite number": {"xdub": {**STATED, "eps": float("inf")}},
    "a number beyond all floats": {"xdub": {**STATED, "eps": 10**400}},
    "no number": {"xdub": {**STATED, "eps": float("nan")}},
    "zero": {"xdub": {**STATED, "heads": 0}},
    "a negative size": {"xdub": {**STATED, "ffn_dim": -96}},
    "an absurd size": {"xdub": {**STATED, "ffn_dim": 10**15}},
    "a large size": {"xdub": {**STATED, "ffn_dim": 60_000}},
    "absurdly many layers": {"xdub": {**STATED, "layers": 60_000}},
    "another patch": {"xdub": {**STATED, "patch": [1, 4, 4]}},
    "other latents": {"xdub": {**STATED, "latent_channels": 8}},
    "heads that divide nothing": {"xdub": {**STATED, "heads": 7}},
    "audio heads that divide nothing": {"xdub": {**STATED, "audio_head_dim": 5}},
}


@pytest.mark.parametrize("case", NO_CONFIG)
def test_metadata_that_states_no_sizes_is_one_line(small_dit, tmp_path, case):
    """Anybody's program may have written it; nothing of a stated size is built before the tensors agree with it."""
    stated, path = NO_CONFIG[case], tmp_path / "model.safetensors"
    text = stated if isinstance(stated, str) else json.dumps({"transformer": stated})
    save_file(small_dit.state_dict(), path, metadata={"config": text})
    with pytest.raises(CheckpointError, match=r"model\.safetensors: its metadata ") as caught:
        load_dit(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("text", ["{}", '{"transformer": {"num_layers": 3}}', '{"vae": {}}'])
def test_what_others_state_there_is_left_to_them(tmp_path, text):
    config = DiTConfig(
        dim=256, heads=2, layers=1, ffn_dim=64, frequency_dim=16, text_dim=8, audio_dim=12,
        audio_inner_dim=128, audio_layers=1,
    )  # fmt: skip
    save_file(XDubDiT(config).state_dict(), tmp_path / "m.safetensors", metadata={"config": text})
    assert load_dit(tmp_path / "m.safetensors").config == config


def test_files_of_the_first_version_lack_later_fields(small_dit, tmp_path):
    stated = {name: value for name, value in STATED.items() if name not in ("background", "residual")}
    metadata = {"config": json.dumps({"transformer": {"xdub": stated}})}
    save_file(small_dit.state_dict(), tmp_path / "m.safetensors", metadata=metadata)
    assert load_dit(tmp_path / "m.safetensors").config == SMALL


@pytest.mark.parametrize("shape", [(), (48,), (48, 4, 1, 2, 2, 2), (0, 0, 0, 0, 0)])
def test_shapes_that_tell_no_sizes_are_one_line(small_dit, tmp_path, shape):
    state = small_dit.state_dict() | {"patch_embedding.weight": torch.zeros(shape)}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        load_dit(tmp_path / "model.safetensors")
    assert "\n" not in str(caught.value)


def test_names_with_comfyui_prefix_are_understood(small_dit, tmp_path):
    state = {f"model.diffusion_model.{name}": t for name, t in small_dit.state_dict().items()}
    save_file(state, tmp_path / "m.safetensors", metadata=_config_metadata(small_dit, tmp_path))
    assert load_dit(tmp_path / "m.safetensors").config == SMALL


def test_weights_are_cast_to_the_asked_dtype(small_dit, tmp_path):
    save_dit(small_dit, tmp_path / "model.safetensors")
    loaded = load_dit(tmp_path / "model.safetensors", dtype=torch.bfloat16)
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}


def _config_metadata(model, folder):
    save_dit(model, folder / "config_source.safetensors")
    return dict(describe_file(folder / "config_source.safetensors").metadata)


def _changed(model, change):
    state = dict(model.state_dict())
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("blocks.1.audio_attn.q.weight"),
            r"1 missing \(blocks.1.audio_attn.q.weight\)",
        ),
        (lambda state: state.update(extra=torch.zeros(1)), r"1 unexpected \(extra\)"),
        (
            lambda state: state.update({"head.head.bias": torch.zeros(3)}),
            r"1 of another size \(head.head.bias is \[3\], not \[16\]\)",
        ),
    ],
)
def test_incomplete_checkpoint_names_the_tensors(small_dit, tmp_path, change, message):
    path = tmp_path / "model.safetensors"
    save_file(_changed(small_dit, change), path, metadata=_config_metadata(small_dit, tmp_path))
    with pytest.raises(CheckpointError, match=message):
        load_dit(path)


def test_plain_wan_checkpoint_is_recognised(reference, tmp_path):
    keys = json.loads((reference / "xdub_checkpoint_keys.json").read_text())
    plain = {name: torch.zeros(1) for name in keys if "audio" not in name and "norm4" not in name}
    plain["patch_embedding.weight"] = torch.zeros(3072, 48, 1, 2, 2)
    save_file(plain, tmp_path / "wan.safetensors")
    with pytest.raises(
        CheckpointError, match=r": 420 missing \(audio_emb.*looks like a plain Wan2\.2-TI2V-5B"
    ):
        load_dit(tmp_path / "wan.safetensors")


OTHER_MODELS = {
    "a LoRA": {"blocks.0.self_attn.q.lora_A.weight": torch.zeros(4, 8)},
    r"the Wan2\.2 VAE": {
        "decoder.conv1.weight": torch.zeros(8, 48, 3, 3, 3),
        "encoder.conv1.weight": torch.zeros(8),
    },
    "a Whisper model": {"model.encoder.layers.0.fc1.weight": torch.zeros(2)},
    "something unknown, with tensors such as something": {"something": torch.zeros(1)},
}


@pytest.mark.parametrize("what", OTHER_MODELS)
def test_other_models_are_named(tmp_path, what):
    save_file(OTHER_MODELS[what], tmp_path / "file.safetensors")
    with pytest.raises(CheckpointError, match=f"1245 missing .*it looks like {what}; ") as caught:
        load_dit(tmp_path / "file.safetensors")
    assert "\n" not in str(caught.value)


def test_quantised_checkpoint_is_sent_to_comfyui(small_dit, tmp_path):
    state = _changed(small_dit, lambda s: s.update(scaled_fp8=torch.zeros(0)))
    save_file(state, tmp_path / "fp8.safetensors")
    with pytest.raises(CheckpointError, match="ComfyUI's nodes"):
        load_dit(tmp_path / "fp8.safetensors")


@pytest.mark.parametrize("kind", [Kind.GGUF, Kind.EMPTY, Kind.LFS_POINTER, Kind.WEB_PAGE])
def test_what_holds_no_tensors_is_refused_by_its_first_bytes(tmp_path, kind):
    path = tmp_path / "model.safetensors"
    path.write_bytes(FIRST_BYTES[kind])
    with pytest.raises(CheckpointError, match=f"model.safetensors is {kind.value}: "):
        load_dit(path)


def test_pickles_are_not_loaded(small_dit, tmp_path):
    torch.save(small_dit.state_dict(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="only safetensors"):
        load_dit(tmp_path / "model.pt")


@pytest.mark.parametrize("cut", [20, 4000])
def test_damaged_file_is_called_damaged(small_dit, tmp_path, cut):
    save_dit(small_dit, tmp_path / "whole.safetensors")
    path = tmp_path / "cut.safetensors"
    path.write_bytes((tmp_path / "whole.safetensors").read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        load_dit(path)


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="not there"):
        load_dit(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="a folder"):
        load_dit(tmp_path)
