"""The state of a training run in one safetensors file, from which it goes on as if it had never stopped.

    model.<parameter>, average.<parameter>, optimizer.<parameter>.<state>     metadata: the step

Only what is trained is kept. Random draws and the order of the examples follow from the seed and the step, so there
is no random state to keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError
from xdub_core.weights.tensor_file import open_tensors, save_tensors

FILE_NAME = "checkpoint.safetensors"
_MODEL, _AVERAGE, _OPTIMIZER = "model.", "average.", "optimizer."


def trained_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that ask for gradients, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class TrainingState:
    """All that training changes: the trained parameters and their averages, by name, and the optimisers."""

    parameters: Mapping[str, nn.Parameter]
    average: Mapping[str, Tensor]
    optimizers: Sequence[torch.optim.Optimizer]

    def save(self, folder: Path, step: int) -> None:
        """Write the state after `step` steps, in place of the one before."""
        tensors = self._weights()
        for name, parameter in self.parameters.items():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"{_OPTIMIZER}{name}.{key}"] = value
        save_tensors(folder / FILE_NAME, tensors, {"step": str(step), "optimizers": self._kinds()})

    def load(self, folder: Path) -> int:
        """Restore the state in place; returns the step that was reached, 0 where there is no checkpoint yet.

        Raises CheckpointError when the file is damaged, or of another model or other settings.
        """
        path = folder / FILE_NAME
        if not path.exists():
            return 0
        try:
            file = open_tensors(path)
            step, kinds = int(file.metadata["step"]), file.metadata["optimizers"]
        except (CheckpointError, KeyError, ValueError) as error:
            reason = error.__cause__ or error
            raise CheckpointError(f"{path} is damaged ({reason}): remove it to start anew") from None
        tensors = {name: file.read(name) for name in file.shapes}
        weights = self._weights()
        _check(path, weights, tensors)
        if kinds != self._kinds():
            raise CheckpointError(
                f"{path} was trained with {kinds}, not {self._kinds()}: give another folder, or remove the file to "
                "start anew"
            )
        for name, value in weights.items():
            value.copy_(tensors[name])
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        for optimizer in self.optimizers:
            optimizer.load_state_dict(_optimizer_state(tensors, names, optimizer))
        return step

    def _weights(self) -> dict[str, Tensor]:
        """The parameters and their averages, by their names in the file."""
        weights = {_MODEL + name: parameter.detach() for name, parameter in self.parameters.items()}
        return weights | {_AVERAGE + name: tensor for name, tensor in self.average.items()}

    def _kinds(self) -> str:
        return " and ".join(type(optimizer).__name__ for optimizer in self.optimizers)


def _check(path: Path, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    expected = {name: value.shape for name, value in weights.items()}
    found = {name: value.shape for name, value in tensors.items() if not name.startswith(_OPTIMIZER)}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise CheckpointError(
            f"{path} belongs to another model or other settings ({len(odd)} tensors differ, the first is "
            f"{odd[0]}): give another folder, or remove the file to start anew"
        )


def _optimizer_state(
    tensors: Mapping[str, Tensor], names: Mapping[int, str], optimizer: torch.optim.Optimizer
) -> dict[str, object]:
    """The state of an optimiser as it takes it: by the number of each of its parameters."""
    own = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {name: number for number, name in enumerate(own)}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parameter, _, key = name.removeprefix(_OPTIMIZER).rpartition(".")
        if name.startswith(_OPTIMIZER) and parameter in numbers:
            # A copy: what stays mapped to the file (on a GPU the step alone) keeps Windows from replacing it.
            state.setdefault(numbers[parameter], {})[key] = tensor.clone()
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
