"""Reading PyTorch files without running what their pickle asks for.

OpenMMLab's `.pth` files are {"meta": ..., "state_dict": ...} with numpy objects among the metadata, so that
`torch.load(weights_only=True)` refuses them. The reader here walks the same pickle with an unpickler that can build
tensors, dictionaries and plain values and nothing else: any other name in the file becomes an inert `Placeholder`.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.weights.tensor_file import UNREADABLE, unreadable

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
    except UNREADABLE as error:
        raise unreadable(path, error) from error


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
