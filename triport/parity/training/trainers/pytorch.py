"""Trains a network in PyTorch, a step at a time, with everything that a step computes in sight."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from triport.parity.kernels.approximations import Approximation, approximated
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.nesting import leaves
from triport.parity.subjects.outputs import named_outputs
from triport.parity.training.examples import Example
from triport.reference_models.kinds import KINDS, kind_of
from triport.reference_models.network import Arrays, Network

from . import Task

NAME = "pytorch"
APPROXIMATIONS: tuple[Approximation, ...] = ()


def load(network: Network, parameters: Arrays, task: Task, device: str = "cpu") -> PyTorchTrainer:
    """Return the network's Module with these parameters in training mode; see `TrainerFile`."""
    return PyTorchTrainer(network, parameters, task, device)


@dataclass(slots=True)
class Counted:
    """How a BatchNorm takes a batch in: of how many values, and with which weight."""

    count: int
    momentum: float


class PyTorchTrainer:
    """A network's Module in training mode with an optimizer; names are the network's."""

    def __init__(
        self,
        network: Network,
        parameters: Arrays,
        task: Task,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        # copies: steps write into them
        copies = {name: np.array(array) for name, array in parameters.items()}
        self._runner = PyTorchRunner(network, copies, device, dtype)
        self._network, self._task = network, task
        self.device = self._runner.device
        torch, self._net = self._runner._torch, self._runner._net.train()
        self._torch = torch
        kept = network.realisations["pytorch"].kept
        self._own = [name for name, value in self._net.state_dict().items() if _is_number(value, name, kept)]
        self._named = {
            self._runner.canonical(name): parameter
            for name, parameter in self._net.named_parameters()
            if _is_number(parameter, name, kept)
        }
        for parameter in self._named.values():
            parameter.requires_grad_(True)
        # of each BatchNorm, by the name of its statistics without their leaf
        self.counted: dict[str, Counted] = {}
        self.without_dropout = False
        for path, module in self._net.named_modules():
            self._prepare(path, module)
        recipe = task.recipe
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self._optimizer = torch.optim.SGD(
            self._named.values(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )

    def _prepare(self, path: str, module: Any) -> None:
        """Turn dropout off, and have BatchNorm counted."""
        kind = kind_of(module)
        if kind is KINDS["dropout"]:
            module.eval()
            self.without_dropout = True
        elif isinstance(share := getattr(module, "dropout", None), float) and share:
            module.dropout = 0.0  # of a recurrent layer, or an attention
            self.without_dropout = True
        elif kind is KINDS["norm"] and module.running_mean is not None:
            name = self._runner.canonical(f"{path}.running_mean").rpartition(".")[0]
            module.register_forward_hook(_counting(self.counted, name))

    def gradients(self, example: Example) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and every parameter's gradient; BatchNorm's statistics take the batch in."""
        self._optimizer.zero_grad()
        loss = self._computed(example)
        loss.backward()
        gradients = {name: _gradient(parameter) for name, parameter in self._named.items()}
        return float(loss.detach()), gradients

    def loss(self, example: Example) -> float:
        """Return the loss alone; BatchNorm's statistics take the batch in."""
        with self._torch.no_grad():
            return float(self._computed(example))

    def step(self, example: Example) -> float:
        """Take one step of SGD; return the loss before it."""
        loss, _ = self.gradients(example)
        self._optimizer.step()
        return loss

    def _computed(self, example: Example) -> Any:
        torch = self._torch
        imitated = self._task.imitated
        with approximated(torch, imitated, self._task.met) if imitated else nullcontext():
            returned = self._net(*self._runner.on_device(example.feed))
        found = list(leaves(returned, lambda value: isinstance(value, torch.Tensor)))
        targets = {name: self._runner.tensor(array) for name, array in example.targets.items()}
        return self._task.objective.loss(named_outputs(self._network, found), targets, self._loss)

    def values(self) -> dict[str, np.ndarray]:
        """Return every parameter and BatchNorm statistic as they are now."""
        state = self._net.state_dict()
        return {self._runner.canonical(name): _array(state[name]) for name in self._own}

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        return self._runner.versions()


def _is_number(value: Any, name: str, kept: frozenset[str]) -> bool:
    return bool(value.is_floating_point()) and name not in kept


def _counting(counted: dict[str, Counted], name: str) -> Callable[[Any, Any, Any], None]:
    """Return a hook that does not hold the trainer: that would be a cycle, and its memory would stay."""

    def count(module: Any, arguments: Any, output: Any) -> None:
        # without a momentum a BatchNorm takes the mean of all batches, of which there is one
        momentum = 1.0 if module.momentum is None else module.momentum
        counted.setdefault(name, Counted(output.numel() // output.shape[1], momentum))

    return count


def _gradient(parameter: Any) -> np.ndarray:
    """Return a parameter's gradient; zeros where no output depends on it."""
    if parameter.grad is None:
        return np.zeros(tuple(parameter.shape), np.float32)
    return _array(parameter.grad)


def _array(tensor: Any) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array
