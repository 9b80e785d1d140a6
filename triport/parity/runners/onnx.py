"""Runs an ONNX file in ONNX Runtime, on CPU, CUDA or (CANN execution provider) an Ascend NPU."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.reference_models.errors import TriportError

from .device import Device, DeviceError, parse_device
from .float16 import has_float16, rounded_as_said
from .onnx_graphs import in_order
from .precision import PrecisionError, check_precision, recorded
from .quantised import is_quantised

_PROVIDERS: dict[str, tuple[str, dict[str, str], str]] = {
    "cpu": ("CPUExecutionProvider", {}, "onnxruntime"),
    # full float32: both providers round to shorter mantissas unless told not to
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}, "onnxruntime-gpu, CUDA and cuDNN"),
    "npu": (
        "CANNExecutionProvider",
        {"precision_mode": "must_keep_origin_dtype"},
        "an onnxruntime built with CANN (onnxruntime-cann) and Ascend's CANN",
    ),
}
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxFileError(TriportError):
    """ONNX Runtime cannot run the file as an image classifier."""


class OnnxRunner:
    """An ONNX classifier: one image input (N, 3, H, W), logits (N, classes)."""

    runtime = "onnx"

    def __init__(
        self,
        model: Path | str | bytes,
        device: str = "cpu",
        optimize: bool = True,
        *,
        keep_model: bool = False,
        precision: str = "float32",
    ) -> None:
        """Load `model`, a path or the file's bytes; `optimize` lets ONNX Runtime rewrite the graph.

        `keep_model` keeps it for `loaded`, beside what ONNX Runtime makes of it. `precision` "float32"
        is the file's own, in full; "tf32" lets CUDA round; "int8" is of a quantised file, "float16" of one
        that computes in float16, all of it or a part. What a file has in float16 is rounded on a CPU too.

        Raises:
            TriportError: ONNX Runtime is not installed.
            DeviceError: the device is not there.
            PrecisionError: ONNX Runtime cannot compute so on this device, or the file does not.
            OnnxFileError: the file cannot be loaded, or is no image classifier.
        """
        self._runtime = import_onnxruntime()
        where = parse_device(device)
        self.device = str(where)
        self.what = "the ONNX model" if isinstance(model, bytes) else str(model)
        check_precision(precision, self.runtime, where, given_file=not isinstance(model, bytes))
        self.notes: tuple[str, ...] = ()
        halves = self._read_precision(model, precision)
        if halves and where.kind == "cpu":
            model, optimize = self._rounded(model), False
        self._model = model if keep_model else None
        self._optimize = optimize
        self._flags = {"graph optimisation": "all" if optimize else "none"}
        self._session = _session(self._runtime, model, where, optimize, self.what, tf32=precision == "tf32")
        self._flags |= recorded(precision, where)
        if where.kind == "npu":
            self._flags["precision_mode"] = "must_keep_origin_dtype"
        self._input, self.output = self._signature()
        self._dtype = _DTYPES[self._input.type]
        size = self._input.shape[0]
        self._fixed_size = size if isinstance(size, int) else None

    def _read_precision(self, model: Path | str | bytes, precision: str) -> bool:
        """Return whether the file has float16 in it, or raise PrecisionError if it does not compute so."""
        proto = _loaded_to_look_at(model)
        if proto is None:
            return False
        halves = has_float16(proto)
        if precision == "int8" and not is_quantised(proto):
            raise PrecisionError(
                f"{self.what} computes nothing in int8: quantise it (onnxruntime.quantization has "
                "quantize_static), or leave --precision out"
            )
        if precision == "float16" and not halves:
            raise PrecisionError(f"{self.what} computes nothing in float16: leave --precision out")
        return halves

    def _rounded(self, model: Path | str | bytes) -> bytes:
        """Return the model with its float16 as the file says it, and say so in `notes`."""
        apart, count = rounded_as_said(_loaded(model))
        of = len(_loaded(model, with_weights=False).graph.node)
        self.notes += (
            f"{count} of its {of} nodes are float16; each rounds to float16 here, which ONNX Runtime's CPU "
            f"provider would leave out",
        )
        return apart.SerializeToString()

    def takes(self, size_px: int) -> bool:
        """Whether the input may be of this size, as far as the file says."""
        return all(not isinstance(side, int) or side == size_px for side in self._input.shape[2:])

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of `batch` (N, 3, H, W) float32."""
        images = np.ascontiguousarray(batch, self._dtype)
        size = self._fixed_size
        if size is None or size == len(images):
            return self._run(images)
        filling = np.zeros((-len(images) % size, *images.shape[1:]), images.dtype)
        padded = np.concatenate([images, filling])
        return np.concatenate(
            [self._run(padded[start : start + size]) for start in range(0, len(padded), size)]
        )[: len(images)]

    def loaded(self) -> Any:
        """Return the onnx.ModelProto of a runner that was told to keep it."""
        assert self._model is not None, "made without keep_model"
        return _loaded(self._model)

    def run_tensors(
        self, model: bytes, feeds: Mapping[str, np.ndarray], batch: np.ndarray, wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return tensors of `model`, a form of this runner's with other inputs or outputs.

        `batch` is fed where `model` asks for this runner's own input; all that is fed has as many rows.
        """
        session = _session(self._runtime, model, parse_device(self.device), self._optimize, self.what)
        asked = {value.name for value in session.get_inputs()}
        known = {**feeds, self._input.name: np.ascontiguousarray(batch, self._dtype)}
        outputs = [value.name for value in session.get_outputs() if value.name in wanted]
        count = len(batch)
        size = self._fixed_size or count
        pieces = []
        for start in range(0, count, size):
            # the last piece is filled up with the first rows
            rows = np.arange(start, start + size) % count
            try:
                pieces.append(session.run(outputs, {name: known[name][rows] for name in asked}))
            except Exception as error:  # ONNX Runtime's own classes derive from Exception alone
                raise OnnxFileError(
                    f"{self.what}: ONNX Runtime failed with more outputs: {_first_line(error)}"
                ) from error
        values = [np.concatenate(parts)[:count] for parts in zip(*pieces, strict=True)]
        found = dict(zip(outputs, values, strict=True))
        return {name: found[name] if name in found else known[name] for name in wanted}

    def versions(self) -> dict[str, str]:
        """Return ONNX Runtime's version and what it was told."""
        return {"onnxruntime": self._runtime.__version__, **self._flags}

    def _run(self, images: np.ndarray) -> np.ndarray:
        try:
            return self._session.run([self.output], {self._input.name: images})[0]
        except Exception as error:  # ONNX Runtime's own classes derive from Exception alone
            raise OnnxFileError(
                f"{self.what}: ONNX Runtime failed on input {images.shape}: {_first_line(error)}"
            ) from error

    def _signature(self) -> tuple[Any, str]:
        """Return the image input and the name of the logits, or raise OnnxFileError."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = ", ".join(f"{value.name} {value.type} {value.shape}" for value in [*inputs, *outputs])
        image = inputs[0] if len(inputs) == 1 else None
        if image is None or image.type not in _DTYPES or len(image.shape) != 4 or image.shape[1] != 3:
            raise OnnxFileError(f"{self.what}: expected one floating-point input (N, 3, H, W); found {found}")
        logits = [value.name for value in outputs if len(outputs) == 1 or value.name == "logits"]
        if not logits:
            raise OnnxFileError(f"{self.what}: expected one output, or one called logits; found {found}")
        others = [value.name for value in outputs if value.name != logits[0]]
        if others:
            self.notes += (
                f"of its {len(outputs)} outputs only {logits[0]} was compared, not {', '.join(others[:5])}"
                + (f" and {len(others) - 5} more" if len(others) > 5 else ""),
            )
        return image, logits[0]


def import_onnxruntime() -> Any:
    """Return the module onnxruntime.

    Raises:
        TriportError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingRuntimeError(
            f'ONNX Runtime cannot be loaded ({error}). Install it: pip install "triport[onnx]"'
        ) from error
    return onnxruntime


def _loaded(model: Path | str | bytes, *, with_weights: bool = True) -> Any:
    import onnx

    if isinstance(model, bytes):
        return in_order(onnx.load_from_string(model))
    return in_order(onnx.load(model, load_external_data=with_weights))


def _loaded_to_look_at(model: Path | str | bytes) -> Any | None:
    """Return the onnx.ModelProto without external weights; None where ONNX Runtime must say what is wrong."""
    from google.protobuf.message import DecodeError

    try:
        return _loaded(model, with_weights=False)
    except (DecodeError, OSError):
        return None


def _session(
    runtime: Any, model: Path | str | bytes, device: Device, optimize: bool, what: str, *, tf32: bool = False
) -> Any:
    provider, options, package = _PROVIDERS[device.kind]
    if provider not in runtime.get_available_providers():
        raise DeviceError(
            f"ONNX Runtime {runtime.__version__} as installed has no {provider} for {device}: it has "
            f"{', '.join(runtime.get_available_providers())}. Install {package}, or use --device cpu."
        )
    if device.kind != "cpu":
        options = {**options, "device_id": str(device.index)}
    if tf32 and device.kind == "cuda":
        options["use_tf32"] = "1"
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3  # its warnings are about its own graph passes
    levels = runtime.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    # threads that spin while they wait starve whatever else computes, decoders above all
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device.kind != "cpu":
        # a node that the device cannot run must not move to the CPU in silence
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = runtime.InferenceSession(
            os.fspath(model) if isinstance(model, Path) else model, settings, providers=[(provider, options)]
        )
    except Exception as error:  # ONNX Runtime's own classes derive from Exception alone
        if device.kind != "cpu":
            raise DeviceError(f"{what}: ONNX Runtime cannot use {device}: {_first_line(error)}") from error
        raise OnnxFileError(f"{what}: ONNX Runtime cannot load it: {_first_line(error)}") from error
    if provider not in session.get_providers():
        raise DeviceError(
            f"ONNX Runtime fell back from {provider} to {', '.join(session.get_providers())}: {device} "
            f"is not usable. Check the driver and {package}."
        )
    return session


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
