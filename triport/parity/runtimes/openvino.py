"""Runs an ONNX file in OpenVINO, on the CPU, in float32."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.parity.device import DeviceError, parse_device
from triport.parity.onnx_graphs import in_order
from triport.parity.onnx_graphs.observed import ObservedGraph
from triport.parity.onnx_graphs.signature import Signature, SignatureError, signature_of
from triport.parity.precision import check_precision
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays, Network

NAME, LABEL, LOADS, TITLE = "openvino", "openvino", "onnx", "OpenVINO"
BY_DEFAULT = False
DEVICES = ("cpu",)
PRECISIONS = ("float32",)
WHY_NOT = "it is asked for float32, and an ONNX file says the rest"
NOT_COMPARED = "the graph has no tensor of their outputs, or none that is theirs alone"

_TELEMETRY = "openvino_telemetry"
# its CPU plugin takes bfloat16 by itself where the processor has it
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
_TYPES = {
    "f32": "tensor(float)",
    "f16": "tensor(float16)",
    "f64": "tensor(double)",
    "boolean": "tensor(bool)",
}
_TYPES |= {
    f"{sign}{bits}": f"tensor({word}{bits})"
    for sign, word in (("i", "int"), ("u", "uint"))
    for bits in (8, 16, 32, 64)
}


class OpenVinoError(TriportError):
    """OpenVINO cannot run the file as what it is said to be."""


class _Port(NamedTuple):
    """An input or output as `signature_of` takes it: a side that is no number is free."""

    name: str
    type: str
    shape: list[int | None]


def framework() -> Any:
    """Return the module openvino, imported without its telemetry.

    Importing it sends an event and writes a client's number into the home folder, unless the package that
    does so is not there: then it takes a stand-in of its own.

    Raises:
        MissingRuntimeError: OpenVINO is not installed.
    """
    hidden = "openvino" not in sys.modules and _TELEMETRY not in sys.modules
    if hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise MissingRuntimeError(
            f'OpenVINO cannot be loaded ({error}). Install it: pip install "triport[openvino]"'
        ) from error
    finally:
        if hidden:
            del sys.modules[_TELEMETRY]
    return openvino


def devices() -> Iterator[tuple[str, bool, str]]:
    """Yield each kind of device; see `Runtime`."""
    yield "cpu", "CPU" in framework().Core().available_devices, "reinstall openvino with its CPU plugin"


def load(
    network: Network,
    parameters: Arrays,
    device: str = "cpu",
    precision: str = "float32",
    observed: bool = False,
) -> OpenVinoRunner:
    """Return the network's ONNX realisation, which has its parameters within; see `Runtime`."""
    return OpenVinoRunner(network.realisations["onnx"].build(), network, device, precision)


class OpenVinoRunner(ObservedGraph):
    """An ONNX file that is to be a network, compiled by OpenVINO's CPU plugin."""

    runtime = NAME
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        model: Path | str | bytes,
        network: Network,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        """Load `model`, a path or the file's bytes.

        Raises:
            TriportError: OpenVINO is not installed.
            DeviceError: the device is another than the CPU.
            PrecisionError: another precision than float32 is asked for.
            OpenVinoError: the file cannot be loaded, or has other inputs or outputs.
        """
        self._openvino = framework()
        where = parse_device(device)
        if where.kind not in DEVICES:
            raise DeviceError(f"OpenVINO is run on the CPU alone, not on {device}: use --device cpu")
        check_precision(precision, where, NAME, PRECISIONS, WHY_NOT)
        self.device = str(where)
        self.network = network
        self.what = "the ONNX model" if isinstance(model, bytes) else str(model)
        self._model = model
        self._core = self._openvino.Core()
        self._compiled = self._compile(model)
        self._signature = self._read_signature()

    def _compile(self, model: Path | str | bytes) -> Any:
        try:
            read = self._core.read_model(model if isinstance(model, bytes) else os.fspath(model))
            compiled = self._core.compile_model(read, "CPU", _SETTINGS)
        except RuntimeError as error:
            raise OpenVinoError(f"{self.what}: OpenVINO cannot load it: {_reason(error)}") from error
        # a setting that a plugin does not follow is no error of OpenVINO's
        if (found := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != "f32":
            raise OpenVinoError(f"{self.what}: OpenVINO was asked for float32 and computes in {found}")
        return compiled

    def _read_signature(self) -> Signature:
        inputs = [_port(one, [given.name for given in self.network.inputs]) for one in self._compiled.inputs]
        outputs = [_port(one, self.network.outputs) for one in self._compiled.outputs]
        try:
            return signature_of(self.network, inputs, outputs)
        except SignatureError as error:
            raise OpenVinoError(f"{self.what}: {error}") from error

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes, as far as the file says."""
        return self._signature.takes(shapes)

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by the network's names."""
        names = self._signature.outputs
        found = self._fed(self._compiled, list(names.values()), feed, {})
        return dict(zip(names, found, strict=True))

    def loaded(self) -> Any:
        """Return the onnx.ModelProto."""
        import onnx

        model = self._model
        return in_order(onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model))

    def run_tensors(
        self, feed: Arrays, model: bytes, feeds: Arrays, wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return tensors of `model`, a form of this runner's with other inputs or outputs.

        `feeds` are those of its inputs that are not this runner's.
        """
        compiled = self._compile(model)
        returned = {name for one in compiled.outputs for name in one.get_names()}
        outputs = [name for name in wanted if name in returned]
        found = dict(zip(outputs, self._fed(compiled, outputs, feed, feeds), strict=True))
        known = {**feeds, **self._signature.cast(feed)}
        return {name: found[name] if name in found else known[name] for name in wanted}

    def _fed(self, compiled: Any, outputs: Sequence[str], feed: Arrays, feeds: Arrays) -> list[np.ndarray]:
        """Return outputs by their names in the graph; in pieces where it takes a fixed number of rows."""
        rows, size = self.network.rows, self._signature.row_count
        count = rows.count(feed) if rows is not None else 0
        if rows is None or size is None or size == count:
            return self._computed(compiled, outputs, {**feeds, **self._signature.cast(feed)})
        pieces = []
        for start in range(0, count, size):
            # the last piece is filled up with the first rows
            at = list(np.arange(start, start + size) % count)
            piece = {name: array[at] for name, array in feeds.items()}
            piece |= self._signature.cast(rows.take(feed, at))
            pieces.append(self._computed(compiled, outputs, piece))
        return [np.concatenate(parts)[:count] for parts in zip(*pieces, strict=True)]

    def _computed(self, compiled: Any, outputs: Sequence[str], known: Arrays) -> list[np.ndarray]:
        asked = {name for one in compiled.inputs for name in one.get_names()}
        try:
            found = compiled({name: array for name, array in known.items() if name in asked})
            # its arrays are views of memory that the next run writes to
            return [np.array(found[compiled.output(name)]) for name in outputs]
        except RuntimeError as error:
            shapes = ", ".join(str(array.shape) for array in known.values())
            raise OpenVinoError(
                f"{self.what}: OpenVINO failed on input {shapes}: {_reason(error)}"
            ) from error

    def versions(self) -> dict[str, str]:
        """Return OpenVINO's version and what it was told."""
        told = {name.lower().replace("_", " "): value for name, value in _SETTINGS.items()}
        return {"openvino": self._openvino.__version__.partition("-")[0], **told}


def _port(port: Any, ours: Sequence[str]) -> _Port:
    """Return a port under the network's name where that is one of its names."""
    names = sorted(port.get_names())
    name = next(
        (one for one in names if one in ours), names[0] if names else port.get_node().get_friendly_name()
    )
    shape = [side.get_length() if side.is_static else None for side in port.get_partial_shape()]
    kind = port.get_element_type().get_type_name()
    return _Port(name, _TYPES.get(kind, kind), shape)


def _reason(error: Exception) -> str:
    """Return OpenVINO's message without the lines that say where in its own source it failed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '", "FrontEnd API"))]
    text = " ".join(telling or lines)[:400]
    # it repeats the file's names
    return (text if text.isprintable() else ascii(text)[1:-1]) or type(error).__name__
