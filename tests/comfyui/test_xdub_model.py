"""Core's own loader takes X-Dub's files for what they are."""

import json
from dataclasses import asdict

import folder_paths
import pytest
import torch
from models import RELEASED_HEADS, load_model, put_model, random_state
from safetensors.torch import save_file

from xdub_core.errors import CheckpointError
from xdub_core.model.config import RELEASED, config_from_values
from xdub_core.model.dit_file import load_dit


def test_released_layout_is_loaded_as_xdub_with_all_sizes_from_its_shapes():
    model = load_model(put_model("plain.safetensors", random_state(RELEASED_HEADS)))
    assert type(model.model).__name__ == "XDubModel"
    assert model.model.diffusion_model.config == RELEASED_HEADS
    assert type(model.model.latent_format).__name__ == "Wan22"
    state = model.model.diffusion_model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in random_state(RELEASED_HEADS).items())


def test_the_released_files_own_tensor_list_is_recognised_and_fits_to_the_last_tensor(reference):
    """On the meta device: names and shapes of all 6.29 B parameters, and no memory."""
    import comfy.model_detection

    shapes = json.loads((reference / "xdub_checkpoint_keys.json").read_text())
    state = {name: torch.empty(shape, dtype=torch.bfloat16, device="meta") for name, shape in shapes.items()}
    config = comfy.model_detection.model_config_from_unet(state, "")
    config.set_inference_dtype(torch.bfloat16, None)
    model = config.get_model(state, "", device=torch.device("meta"))
    assert type(model).__name__ == "XDubModel"
    assert model.diffusion_model.config == RELEASED
    assert {name: list(x.shape) for name, x in model.diffusion_model.state_dict().items()} == shapes


def test_checkpoint_with_comfyui_prefix_is_loaded_too():
    state = {f"model.diffusion_model.{name}": x for name, x in random_state(RELEASED_HEADS).items()}
    model = load_model(put_model("prefixed.safetensors", state))
    assert model.model.diffusion_model.config == RELEASED_HEADS


def test_heads_that_shapes_do_not_show_come_from_the_metadata():
    config = config_from_values(
        {**vars(RELEASED_HEADS), "heads": 8, "audio_head_dim": 32, "latent_channels": 12}
    )
    model = load_model(put_model("mini.safetensors", random_state(config), config))
    assert model.model.diffusion_model.config == config
    assert model.model.latent_format.latent_channels == 12


def test_generator_of_stage_one_is_refused():
    config = config_from_values({**vars(RELEASED_HEADS), "background": True})
    with pytest.raises(Exception, match="stage I"):
        load_model(put_model("generator.safetensors", random_state(config)))


def test_wan_without_audio_is_still_wan():
    config = config_from_values({**vars(RELEASED_HEADS), "layers": 1, "frequency_dim": 256, "text_dim": 4096})
    state = {
        name: x for name, x in random_state(config).items() if "audio" not in name and "norm4" not in name
    }
    model = load_model(put_model("wan.safetensors", state))
    assert type(model.model).__name__ == "WAN22"


STATED = json.loads(json.dumps(asdict(RELEASED_HEADS)))
NO_SIZES = {
    "null": None,
    "a list": [1],
    "an unknown field": STATED | {"rope": 1},
    "a field too few": {name: value for name, value in STATED.items() if name != "patch"},
    "text for a number": STATED | {"heads": "2"},
    "an absurd size": STATED | {"ffn_dim": 10**12},
    "a size that is not the tensors'": STATED | {"ffn_dim": 60_000},
    "layers that are not there": STATED | {"layers": 3},
}


@pytest.mark.parametrize("case", NO_SIZES)
def test_metadata_of_another_writer_is_the_same_line_of_error_as_on_the_command_line(case):
    name = put_model("odd.safetensors", random_state(RELEASED_HEADS))
    path = folder_paths.get_full_path("diffusion_models", name)
    metadata = {"config": json.dumps({"transformer": {"xdub": NO_SIZES[case]}})}
    save_file(random_state(RELEASED_HEADS), path, metadata=metadata)
    with pytest.raises(Exception, match="the checkpoint's metadata") as here:
        load_model(name)
    with pytest.raises(CheckpointError, match="its metadata") as there:
        load_dit(path)
    told = str(there.value).removeprefix(f"{path}: its metadata")
    assert str(here.value).removeprefix("the checkpoint's metadata") == told
