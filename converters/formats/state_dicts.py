"""The model's tensors inside a training checkpoint; the rest is listed with the reason it is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from converters.formats.pickled_values import Global, Opaque, PickledTensor, UnreadableTensor
from converters.formats.source import FormatError
from converters.formats.tensors import Checkpoint, Dropped, Tensor, short

# timm's order: timm/models/_helpers.py load_state_dict
_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")

# what MindSpore's and MindCV's optimizers call their state: <prefix>.<parameter>
_OPTIMIZER_PREFIXES = (
    "moments.",
    "moment.",
    "moment1.",
    "moment2.",
    "accum.",
    "stat.",
    "adam_m.",
    "adam_v.",
    "mean_grad.",
    "mean_square.",
    "exp_avg.",
    "exp_avg_sq.",
    "exp_inf.",
    "vhat.",
    "prev.",
    "accum_grad.",
    "accumulated_grad.",
)
_EMA_PREFIX = "ema."
_TRAINING_SCALARS = {
    "learning_rate": "the optimizer's learning rate",
    "lr": "the optimizer's learning rate",
    "momentum": "the optimizer's momentum",
    "weight_decay": "the optimizer's weight decay",
    "global_step": "the optimizer's step count",
    "current_step": "the optimizer's step count",
    "beta1_power": "the optimizer's state",
    "beta2_power": "the optimizer's state",
    "mu_schedule": "the optimizer's state",
    "updates": "the EMA's step count",
    "scale_sense": "the loss scale",
    "loss_scale": "the loss scale",
    "scaling_sens": "the loss scale",
    "scale_value": "the loss scale",
    "current_iterator_step": "the loss scale's state",
    "last_overflow_iterator_step": "the loss scale's state",
    "epoch_num": "training progress",
    "step_num": "training progress",
    "epoch": "training progress",
    "cur_epoch_num": "training progress",
    "cur_step_num": "training progress",
    "random_op": "the random generator's state",
    "random_op_snapshot": "the random generator's state",
}

T = TypeVar("T")


def choose_state_dict(root: Any, path: str) -> tuple[dict[str, PickledTensor], list[Dropped], list[str]]:
    """Return the model's tensors in what a .pth file holds, what was left out, and notes.

    Args:
        root: the unpickled data.
        path: the file, for errors.

    Raises:
        FormatError: there is no state dict in it, or several and no rule to choose.
    """
    if isinstance(root, Opaque):
        raise FormatError(
            f"{path}: holds a whole object of class {root.kind}, which only its own code can rebuild; "
            f"load it there and save model.state_dict()"
        )
    if not isinstance(root, dict):
        what = str(root) if isinstance(root, Global) else type(root).__name__
        raise FormatError(
            f"{path}: holds {what}; expected a state dict or a training checkpoint with one inside"
        )
    dropped: list[Dropped] = []
    notes: list[str] = []
    chosen = root
    # beside an inner state dict, tensors on the first level are no weights (best_acc1)
    if not _has_tensors(root) or any(_has_tensors(value) for value in root.values()):
        chosen = _inner(root, path, dropped, notes)
    tensors: dict[str, PickledTensor] = {}
    for name, value in chosen.items():
        if isinstance(value, PickledTensor) and isinstance(name, str):
            tensors[name] = value
        elif isinstance(value, UnreadableTensor):
            raise FormatError(f"{path}: tensor '{_label(name)}' {value.problem}")
        else:
            dropped.append(Dropped(_label(name), f"no tensor: {_kind(value)}"))
    if not tensors:
        raise FormatError(f"{path}: its state dict has no tensor")
    return tensors, dropped, notes


def without_training_state(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with only the model's tensors, under the model's own names."""
    if checkpoint.runtime == "mindspore":
        tensors, dropped, notes = _split_mindspore(checkpoint.tensors)
    elif checkpoint.runtime == "pytorch":
        tensors, dropped, notes = _strip_wrappers(checkpoint.tensors)
    else:
        return checkpoint
    if not tensors and checkpoint.tensors:
        raise FormatError(f"{checkpoint.path}: holds training state only, no tensor of a model")
    return replace(
        checkpoint,
        tensors=tensors,
        dropped=checkpoint.dropped + tuple(dropped),
        notes=checkpoint.notes + tuple(notes),
    )


def _inner(root: dict[Any, Any], path: str, dropped: list[Dropped], notes: list[str]) -> dict[Any, Any]:
    """Return the state dict inside a training checkpoint."""
    candidates = [key for key in root if isinstance(key, str) and _has_tensors(root[key])]
    known = [key for key in _KEYS if key in candidates]
    if not candidates:
        whole = [key for key in root if isinstance(root[key], Opaque) and key in (*_KEYS, "ema", "net")]
        if whole:
            raise FormatError(
                f"{path}: '{whole[0]}' is a whole object of class {root[whole[0]].kind}, which only its own "
                f"code can "
                f"rebuild; load it there and save model.state_dict()"
            )
        for label, value in _unreadable(root):
            raise FormatError(f"{path}: tensor '{label}' {value.problem}")
        keys = ", ".join(_label(key) for key in list(root)[:10]) or "nothing"
        raise FormatError(f"{path}: has no state dict inside; its keys are {keys}")
    if not known and len(candidates) > 1:
        raise FormatError(
            f"{path}: has several state dicts ({', '.join(short(key) for key in candidates[:10])}) and none "
            f"of "
            f"{', '.join(_KEYS)}; save the one that you mean alone"
        )
    key = known[0] if known else candidates[0]
    notes.append(f"the state dict was found under '{short(key)}'")
    for other, value in root.items():
        if other == key:
            continue
        if other in known:
            dropped.append(Dropped(_label(other), f"other weights; '{key}' is chosen, as timm does"))
        elif isinstance(other, str) and (
            "optim" in other or "scheduler" in other or other in ("amp", "scaler")
        ):
            dropped.append(Dropped(_label(other), "training state"))
        else:
            dropped.append(Dropped(_label(other), f"beside the weights: {_kind(value)}"))
    return root[key]


def _has_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(item, PickledTensor) and isinstance(name, str) for name, item in value.items()
    )


def _unreadable(root: dict[Any, Any]) -> Iterator[tuple[str, UnreadableTensor]]:
    """Yield the tensors that cannot be read, of a file and of the dicts in it."""
    for table in (root, *(value for value in root.values() if isinstance(value, dict))):
        for name, value in table.items():
            if isinstance(value, UnreadableTensor):
                yield _label(name), value


def _label(name: Any) -> str:
    return short(name) if isinstance(name, str) else f"<{type(name).__name__}>"


def _kind(value: Any) -> str:
    """Return what a value is; numbers and texts in full where they are short."""
    if isinstance(value, str):
        return repr(short(value, 60))
    if isinstance(value, bool | float | None) or (isinstance(value, int) and value.bit_length() < 64):
        return str(value)
    if isinstance(value, Opaque):
        return str(value)
    if isinstance(value, PickledTensor):
        return f"a tensor {value.dtype}{list(value.shape)}"
    if isinstance(value, dict | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


def _strip_wrappers(tensors: Mapping[str, T]) -> tuple[dict[str, T], list[Dropped], list[str]]:
    """Take off what DataParallel and torch.compile put before every name."""
    renamed = dict(tensors)
    dropped: list[Dropped] = []
    notes: list[str] = []
    counter = renamed.pop("n_averaged", None) if len(renamed) > 1 else None
    if counter is not None:
        dropped.append(Dropped("n_averaged", "the step count of torch's AveragedModel"))
    while True:
        prefix = next((p for p in _PREFIXES if renamed and all(name.startswith(p) for name in renamed)), None)
        if prefix is None:
            return renamed, dropped, notes
        renamed = {name[len(prefix) :]: tensor for name, tensor in renamed.items()}
        notes.append(f"the prefix '{prefix}' was taken off every name")


def _split_mindspore(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[Dropped], list[str]]:
    """Leave out what MindSpore's training cells save beside the network."""
    names = set(tensors)
    dropped: list[Dropped] = []
    notes: list[str] = []
    kept: dict[str, Tensor] = {}
    rules: list[Callable[[str, Tensor], str | None]] = [_scalar_reason, _optimizer_rule(names)]
    averaged = {name for name in names if name.startswith(_EMA_PREFIX) and name[len(_EMA_PREFIX) :] in names}
    for name, tensor in tensors.items():
        reason = next((reason for rule in rules if (reason := rule(name, tensor))), None)
        if reason is None and name in averaged:
            reason = "the EMA copy of a parameter; the trained one is taken, as MindCV does by default"
        if reason is None:
            kept[name] = tensor
        else:
            dropped.append(Dropped(name, reason))
    if averaged:
        notes.append(
            f"{len(averaged)} EMA copies ('{_EMA_PREFIX}' names) are beside the trained parameters and left "
            f"out"
        )
    elif kept and all(name.startswith(_EMA_PREFIX) for name in kept):
        kept = {name[len(_EMA_PREFIX) :]: tensor for name, tensor in kept.items()}
        notes.append(f"the prefix '{_EMA_PREFIX}' was taken off every name")
    return kept, dropped, notes


def _scalar_reason(name: str, tensor: Tensor) -> str | None:
    return _TRAINING_SCALARS.get(name) if len(tensor.shape) <= 1 else None


def _optimizer_rule(names: set[str]) -> Callable[[str, Tensor], str | None]:
    def reason(name: str, tensor: Tensor) -> str | None:
        for prefix in _OPTIMIZER_PREFIXES:
            # only beside the parameter itself: a network may have a layer of this name
            if name.startswith(prefix) and name[len(prefix) :] in names:
                return f"the optimizer's state of {name[len(prefix) :]}"
        return None

    return reason
