"""Trains a model in MindSpore, a step at a time, with everything that a step computes in sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from triport.converters.networks.registered import of_model
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.training.recipe import Recipe
from triport.reference_models.spec import ModelSpec


class MindSporeTrainer:
    """The MindSpore definition in training mode with an optimizer; names are canonical."""

    runtime = "mindspore"

    def __init__(
        self,
        spec: ModelSpec,
        num_classes: int,
        parameters: Mapping[str, np.ndarray],
        recipe: Recipe,
        device: str = "cpu",
    ) -> None:
        self._runner = MindSporeRunner(of_model(spec, num_classes), parameters, device)
        self.device = self._runner.device
        mindspore, net = self._runner._mindspore, self._runner._net.set_train(True)
        self._mindspore, self._net = mindspore, net
        self._name_of = self._runner.canonical
        self._trained = net.trainable_params()
        loss = mindspore.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self._value_and_grad = mindspore.value_and_grad(
            lambda images, labels: loss(net(images), labels), None, self._trained
        )
        self._optimizer = mindspore.nn.Momentum(
            self._trained,
            learning_rate=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )

    def gradients(self, batch: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and every parameter's gradient; BatchNorm's statistics take the batch in."""
        loss, gradients = self._computed(batch, labels)
        found = {
            self._name_of(parameter.name): gradient.asnumpy().copy()
            for parameter, gradient in zip(self._trained, gradients, strict=True)
        }
        return loss, found

    def step(self, batch: np.ndarray, labels: np.ndarray) -> float:
        """Take one step of SGD; return the loss before it."""
        loss, gradients = self._computed(batch, labels)
        self._optimizer(gradients)
        return loss

    def _computed(self, batch: np.ndarray, labels: np.ndarray) -> tuple[float, Any]:
        mindspore = self._mindspore
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        images = mindspore.Tensor(np.ascontiguousarray(batch))
        loss, gradients = self._value_and_grad(images, mindspore.Tensor(labels.astype(np.int32)))
        return float(loss.asnumpy()), gradients

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
