"""Runs an ONNX file in ONNX Runtime, on CPU, CUDA or (CANN execution provider) an Ascend NPU."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.parity.device import Device, DeviceError, parse_device
from triport.parity.onnx_graphs import in_order
from triport.parity.onnx_graphs.crashes import Forerunner, foreign_operators
from triport.parity.onnx_graphs.float16 import has_float16, rounded_as_said
from triport.parity.onnx_graphs.observed import ObservedGraph
from triport.parity.onnx_graphs.quantised import is_quantised
from triport.parity.onnx_graphs.signature import Signature, SignatureError, signature_of
from triport.parity.precision import PrecisionError, check_precision, recorded
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.network import Arrays, Network

NAME, LABEL, LOADS, TITLE = "onnx", "onnxruntime", "onnx", "ONNX Runtime"
BY_DEFAULT = True
DEVICES = ("cpu", "cuda", "npu")
PRECISIONS = ("float32", "tf32", "int8")
WHY_NOT = "an ONNX file says its own precision"
NOT_COMPARED = "the graph has no tensor of their outputs, or none that is theirs alone"

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


class OnnxFileError(TriportError):
    """ONNX Runtime cannot run the file as what it is said to be."""


def framework() -> Any:
    """Return the module onnxruntime.

    Raises:
        MissingRuntimeError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingRuntimeError(
            f'ONNX Runtime cannot be loaded ({error}). Install it: pip install "triport[onnx]"'
        ) from error
    return onnxruntime


def devices() -> Iterator[tuple[str, bool, str]]:
    """Yield each kind of device; see `Runtime`."""
    found = framework().get_available_providers()
    advice = {
        "cpu": "reinstall onnxruntime",
        "cuda": "needs an NVIDIA GPU; pip install onnxruntime-gpu instead of onnxruntime",
        "npu": "needs an Ascend NPU with CANN; pip install onnxruntime-cann instead of onnxruntime",
    }
    for device, (provider, _, _) in _PROVIDERS.items():
        yield device, provider in found, advice[device]


def load(
    network: Network,
    parameters: Arrays,
    device: str = "cpu",
    precision: str = "float32",
    observed: bool = False,
) -> OnnxRunner:
    """Return the network's ONNX realisation, which has its parameters within; see `Runtime`."""
    model = network.realisations["onnx"].build()
    return OnnxRunner(model, network, device, keep_model=observed, precision=precision)


class OnnxRunner(ObservedGraph):
    """An ONNX file that is to be a network: inputs and outputs of the same names, or as many of them."""

    runtime = NAME

    def __init__(
        self,
        model: Path | str | bytes,
        network: Network,
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
            OnnxFileError: the file cannot be loaded, or has other inputs or outputs.
        """
        self._runtime = framework()
        where = parse_device(device)
        self.device = str(where)
        self.network = network
        self.what = "the ONNX model" if isinstance(model, bytes) else str(model)
        check_precision(precision, where, NAME, PRECISIONS, WHY_NOT, given_file=not isinstance(model, bytes))
        self.notes: tuple[str, ...] = ()
        proto = _loaded_to_look_at(model)
        halves = self._read_precision(proto, precision)
        if halves and where.kind == "cpu":
            model, optimize = self._rounded(model), False
        # a crash on another device is not seen on this one
        operators = foreign_operators(proto) if proto is not None and where.kind == "cpu" else []
        self._forerunner = Forerunner(
            model if isinstance(model, bytes) else Path(model), operators, self.what, optimize=optimize
        )
        self._model = model if keep_model else None
        self._optimize = optimize
        self._flags = {"graph optimisation": "all" if optimize else "none"}
        self._cores_of_a_run: int | None = None
        # ONNX Runtime keeps a model's bytes as well
        self._opened = partial(
            _session, self._runtime, model, where, optimize, self.what, tf32=precision == "tf32"
        )
        self._session = self._opened()
        self._flags |= recorded(precision, where)
        if where.kind != "cpu":
            self.notes += said_of_the_cpu(self._session)
        if where.kind == "npu":
            self._flags["precision_mode"] = "must_keep_origin_dtype"
        self._signature = self._read_signature()

    def _read_precision(self, proto: Any | None, precision: str) -> bool:
        """Return whether the file has float16 in it, or raise PrecisionError if it does not compute so."""
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
        are = "is" if count == 1 else "are"
        of = len(_loaded(model, with_weights=False).graph.node)
        self.notes += (
            f"{count} of its {of} nodes {are} float16; each rounds to float16 here, which "
            "ONNX Runtime's CPU provider would leave out",
        )
        return apart.SerializeToString()

    def _read_signature(self) -> Signature:
        try:
            found = signature_of(self.network, self._session.get_inputs(), self._session.get_outputs())
        except SignatureError as error:
            raise OnnxFileError(f"{self.what}: {error}") from error
        if found.others:
            compared = ", ".join(found.outputs.values())
            self.notes += (
                f"of its {counted(len(found.outputs) + len(found.others), 'output')} only {compared} "
                f"{'was' if len(found.outputs) == 1 else 'were'} compared, not {', '.join(found.others[:5])}"
                + (f" and {len(found.others) - 5} more" if len(found.others) > 5 else ""),
            )
        if self.network.rows is not None and found.row_count is not None:
            self.notes += (
                f"takes {counted(found.row_count, 'row')} at a time, no more and no fewer: any other batch "
                f"is fed in such pieces, the last one filled up with the first rows",
            )
        return found

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes, as far as the file says."""
        return self._signature.takes(shapes)

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by the network's names."""
        rows, size = self.network.rows, self._signature.row_count
        if rows is None or size is None or size == rows.count(feed):
            return self._run(feed)
        count = rows.count(feed)
        # the last piece is filled up with the first rows
        pieces = [
            self._run(rows.take(feed, list(np.arange(start, start + size) % count)))
            for start in range(0, count, size)
        ]
        return rows.take_outputs(rows.joined(pieces), range(count))

    @property
    def shareable(self) -> bool:
        """Whether several threads may run it at once, and gain by it: on a CPU they share its cores."""
        return parse_device(self.device).kind == "cpu"

    @contextmanager
    def shared(self, cores: int) -> Iterator[None]:
        """Compute each run of a `with`, and later ones, on so many cores: a session stays as it was made."""
        if cores != self._cores_of_a_run:
            del self._session  # two at a time would hold the weights twice
            self._session = self._opened(cores=cores)
            self._cores_of_a_run = cores
        yield

    def loaded(self) -> Any:
        """Return the onnx.ModelProto of a runner that was told to keep it."""
        assert self._model is not None, "made without keep_model"
        return _loaded(self._model)

    def run_tensors(
        self, feed: Arrays, model: bytes, feeds: Mapping[str, np.ndarray], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return tensors of `model`, a form of this runner's with other inputs or outputs.

        `feed` is fed where `model` asks for this runner's own inputs. What is in `feeds`, by the model's own
        names, has rows on its first axis where the file has a fixed number of them.
        """
        session = _session(self._runtime, model, parse_device(self.device), self._optimize, self.what)
        asked = {value.name for value in session.get_inputs()}
        outputs = [value.name for value in session.get_outputs() if value.name in wanted]
        rows, size = self.network.rows, self._signature.row_count
        count = rows.count(feed) if rows is not None else 0
        known = {**feeds, **self._signature.cast(feed)}
        if rows is None or size is None or size == count:
            found = dict(zip(outputs, self._computed(session, outputs, known, asked), strict=True))
        else:
            pieces = []
            for start in range(0, count, size):
                at = list(np.arange(start, start + size) % count)
                piece = {**{name: array[at] for name, array in feeds.items()}}
                piece |= self._signature.cast(rows.take(feed, at))
                pieces.append(self._computed(session, outputs, piece, asked))
            values = [np.concatenate(parts)[:count] for parts in zip(*pieces, strict=True)]
            found = dict(zip(outputs, values, strict=True))
        return {name: found[name] if name in found else known[name] for name in wanted}

    def _computed(
        self, session: Any, outputs: Sequence[str], known: Arrays, asked: set[str]
    ) -> list[np.ndarray]:
        try:
            found: list[np.ndarray] = session.run(outputs, {name: known[name] for name in asked})
        except Exception as error:  # ONNX Runtime's own classes derive from Exception alone
            raise OnnxFileError(
                f"{self.what}: ONNX Runtime failed with more outputs: {_first_line(error)}"
            ) from error
        return found

    def versions(self) -> dict[str, str]:
        """Return ONNX Runtime's version and what it was told."""
        return {"onnxruntime": self._runtime.__version__, **self._flags}

    def _run(self, feed: Arrays) -> dict[str, np.ndarray]:
        names, given = self._signature.outputs, self._signature.cast(feed)
        self._forerunner.check_shapes({one.name: given[one.name] for one in self._session.get_inputs()})
        try:
            found = self._session.run(list(names.values()), given)
        except Exception as error:  # ONNX Runtime's own classes derive from Exception alone
            shapes_given = {name: array.shape for name, array in feed.items()}
            if not self.takes(shapes_given):
                raise OnnxFileError(f"{self.what}: {self._signature.refusal_of(shapes_given)}") from error
            shapes = ", ".join(map(str, shapes_given.values()))
            raise OnnxFileError(
                f"{self.what}: ONNX Runtime failed on input {shapes}: {_first_line(error)}"
            ) from error
        return dict(zip(names, found, strict=True))


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
    runtime: Any,
    model: Path | str | bytes,
    device: Device,
    optimize: bool,
    what: str,
    *,
    tf32: bool = False,
    cores: int | None = None,
) -> Any:
    """Return a session; a run of it computes on all cores, or on so many."""
    provider, options, package = _PROVIDERS[device.kind]
    if provider not in runtime.get_available_providers():
        raise DeviceError(
            f"ONNX Runtime {runtime.__version__} as installed has no {provider} for {device}: it has "
            f"{', '.join(runtime.get_available_providers())}. Install {package}, or use --device cpu."
        )
    if device.kind != "cpu":
        options = {**options, "device_id": str(device.index)}
    if device.kind == "cuda":
        _load_cuda(runtime)
    if tf32 and device.kind == "cuda":
        options["use_tf32"] = "1"
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3  # its warnings are about its own graph passes
    levels = runtime.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    if cores is not None:
        settings.intra_op_num_threads = cores
    # threads that spin while they wait starve whatever else computes, decoders above all
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device.kind != "cpu":
        # a node that the device does not run must not move to the CPU in silence: it is said, where it can be
        can_say = hasattr(runtime.InferenceSession, "get_provider_graph_assignment_info")
        key = "session.record_ep_graph_assignment_info" if can_say else "session.disable_cpu_ep_fallback"
        settings.add_session_config_entry(key, "1")
    if device.kind != "cpu":
        runtime.set_default_logger_severity(3)  # it warns of plugins that nobody asked for
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


def said_of_the_cpu(session: Any) -> tuple[str, ...]:
    """Return what is to be said of a session on a device: which nodes ONNX Runtime has put on the CPU.

    Above all those that compute sizes are there. A version that cannot say it refuses them.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return ()
    nodes = [
        (one.ep_name, node.op_type)
        for one in session.get_provider_graph_assignment_info()
        for node in one.get_nodes()
    ]
    there = Counter(op_type for provider, op_type in nodes if provider == _PROVIDERS["cpu"][0])
    if not there:
        return ()
    named = ", ".join(f"{count} {op_type}" for op_type, count in there.most_common())
    return (
        f"{there.total()} of its {len(nodes)} nodes ran on the CPU, where ONNX Runtime put them: {named}",
    )


def _load_cuda(runtime: Any) -> None:
    """Load CUDA and cuDNN from NVIDIA's packages, where ONNX Runtime does not look by itself.

    PyTorch has loaded them where it was imported. From ONNX Runtime 1.21 on; it prints what it does not find,
    and a session that lacks something says so.
    """
    if hasattr(runtime, "preload_dlls"):
        with redirect_stdout(io.StringIO()):
            runtime.preload_dlls()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
