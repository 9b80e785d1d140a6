"""Trains a network in MindSpore, a step at a time, with everything that a step computes in sight."""

from __future__ import annotations

from typing import Any

import numpy as np

from triport.parity.kernels.mindspore import KERNELS
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.subjects.nesting import leaves
from triport.parity.subjects.outputs import named_outputs
from triport.parity.training.examples import Example
from triport.reference_models.kinds import KINDS, kind_of
from triport.reference_models.network import Arrays, Network

from . import Task

NAME, APPROXIMATIONS = "mindspore", KERNELS


def load(network: Network, parameters: Arrays, task: Task, device: str = "cpu") -> MindSporeTrainer:
    """Return the network's Cell with these parameters in training mode; see `TrainerFile`."""
    return MindSporeTrainer(network, parameters, task, device)


class MindSporeTrainer:
    """A network's Cell in training mode with an optimizer; names are the network's."""

    def __init__(self, network: Network, parameters: Arrays, task: Task, device: str = "cpu") -> None:
        self._runner = MindSporeRunner(network, parameters, device)
        self._network = network
        self.device = self._runner.device
        mindspore, net = self._runner._mindspore, self._runner._net.set_train(True)
        self._mindspore, self._net = mindspore, net
        for _, cell in net.cells_and_names():
            if kind_of(cell) is KINDS["dropout"]:
                cell.set_train(False)
            elif isinstance(share := getattr(cell, "dropout", None), float) and share:
                cell.dropout = 0.0
        self._name_of = self._runner.canonical
        self._trained = self._parameters(task)
        cross_entropy = mindspore.nn.CrossEntropyLoss(label_smoothing=task.recipe.label_smoothing)

        def computed(targets: dict[str, Any], *inputs: Any) -> Any:
            found = list(leaves(net(*inputs), self._runner.is_tensor))
            return task.objective.loss(named_outputs(network, found), targets, cross_entropy)

        self._computed = computed
        # what is made in graph mode stays compiled, whatever mode it is called in
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        self._value_and_grad = mindspore.value_and_grad(computed, None, self._trained)
        self._optimizer = mindspore.nn.Momentum(
            self._trained,
            learning_rate=task.recipe.learning_rate,
            momentum=task.recipe.momentum,
            weight_decay=task.recipe.weight_decay,
        )

    def _parameters(self, task: Task) -> list[Any]:
        """Return what is trained; a Cell may have frozen some of it."""
        if task.trained is None:
            return list(self._net.trainable_params())
        found = [one for one in self._net.get_parameters() if self._name_of(one.name) in task.trained]
        for parameter in found:
            parameter.requires_grad = True
        return found

    def gradients(self, example: Example) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and every parameter's gradient; BatchNorm's statistics take the batch in."""
        loss, gradients = self._value_and_grad(*self._tensors(example))
        found = {
            self._name_of(parameter.name): gradient.asnumpy().copy()
            for parameter, gradient in zip(self._trained, gradients, strict=True)
        }
        return float(loss.asnumpy()), found

    def loss(self, example: Example) -> float:
        """Return the loss alone; BatchNorm's statistics take the batch in."""
        return float(self._computed(*self._tensors(example)).asnumpy())

    def step(self, example: Example) -> float:
        """Take one step of SGD; return the loss before it."""
        loss, gradients = self._value_and_grad(*self._tensors(example))
        self._optimizer(gradients)
        return float(loss.asnumpy())

    def _tensors(self, example: Example) -> list[Any]:
        """Return the targets by name, and then the inputs."""
        mindspore = self._mindspore
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        targets = {
            name: mindspore.Tensor(array if array.dtype.kind == "f" else array.astype(np.int32))
            for name, array in example.targets.items()
        }
        return [targets, *self._runner.tensors(example.feed)]

    def values(self) -> dict[str, np.ndarray]:
        """Return every parameter and BatchNorm statistic as they are now."""
        return {
            self._name_of(parameter.name): parameter.asnumpy().copy()
            for parameter in self._net.get_parameters()
            if parameter.name in self._runner.names
        }

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        return self._runner.versions()
