"""The text context of X-Dub: the umt5-xxl embedding of the empty prompt.

X-Dub's prompt is always empty, so its context is a constant: one embedded token (the end-of-sequence token, id 1,
which is all that the tokenizer makes of "") and 511 zero rows, because the padding is zeroed *after* encoding
(released model §2). All 512 rows take part in the model's cross-attention.

No tokenizer and no text encoder are needed for that. A token that attends only to itself has attention weight 1, so
each self-attention is o(v(norm(x))) and queries, keys and position biases play no part. What is left is a
dozen lines, which read the encoder's file one tensor at a time: peak memory is one tensor, not 11 GB. The result
(16 kB) is kept in a small file, and the encoder's file can go.
"""

import logging
from pathlib import Path

import torch
import torch.nn.functional as F

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.released.manifest import missing_file_message, released_file
from xdub_core.weights.kinds import FLOATS, some
from xdub_core.weights.strict import wrong_file
from xdub_core.weights.tensor_file import TensorFile, open_tensors, save_tensors

logger = logging.getLogger(__name__)

CONTEXT_ROWS = 512
CONTEXT_WIDTH = 4096
EMPTY_PROMPT_FILE = "empty_prompt.safetensors"
EMPTY_PROMPT_KEY = "empty_prompt"  # [1, width] float32: the one embedded token, without the zero rows
UMT5_VOCABULARY = 256384  # t5-xxl (Flux, SD3) has the same sizes otherwise, but 32128 tokens

_END_OF_SEQUENCE = 1
_NORM_EPS = 1e-6

# Our name: (the original and diffsynth's name, Hugging Face's and ComfyUI's name).
_NAMES = {
    "embedding": ("token_embedding.weight", "shared.weight"),
    "norm": ("norm.weight", "encoder.final_layer_norm.weight"),
    "attention_norm": ("blocks.{}.norm1.weight", "encoder.block.{}.layer.0.layer_norm.weight"),
    "value": ("blocks.{}.attn.v.weight", "encoder.block.{}.layer.0.SelfAttention.v.weight"),
    "output": ("blocks.{}.attn.o.weight", "encoder.block.{}.layer.0.SelfAttention.o.weight"),
    "feed_forward_norm": ("blocks.{}.norm2.weight", "encoder.block.{}.layer.1.layer_norm.weight"),
    "gate": ("blocks.{}.ffn.gate.0.weight", "encoder.block.{}.layer.1.DenseReluDense.wi_0.weight"),
    "up": ("blocks.{}.ffn.fc1.weight", "encoder.block.{}.layer.1.DenseReluDense.wi_1.weight"),
    "down": ("blocks.{}.ffn.fc2.weight", "encoder.block.{}.layer.1.DenseReluDense.wo.weight"),
}


def empty_prompt_context(
    cache: Path | None,
    encoder: Path | None = None,
    *,
    rows: int = CONTEXT_ROWS,
    width: int = CONTEXT_WIDTH,
    vocabulary: int = UMT5_VOCABULARY,
) -> torch.Tensor:
    """The context [1, rows, width] float32 on the CPU: from `cache` if it exists, else computed from `encoder`.

    What is computed is kept at `cache` (where one is given; a folder that cannot be written to is only logged).
    `encoder` may also be such a kept file. Raises MissingModelError where neither file is there, and
    CheckpointError where one is not what it should be.
    """
    if cache is not None and cache.is_file():
        embedding = load_empty_prompt(cache)
    elif encoder is not None and encoder.is_file():
        embedding = _embedding_from(encoder, vocabulary)
        if cache is not None and embedding.shape[1] == width:
            _keep(cache, embedding)
    else:
        raise MissingModelError(missing_file_message(released_file("text")))
    if embedding.shape[1] != width:
        raise CheckpointError(
            f"the empty prompt of {cache or encoder} is {embedding.shape[1]} wide, but the model takes {width}: "
            "choose the umt5-xxl text encoder's file"
        )
    return padded_context(embedding, rows)


def _embedding_from(path: Path, vocabulary: int) -> torch.Tensor:
    kept = EMPTY_PROMPT_KEY in open_tensors(path).shapes
    return load_empty_prompt(path) if kept else encode_empty_prompt(path, vocabulary)


def _keep(cache: Path, embedding: torch.Tensor) -> None:
    from safetensors import SafetensorError

    try:
        save_empty_prompt(cache, embedding)
    except (OSError, SafetensorError) as error:
        logger.warning("the empty prompt is not kept at %s (%s): it will be computed again", cache, error)


def padded_context(embedding: torch.Tensor, rows: int = CONTEXT_ROWS) -> torch.Tensor:
    """Embedded tokens [n, width] and zero rows up to `rows`: [1, rows, width]."""
    return F.pad(embedding, (0, 0, 0, rows - embedding.shape[0]))[None]


def load_empty_prompt(path: Path) -> torch.Tensor:
    """The embedding [1, width] kept by `save_empty_prompt`; raises CheckpointError if the file is anything else."""
    embedding = open_tensors(path).read(EMPTY_PROMPT_KEY).float()
    if embedding.ndim != 2 or embedding.shape[0] != 1 or not embedding.isfinite().all():
        raise CheckpointError(f"{path} does not hold an empty prompt: delete it, and it will be made again")
    return embedding


def save_empty_prompt(path: Path, embedding: torch.Tensor) -> None:
    """Keep the embedding [1, width] as the one tensor of a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, {EMPTY_PROMPT_KEY: embedding.float()}, rivals=True)


@torch.no_grad()
def encode_empty_prompt(
    path: Path, vocabulary: int = UMT5_VOCABULARY, *, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The empty prompt's embedding [1, width] float32 by the umt5 encoder in the file `path`.

    Accepts the release's .safetensors, Wan's own .pth, and files with Hugging Face's names (ComfyUI's
    umt5_xxl_fp16.safetensors), in float32, float16 or bfloat16. `dtype` is what is computed in: float32 is the most
    exact, bfloat16 is what the release computes in. Raises CheckpointError for any other file, fp8 included.
    """
    weights = _Weights(open_tensors(path))
    if weights.tokens != vocabulary:
        raise CheckpointError(
            f"{path} knows {weights.tokens} tokens instead of umt5's {vocabulary}: "
            "it is another text encoder; choose umt5-xxl"
        )
    try:
        embedding = _encode(weights, dtype)
    except (RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} holds tensors that do not fit together ({reason}): get it again"
        ) from error
    if not embedding.isfinite().all():
        raise CheckpointError(f"{path} holds infinite or undefined numbers: get the file again")
    return embedding


def _encode(weights: "_Weights", dtype: torch.dtype) -> torch.Tensor:
    x = weights.token(_END_OF_SEQUENCE).to(dtype)
    for block in range(weights.blocks):
        y = _norm(x, weights("attention_norm", block))
        x = x + _linear(_linear(y, weights("value", block)), weights("output", block))
        y = _norm(x, weights("feed_forward_norm", block))
        gate = F.gelu(_linear(y, weights("gate", block)), approximate="tanh")
        x = x + _linear(gate * _linear(y, weights("up", block)), weights("down", block))
    return _norm(x, weights("norm")).float()


def _norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """T5's layer norm: no mean, no bias, in float32 inside."""
    scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + _NORM_EPS)
    return (x * scale).to(x.dtype) * weight.to(x.dtype)


def _linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weight.to(x.dtype))


class _Weights:
    """The encoder's tensors by our names, whichever of the two namings the file uses."""

    def __init__(self, file: TensorFile) -> None:
        self._file = file
        namings = [n for n in (0, 1) if _NAMES["embedding"][n] in file.shapes]
        if not namings:
            problem = f"1 missing ({' or '.join(_NAMES['embedding'])})"
            raise wrong_file(file, "a umt5 text encoder", [problem], f"choose {released_file('text').name}")
        self._naming = namings[0]
        self.tokens = (*file.shapes[self.name("embedding")], 0)[0]
        value = self.name("value")
        prefix = value.split("{}")[0]
        self.blocks = (
            len({n.removeprefix(prefix).split(".")[0] for n in file.shapes if n.startswith(prefix)}) or 1
        )
        missing = [name for b in range(self.blocks) if (name := value.format(b)) not in file.shapes]
        if missing:
            problem = f"{len(missing)} missing ({some(missing)})"
            raise wrong_file(file, "a whole umt5 text encoder", [problem], "get the file again")

    def name(self, role: str) -> str:
        return _NAMES[role][self._naming]

    def token(self, number: int) -> torch.Tensor:
        """One embedded token [1, width]; the other tokens are not read."""
        return self._file.rows(self.name("embedding"), number, number + 1)

    def __call__(self, role: str, block: int = 0) -> torch.Tensor:
        name = self.name(role).format(block)
        weight = self._file.read(name)
        if self._file.dtypes[name] not in FLOATS:
            raise CheckpointError(
                f"{self._file.path} is quantised ({name} is {self._file.dtypes[name]}), which is not read here: "
                f"choose {released_file('text').name} or umt5_xxl_fp16.safetensors"
            )
        return weight
