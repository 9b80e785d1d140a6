"""Trains a model in PyTorch, a step at a time, with everything that a step computes in sight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from triport.converters.networks.registered import of_model
from triport.converters.onnx_model import INPUT
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.training.recipe import Recipe
from triport.reference_models.kinds import KINDS, kind_of
from triport.reference_models.spec import ModelSpec


class PyTorchTrainer:
    """The PyTorch definition in training mode with an optimizer; names are canonical."""

    runtime = "pytorch"

    def __init__(
        self,
        spec: ModelSpec,
        num_classes: int,
        parameters: Mapping[str, np.ndarray],
        recipe: Recipe,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        # copies: steps write into them
        self._runner = PyTorchRunner(
            of_model(spec, num_classes),
            {name: np.array(array) for name, array in parameters.items()},
            device,
            dtype,
        )
        self.device = self._runner.device
        torch, self._net = self._runner._torch, self._runner._net.train()
        self._torch = torch
        self._named = dict(self._net.named_parameters())
        for parameter in self._named.values():
            parameter.requires_grad_(True)
        # how many values each BatchNorm took its statistics of
        self.samples: dict[str, int] = {}
        for path, module in self._net.named_modules():
            if kind_of(module) is KINDS["norm"]:
                module.register_forward_hook(_counting(self.samples, path))
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self._optimizer = torch.optim.SGD(
            self._named.values(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )

    def gradients(self, batch: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and every parameter's gradient; BatchNorm's statistics take the batch in."""
        self._optimizer.zero_grad()
        loss = self._loss(
            self._net(*self._runner.on_device({INPUT: batch})), self._torch.tensor(labels).to(self.device)
        )
        loss.backward()
        gradients = {name: _array(parameter.grad) for name, parameter in self._named.items()}
        return float(loss.detach()), gradients

    def step(self, batch: np.ndarray, labels: np.ndarray) -> float:
        """Take one step of SGD; return the loss before it."""
        loss, _ = self.gradients(batch, labels)
        self._optimizer.step()
        return loss

    def values(self) -> dict[str, np.ndarray]:
        """Return every parameter and BatchNorm statistic as they are now."""
        state = self._net.state_dict()
        return {name: _array(value) for name, value in state.items() if value.is_floating_point()}

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        return self._runner.versions()


def _counting(samples: dict[str, int], path: str) -> Callable[[Any, Any, Any], None]:
    """Return a hook that does not hold the trainer: that would be a cycle, and its memory would stay."""

    def count(module: Any, arguments: Any, output: Any) -> None:
        samples[path] = output.numel() // output.shape[1]

    return count


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
