"""The mini's folder of files: what was saved is loaded, and nothing else is."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.mini.card import CARD, MiniCard, load_card
from xdub_core.mini.face_landmarks import LandmarkConfig, LandmarkFinder, LandmarkNet
from xdub_core.mini.identity_net import IdentityConfig, IdentityNet
from xdub_core.mini.network_files import (
    MiniNetworks,
    load_network,
    load_networks,
    save_network,
    save_networks,
)
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.mini.syncnet import SyncConfig, SyncNet
from xdub_core.mini.vae_net import VAEConfig, VAENet


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return MiniNetworks(
        vae=VAENet(VAEConfig()),
        phonemes=PhonemeNet(PhonemeConfig(phonemes=50)),
        sync=SyncNet(SyncConfig()),
        landmarks=LandmarkFinder(LandmarkNet(LandmarkConfig()), LandmarkNet(LandmarkConfig())),
        identity=IdentityNet(IdentityConfig()),
    )


@pytest.fixture
def folder(networks, tmp_path):
    save_networks(networks, tmp_path)
    return tmp_path


def test_what_was_saved_is_loaded(networks, tmp_path):
    save_networks(networks, tmp_path, half=False)
    loaded = load_networks(tmp_path)
    for name in ("vae", "phonemes", "sync", "identity"):
        saved = getattr(networks, name).state_dict()
        for key, tensor in getattr(loaded, name).state_dict().items():
            assert torch.equal(tensor, saved[key])
    assert torch.equal(loaded.landmarks.near.fold.weight, networks.landmarks.near.fold.weight)
    assert not any(p.requires_grad for p in loaded.vae.parameters())


def test_half_precision_halves_the_files_and_changes_little(networks, folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
    frames = torch.rand(1, 5, 3, 16, 16)
    difference = load_networks(folder).vae.moments(frames)[0] - networks.vae.moments(frames)[0]
    assert difference.abs().max() < 0.01


def test_no_partial_files_stay(folder):
    assert {path.suffix for path in folder.iterdir()} == {".safetensors"}


def test_a_missing_file_is_named(folder):
    (folder / "sync.safetensors").unlink()
    with pytest.raises(MissingModelError, match=r"sync\.safetensors.*train mini"):
        load_networks(folder)


def test_a_damaged_file_is_named(folder):
    path = folder / "codec.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"codec\.safetensors is damaged"):
        load_networks(folder)


def test_another_networks_file_is_refused(folder):
    (folder / "sync.safetensors").write_bytes((folder / "codec.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="holds codec, not sync"):
        load_network("sync", folder)


def test_a_strangers_file_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "codec.safetensors")
    with pytest.raises(CheckpointError, match="no network of xdub-mini"):
        load_network("codec", tmp_path)


def test_a_tensor_too_few_is_refused(networks, folder):
    path = folder / "identity.safetensors"
    state = networks.identity.state_dict()
    del state["embed.bias"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks.identity, "state_dict", lambda: state)
        save_network("identity", networks.identity, folder)
    assert "embed.bias" not in load_file(path)
    with pytest.raises(CheckpointError, match=r"identity\.safetensors is of another version"):
        load_network("identity", folder)


SIZES = asdict(SyncConfig())
STATED = {
    "no JSON": "sync",
    "null": "null",
    "null for the sizes": {"network": "sync", "sizes": None},
    "no sizes": {"network": "sync"},
    "a field too few": {"network": "sync", "sizes": {k: v for k, v in SIZES.items() if k != "crop"}},
    "an unknown field": {"network": "sync", "sizes": SIZES | {"depth": 3}},
    "text for a number": {"network": "sync", "sizes": SIZES | {"width": "64"}},
    "an absurd size": {"network": "sync", "sizes": SIZES | {"width": 10**12}},
    "a large size": {"network": "sync", "sizes": SIZES | {"width": 60_000}},
    "a size that makes no network": {"network": "sync", "sizes": SIZES | {"crop": 0}},
    "another network by a list": {"network": ["sync"], "sizes": SIZES},
}


@pytest.mark.parametrize("case", STATED)
def test_metadata_of_another_writer_is_one_line(networks, tmp_path, case):
    text = STATED[case] if isinstance(STATED[case], str) else json.dumps(STATED[case])
    save_file(networks.sync.state_dict(), tmp_path / "sync.safetensors", metadata={"xdub_mini": text})
    with pytest.raises(CheckpointError, match=r"sync\.safetensors") as caught:
        load_network("sync", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '{"crop": "96"}', '{"crop": 100}', '{"steps": 0}', '{"look": 1}', '{"shift": 1e999}'],
)
def test_a_card_of_another_writer_is_one_line(tmp_path, text):
    (tmp_path / CARD).write_text(text)
    with pytest.raises(CheckpointError, match=r"mini\.json"):
        load_card(tmp_path)


def test_a_card_may_state_less(tmp_path):
    (tmp_path / CARD).write_text('{"crop": 64, "audio_scale": 2}')
    assert load_card(tmp_path) == MiniCard(crop=64, audio_scale=2.0)
