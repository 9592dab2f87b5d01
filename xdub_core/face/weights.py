"""Reading detector weights without running what a pickle asks for.

OpenMMLab's `.pth` files are {"meta": ..., "state_dict": ...} with numpy objects among the metadata, so that
`torch.load(weights_only=True)` refuses them. The reader here walks the same pickle with an unpickler that can build
tensors, dictionaries and plain values and nothing else: any other name in the file becomes an inert `Placeholder`.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError, MissingModelError

Network = TypeVar("Network", bound=nn.Module)

STORAGE_TYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
IGNORED_PREFIXES = ("data_preprocessor.", "ema_")
"""Entries that some published OpenMMLab files carry and inference does not need."""


class Placeholder:
    """What an object of a type that is not allowed becomes: it takes any arguments and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take a list item and forget it."""

    def extend(self, values: Any) -> None:
        """Take list items and forget them."""


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    # as_strided refuses what reaches outside the storage, so that a file cannot read foreign memory.
    return storage.as_strided(tuple(size), tuple(stride), int(offset))


class TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors and ordered dictionaries; every other name becomes a `Placeholder`."""

    def __init__(self, file: BinaryIO, load_storage: Callable[[tuple[Any, ...]], Tensor]) -> None:
        super().__init__(file, encoding="utf-8")
        self.load_storage = load_storage

    def find_class(self, module: str, name: str, /) -> Any:
        """Everything that a pickle can call comes from here, and is made anew so that it cannot be altered."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return lambda *args: _rebuild_tensor(*args)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if module in ("torch", "torch.storage") and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        return type("Placeholder", (Placeholder,), {})

    def persistent_load(self, pid: Any, /) -> Tensor:
        """The flat tensor of ("storage", dtype, key, device, elements)."""
        if not isinstance(pid, tuple) or len(pid) < 5 or not isinstance(pid[1], torch.dtype):
            raise pickle.UnpicklingError(f"a tensor storage of an unknown kind: {pid!r:.80}")
        return self.load_storage(pid)


def read_checkpoint(path: Path | str) -> Any:
    """What a `.pth` file holds, tensors and plain values only.

    Raises MissingModelError where there is no such file, CheckpointError where it is no PyTorch file or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingModelError(f"no model file at {path}: put it there, or name the file that you have")
    try:
        with path.open("rb") as file:
            return _read_archive(file) if zipfile.is_zipfile(file) else _read_legacy(file)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except _DAMAGE as error:
        looks = _looks_like(path)
        what = f"it looks like {looks}" if looks else f"it is damaged ({type(error).__name__}: {error})"
        raise CheckpointError(f"{path} is not a readable PyTorch file: {what}; download it again") from error


# What the unpickler, the zip reader and tensor construction raise on bytes that are not what they claim to be.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    RecursionError,
)


def _read_archive(file: BinaryIO) -> Any:
    """The zip layout of torch >= 1.6: NAME/data.pkl and one NAME/data/KEY for each storage."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if not names:
            raise CheckpointError("a zip archive, but not one of PyTorch's (no data.pkl)")
        root = names[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise CheckpointError(
                "tensors in big-endian order are not supported: save the file again on a PC"
            )
        storages: dict[str, Tensor] = {}

        def load_storage(pid: tuple[Any, ...]) -> Tensor:
            dtype, key, elements = pid[1], str(pid[2]), int(pid[4])
            if key not in storages:
                entry = archive.getinfo(f"{root}data/{key}")
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise CheckpointError("its tensors are compressed, which PyTorch never does")
                data = bytearray(archive.read(entry))
                storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if storages[key].numel() < elements:
                raise CheckpointError(
                    f"it is cut short: a tensor of {elements} elements has {len(storages[key])}"
                )
            return storages[key]

        return TensorUnpickler(io.BytesIO(archive.read(names[0])), load_storage).load()


def _read_legacy(file: BinaryIO) -> Any:
    """The layout before torch 1.6: four pickles, then every storage behind its element count."""
    storages: dict[str, Tensor] = {}
    size = file.seek(0, io.SEEK_END)
    file.seek(0)

    def load_storage(pid: tuple[Any, ...]) -> Tensor:
        dtype, key, elements = pid[1], str(pid[2]), int(pid[4])
        if not 0 <= elements * dtype.itemsize <= size:
            raise CheckpointError(
                f"it is cut short: a tensor of {elements} elements in a file of {size} bytes"
            )
        return storages.setdefault(key, torch.zeros(elements, dtype=dtype))

    def load() -> Any:
        return TensorUnpickler(file, load_storage).load()

    if load() != LEGACY_MAGIC:
        raise pickle.UnpicklingError("no PyTorch magic number")
    load()  # protocol version
    load()  # byte order and integer sizes of the machine that saved it
    content = load()
    for key in load():
        storage = storages[str(key)]
        elements = int.from_bytes(file.read(8), "little")
        data = file.read(storage.nbytes)
        if elements != storage.numel() or len(data) != storage.nbytes:
            raise CheckpointError("it is cut short")
        if data:
            storage.copy_(torch.frombuffer(bytearray(data), dtype=storage.dtype))
    return content


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(256)
    known = {
        b"version https://git-lfs": "a Git LFS pointer (the text file that stands for the real one)",
        b"<": "a web page",
        b"GGUF": "a GGUF file",
        b"PK": "a damaged zip archive (a download that was cut short)",
    }
    if not head:
        return "an empty file"
    if zipfile.is_zipfile(path):
        return ""
    if b"onnx" in head or b"pytorch" in head[:32]:
        return "an ONNX model; the .pth file of the same network is needed"
    return next((text for start, text in known.items() if head.lstrip().startswith(start)), "")


def load_state_dict(path: Path | str) -> dict[str, Tensor]:
    """The named tensors of an OpenMMLab `.pth` or of a `.safetensors` file.

    Raises MissingModelError or CheckpointError.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    content = read_checkpoint(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no state_dict but a {type(content).__name__}")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no named tensors (its entries: {_some(map(str, state))})")
    return {name: value for name, value in tensors.items() if not name.startswith(IGNORED_PREFIXES)}


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingModelError(f"no model file at {path}: put it there, or name the file that you have")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file: {error}; download it again"
        ) from error


def convert_to_safetensors(pth: Path | str, out: Path | str) -> Path:
    """Write the tensors of an OpenMMLab `.pth` as safetensors of the same names; the metadata is left behind."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    out = Path(out)
    tensors = {name: value.contiguous().clone() for name, value in load_state_dict(pth).items()}
    partial = out.with_name(f".{out.name}.partial")
    try:
        save_file(tensors, partial)
        partial.replace(out)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {out}: {error}") from error
    return out


def load_network(
    build: Callable[[], Network],
    path: Path | str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Network:
    """A network with the file's weights, in evaluation mode; every tensor must be there, with its shape.

    `build` makes the network; it is called on the meta device, so that no weights are initialised in vain. Raises
    MissingModelError, or CheckpointError that says what is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = build()
    state = load_state_dict(path)
    check_names(network, state, path)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False).to(device=device, dtype=dtype)


def check_names(network: nn.Module, state: Mapping[str, Tensor], path: Path | str) -> None:
    """Raise CheckpointError unless `state` has exactly the network's tensors."""
    wanted = network.state_dict()
    missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    shapes = [
        f"{name} is {list(state[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [
        f"{len(names)} {what} ({_some(names)})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another size", shapes))
        if names
    ]
    if problems:
        kind = type(network).__name__
        raise CheckpointError(
            f"{path} is not the {kind} that is needed: {', '.join(problems)}; it looks like {describe_tensors(state)}"
        )


def describe_tensors(state: Mapping[str, Tensor]) -> str:
    """In a few words, what network a state dict seems to belong to."""
    signs = {
        "bbox_head.multi_level_conv_obj.": "a YOLOX detector of mmdet",
        "head.final_layer2.": "an RTMW pose network of mmpose",
        "head.gau.": "an RTMPose network of mmpose (RTMW is needed)",
        "bbox_head.": "another detector of mmdet",
        "blocks.0.self_attn.": "a video diffusion model (Wan or X-Dub)",
        "encoder.blocks.": "a Whisper model",
        "encoder.layers.": "an audio or text encoder",
        "wav2vec2.": "a wav2vec2 model",
        "detector_short.": "ComfyUI's MediaPipe face model (for core's own nodes)",
        "decoder.": "a VAE",
    }
    found = next((text for sign, text in signs.items() if any(name.startswith(sign) for name in state)), None)
    return found or f"something unknown, with tensors such as {_some(state)}"


def _some(names: Iterable[str], count: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:count]) + (", ..." if len(listed) > count else "")
