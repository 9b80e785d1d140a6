"""Strict matching of parameters to a network's: nothing missing, nothing left over, shapes equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from triport.reference_models.errors import TriportError, counted, listed

# What a network may own and a checkpoint may lack: it plays no part in inference.
_OPTIONAL_LEAF = "num_batches_tracked"


class ParameterError(TriportError):
    """The parameters do not fit the network."""


def no_wider_than_float32(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters that a check is of: float64 ones are rounded to float32."""
    return {
        name: array.astype(np.float32) if array.dtype == np.float64 else array
        for name, array in parameters.items()
    }


def matched(
    what: str, expected: Mapping[str, tuple[int, ...]], parameters: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the parameters as float32, in the order of `expected`, names and shapes checked.

    `what` names the network in messages ("resnet50 in MindSpore"). `num_batches_tracked` is left out.

    Raises:
        ParameterError: a name is missing or unknown, a shape differs, a value is no real number; all
            problems are in the one message.
    """
    wanted = {name: shape for name, shape in expected.items() if not _optional(name)}
    given = {name: array for name, array in parameters.items() if not _optional(name)}
    missing = [f"{name} {shape}" for name, shape in wanted.items() if name not in given]
    unknown = [f"{name} {array.shape}" for name, array in given.items() if name not in wanted]
    common = [name for name in wanted if name in given]
    reshaped = [
        f"{name}: expected {tuple(wanted[name])}, found {given[name].shape}"
        for name in common
        if tuple(wanted[name]) != given[name].shape
    ]
    # ml_dtypes' bfloat16 has kind "V"
    unreal = [
        f"{name}: {given[name].dtype}"
        for name in common
        if given[name].dtype.kind != "f" and given[name].dtype.name != "bfloat16"
    ]
    problems = [
        f"{counted(len(items), *titles)}:\n{listed(items)}"
        for titles, items in (
            (
                (f"of {len(wanted)} parameters is missing", f"of {len(wanted)} parameters are missing"),
                missing,
            ),
            (("parameter is not the network's", "parameters are not the network's"), unknown),
            (("parameter has another shape", "parameters have another shape"), reshaped),
            (("parameter is not floating point", "parameters are not floating point"), unreal),
        )
        if items
    ]
    if problems:
        raise ParameterError(
            f"{what}: the parameters do not fit\n"
            + "\n".join(problems)
            + "\nCheck that the model and the number of classes are the checkpoint's."
        )
    return {name: np.asarray(given[name], np.float32, order="C") for name in wanted}


def by_their_names(
    parameters: Mapping[str, np.ndarray], theirs: Iterable[str], name_of: Callable[[str], str]
) -> dict[str, np.ndarray]:
    """Return parameters under the names of a realisation; those that it has not keep their own.

    Args:
        parameters: by the network's names.
        theirs: the realisation's names.
        name_of: returns the network's name of one of these; of two it may be the same.
    """
    names = {name: name_of(name) for name in theirs}
    used = set(names.values())
    return {
        **{name: parameters[ours] for name, ours in names.items() if ours in parameters},
        **{name: array for name, array in parameters.items() if name not in used},
    }


def shared_parameters(net: Any) -> dict[str, str]:
    """Return, by name, which earlier name of a Module is the very same parameter."""
    first: dict[int, str] = {}
    names = {
        name: first.setdefault(id(parameter), name)
        for name, parameter in net.named_parameters(remove_duplicate=False)
    }
    return {name: earlier for name, earlier in names.items() if name != earlier}


def _optional(name: str) -> bool:
    return name.rsplit(".", 1)[-1] == _OPTIONAL_LEAF
