"""What a script saved beside the weights, as plain texts and numbers: arch, args, hyper_parameters."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from triport.converters.formats.numpy_arrays import PickledArray, plain_value
from triport.converters.formats.pickled_values import FUNCTION, Global, Opaque
from triport.converters.formats.tensors import short

Plain = str | int | float | bool

_MAX_DEPTH = 7  # meta.cfg.model.backbone.norm_cfg.type has six
_MAX_KEPT = 500
_MAX_SEEN = 20_000
_MAX_TEXT = 1 << 16
_MAX_CHARACTERS = 1 << 20  # of all texts
_MAX_BYTES = 200  # are decoded anew wherever they stand
_MAX_LISTED = 16
_MAX_WORDS = 200  # of a list, which may be a command
_MAX_BITS = 64
# what has thousands of entries and says nothing of the network
_TRAINING = ("optim", "scheduler", "scaler", "callbacks", "loops", "history")
# tables of the outputs' names, whatever their numbers begin with; JSON has texts for numbers as keys
_OF_OUTPUTS = ("id2label", "label2id", "idx_to_class", "class_to_idx")
COUNT = "#"  # follows the path of a list or table: how many it has


def stated_beside(root: Any) -> dict[str, Plain]:
    """Return the texts and numbers in what a .pth file holds, by dotted path, such as `args.model`.

    Objects are looked into as far as the pickle gives their attributes and arguments; weights are not. Of
    lists the first texts are taken, and of lists and tables of names how many there are.

    Args:
        root: the unpickled data.
    """
    found: dict[str, Plain] = {}
    characters = 0
    for path, value in islice(_leaves(root, (), 0), _MAX_SEEN):
        if len(found) == _MAX_KEPT:
            break
        if isinstance(value, str):
            if len(value) > _MAX_TEXT or characters + len(value) > _MAX_CHARACTERS:
                continue
            characters += len(value)
        elif not _is_number(value):
            continue
        found[path] = value
    return found


def _leaves(value: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bytes) and len(value) <= _MAX_BYTES:
        value = value.decode("utf-8", "replace")
    if isinstance(value, Global):
        value = str(value)
    if isinstance(value, PickledArray):
        value = plain_value(value)
    if isinstance(value, Opaque):
        if _is_a_layer(value):
            yield ".".join(path), str(value.kind)
        if isinstance(value.attributes.get(FUNCTION), Global):
            yield ".".join(path), str(value.attributes[FUNCTION])
        # an Enum of one value and a Path of one part say what they are of; a named tuple has fields
        value = value.attributes or _arguments(value)
    if isinstance(value, list | tuple):
        yield from _of_list(value, path, depth)
        return
    if not isinstance(value, dict):
        yield ".".join(path), value
        return
    yield ".".join(path), None  # counts: a few bytes of a pickle can make one dict stand in a million places
    if _names_classes(value) or (path and path[-1].lower() in _OF_OUTPUTS and _is_numbered(value)):
        yield ".".join((*path, COUNT)), _outputs_named(value)
        return
    if depth == _MAX_DEPTH:
        return
    for key, item in value.items():
        if isinstance(key, str) and not any(word in key for word in _TRAINING):
            yield from _leaves(item, (*path, short(key, 60)), depth + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() < _MAX_BITS)


def _is_a_layer(value: Opaque) -> bool:
    """Whether an object is a layer of PyTorch, such as an activation: its class says what it computes."""
    return value.kind.module.startswith("torch.nn.modules.") and "_modules" in value.attributes


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _arguments(value: Opaque) -> Any:
    arguments = value.arguments[0] if len(value.arguments) == 1 else value.arguments
    return arguments if isinstance(arguments, str | bytes | list | tuple) else {}


def _of_list(value: Sequence[Any], path: tuple[str, ...], depth: int) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(value[:_MAX_LISTED]):
        if isinstance(item, dict | Opaque) and depth < _MAX_DEPTH:
            yield from _leaves(item, (*path, str(index)), depth + 1)
    if value and len(value) <= _MAX_WORDS and all(map(_is_pair, value)):  # dict(...).items()
        yield from _leaves(dict(value), path, depth + 1)
    texts = [item for item in value[:_MAX_WORDS] if isinstance(item, str)]
    if len(texts) > 1 and any(text.startswith("--") for text in texts):  # the words of a command
        yield ".".join(path), shlex.join(texts)
    for index, item in enumerate(texts[:_MAX_LISTED]):
        yield ".".join((*path, str(index))), item
    if texts and len(texts) == min(len(value), _MAX_WORDS):
        yield ".".join((*path, COUNT)), len(value)
    elif value and len(value) <= _MAX_LISTED and all(map(_is_number, value)):
        shown = (str(item) if isinstance(item, bool) else f"{item:g}" for item in value)
        yield ".".join(path), f"[{', '.join(shown)}]"


def _names_classes(value: dict[Any, Any]) -> bool:
    """Whether a table has names for the numbers from 0 on, as class_to_idx and id2label have.

    Of a long one the first entries tell.
    """
    pairs = list(islice(value.items(), _MAX_LISTED))
    by_name = all(isinstance(key, str) and type(item) is int for key, item in pairs)
    by_number = all(type(key) is int and isinstance(item, str) for key, item in pairs)
    if not pairs or not (by_name or by_number):
        return False
    numbers = {item if by_name else key for key, item in pairs}
    return len(numbers) == len(pairs) and all(0 <= number < len(value) for number in numbers)


def _is_numbered(value: dict[Any, Any]) -> bool:
    """Whether a table has a text for each number, or a number for each text; of a long one the first tell."""
    pairs = list(islice(value.items(), _MAX_LISTED))
    return bool(pairs) and all(
        (str(key).isdecimal() and isinstance(item, str)) or (isinstance(key, str) and type(item) is int)
        for key, item in pairs
    )


def _outputs_named(value: dict[Any, Any]) -> int | None:
    """Return how many outputs a table has names for; None where its numbers do not tell.

    By their names there are fewer entries than outputs where two are called alike.
    """
    numbers = [item for item in value.values() if type(item) is int]
    if len(numbers) < len(value):
        return len(value)
    return max(numbers) + 1 if min(numbers) == 0 else None
