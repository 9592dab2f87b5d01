"""An IMAGE that is made when somebody looks into it. Needs no ComfyUI.

ComfyUI makes all outputs of a node, connected or not. The crops of ten minutes are 47 GB, which nobody should hold who
has not asked for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

_FACTS = {
    Tensor.shape.__get__,  # type: ignore[attr-defined]
    Tensor.ndim.__get__,  # type: ignore[attr-defined]
    Tensor.dtype.__get__,  # type: ignore[attr-defined]
    Tensor.device.__get__,
    Tensor.layout.__get__,  # type: ignore[attr-defined]
    Tensor.requires_grad.__get__,  # type: ignore[attr-defined]
    Tensor.is_cuda.__get__,  # type: ignore[attr-defined]
    Tensor.size,
    Tensor.dim,
    Tensor.numel,
    Tensor.nelement,
    Tensor.element_size,
    Tensor.is_floating_point,
    Tensor.__len__,
    Tensor.__hash__,
}
"""What is known of a tensor without its values."""


class ImageOnDemand(Tensor):
    """Of a known shape, float32, on the CPU. What is done with its values is done with the tensor that is made then.

    `make`: called once, when the values are first asked for; what it raises is raised there, and it may be tried again.
    """

    _make: Callable[[], Tensor] | None
    _made: Tensor | None
    _lock: threading.Lock

    def __new__(cls, shape: Sequence[int], make: Callable[[], Tensor]) -> ImageOnDemand:
        image = torch.full((1,), torch.nan).expand(tuple(shape)).as_subclass(cls)
        image._make, image._made, image._lock = make, None, threading.Lock()
        return image

    def made(self) -> Tensor:
        """The plain tensor."""
        with self._lock:
            if self._made is None and self._make is not None:
                self._made, self._make = self._make(), None
        assert self._made is not None
        return self._made

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Everything that is done with tensors in Python comes by here."""
        with torch._C.DisableTorchFunctionSubclass():
            if func in _FACTS:
                return func(*args, **(kwargs or {}))
            plain, named = tree_map(_plain, (tuple(args), dict(kwargs or {})))
            return func(*plain, **named)


def _plain(value: Any) -> Any:
    return value.made() if isinstance(value, ImageOnDemand) else value
