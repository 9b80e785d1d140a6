"""What training puts around and beside a model's tensors: wrappers' names, optimizers, counters."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from triport.converters.formats.source import FormatError
from triport.converters.formats.tensors import FLOATS, ArrayTensor, Checkpoint, Dropped, Tensor, short
from triport.reference_models.errors import counted
from triport.reference_models.kinds import COUNTER_LEAF, STATISTICS

EXTRA_STATE = "_extra_state"

# DataParallel's and torch.compile's, where they stand before every name
_PREFIXES = ("module.", "_orig_mod.")
# buffers that thop's profile() adds to every module
_COUNTED = ("total_ops", "total_params")
# names that only wrappers use: torch.compile, FSDP, activation checkpointing, Lightning, fairscale
WRAPPERS = (
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_fpw_module",
)

# what MindSpore's and MindCV's optimizers call their state: <prefix>.<parameter>. These are left out of a
# file of any network; of a model that is known, what else has the structure of such state (`mirrored_state`)
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
# words of the numbers that a training loop hands to save_checkpoint's append_dict; a float of another name
# may be a parameter
_MEASURED = frozenset(
    (
        *("acc", "acc1", "acc5", "accuracy", "top1", "top5", "loss", "best", "metric", "score", "lr", "rate"),
        *("eps", "epsilon", "decay", "momentum", "time", "seconds", "percent"),
    )
)
STATE_OF = "the optimizer's state of "
_MAX_SPLITS = 32

T = TypeVar("T")


def without_training_state(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with only the model's tensors, under the model's own names."""
    tensors: dict[str, Tensor] = dict(checkpoint.tensors)
    dropped: list[Dropped] = []
    notes: list[str] = []
    statements = dict(checkpoint.statements)
    if checkpoint.runtime == "mindspore":
        numbers = {name: tensor for name, tensor in tensors.items() if _is_appended(name, tensor)}
        if len(numbers) == len(tensors):  # beside no weights, a number is one
            numbers = {}
        statements |= {name: tensor.numpy().item() for name, tensor in numbers.items()}
        left = {name: tensor for name, tensor in tensors.items() if name not in numbers}
        tensors, dropped, notes = _split_mindspore(left)
        what = "a number beside the weights, of a training loop or an optimizer"
        dropped += [Dropped(name, f"{what}: {statements[name]}") for name in numbers]
    elif checkpoint.runtime == "pytorch":
        tensors, dropped, notes = _strip_wrappers(tensors)
    tensors = _with_whole_counters(tensors, dropped, notes)
    if not tensors and checkpoint.tensors:
        raise FormatError(f"{checkpoint.path}: holds training state only, no tensor of a model")
    return replace(
        checkpoint,
        tensors=tensors,
        dropped=checkpoint.dropped + tuple(dropped),
        notes=checkpoint.notes + tuple(notes),
        statements=statements,
    )


def _is_appended(name: str, tensor: Tensor) -> bool:
    """Whether a MindSpore file's tensor is a number of save_checkpoint's append_dict, no parameter."""
    if tensor.shape or "." in name or name in _TRAINING_SCALARS or not name.isidentifier():
        return False
    return tensor.dtype not in FLOATS or not _MEASURED.isdisjoint(name.lower().split("_"))


def extra_state_reason(name: str) -> str:
    """Return why an `_extra_state` entry is left out."""
    module = name.rpartition(".")[0]
    whose = f"the module '{short(module)}'" if module else "the network"
    return f"extra state of {whose} (torch's get_extra_state), not a parameter"


def _strip_wrappers(tensors: Mapping[str, T]) -> tuple[dict[str, T], list[Dropped], list[str]]:
    """Take off what wrappers put before or into names, and leave out what they add."""
    renamed = dict(tensors)
    dropped: list[Dropped] = []
    notes: list[str] = []
    counter = renamed.pop("n_averaged", None) if len(renamed) > 1 else None
    if counter is not None:
        dropped.append(Dropped("n_averaged", "the step count of torch's AveragedModel"))
    for name in [name for name in renamed if name.rpartition(".")[2] == EXTRA_STATE]:
        del renamed[name]
        dropped.append(Dropped(name, extra_state_reason(name)))
    for name in [name for name in renamed if name.rpartition(".")[2] in _COUNTED and len(renamed) > 1]:
        del renamed[name]
        dropped.append(Dropped(name, "what a counter of operations (thop) left, not a parameter"))
    while True:
        prefix = next((p for p in _PREFIXES if renamed and all(name.startswith(p) for name in renamed)), None)
        if prefix is None:
            break
        renamed = {name[len(prefix) :]: tensor for name, tensor in renamed.items()}
        notes.append(f"the prefix '{prefix}' was taken off every name")
    inner = {name: without_components(name, WRAPPERS) for name in renamed}
    changed = [name for name, new in inner.items() if new != name]
    if changed and len(set(inner.values())) == len(inner):
        renamed = {inner[name]: tensor for name, tensor in renamed.items()}
        wrappers = [f"'{wrapper}.'" for wrapper in WRAPPERS if any(wrapper in name for name in changed)]
        notes.append(
            f"wrappers' names ({' and '.join(wrappers)}) were taken out of {counted(len(changed), 'name')}"
        )
    return renamed, dropped, notes


def without_components(name: str, components: tuple[str, ...]) -> str:
    """Return a dotted name without some of its components."""
    if not any(component in name for component in components):
        return name
    return ".".join(part for part in name.split(".") if part not in components) or name


def _with_whole_counters(
    tensors: Mapping[str, Tensor], dropped: list[Dropped], notes: list[str]
) -> dict[str, Tensor]:
    """Return the tensors with every `num_batches_tracked` an int64 scalar, or left out with the reason.

    Averaging and casting scripts turn these counters into floats; inference does not use them.
    """
    odd = {
        name: tensor
        for name, tensor in tensors.items()
        if name.rpartition(".")[2] == COUNTER_LEAF and (tensor.dtype != "int64" or tensor.shape != ())
    }
    if not odd:
        return dict(tensors)
    import numpy as np

    result: dict[str, Tensor] = {}
    whole = []
    for name, tensor in tensors.items():
        if name not in odd:
            result[name] = tensor
            continue
        value = _whole_number(tensor)
        if isinstance(value, int):
            result[name] = ArrayTensor(np.array(value, np.int64))
            whole.append(tensor)
        else:
            dropped.append(Dropped(name, f"counts training batches, which inference does not use; {value}"))
    if whole:
        kinds = sorted({f"{tensor.dtype}{list(tensor.shape)}" for tensor in whole})
        notes.append(
            f"{len(whole)} '{COUNTER_LEAF}' are {', '.join(kinds)}, not an int64 number: they are taken as "
            "int64"
            + (", as they were rounded" if any(t.dtype in ("float16", "bfloat16") for t in whole) else "")
            + "; inference does not use them"
        )
    if len(whole) < len(odd):
        notes.append(
            f"{len(odd) - len(whole)} '{COUNTER_LEAF}' have values or shapes that no count of batches has, "
            "and are left out"
        )
    return result


def _whole_number(tensor: Tensor) -> int | str:
    """Return a counter's value, or in words why it is no count."""
    if tensor.count != 1:
        return f"it has the shape {tensor.shape}, expected one number"
    value = tensor.numpy().reshape(-1)[0].item()
    if isinstance(value, complex) or value != value or value in (float("inf"), float("-inf")):
        return f"its value is {value}"
    if value != int(value) or not 0 <= value < 2**63:
        return f"its value is {value}, no whole number from 0 on"
    return int(value)


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
            f"{counted(len(averaged), 'EMA copy', 'EMA copies')} ('{_EMA_PREFIX}' names) are beside the "
            "trained parameters and left out"
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
                return f"{STATE_OF}{name[len(prefix) :]}"
        return None

    return reason


def mirrored_state(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the tensors that have the structure of a MindSpore optimizer's state, each with the reason.

    Such state is `<prefix><parameter>` with the parameter's own shape, with one number, or with one of the
    last two dimensions summed away (AdaFactor); under one prefix there is nothing else, and no copy of
    BatchNorm's statistics, which no optimizer has. A prefix counts where it covers half of the parameters, or
    where the file has other state of training. Single numbers beside it are the optimizer's too, unless it
    has state of them.

    This is no proof that a network of unknown names does not have such layers: use it where what is left is
    just a model's.
    """
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    groups = mirrored_groups(shapes)
    mirrored = {name for pairs in groups.values() for name in pairs}
    parameters = [name for name in shapes if name not in mirrored and _leaf(name) not in STATISTICS]
    trained = any(
        drop.reason.startswith(STATE_OF) or drop.name in _TRAINING_SCALARS for drop in checkpoint.dropped
    )
    state: dict[str, str] = {}
    for prefix in sorted(groups, key=len):
        pairs = groups[prefix]
        if any(_leaf(name) in STATISTICS for name in pairs.values()):
            continue
        if trained or 2 * len(pairs) >= len(parameters):
            for name, parameter in pairs.items():
                state.setdefault(name, f"{STATE_OF}{parameter}")
    if state or any(drop.reason.startswith(STATE_OF) for drop in checkpoint.dropped):
        with_state = {reason.removeprefix(STATE_OF) for reason in state.values()}
        with_state |= {drop.reason.removeprefix(STATE_OF) for drop in checkpoint.dropped}
        for name, shape in shapes.items():
            if shape in ((), (1,)) and "." not in name and name not in state and name not in with_state:
                state[name] = "one number beside the optimizer's state, which has none of it"
    return state


def optimizer_that_owns(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return what the parameters are called after: an optimizer that is a part of the Cell that was saved.

    MindSpore then calls each parameter `<optimizer>.<parameter>`, beside `<optimizer>.<state>.<parameter>`;
    what is not trained, as BatchNorm's statistics, keeps its name.
    """
    owned: Counter[str] = Counter()
    for name, shape in shapes.items():
        owner, _, rest = name.partition(".")
        parameter = rest.partition(".")[2]
        if parameter and shapes.get(f"{owner}.{parameter}") == shape:
            owned[owner] += 1
    owner, count = next(iter(owned.most_common(1)), ("", 0))
    # each has one state or more, and a few numbers stand beside
    others = sum(name.startswith(f"{owner}.") for name in shapes) - count
    return owner if 2 * count >= others - count and count > 1 else None


def mirrored_groups(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, str]]:
    """Return the prefixes under which every name is that of another tensor, with that tensor's name.

    Args:
        shapes: of all tensors; a mirrored one has the other's shape, or one that an optimizer reduces it to.
    """
    pairs: dict[str, dict[str, str]] = {}
    for name, shape in shapes.items():
        for end in _splits(name):
            original = name[end:]
            if original in shapes and _is_reduced(shape, shapes[original]):
                pairs.setdefault(name[:end], {})[name] = original
    ordered = sorted(shapes)
    explained: set[str] = set()
    groups: dict[str, dict[str, str]] = {}
    # the longest first: exp_avg_sq_row_ before exp_avg_sq_
    for prefix in sorted(pairs, key=len, reverse=True):
        start = bisect_left(ordered, prefix)
        under = []
        while start < len(ordered) and ordered[start].startswith(prefix):
            under.append(ordered[start])
            start += 1
        if all(name in pairs[prefix] or name in explained for name in under):
            groups[prefix] = pairs[prefix]
            explained.update(under)
    return groups


def _splits(name: str) -> Iterator[int]:
    """Yield where a prefix of a name may end: after a dot or an underscore."""
    found = 0
    for position, character in enumerate(name[:1000]):
        if character in "._" and position + 1 < len(name):
            yield position + 1
            found += 1
            if found == _MAX_SPLITS:
                return


def _is_reduced(shape: tuple[int, ...], original: tuple[int, ...]) -> bool:
    return (
        shape == original
        or shape in ((), (1,))
        or (len(original) > 1 and shape in (original[:-1], (*original[:-2], original[-1])))
    )


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
