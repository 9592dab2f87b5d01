"""wav2vec2 in blocks and chunks, and the files it comes in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.audio.conftest import seeded
from tests.audio.sounds import speech_like
from xdub_core.audio import wav2vec
from xdub_core.audio.encoded import wav2vec_features
from xdub_core.audio.recording import recording_from_waveform
from xdub_core.audio.wav2vec import ChunkPlan, Wav2VecEncoder, window_moments
from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
from xdub_core.errors import CheckpointError, MediaError

ONE_PASS = ChunkPlan(one_pass_rows=10**9)


def transformers_result(model, sound, normalize=True):
    """What transformers' own extractor and model give for the whole sound."""
    from transformers import Wav2Vec2FeatureExtractor

    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalize)
    values = extractor(sound, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        return model(values).last_hidden_state[0]


def everything(features):
    return features.read(0, features.rows)


@pytest.fixture
def folder(tmp_path, hf_wav2vec):
    hf_wav2vec.save_pretrained(tmp_path / "wav2vec2")
    (tmp_path / "wav2vec2" / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    return tmp_path / "wav2vec2"


@pytest.mark.parametrize("block_rows", [7, 500])
def test_convolutions_in_blocks_equal_transformers_on_the_whole(
    monkeypatch, folder, hf_wav2vec, recording, sound, block_rows
):
    monkeypatch.setattr(wav2vec, "_BLOCK_ROWS", block_rows)
    features = everything(wav2vec_features(recording, load_wav2vec(folder), ONE_PASS))
    expected = transformers_result(hf_wav2vec, sound)
    assert features.shape == expected.shape == ((len(sound) - 400) // 320 + 1, 16)
    torch.testing.assert_close(features, expected, atol=2e-5, rtol=1e-5)


def test_group_norm_statistics_follow_from_the_windows_moments():
    sound = np.random.default_rng(0).standard_normal(5003)
    blocks = iter([sound[:7], sound[7:2000], sound[2000:2003], sound[2003:]])
    mean, covariance = window_moments(blocks, kernel=10, stride=5)
    windows = np.lib.stride_tricks.sliding_window_view(sound, 10)[::5]
    np.testing.assert_allclose(mean, windows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(windows.T, bias=True), atol=1e-12)


def test_chunks_stay_close_to_one_pass(folder):
    """The docstring's hard case, at a tenth of the default lengths."""
    encoder = load_wav2vec(folder)
    default = ChunkPlan()
    core, context = default.core_rows // 10, default.context_rows // 10
    with recording_from_waveform(speech_like(60.0)[None], 16000) as recording:
        exact = everything(wav2vec_features(recording, encoder, ONE_PASS))
        errors = []
        for around in (context, 0):
            chunked = everything(wav2vec_features(recording, encoder, ChunkPlan(0, core, around)))
            errors.append(((chunked - exact).abs().max() / exact.abs().max()).item())
    assert 0 < errors[0] < 0.1
    assert errors[1] > 2 * errors[0]


def test_a_chunk_with_enough_context_to_hear_everything_is_exact(folder, recording):
    encoder = load_wav2vec(folder)
    exact = everything(wav2vec_features(recording, encoder, ONE_PASS))
    chunked = everything(wav2vec_features(recording, encoder, ChunkPlan(0, 60, 10**6)))
    torch.testing.assert_close(chunked, exact, atol=2e-5, rtol=1e-5)


def test_recordings_up_to_the_limit_run_in_one_pass():
    plan = ChunkPlan(one_pass_rows=100, core_rows=40)
    assert plan.chunk_rows(100) == 100
    assert plan.chunk_rows(101) == 40


def test_do_normalize_of_the_preprocessor_is_honoured(folder, hf_wav2vec, recording, sound):
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    features = everything(wav2vec_features(recording, load_wav2vec(folder)))
    expected = transformers_result(hf_wav2vec, sound, normalize=False)
    torch.testing.assert_close(features, expected, atol=2e-5, rtol=1e-5)


def test_models_with_a_layer_norm_in_every_convolution(tmp_path, recording, sound):
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    model = seeded(Wav2Vec2Model(config))
    save_file(
        {name: tensor.clone() for name, tensor in model.state_dict().items()}, tmp_path / "large.safetensors"
    )
    features = everything(wav2vec_features(recording, load_wav2vec(tmp_path / "large.safetensors")))
    torch.testing.assert_close(features, transformers_result(model, sound), atol=5e-5, rtol=1e-4)


class TestFiles:
    def test_old_and_new_names_prefix_and_fine_tuned_heads(self, tmp_path, folder, recording):
        expected = everything(wav2vec_features(recording, load_wav2vec(folder)))
        old = {"lm_head.weight": torch.zeros(4, 16), "wav2vec2.masked_spec_embed": torch.zeros(16)}
        for name, tensor in load_file(folder / "model.safetensors").items():
            name = name.replace("parametrizations.weight.original0", "weight_g")
            old[f"wav2vec2.{name.replace('parametrizations.weight.original1', 'weight_v')}"] = tensor
        for suffix, save in (("safetensors", save_file), ("bin", torch.save)):
            target = tmp_path / suffix
            target.mkdir()
            (target / "config.json").write_text((folder / "config.json").read_text())
            save(old, target / ("model.safetensors" if suffix == "safetensors" else "pytorch_model.bin"))
            features = everything(wav2vec_features(recording, load_wav2vec(target)))
            torch.testing.assert_close(features, expected)

    def test_one_file_without_a_config(self, tmp_path, recording, sound):
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        sizes = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
        config = Wav2Vec2Config(
            hidden_size=128, num_attention_heads=2, num_hidden_layers=1, intermediate_size=16, **sizes
        )
        model = seeded(Wav2Vec2Model(config))
        path = tmp_path / "wav2vec2.safetensors"
        save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, path)
        features = everything(wav2vec_features(recording, load_wav2vec(path)))
        torch.testing.assert_close(features, transformers_result(model, sound), atol=5e-5, rtol=1e-4)

    def test_a_whisper_model_is_named(self, tmp_path, hf_whisper):
        hf_whisper.save_pretrained(tmp_path)
        with pytest.raises(CheckpointError, match="looks like a Whisper model"):
            load_wav2vec(tmp_path)

    @pytest.mark.parametrize("with_config", [True, False])
    def test_a_missing_tensor_is_named(self, folder, with_config):
        state = load_file(folder / "model.safetensors")
        del state["encoder.layers.0.feed_forward.intermediate_dense.weight"]
        save_file(state, folder / "model.safetensors")
        if not with_config:
            (folder / "config.json").unlink()
        with pytest.raises(
            CheckpointError, match=r"1 missing \(encoder\.layers\.0\.feed_forward\.intermediate_dense"
        ):
            load_wav2vec(folder)

    def test_a_config_of_other_sizes(self, folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
        with pytest.raises(CheckpointError, match=r"of another size \(.* is .*, not \[32"):
            load_wav2vec(folder)

    @pytest.mark.parametrize(
        "change",
        [
            {"hidden_size": "16"},
            {"hidden_size": None},
            {"num_hidden_layers": 10**9},
            {"num_hidden_layers": 3},
            {"num_attention_heads": 0},
            {"num_attention_heads": 3},
            {"conv_stride": 5},
            {"conv_stride": [5, 2]},
            {"conv_dim": [10**12] * 7},
            {"hidden_act": "text"},
            {"feat_extract_norm": "none"},
            {"layer_norm_eps": float("nan")},
            {"do_stable_layer_norm": 1},
        ],
    )
    def test_a_config_of_another_writer_is_one_line(self, folder, change):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CheckpointError) as caught:
            load_wav2vec(folder)
        assert "\n" not in str(caught.value)

    def test_what_a_config_says_of_training_is_not_looked_at(self, folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(
            json.dumps(config | {"mask_time_length": 3.5, "vocab_size": None})
        )
        load_wav2vec(folder)

    def test_a_preprocessor_of_another_writer_is_one_line(self, folder):
        (folder / "preprocessor_config.json").write_text('{"do_normalize": "no"}')
        with pytest.raises(CheckpointError, match="do_normalize as 'no'"):
            load_wav2vec(folder)

    def test_a_broken_config(self, folder):
        (folder / "config.json").write_text("{")
        with pytest.raises(CheckpointError, match=r"config\.json is not readable JSON"):
            load_wav2vec(folder)


def test_silence_gives_finite_features(folder):
    with recording_from_waveform(np.zeros((1, 16000), np.float32), 16000) as recording:
        assert everything(wav2vec_features(recording, load_wav2vec(folder))).isfinite().all()


def test_the_shortest_recording_gives_one_row(folder):
    encoder = load_wav2vec(folder)
    assert (encoder.receptive_field, encoder.stride) == (400, 320)
    with recording_from_waveform(speech_like(0.025)[None], 16000) as recording:
        assert everything(wav2vec_features(recording, encoder)).shape == (1, 16)


def test_too_short_for_a_row_is_an_error(folder, monkeypatch):
    monkeypatch.setattr("xdub_core.audio.recording.MIN_SAMPLES", 1)
    with (
        recording_from_waveform(np.zeros((1, 399), np.float32), 16000) as recording,
        pytest.raises(MediaError, match="399 samples"),
    ):
        load_wav2vec(folder).sound_norm(recording)


def test_base_sizes_are_the_released_ones():
    from transformers import Wav2Vec2Config

    with torch.device("meta"):
        encoder = Wav2VecEncoder(Wav2Vec2Config())
    assert (encoder.width, encoder.rows(16000)) == (768, 49)
