"""What the process environment must say before a framework is loaded, and what was said.

Call `prepare` before the first import of MindSpore, `prepare_torch` before PyTorch's, as the runners
do. What the user has set is left alone.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from triport.reference_models.errors import TriportError
from triport.reference_models.scratch import scratch_folder

from .versions.protobuf_messages import accept_old_messages

# MindSpore's bundled oneDNN takes a reference convolution (1.3 GFLOP/s) for every kernel that is
# not 1x1 on CPUs with AVX-512, and a JIT kernel 75 times as fast when AVX2 is asked for.
_MINDSPORE_CPU_ISA = ("ONEDNN_MAX_CPU_ISA", "AVX2")
# glog's level 3 is ERROR: its warnings are about MindSpore's own graph passes.
_MINDSPORE_LOG_LEVEL = ("GLOG_v", "3")
# With torch_npu installed and no CANN, torch's own loading of device backends makes the import fail.
_TORCH_BACKENDS = ("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")

# Threads of PyTorch's OpenMP spin while they wait, and starve whatever decodes images beside them.
_OPENMP_WAIT = ("OMP_WAIT_POLICY", "PASSIVE")
# Where MindSpore writes down a graph that it cannot compile, or whose compiling Ctrl-C cuts off: in the
# folder in which the user works otherwise.
_MINDSPORE_DUMPS = "MS_OM_PATH"


class MissingRuntimeError(TriportError):
    """A runtime is not installed, or does not load."""


SET_HERE = " (set by triport)"
_set_here: dict[str, str] = {}


def prepare_torch() -> None:
    """Set what PyTorch reads at load time."""
    _set_default(*_TORCH_BACKENDS)


def prepare(device: str = "cpu") -> None:
    """Set what MindSpore and PyTorch read at load time, for work with MindSpore on `device`.

    PyTorch's own oneDNN obeys the same variable, and is slower with it by about a tenth, unless it
    has run before.
    """
    prepare_torch()
    _set_default(*_MINDSPORE_LOG_LEVEL)
    if device.startswith("cpu"):
        _set_default(*_MINDSPORE_CPU_ISA)
    _silence_cell_deletion()
    accept_old_messages()


def share_cpu() -> None:
    """Set what PyTorch reads at load time, for work beside other threads that compute."""
    _set_default(*_OPENMP_WAIT)


def import_torch() -> Any:
    """Return the module torch, loaded so that an idle torch_npu does no harm.

    Raises:
        TriportError: PyTorch is not installed.
    """
    prepare_torch()
    try:
        with quiet_warnings(), uninterrupted(), uncollected():
            import torch
    except ImportError as error:
        raise MissingRuntimeError(
            f"PyTorch cannot be loaded ({error}). {_advice(error, 'torch', 'pytorch')}"
        ) from error
    return torch


def import_mindspore(device: str = "cpu", *, to_run: bool = True) -> Any:
    """Return the module mindspore, loaded quietly and with its fast CPU kernels.

    Args:
        device: that it is to work on.
        to_run: whether networks are run here; otherwise how the user's program runs its own stays as it is.

    Raises:
        TriportError: MindSpore is not installed.
    """
    prepare(device)
    if to_run and _MINDSPORE_DUMPS not in os.environ:
        _set_default(_MINDSPORE_DUMPS, str(scratch_folder()))
    try:
        with quiet_warnings(), uninterrupted(), uncollected():
            import mindspore
    except ImportError as error:
        raise MissingRuntimeError(
            f"MindSpore cannot be loaded ({error}). {_advice(error, 'mindspore', 'mindspore')}"
        ) from error
    if to_run:
        _run_at_once(mindspore)
    return mindspore


def _advice(error: ImportError, module: str, extra: str) -> str:
    """Return what to do about a framework that is not there, or is there and does not load."""
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return f'Install it: pip install "triport[{extra}]"'
    return f"It is installed, and what it needs is missing or has no room: see `python -c 'import {module}'`"


def import_framework(runtime: str) -> Any:
    """Return the module torch or mindspore, loaded as the networks of "pytorch" or "mindspore" need it.

    Raises:
        TriportError: it is not installed.
    """
    return import_torch() if runtime == "pytorch" else import_mindspore()


def _run_at_once(mindspore: Any) -> None:
    """Let operators run when they are called: MindSpore reads this when the first of them does.

    On a CPU its queue gains nothing, and its threads, which wait busily, take from the kernels: a forward
    pass of ResNet-50 takes 4 times as long with it, that of a small GRU 20 times.
    """
    if mindspore.get_context("device_target") == "CPU":
        mindspore.set_context(pynative_synchronize=True)


def recorded() -> dict[str, str]:
    """Return the variables that matter to the runtimes, with who set each: "AVX2 (set by triport)"."""
    names = (_MINDSPORE_CPU_ISA[0], _MINDSPORE_LOG_LEVEL[0], _TORCH_BACKENDS[0], _OPENMP_WAIT[0])
    return {
        name: os.environ[name] + (SET_HERE if _set_here.get(name) == os.environ[name] else "")
        for name in names
        if name in os.environ
    }


def as_given() -> dict[str, str]:
    """Return the environment without what was set here, for another process of ours, which sets its own."""
    return {name: value for name, value in os.environ.items() if _set_here.get(name) != value}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block ends: MindSpore aborts the interpreter where its loading is cut off."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    asked = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for no garbage meanwhile: what is made stays, and Python would look through it again and again.

    Of the import of a framework, which makes 200,000 objects, the search takes an eighth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Hide Python warnings that a framework raises about itself while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _set_default(name: str, value: str) -> None:
    if name not in os.environ:
        os.environ[name] = value
        _set_here[name] = value


def _silence_cell_deletion() -> None:
    """Hide errors of MindSpore's `Cell.__del__`: it uses module globals that are gone at exit."""
    if getattr(sys.unraisablehook, "hides_cell_deletion", False):
        return
    others = sys.unraisablehook

    # bound as a default: at exit this module's globals are gone as well
    def hook(unraisable: Any, *, others: Any = others) -> None:
        if getattr(unraisable.object, "__qualname__", "") != "Cell.__del__":
            others(unraisable)

    hook.hides_cell_deletion = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook
