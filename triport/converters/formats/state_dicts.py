"""The model's state dict inside what a .pth file holds, however deep; the rest is listed with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from triport.converters.formats.pickled_values import Global, Opaque, PickledTensor, UnreadableTensor
from triport.converters.formats.source import FormatError
from triport.converters.formats.tensors import Dropped, short
from triport.converters.formats.training_state import EXTRA_STATE, extra_state_reason
from triport.reference_models.kinds import LEAVES

# timm's order: timm/models/_helpers.py load_state_dict
_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")
_OF_DEEPSPEED = {"ds_config", "ds_version"}
_GENERATORS = {"python", "numpy", "cpu", "cuda", "npu", "xpu", "mps", "torch"}
_ARGUMENTS = ("Arguments", "Args", "Namespace", "Config")  # as classes of options are called
_MAX_DEPTH = 32


class _Found(NamedTuple):
    """A dict of tensors: the keys that lead to it, and what it holds."""

    keys: tuple[str, ...]
    value: dict[Any, Any]


def choose_state_dict(
    root: Any, path: str, key: str | None = None
) -> tuple[dict[str, PickledTensor], list[Dropped], list[str]]:
    """Return the model's tensors in what a .pth file holds, what was left out, and notes.

    Args:
        root: the unpickled data.
        path: the file, for errors.
        key: where the state dict lies, keys joined by dots or slashes, "." for the outermost; None finds it.

    Raises:
        FormatError: there is no state dict in it, or several and no rule to choose.
    """
    if isinstance(root, Opaque) and str(root.kind).endswith(_ARGUMENTS) and not _has_tensors(root):
        raise FormatError(
            f"{path}: holds the options of a training (class {root.kind}), and no weights. Take the file "
            f"that has the model's weights"
        )
    if isinstance(root, Opaque):
        raise FormatError(
            f"{path}: holds a whole object of class {root.kind}, which only its own code can rebuild; "
            f"load it there and save model.state_dict()"
        )
    if not isinstance(root, dict | list | tuple):
        raise FormatError(
            f"{path}: holds {_kind_of(root)}; expected a state dict or a training checkpoint with one inside"
        )
    dropped: list[Dropped] = []
    notes: list[str] = []
    chosen = _found(root, path, notes) if key is None else _under_key(root, key, path)
    dropped += _beside(root, chosen.keys, asked=key is not None)
    if chosen.keys:
        notes.insert(0, f"the state dict was found under '{'/'.join(map(short, chosen.keys))}'")
    tensors: dict[str, PickledTensor] = {}
    for name, value in chosen.value.items():
        if isinstance(name, str) and name.rpartition(".")[2] == EXTRA_STATE:
            dropped.append(Dropped(_label(name), extra_state_reason(name)))
        elif isinstance(value, PickledTensor) and isinstance(name, str):
            tensors[name] = value
        elif isinstance(value, UnreadableTensor):
            raise FormatError(f"{path}: tensor '{_label(name)}' {value.problem}")
        elif isinstance(value, PickledTensor):
            why = f"no parameter, as its key is of the type {type(name).__name__}"
            dropped.append(Dropped(_label(name), f"{why}: {_kind(value)}"))
        else:
            dropped.append(Dropped(_label(name), f"no tensor: {_kind(value)}"))
    if not tensors:
        raise FormatError(f"{path}: its state dict has no tensor")
    return tensors, dropped, notes


def _found(root: Any, path: str, notes: list[str]) -> _Found:
    """Return the one state dict in a training checkpoint.

    Raises:
        FormatError: there is none, or there are several; the message says where.
    """
    if _is_of_random_generators(root):
        raise FormatError(
            f"{path}: holds the states of random generators alone ({', '.join(map(_label, root))}). Take the "
            f"checkpoint that has the model's weights"
        )
    everything = list(_state_dicts(root))
    found = [one for one in everything if not _is_training(one.keys)] or everything
    found = [one for one in found if _looks_like_weights(one.value)] or found
    if not found:
        raise _nothing(root, path)
    known = _by_timms_keys(found)
    fitting = [one for one in found if _fits(one.value)] if len(found) > 1 else []
    elsewhere = [one for one in fitting if not (one.keys and one.keys[0] in _KEYS)]
    if known is not None and not elsewhere:
        chosen = known
    elif known is None and (len(found) == 1 or len(fitting) == 1):
        chosen = (fitting or found)[0]
    else:
        listed = (fitting if len(fitting) > 1 else found)[:10]
        counts = " and ".join(str(len(_tensors(one.value))) for one in listed)
        raise FormatError(
            f"{path}: has several state dicts ({', '.join(map(_key_of, listed))}), of {counts} tensors, and "
            f"nothing tells which you mean; say it with --key, such as --key {_key_of(listed[0])}"
        )
    others = [_key_of(one) for one in found if one is not chosen]
    if others:
        notes.append(
            f"there are other weights in the file: --key {' or --key '.join(others[:10])} takes them"
        )
    return chosen


def _by_timms_keys(found: list[_Found]) -> _Found | None:
    """Return the state dict that timm's order of keys leads to, level by level."""
    depth = 0
    while True:
        key = next((k for k in _KEYS if any(one.keys[depth : depth + 1] == (k,) for one in found)), None)
        if key is None:
            return found[0] if depth and len(found) == 1 else None
        found = [one for one in found if one.keys[depth : depth + 1] == (key,)]
        depth += 1
        whole = [one for one in found if len(one.keys) == depth]
        if whole:
            return whole[0]


def _key_of(one: _Found) -> str:
    return "/".join(map(short, one.keys)) or "."


def _state_dicts(root: Any) -> Iterator[_Found]:
    """Yield every dict with tensors in it, outermost first, each once."""
    seen: set[int] = set()
    level: list[tuple[tuple[str, ...], Any]] = [((), root)]
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[tuple[str, ...], Any]] = []
        for keys, value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, dict) and _tensors(value):
                yield _Found(keys, value)
            deeper += [
                ((*keys, key), item) for key, item in _items(value) if isinstance(item, dict | list | tuple)
            ]
        level = deeper


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what lies in a container by its keys; a list's are numbers, and a dict's may be."""
    if isinstance(value, dict):
        if not {"state", "param_groups"} <= value.keys():  # torch's optimizers
            yield from (
                (str(key), item)
                for key, item in value.items()
                if type(key) is int or (isinstance(key, str) and key.rpartition(".")[2] != EXTRA_STATE)
            )
    else:
        yield from ((str(index), item) for index, item in enumerate(value))


def _tensors(value: dict[Any, Any]) -> list[str]:
    return [
        name
        for name, item in value.items()
        if isinstance(item, PickledTensor)
        and isinstance(name, str)
        and name.rpartition(".")[2] != EXTRA_STATE
    ]


def _has_tensors(root: Opaque) -> bool:
    """Whether an object that is not made holds tensors, or other such objects, which may."""
    waiting, seen = [*root.attributes.values(), *root.arguments], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, PickledTensor | Opaque):
            return True
        if isinstance(one, dict | list | tuple) and id(one) not in seen:
            seen.add(id(one))
            waiting += one.values() if isinstance(one, dict) else one
    return False


def _looks_like_weights(value: dict[Any, Any]) -> bool:
    return any(name.rpartition(".")[2] in LEAVES for name in _tensors(value))


def _fits(value: dict[Any, Any]) -> bool:
    from triport.converters.identification.subtrees import is_of_known_model

    return is_of_known_model({name: value[name].shape for name in _tensors(value)})


def _is_of_random_generators(root: Any) -> bool:
    """Whether it is what transformers' Trainer keeps of them, as rng_state.pth."""
    if not isinstance(root, dict) or not root or not root.keys() <= _GENERATORS:
        return False
    return not any(isinstance(value, dict) and _tensors(value) for value in root.values())


def _is_training(keys: tuple[str, ...]) -> bool:
    return any("optim" in key or "scheduler" in key or key in ("amp", "scaler") for key in keys)


def _under_key(root: Any, key: str, path: str) -> _Found:
    """Return the state dict that `--key` names.

    Raises:
        FormatError: there is no such key, or no state dict below it.
    """
    value = root
    keys: tuple[str, ...] = ()
    rest = key.strip("/").removeprefix(".")
    while rest:
        items = dict(_items(value)) if isinstance(value, dict | list | tuple) else {}
        # a key may have dots in it: the longest one that leads on
        hits = [name for name in items if rest == name or rest.startswith((f"{name}.", f"{name}/"))]
        if not hits:
            where = "/".join(map(short, keys)) or "the file"
            has = ", ".join(map(short, list(items)[:10])) or "nothing"
            raise FormatError(f"{path}: --key {short(key)}: there is no such key; {where} has {has}")
        step = max(hits, key=len)
        keys, value, rest = (*keys, step), items[step], rest[len(step) + 1 :]
    if isinstance(value, dict) and _tensors(value):
        return _Found(keys, value)
    if isinstance(value, dict | list | tuple):
        inner = _found(value, path, [])
        return _Found((*keys, *inner.keys), inner.value)
    raise FormatError(f"{path}: --key {short(key)} leads to {_kind(value)}; expected a state dict")


def _beside(root: Any, keys: tuple[str, ...], asked: bool) -> Iterator[Dropped]:
    """Yield what lies beside the way to the state dict, by the names of its own level."""
    for depth, key in enumerate(keys):
        for other, value in root.items() if isinstance(root, dict) else enumerate(root):
            name = _label(other)
            if other == key or name == key:
                continue
            if depth == 0 and key in _KEYS and other in _KEYS and _holds_tensors(value):
                why = "as --key says" if asked else "as timm does"
                yield Dropped(name, f"other weights; '{key}' is chosen, {why}")
            elif isinstance(other, str) and _is_training((other,)):
                yield Dropped(name, "training state")
            else:
                yield Dropped(name, f"beside the weights: {_kind(value)}")
        root = dict(_items(root))[key]


def _holds_tensors(value: Any) -> bool:
    return next(_state_dicts(value), None) is not None


def _nothing(root: Any, path: str) -> FormatError:
    """Return the error for a file in which no dict has a tensor."""
    if not isinstance(root, dict):
        return FormatError(
            f"{path}: holds {_kind_of(root)}; expected a state dict or a training checkpoint with one inside"
        )
    whole = [key for key in root if isinstance(root[key], Opaque) and key in (*_KEYS, "ema", "net")]
    if whole:
        return FormatError(
            f"{path}: '{whole[0]}' is a whole object of class {root[whole[0]].kind}, which only its own "
            f"code can "
            f"rebuild; load it there and save model.state_dict()"
        )
    for label, unreadable in _unreadable(root):
        return FormatError(f"{path}: tensor '{label}' {unreadable.problem}")
    if not root:
        return FormatError(f"{path}: holds an empty dict; expected a state dict, which has tensors")
    empty = next((key for key in _KEYS if root.get(key) == {}), None)
    if empty is not None:
        return FormatError(
            f"{path}: its '{empty}' is an empty dict. Where many processes trained one model (FSDP, ZeRO), "
            f"the first one has the parameters: take its file"
        )
    if {"state", "param_groups"} <= root.keys() or all(
        isinstance(key, str) and (_is_training((key,)) or key in _OF_DEEPSPEED) for key in root
    ):
        advice = (
            "DeepSpeed's zero_to_fp32.py makes the whole weights of its folder"
            if _OF_DEEPSPEED & root.keys()
            else "Take the checkpoint that has the model's weights"
        )
        return FormatError(
            f"{path}: holds state of training alone ({', '.join(map(_label, list(root)[:5]))}). {advice}"
        )
    keys = ", ".join(_label(key) for key in list(root)[:10])
    return FormatError(f"{path}: has no state dict inside; its keys are {keys}")


def _kind_of(root: Any) -> str:
    """Return what a file holds instead of a dict, in words where a class's name says nothing."""
    if isinstance(root, Global):
        return str(root)
    return {"PickledTensor": "one tensor", "NoneType": "None"}.get(type(root).__name__, type(root).__name__)


def _unreadable(root: dict[Any, Any]) -> Iterator[tuple[str, UnreadableTensor]]:
    """Yield the tensors that cannot be read, of a file and of the dicts in it."""
    for table in (root, *(value for value in root.values() if isinstance(value, dict))):
        for name, value in table.items():
            if isinstance(value, UnreadableTensor):
                yield _label(name), value


def _label(name: Any) -> str:
    if type(name) is int and name.bit_length() < 64:
        return str(name)
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
