"""Why a checkpoint is of no model: how far the closest one is, and what to do next."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from triport.converters.formats import FLOATS, Checkpoint, short
from triport.converters.formats.training_state import optimizer_that_owns
from triport.converters.kernel_layout import other_layout
from triport.converters.names import COUNTER_LEAF, canonical_shapes, head_weight, name_map
from triport.converters.reparametrised import reparametrised
from triport.reference_models.errors import counted, listed
from triport.reference_models.program import program
from triport.reference_models.spec import ModelSpec

from .fit import Fit

_A_PART = re.compile(r"[-_](\d{1,6})[-_]of[-_](\d{1,6})(?=[.\w]*$)")  # model-00001-of-00002.safetensors
_FLAT = re.compile(r"(^|\.)_?flat_param(_\d+)?$")  # of PyTorch's FSDP, and of fairscale's
_OF_A_RANK = re.compile(r"(^|[/_-])rank_?\d+([/_.-])")  # as MindSpore's parallel training calls its folders
_CLOSE = 0.5  # share of a model's names that a file must have to be called a damaged one of it


def misfit(checkpoint: Checkpoint, closest: Fit | None, what: str) -> str:
    """Return how far the closest model is from a checkpoint, and what the reader decided: it may be why.

    Args:
        checkpoint: the file.
        closest: how it meets that model; None where there is none.
        what: what the file is not.
    """
    part = _A_PART.search(str(checkpoint.path))
    if part is not None:
        return (
            f"{checkpoint.path}: {what}: by its name it is part {int(part[1])} of {int(part[2])} of a "
            f"checkpoint. Give the index of its parts (*.index.json), or their folder"
        )
    problem = _called_after_an_optimizer(checkpoint, what) or _problem(checkpoint, closest, what)
    if checkpoint.runtime == "mindspore" and _OF_A_RANK.search(str(checkpoint.path).replace(os.sep, "/")):
        problem += (
            "\nBy its path it is of one rank of a parallel training, which may hold a slice of each tensor: "
            "make whole tensors of all ranks' files first (mindspore.transform_checkpoints)"
        )
    if closest is not None and not closest.problems:  # the dtype alone is wrong
        return problem
    return problem + notes_below(checkpoint)


def notes_below(checkpoint: Checkpoint) -> str:
    """Return what the reader decided, as an error ends that says why a file is of no model."""
    return "".join(f"\nNote: {note}" for note in checkpoint.notes)


def _problem(checkpoint: Checkpoint, closest: Fit | None, what: str) -> str:
    flat = [name for name in checkpoint.tensors if _FLAT.search(name)]
    if flat:
        return (
            f"{checkpoint.path}: {what}: '{short(flat[0])}' is FSDP's, with the parameters of many layers "
            f"flattened into one tensor. Save the full state dict: torch.distributed.checkpoint.state_dict."
            f"get_model_state_dict with full_state_dict=True, or FSDP's StateDictType.FULL_STATE_DICT"
        )
    if checkpoint.tensors and not any(tensor.count for tensor in checkpoint.tensors.values()):
        return (
            f"{checkpoint.path}: {what}: all of its {counted(len(checkpoint.tensors), 'tensor')} are empty, "
            f"as DeepSpeed's ZeRO-3 leaves them in each process. Its zero_to_fp32.py makes the whole weights"
        )
    parts = reparametrised(checkpoint.tensors if closest is None else closest.extra)
    if parts is not None:
        like = closest is not None and closest.matched >= _CLOSE * closest.total
        close = f", and looks like {closest.spec.name}" if closest is not None and like else ""
        return f"{checkpoint.path}: {what} as it is{close}: {parts}"
    values = Counter(tensor.dtype for tensor in checkpoint.tensors.values())
    odd, count = next(iter(values.most_common(1)), ("", 0))  # a graph may hold none outside its branches
    if odd not in FLOATS and 2 * count > len(checkpoint.tensors):
        return (
            f"{checkpoint.path}: {what}: {count} of its {counted(len(checkpoint.tensors), 'tensor')} have "
            f"values of the type {odd}, and the parameters of every model here are floating-point numbers. "
            "Save the real weights: dequantised, or the real part where the imaginary one is 0"
        )
    if closest is None or closest.matched < _CLOSE * closest.total:
        stored = list(checkpoint.tensors)
        first = ", ".join([*map(short, stored[:3]), *(["..."] if len(stored) > 3 else [])])
        return (
            f"{checkpoint.path}: {what}: of its {counted(len(stored), f'{checkpoint.runtime} tensor')} "
            f"({first}) too few have the names and shapes of any. `{program()} models` lists the "
            f"models, and `{program()} inspect FILE --stats` the tensors of a file"
        )
    where = f" under '{short(closest.prefix)}'" if closest.prefix else ""
    names = f"{closest.spec.name} with {closest.dialect.name} names"
    if not closest.problems:
        return (
            f"{checkpoint.path}: {what} as it is. Closest is {names}{where}: {closest.matched} of "
            f"{closest.total} parameters agree in name and shape, but {len(closest.other_floats)} are of "
            f"another float type\n"
            f"{listed(closest.other_floats)}\n"
            f"`convert --dtype float32` converts the values"
        )
    if _is_head_only(closest):
        others = f"; beside it is\n{listed(map(short, closest.extra))}\n" if closest.extra else ". "
        return (
            f"{checkpoint.path}: {what}: only its head is missing. It is {names}{where} without "
            f"{' and '.join(closest.missing)}: the other {closest.matched} of {closest.total} parameters "
            f"agree{others}{_rename_advice(checkpoint, closest)}"
            f"`convert --no-head` converts the others to pytorch or mindspore weights; a graph (onnx, "
            f"parity, evaluate) needs the head"
        )
    return (
        f"{checkpoint.path}: {what}. Closest is {names}{where}: {_how_many_agree(closest)}\n"
        f"{listed([*closest.problems, *closest.other_floats])}\n"
        f"{_advice(checkpoint, closest)}"
    )


def _how_many_agree(one: Fit) -> str:
    """Return how many of a model's parameters a file has as they must be, and how many tensors besides."""
    agreeing = one.matched - len(one.other_floats)
    others = f", {one.total - agreeing} do not" if agreeing < one.total else ""
    is_not = "tensor of the file is", "tensors of the file are"
    more = f"; {counted(len(one.extra), *is_not)} not among them" if one.extra else ""
    return f"{agreeing} of {one.total} parameters agree{others}{more}"


def _called_after_an_optimizer(checkpoint: Checkpoint, what: str) -> str | None:
    """Return what to say of parameters that MindSpore has called after an optimizer; None if they are not."""
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    owner = optimizer_that_owns(shapes) if checkpoint.runtime == "mindspore" else None
    if owner is None:
        return None
    return (
        f"{checkpoint.path}: {what} as it is: its trainable parameters are called '{short(owner)}.*', beside "
        f"the state of an optimizer, "
        f"'{short(owner)}.*.*'. The Cell that was saved holds its optimizer, and MindSpore calls parameters "
        f"after the first Cell that has them. Save the network before it gets an optimizer, or take "
        f"'{short(owner)}.' off these names in Python (mindspore.load_checkpoint, mindspore.save_checkpoint)"
    )


def _head(one: Fit) -> str:
    """Return what the names of the head's parameters start with."""
    names = name_map(one.spec, one.dialect)
    return names[head_weight(one.spec)].removesuffix("weight")


def _is_head_only(one: Fit) -> bool:
    """Return whether a fit's only problems are a missing head and what stands outside the other modules."""
    names = name_map(one.spec, one.dialect).values()
    modules = {name.partition(".")[0] for name in names}
    head = _head(one)
    return (
        set(one.missing) == {name for name in names if name.startswith(head)}
        and len(one.problems) == len(one.missing) + len(one.extra)
        and all(name.startswith(head) or name.partition(".")[0] not in modules for name in one.extra)
    )


def _rename_advice(checkpoint: Checkpoint, one: Fit) -> str:
    """Return how a layer that could be the head is named so; "" where there is none."""
    head = _head(one).removesuffix(".")
    features = canonical_shapes(one.spec)[head_weight(one.spec)][1]
    start = f"{one.prefix}." if one.prefix else ""
    for name, tensor in checkpoint.tensors.items():
        path, _, leaf = name.rpartition(".")
        bias = checkpoint.tensors.get(f"{path}.bias")
        # outside of the part only what has the head's own name: another part's head is none of this one's
        if leaf != "weight" or bias is None or not (name.startswith(start) or path.endswith(f".{head}")):
            continue
        shape = tensor.shape
        if len(shape) == 2 and shape[1] == features and bias.shape == shape[:1]:
            return (
                f"'{short(path)}' has a head's shapes: if it is the head, say --rename "
                f"{short(path)}={start}{head}. "
            )
    return ""


def _other_shapes(checkpoint: Checkpoint, closest: Fit) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield the shape found and the one expected, where they differ."""
    expected = canonical_shapes(closest.spec, closest.num_classes)
    for ours, theirs in closest.names.items():
        found = checkpoint.tensors[theirs].shape
        if not ours.endswith(COUNTER_LEAF) and found != expected[ours]:
            yield found, expected[ours]


def _advice(checkpoint: Checkpoint, closest: Fit) -> str:
    """Return what to do about a misfit, as far as its kind tells."""
    model = closest.spec.name
    layout = other_layout(_other_shapes(checkpoint, closest))
    if layout is not None:
        return layout
    if closest.missing and not closest.extra and len(closest.problems) == len(closest.missing):
        return f"Get a complete {model} checkpoint, or name the right model with --model"
    if closest.missing and closest.extra:
        return (
            f"If these are {model}'s layers under other names, --rename OLD=NEW says so (once a layer); "
            f"if not, it is another network: name the right model with --model"
        )
    if closest.extra and len(closest.problems) == len(closest.extra):
        steps = _preparation(checkpoint, closest.extra)
        if steps:
            return (
                f"All of {model}'s parameters are there. Before its first layer the graph prepares the "
                f"images itself, which {model} does not: {steps}. To take the weights out, export the "
                f"network without this step, and prepare its images so"
            )
        return (
            f"All of {model}'s parameters are there, and more: the file is of another network, which "
            f"computes something else, or holds what is no part of the network; then save it without that"
        )
    return "It is another network, or was changed: name the right model with --model"


def _preparation(checkpoint: Checkpoint, names: Sequence[str]) -> str:
    """Return what an ONNX graph does to its images with these tensors; "" if they are anything else."""
    if checkpoint.runtime != "onnx":
        return ""
    from triport.converters.graphs.preparation import preparation_of_images  # it imports numpy

    return preparation_of_images(checkpoint, names)


def folded_graph(checkpoint: Checkpoint, specs: Iterable[ModelSpec]) -> str | None:
    """Return what to say of an ONNX file whose BatchNorm is folded into the convolutions; None if it is not.

    Such a file has the weights of all of a model's convolutions, by their shapes, and no vectors but a bias
    for each of them and for the dense layers.
    """
    if checkpoint.runtime != "onnx":
        return None
    shapes = [tensor.shape for tensor in checkpoint.tensors.values() if tensor.dtype in FLOATS]
    convolutions = Counter(shape for shape in shapes if len(shape) == 4)
    vectors = sum(len(shape) == 1 and shape != (1,) for shape in shapes)
    if vectors > sum(len(shape) > 1 for shape in shapes):
        return None
    for spec in specs:
        kinds = Counter(layer.kind for layer in spec.layers())
        wanted = Counter(layer.shape for layer in spec.layers() if layer.kind == "conv")
        if kinds["norm"] and wanted == convolutions:
            return (
                f"{checkpoint.path}: BatchNorm is folded into the convolutions of this ONNX file, as "
                f"exporters do by default: its {kinds['conv']} convolutions have the shapes of "
                f"{spec.name}'s, and nothing is left of the {kinds['norm']} BatchNorm layers, so the "
                f"parameters cannot be taken out. `{program()} parity CHECKPOINT {checkpoint.path}` "
                f"compares it with the checkpoint that it was made of. To keep the parameters, export again: "
                f"torch.onnx.export(..., dynamo=True, optimize=False), or dynamo=False, "
                f"do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE"
            )
    return None
