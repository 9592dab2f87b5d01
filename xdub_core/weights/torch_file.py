"""Reading PyTorch files without running what their pickle asks for.

torch's own `weights_only` refuses OpenMMLab's `.pth` files ({"meta": ..., "state_dict": ...} with numpy objects among
the metadata). What it refuses is read again by an unpickler that can build tensors, dictionaries and plain values and
nothing else: any other name in the file becomes an inert `Placeholder`.
"""

from __future__ import annotations

import mmap
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import Tensor


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


class TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors and ordered dictionaries; every other name becomes a `Placeholder`."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Everything that a pickle can call comes from here, and is made anew so that it cannot be altered."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return lambda *args: _rebuild_tensor(*args)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        return type("Placeholder", (Placeholder,), {})

    def __setattr__(self, name: str, value: Any) -> None:
        """torch sets `persistent_load`, which knows more than storages: of a "module" it would compare the source, and
        write the difference to a file that the pickle names."""

        def storage(pid: Any) -> Any:
            if not isinstance(pid, tuple) or pid[:1] != ("storage",):
                raise pickle.UnpicklingError(f"a tensor storage of an unknown kind: {pid!r:.80}")
            return value(pid)

        super().__setattr__(name, storage)


_RESTRICTED = SimpleNamespace(
    __name__="restricted pickle",
    Unpickler=TensorUnpickler,
    load=lambda file, **options: TensorUnpickler(file, **options).load(),
)
"""What `torch.load` takes for the pickle module."""


def _rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    # as_strided refuses what reaches outside the storage, where torch's own would make the storage larger.
    whole = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)
    return whole.as_strided(tuple(size), tuple(stride), int(offset))


def load_torch_file(path: Path) -> Any:
    """What a PyTorch file holds, tensors and plain values only; in zip archives the tensors stay in the mapped file.

    Raises one of `tensor_file.UNREADABLE` where it is no PyTorch file, or damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        mapped = _is_stored(file)
        # What torch may not map is given without a file's number, with which torch would first try to extract a tar.
        source: Any = path if mapped else content
        try:
            # This also refuses TorchScript, which the second reading would run.
            return torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError:
            content.seek(0)
            if mapped:
                _check_sums(file)
            return torch.load(
                source, map_location="cpu", weights_only=False, pickle_module=_RESTRICTED, mmap=mapped
            )


def _is_stored(file: BinaryIO) -> bool:
    """Whether a file is a zip archive without compression, as torch writes it: only then tensors can be mapped."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def _check_sums(file: BinaryIO) -> None:
    """Raise BadZipFile where a zip archive's content is not what was put into it: torch does not look."""
    with zipfile.ZipFile(file) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
