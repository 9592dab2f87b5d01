"""The empty prompt's embedding: equal to a full text encoder's, padded with zeros, kept in a small file."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.released import empty_prompt as text

VOCABULARY, WIDTH, ROWS = 11, 16, 6

# How the release's file names what Hugging Face calls otherwise.
RELEASE_NAMES = {
    "encoder.final_layer_norm": "norm",
    "shared": "token_embedding",
    "encoder.block.": "blocks.",
    ".layer.0.SelfAttention.relative_attention_bias": ".pos_embedding.embedding",
    ".layer.0.SelfAttention": ".attn",
    ".layer.0.layer_norm": ".norm1",
    ".layer.1.layer_norm": ".norm2",
    ".layer.1.DenseReluDense.wi_0": ".ffn.gate.0",
    ".layer.1.DenseReluDense.wi_1": ".ffn.fc1",
    ".layer.1.DenseReluDense.wo": ".ffn.fc2",
}


def to_release_name(name: str) -> str:
    for theirs, released in RELEASE_NAMES.items():
        name = name.replace(theirs, released)
    return name


@pytest.fixture(scope="module")
def umt5():
    """A small random umt5 encoder by transformers: an independent implementation."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.UMT5Config(
        vocab_size=VOCABULARY, d_model=WIDTH, d_kv=4, d_ff=24, num_heads=4, num_layers=3, dropout_rate=0.0
    )
    model = transformers.UMT5EncoderModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.fixture(scope="module")
def hugging_face_tensors(umt5):
    tensors = {name: value.clone() for name, value in umt5.state_dict().items()}
    tensors.pop("encoder.embed_tokens.weight", None)
    return tensors


@pytest.fixture(scope="module")
def released_tensors(hugging_face_tensors):
    return {to_release_name(name): value for name, value in hugging_face_tensors.items()}


@pytest.fixture(scope="module")
def expected(umt5):
    """The release's way: "" tokenised to [1, 0, 0, ...], encoded under its mask, padding zeroed afterwards."""
    ids = torch.zeros(1, ROWS, dtype=torch.long)
    ids[0, 0] = 1
    mask = (ids > 0).long()
    with torch.no_grad():
        return umt5(ids, attention_mask=mask).last_hidden_state * mask[..., None]


@pytest.fixture
def encoder(tmp_path, released_tensors) -> Path:
    path = tmp_path / "models_t5_umt5-xxl-enc-bf16.safetensors"
    save_file(released_tensors, path)
    return path


def context(cache, encoder, **options):
    return text.empty_prompt_context(cache, encoder, rows=ROWS, width=WIDTH, vocabulary=VOCABULARY, **options)


def test_equals_a_full_encoder_over_the_padded_and_masked_prompt(encoder, expected):
    torch.testing.assert_close(context(None, encoder), expected, rtol=1e-5, atol=1e-6)


def test_only_the_first_row_is_not_zero(encoder):
    result = context(None, encoder)
    assert result.shape == (1, ROWS, WIDTH)
    assert result[0, 0].abs().sum() > 0
    assert result[0, 1:].abs().sum() == 0


def test_reads_files_with_hugging_face_names(tmp_path, hugging_face_tensors, expected):
    path = tmp_path / "umt5_xxl_fp16.safetensors"
    save_file(hugging_face_tensors, path)
    torch.testing.assert_close(context(None, path), expected, rtol=1e-5, atol=1e-6)


def test_reads_the_original_pth(tmp_path, released_tensors, expected):
    path = tmp_path / "models_t5_umt5-xxl-enc-bf16.pth"
    torch.save(released_tensors, path)
    torch.testing.assert_close(context(None, path), expected, rtol=1e-5, atol=1e-6)


def test_half_precision_weights_are_computed_in_float32(tmp_path, released_tensors, umt5, expected):
    path = tmp_path / "bf16.safetensors"
    save_file({name: value.bfloat16() for name, value in released_tensors.items()}, path)
    result = context(None, path)
    assert result.dtype == torch.float32
    assert (result - expected).abs().max() < 0.1 * expected.abs().max()
    in_bfloat16 = text.encode_empty_prompt(path, VOCABULARY, dtype=torch.bfloat16)
    assert (in_bfloat16 - result[0, :1]).abs().max() < 0.1 * expected.abs().max()


def test_the_names_are_those_of_the_published_file():
    """The digest of all names and shapes is the one by which diffsynth recognises the real file."""
    width, hidden, buckets, heads = 4096, 10240, 32, 64
    shapes = {
        "attention_norm": [width],
        "feed_forward_norm": [width],
        "value": [width, width],
        "output": [width, width],
        "gate": [hidden, width],
        "up": [hidden, width],
        "down": [width, hidden],
    }
    tensors = {text._NAMES["embedding"][0]: [text.UMT5_VOCABULARY, width], text._NAMES["norm"][0]: [width]}
    for block in range(24):
        tensors |= {text._NAMES[role][0].format(block): shape for role, shape in shapes.items()}
        tensors |= {f"blocks.{block}.attn.{name}.weight": [width, width] for name in "qk"}
        tensors[f"blocks.{block}.pos_embedding.embedding.weight"] = [buckets, heads]
    keys = sorted([f"{name}:{'_'.join(map(str, shape))}" for name, shape in tensors.items()] + list(tensors))
    assert hashlib.md5(",".join(keys).encode()).hexdigest() == "9c8818c2cbea55eca56c7b447df170da"


def test_the_result_is_kept_and_then_the_encoder_is_not_needed(tmp_path, encoder):
    cache = tmp_path / "kept" / text.EMPTY_PROMPT_FILE
    first = context(cache, encoder)
    encoder.unlink()
    torch.testing.assert_close(context(cache, encoder), first, rtol=0, atol=0)
    assert {name: tuple(value.shape) for name, value in load_file(cache).items()} == {
        "empty_prompt": (1, WIDTH)
    }
    assert [path.name for path in cache.parent.iterdir()] == [text.EMPTY_PROMPT_FILE]


def test_the_kept_file_may_stand_in_for_the_encoder(tmp_path, encoder, expected):
    kept = tmp_path / "elsewhere" / text.EMPTY_PROMPT_FILE
    context(kept, encoder)
    torch.testing.assert_close(context(None, kept), expected, rtol=1e-5, atol=1e-6)


def test_a_folder_that_cannot_be_written_to_is_only_logged(tmp_path, encoder, expected, caplog):
    (tmp_path / "file").touch()
    result = context(tmp_path / "file" / text.EMPTY_PROMPT_FILE, encoder)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
    assert "is not kept" in caplog.text


def test_says_what_is_missing_its_size_and_the_command(tmp_path):
    with pytest.raises(
        MissingModelError, match=r"models_t5_umt5.*11\.4 GB.*python -m xdub_core models download"
    ):
        context(tmp_path / text.EMPTY_PROMPT_FILE, tmp_path / "nothing.safetensors")


def test_refuses_another_vocabulary(encoder):
    with pytest.raises(CheckpointError, match=r"11 tokens instead of umt5's 256384"):
        text.encode_empty_prompt(encoder)


def test_refuses_another_width(tmp_path, encoder):
    cache = tmp_path / text.EMPTY_PROMPT_FILE
    with pytest.raises(CheckpointError, match="16 wide, but the model takes 4096"):
        text.empty_prompt_context(cache, encoder, vocabulary=VOCABULARY)
    assert not cache.exists()


def test_refuses_quantised_weights(tmp_path, released_tensors):
    path = tmp_path / "fp8.safetensors"
    quantised = {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v for n, v in released_tensors.items()}
    save_file(quantised | {"token_embedding.weight": released_tensors["token_embedding.weight"]}, path)
    with pytest.raises(CheckpointError, match="quantised"):
        context(None, path)


@pytest.mark.parametrize("dropped", ["blocks.1.attn.v.weight", "blocks.2.ffn.fc2.weight", "norm.weight"])
def test_names_a_missing_tensor(tmp_path, released_tensors, dropped):
    path = tmp_path / "incomplete.safetensors"
    save_file({name: value for name, value in released_tensors.items() if name != dropped}, path)
    with pytest.raises(CheckpointError, match=dropped):
        context(None, path)


def test_refuses_another_kind_of_model(tmp_path):
    path = tmp_path / "vae.safetensors"
    save_file({"decoder.conv1.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not a umt5 text encoder"):
        context(None, path)


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
def test_refuses_a_broken_file_in_one_line(tmp_path, encoder, name):
    path = tmp_path / name
    path.write_bytes(encoder.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=name) as caught:
        context(None, path)
    assert "\n" not in str(caught.value)


def test_refuses_a_broken_cache(tmp_path, encoder):
    cache = tmp_path / text.EMPTY_PROMPT_FILE
    save_file({"empty_prompt": torch.full((1, WIDTH), float("nan"))}, cache)
    with pytest.raises(CheckpointError, match="delete it"):
        context(cache, encoder)
