"""What can run a network: one file per runtime, found by discovery.

A file beside this one is a runtime, and its NAME a word for `--runtimes`. It has

- NAME, LABEL (how reports call a run of it), TITLE (how people do), LOADS (which realisation of a network it
  takes; "onnx" also means: the files made from each other realisation), BY_DEFAULT (whether it runs unless
  others are named);
- DEVICES (kinds of device), PRECISIONS, and WHY_NOT (why it does not compute in the others);
- NOT_COMPARED: why modules of the reference have no counterpart in it, in words;
- `devices()`: each kind of device with whether it can be used here, and what to do where it cannot; nothing
  where it runs nothing here;
- `framework()`: the package that it needs, imported, or MissingRuntimeError that says what to install;
- `load(network, parameters, device, precision, observed)`: a `Runner`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np

from triport.parity.calls import CalledModule, Feed, ReferenceNames, Visit
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays, Network


class UnknownRuntimeError(TriportError):
    """There is no runtime of that name."""


class Runner(Protocol):
    """A network with its parameters on a device, ready to run."""

    runtime: str
    device: str
    network: Network
    # what of the network was not compared, or was run otherwise than it would be elsewhere
    notes: tuple[str, ...]

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the network's outputs by name; `feed` has an array for each of its inputs."""
        ...

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes, by name, as far as is known before it runs."""
        ...

    def modules(self) -> list[CalledModule]:
        """Return every module but the network itself; none where the runtime has graphs and no modules."""
        ...

    def trace(
        self, feed: Arrays, visit: Visit, fed: Feed | None = None, beside: ReferenceNames | None = None
    ) -> Arrays | None:
        """Run, tell `visit` of every call of a module, and return the outputs, where the run has them all.

        With `fed`, modules are given other inputs than their own. With `beside`, calls are told under the
        names of the reference's modules, and those without a counterpart are not told.
        """
        ...

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return what comes between a step and the outputs, in words; empty where that cannot be told."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what computed: versions of the packages, precision flags, environment."""
        ...


@runtime_checkable
class SharedRunner(Protocol):
    """A runner that several threads may run at once, where `shareable` says so."""

    @property
    def shareable(self) -> bool:
        """Whether several threads may run it at once, and gain by it."""
        ...

    def shared(self, cores: int) -> AbstractContextManager[None]:
        """Compute each run of a `with` on so many cores, because other threads run it at the same time."""
        ...


class Runtime(Protocol):
    """A module of this folder; what each name means stands above."""

    NAME: str
    LABEL: str
    TITLE: str
    LOADS: Literal["mindspore", "pytorch", "onnx", "recorded"]
    BY_DEFAULT: bool
    DEVICES: tuple[str, ...]
    PRECISIONS: tuple[str, ...]
    WHY_NOT: str
    NOT_COMPARED: str

    def framework(self) -> Any:
        """Return the package, imported."""
        ...

    def devices(self) -> Iterator[tuple[str, bool, str]]:
        """Yield kinds of device, whether each can be used, and what to do otherwise.

        Raises:
            TriportError: the package does not load.
        """
        ...

    def load(
        self,
        network: Network,
        parameters: Arrays,
        device: str = "cpu",
        precision: str = "float32",
        observed: bool = False,
    ) -> Runner:
        """Return the network with these parameters, by the network's names; `observed` if modules matter.

        Raises:
            TriportError: the runtime or the device is missing, the parameters do not fit, or it does not
                compute in this precision.
        """
        ...


@cache
def runtimes() -> Mapping[str, Runtime]:
    """Return the runtimes by NAME: every file of this folder."""
    found: dict[str, Runtime] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        runtime = cast(Runtime, importlib.import_module(f"{__name__}.{entry.name}"))
        if runtime.NAME in found:
            raise ValueError(f"two files of {__name__} have the NAME {runtime.NAME!r}")
        found[runtime.NAME] = runtime
    return found


def runtime_called(name: str) -> Runtime:
    """Return the runtime of that NAME.

    Raises:
        UnknownRuntimeError: there is none.
    """
    known = runtimes()
    if name not in known:
        run = [other for other, one in known.items() if one.LOADS != "recorded"]
        raise UnknownRuntimeError(f"runtime {name!r} is not known: use {', '.join(run)}")
    return known[name]


def by_default() -> tuple[str, ...]:
    """Return the runtimes that run unless others are named."""
    return tuple(name for name, one in runtimes().items() if one.BY_DEFAULT)


def runtimes_with(precision: str) -> tuple[str, ...]:
    """Return the runtimes that run by default and compute with a precision, on one device or another."""
    return tuple(name for name in by_default() if precision in runtimes()[name].PRECISIONS)
