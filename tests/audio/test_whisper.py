"""Whisper's encoder and the files it comes in."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save_file

from tests.audio.test_log_mel import one_pass
from xdub_core.audio.encoded import whisper_features
from xdub_core.audio.log_mel import LogMel
from xdub_core.audio.recording import recording_from_waveform
from xdub_core.audio.whisper import WhisperAudioEncoder, WhisperSizes, load_whisper
from xdub_core.errors import CheckpointError, MissingModelError

TO_OPENAI = (
    ("self_attn.q_proj", "attn.query"),
    ("self_attn.k_proj", "attn.key"),
    ("self_attn.v_proj", "attn.value"),
    ("self_attn.out_proj", "attn.out"),
    ("self_attn_layer_norm", "attn_ln"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("final_layer_norm", "mlp_ln"),
    ("embed_positions.weight", "positional_embedding"),
    ("layer_norm", "ln_post"),
    ("layers.", "blocks."),
)


def openai_state(model):
    state = {"decoder.token_embedding.weight": torch.zeros(12, 16)}
    for name, tensor in model.encoder.state_dict().items():
        for ours, theirs in TO_OPENAI:
            name = name.replace(ours, theirs)
        state[f"encoder.{name}"] = tensor
    return state


def openai_dims(**changes):
    return {
        "n_mels": 80,
        "n_audio_ctx": 50,
        "n_audio_state": 16,
        "n_audio_head": 4,
        "n_audio_layer": 2,
    } | changes


@pytest.fixture
def openai_file(tmp_path, hf_whisper):
    path = tmp_path / "tiny.pt"
    torch.save({"dims": openai_dims(), "model_state_dict": openai_state(hf_whisper)}, path)
    return path


@pytest.fixture
def mel(recording):
    return LogMel(recording).read(0, 100)


def last_block(model, mel):
    """What leaves the last block of a transformers model, caught by a hook."""
    caught = []
    handle = model.encoder.layers[-1].register_forward_hook(
        lambda module, inputs, output: caught.append(output)
    )
    with torch.no_grad():
        model.encoder(mel[None])
    handle.remove()
    return (caught[0][0] if isinstance(caught[0], tuple) else caught[0])[0]


def test_features_are_the_last_blocks_output(openai_file, hf_whisper, mel):
    features = load_whisper(openai_file).encode(mel)
    torch.testing.assert_close(features, last_block(hf_whisper, mel), atol=1e-5, rtol=1e-5)


def test_all_file_formats_give_the_same(tmp_path, openai_file, hf_whisper, mel):
    expected = load_whisper(openai_file).encode(mel)
    hf_whisper.save_pretrained(tmp_path / "folder")
    prefixed = {f"model.{name}": tensor.clone() for name, tensor in hf_whisper.state_dict().items()}
    (tmp_path / "whole").mkdir()
    save_file(prefixed, tmp_path / "whole" / "whisper.safetensors")
    (tmp_path / "whole" / "config.json").write_text((tmp_path / "folder" / "config.json").read_text())
    (tmp_path / "bin").mkdir()
    torch.save(prefixed, tmp_path / "bin" / "pytorch_model.bin")
    (tmp_path / "bin" / "config.json").write_text((tmp_path / "folder" / "config.json").read_text())
    hf_whisper.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    assert (tmp_path / "sharded" / "model.safetensors.index.json").is_file()
    for path in (
        "folder",
        "whole/whisper.safetensors",
        "whole/../folder/model.safetensors",
        "bin",
        "sharded",
    ):
        torch.testing.assert_close(load_whisper(tmp_path / path).encode(mel), expected, msg=path)


def test_sizes_come_from_the_tensors_where_there_is_no_config(tmp_path):
    encoder = WhisperAudioEncoder(WhisperSizes(positions=10, width=128, heads=2, layers=3, inner=32))
    state = {f"encoder.{k}": torch.zeros(v.shape) for k, v in encoder.encoder.state_dict().items()}
    state |= {"encoder.layer_norm.weight": torch.ones(128), "encoder.layer_norm.bias": torch.zeros(128)}
    save_file(state, tmp_path / "whisper.safetensors")
    assert load_whisper(tmp_path / "whisper.safetensors").sizes == encoder.sizes


def test_released_sizes_are_large_v2s():
    with torch.device("meta"):
        encoder = WhisperAudioEncoder(WhisperSizes())
    convolutions = 1280 * (80 * 3 + 1) + 1280 * (1280 * 3 + 1)
    block = 4 * 1280 * 1280 + 3 * 1280 + 2 * 1280 * 5120 + 5120 + 1280 + 4 * 1280
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    assert parameters == convolutions + 1500 * 1280 + 32 * block
    assert (encoder.width, encoder.chunk_frames) == (1280, 3000)


def test_chunks_are_encoded_alone_and_the_last_is_padded_in_the_mel_domain(openai_file, recording):
    encoder = load_whisper(openai_file)
    features = whisper_features(recording.padded(64_000 + 8000), encoder)
    mel = LogMel(recording.padded(64_000 + 8000))
    assert features.rows == mel.frames // 2 == 225
    last = torch.cat([mel.read(400, 450), torch.zeros(80, 50)], dim=1)
    torch.testing.assert_close(features.read(200, 225), encoder.encode(last)[:25])


@pytest.mark.parametrize("frames", [2, 3, 99, 100, 101, 102, 103, 199, 200, 201, 203, 299])
def test_every_mel_frame_is_heard_with_its_chunk(openai_file, hf_whisper, sound, frames):
    sound = sound[: 160 * frames + 90]
    with recording_from_waveform(sound[None], 16000) as recording:
        features = whisper_features(recording, load_whisper(openai_file))
        # Read in pieces that split chunks, the last one first: the order and size of reads must not matter.
        middle = features.rows // 3
        late, early = features.read(middle, features.rows), features.read(0, middle)
    chunks = one_pass(sound).split(100, dim=1)
    expected = [
        last_block(hf_whisper, torch.nn.functional.pad(chunk, (0, 100 - chunk.shape[1])))[
            : chunk.shape[1] // 2
        ]
        for chunk in chunks
    ]
    torch.testing.assert_close(torch.cat([early, late]), torch.cat(expected), atol=1e-4, rtol=1e-4)


def test_half_precision_gives_float_features_near_the_exact_ones(openai_file, mel):
    exact = load_whisper(openai_file).encode(mel)
    half = load_whisper(openai_file, dtype=torch.bfloat16).encode(mel)
    assert half.dtype == torch.float32
    assert (half - exact).abs().max() < 0.05 * exact.abs().max()


class TestWrongFiles:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(MissingModelError, match=r"none\.pt"):
            load_whisper(tmp_path / "none.pt")

    def test_a_folder_without_weights(self, tmp_path):
        with pytest.raises(MissingModelError, match="no weights"):
            load_whisper(tmp_path)

    @pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
    def test_not_a_checkpoint(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"not tensors at all, and longer than a header is")
        with pytest.raises(CheckpointError, match="not a readable checkpoint"):
            load_whisper(tmp_path / name)

    def test_code_in_a_torch_file_is_not_run(self, tmp_path):
        class Payload:
            def __reduce__(self):
                return (print, ("run",))

        torch.save({"dims": Payload()}, tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match="holds no named tensors"):
            load_whisper(tmp_path / "a.pt")

    def test_a_wav2vec2_model_is_named(self, tmp_path, hf_wav2vec):
        hf_wav2vec.save_pretrained(tmp_path)
        with pytest.raises(CheckpointError, match="looks like a wav2vec2 model"):
            load_whisper(tmp_path)

    def test_large_v3(self, tmp_path, hf_whisper):
        state = openai_state(hf_whisper)
        state["encoder.conv1.weight"] = torch.zeros(16, 128, 3)
        torch.save({"dims": openai_dims(n_mels=128), "model_state_dict": state}, tmp_path / "v3.pt")
        with pytest.raises(CheckpointError, match=r"large-v3; X-Dub needs Whisper large-v2"):
            load_whisper(tmp_path / "v3.pt")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.pop("encoder.blocks.1.mlp.2.bias"), r"1 missing \(layers\.1\.fc2\.bias\)"),
            (lambda s: s.pop("encoder.positional_embedding"), r"1 missing \(embed_positions\.weight\)"),
            (lambda s: s.update({"encoder.extra": torch.zeros(1)}), r"1 unexpected \(encoder\.extra\)"),
            (
                lambda s: s.update({"encoder.conv2.bias": torch.zeros(3)}),
                r"1 of another size \(encoder\.conv2\.bias is \[3\], not \[16\]\)",
            ),
        ],
    )
    def test_incomplete_or_foreign_tensors(self, tmp_path, hf_whisper, change, message):
        state = openai_state(hf_whisper)
        change(state)
        torch.save({"dims": openai_dims(), "model_state_dict": state}, tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match=message) as caught:
            load_whisper(tmp_path / "a.pt")
        assert not re.search(r"\n", str(caught.value))

    def test_heads_that_do_not_divide_the_width(self, tmp_path, hf_whisper):
        content = {"dims": openai_dims(n_audio_head=3), "model_state_dict": openai_state(hf_whisper)}
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match="3 attention heads"):
            load_whisper(tmp_path / "a.pt")
