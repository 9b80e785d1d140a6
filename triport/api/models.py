"""`triport.models` and `triport.model`: what is known of a model, and its definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from triport.reference_models.result import SCHEMA_VERSION
from triport.reference_models.spec import ModelSpec, all_models, get_model

from .arguments import ArgumentError, PathLike
from .checked import checked

if TYPE_CHECKING:
    import mindspore
    import torch


@dataclass(frozen=True, slots=True)
class Model:
    """A model that triport has definitions of.

    Attributes:
        spec: all that is known of it: family, dialects, published weights and accuracies.
    """

    spec: ModelSpec
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    @property
    def passed(self) -> bool:
        """A record of facts compares nothing."""
        return True

    def summary(self) -> dict[str, Any]:
        """Return its row of `models --json`."""
        from triport.reference_models.tables import summary

        return {"schema_version": self.schema_version, **summary(self.spec)}

    def to_dict(self) -> dict[str, Any]:
        """Return what `models NAME --json` prints."""
        from triport.reference_models.tables import details

        return {"schema_version": self.schema_version, **details(self.spec)}

    @checked
    def torch(self, path: PathLike | None = None, *, num_classes: int | None = None) -> torch.nn.Module:
        """Return the PyTorch definition, with the weights of a file where one is given.

        Args:
            path: a checkpoint of this model, of any format and dialect; None leaves the fresh weights.
            num_classes: outputs of the last layer; None takes the file's, or else the model's own.

        Raises:
            triport.Error: PyTorch is not installed, or the file is not one of this model.

        Example:
            >>> import triport
            >>> net = triport.model("res2net_digits").torch(triport.SHIPPED).eval()
            >>> tuple(net.fc.weight.shape)
            (10, 256)
        """
        from triport.converters.environment import import_torch
        from triport.torch import load_into

        import_torch()
        module = self.spec.build_torch(self._classes(path, num_classes))
        if path is not None:
            load_into(module, path, model=self.name)
        return module

    @checked
    def mindspore(self, path: PathLike | None = None, *, num_classes: int | None = None) -> mindspore.nn.Cell:
        """Return the MindSpore definition, with the weights of a file where one is given.

        Args:
            path: a checkpoint of this model, of any format and dialect; None leaves the fresh weights.
            num_classes: outputs of the last layer; None takes the file's, or else the model's own.

        Raises:
            triport.Error: MindSpore is not installed, or the file is not one of this model.
        """
        from triport.converters.environment import import_mindspore
        from triport.mindspore import load_into

        import_mindspore()
        cell = self.spec.build_mindspore(self._classes(path, num_classes))
        if path is not None:
            load_into(cell, path, model=self.name)
        return cell

    def _classes(self, path: PathLike | None, num_classes: int | None) -> int | None:
        """Return how many outputs to build: those asked for, or the file's."""
        if num_classes is not None and num_classes < 1:
            raise ArgumentError(f"num_classes={num_classes}: expected 1 or more")
        if path is None or num_classes is not None:
            return num_classes
        from triport.converters.formats import open_checkpoint
        from triport.converters.identification.identify import identify

        return identify(open_checkpoint(path), self.name).num_classes


def models() -> list[Model]:
    """Return every model that triport knows.

    Example:
        >>> import triport
        >>> len(triport.models()) > 50
        True
    """
    return [Model(spec) for spec in all_models().values()]


@checked
def model(name: str) -> Model:
    """Return a model, by its name or by that of published weights of it.

    Raises:
        triport.Error: neither is known; the message names close matches.

    Example:
        >>> import triport
        >>> triport.model("resnet50.mindcv").name
        'resnet50_mindcv'
        >>> triport.model("resnet50").to_dict()["num_parameters"]
        25557032
    """
    return Model(get_model(name))
