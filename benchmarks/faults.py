"""The catalogue of faults: each makes a right network wrong in one place, and says which.

A fault is a function of a Candidate. It changes the candidate's parameters, modules or images, and
returns the names of the modules that may be called wrong: the one that it changed, or, where what is computed
between modules is changed, those that are fed it. None: this network has nothing to do it to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.layer_faults import instead, put_into
from triport.converters.onnx_export.written_model import INPUT
from triport.parity.calls import Step, input_name
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.kinds import KINDS, Kind
from triport.reference_models.kinds.fault import Fault
from triport.reference_models.spec import ModelSpec

Named = set[str] | None


@dataclass
class Candidate:
    """A right network in float32, ready to be made wrong, and the steps of the reference."""

    spec: ModelSpec
    runner: PyTorchRunner
    steps: Sequence[Step]
    largest: Callable[[str], float]
    batch: np.ndarray
    net: Any = field(init=False)

    def __post_init__(self) -> None:
        self.net = self.runner._net

    def module(self, path: str) -> Any:
        """Return the module at `path`."""
        return self.net.get_submodule(path)

    def replace(self, path: str, module: nn.Module) -> None:
        """Put another module at `path`."""
        parent, _, name = path.rpartition(".")
        setattr(self.net.get_submodule(parent), name, module)

    def of(self, *kinds: type, where: Callable[[Any], bool] = lambda module: True) -> list[Step]:
        """Return the steps whose module is of a kind and fits."""
        return [s for s in self.steps if s.leaf and isinstance(m := self.module(s.path), kinds) and where(m)]

    def of_kind(self, kind: Kind, where: Callable[[Any], bool]) -> list[Step]:
        """Return the steps whose module is of a kind of the table and fits."""
        return [s for s in self.steps if s.leaf and s.layer is kind and where(self.module(s.path))]

    def step_after(self, name: str) -> list[str]:
        """Return the steps that are fed what the step `name` returns."""
        return [step.name for step in self.steps if name in step.sources]


def source_of(step: Step) -> str | None:
    """Return the step whose output a step is given, None where that was computed between modules."""
    return step.sources[0] if len(step.sources) == 1 else None


FAULTS: dict[str, Callable[[Candidate], Named]] = {}


def fault(name: str) -> Callable[[Callable[[Candidate], Named]], Callable[[Candidate], Named]]:
    """Put a fault into the catalogue."""

    def register(make: Callable[[Candidate], Named]) -> Callable[[Candidate], Named]:
        if name in FAULTS:
            raise ValueError(f"two faults are called {name}")
        FAULTS[name] = make
        return make

    return register


def middle(steps: Sequence[Step]) -> Step | None:
    """Return the step in the middle."""
    return steps[len(steps) // 2] if steps else None


def on_output(
    path: str, number: int | None, change: Callable[[Any, Any], Any]
) -> Callable[[Candidate], None]:
    """Return what changes the output of one call (None: every call) of a module: change(input, output)."""

    def apply(candidate: Candidate) -> None:
        calls = [0]

        def hook(module: Any, arguments: tuple[Any, ...], output: Any) -> Any:
            calls[0] += 1
            return change(arguments[0], output) if number in (None, calls[0]) else None

        module = candidate.module(path)
        module.register_forward_hook(hook)
        candidate.net.register_forward_pre_hook(lambda *_: calls.__setitem__(0, 0))

    return apply


def on_input(path: str, number: int | None, change: Callable[[Any], Any]) -> Callable[[Candidate], None]:
    """Return what changes the input of one call (None: every call) of a module."""

    def apply(candidate: Candidate) -> None:
        calls = [0]

        def hook(module: Any, arguments: tuple[Any, ...]) -> Any:
            calls[0] += 1
            return (change(arguments[0]),) if number in (None, calls[0]) else None

        candidate.module(path).register_forward_pre_hook(hook)
        candidate.net.register_forward_pre_hook(lambda *_: calls.__setitem__(0, 0))

    return apply


# --- kinds of layer ---


def on_kind(kind: Kind, one: Fault) -> None:
    """Add a fault of the table of kinds: of the layer in the middle of those that fit, in one call."""

    @fault(f"{kind.title}: {one.name}")
    def make(candidate: Candidate) -> Named:
        step = middle(candidate.of_kind(kind, where=one.fits))
        if step is None:
            return None
        put_into(replace(one, instead=""), candidate.module(step.path))
        if one.instead:
            on_output(step.path, step.number, instead(one))(candidate)
        return {step.name}


# what registered models are made of; tests/parity/test_layer_faults.py has small networks of the others
for _name in ("norm", "conv", "relu", "relu6", "sigmoid"):
    for _fault in KINDS[_name].faults:
        on_kind(KINDS[_name], _fault)


# --- convolutions ---


def on_conv(
    name: str, change: Callable[[Any], Any], where: Callable[[Any], bool] = lambda conv: True
) -> None:
    """Add a fault of the convolution in the middle of those that fit."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        step = middle(candidate.of(nn.Conv2d, where=where))
        if step is None:
            return None
        with torch.no_grad():
            found = change(candidate.module(step.path))
        if isinstance(found, nn.Module):
            candidate.replace(step.path, found)
        return {step.path}


def wide(conv: Any) -> bool:
    """Whether the kernel is larger than one pixel, and square."""
    return conv.kernel_size[0] == conv.kernel_size[1] > 1


def _weight(change: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda conv: conv.weight.copy_(change(conv.weight.clone()))


class _Half(nn.Module):
    """Computes a layer in another precision."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.dtype = layer.to(dtype), dtype

    def forward(self, x: Any) -> Any:
        return self.layer(x.to(self.dtype)).float()


class _SamePadded(nn.Module):
    """Pads as TensorFlow's SAME does where the layer pads symmetrically, and the other way round."""

    def __init__(self, layer: Any, value: float = 0.0) -> None:
        super().__init__()
        self.layer, self.value = layer, value
        kernel, stride = layer.kernel_size, layer.stride
        self.kernel = kernel if isinstance(kernel, int) else kernel[0]
        self.stride = stride if isinstance(stride, int) else stride[0]

    def forward(self, x: Any) -> Any:
        height, width = (
            max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[-2:]
        )
        around = (width // 2, width - width // 2, height // 2, height - height // 2)
        kept, self.layer.padding = (
            self.layer.padding,
            type(self.layer.padding)((0, 0)) if isinstance(self.layer.padding, tuple) else 0,
        )
        try:
            return self.layer(functional.pad(x, around, value=self.value))
        finally:
            self.layer.padding = kept


def _tf32(tensor: Any) -> Any:
    """Round to ten bits of mantissa."""
    return (tensor.view(torch.int32) + 0x1000 & ~0x1FFF).view(torch.float32)


def _in_two_groups(conv: Any) -> None:
    half = conv.in_channels // 2
    conv.groups, conv.weight = 2, nn.Parameter(conv.weight[:, :half].clone())


def plain(conv: Any) -> bool:
    """Whether the convolution has one group and an even number of channels."""
    return conv.groups == 1 and conv.in_channels % 2 == 0 and conv.out_channels % 2 == 0


def padded(conv: Any) -> bool:
    """Whether it pads by itself, with zeros, a square kernel."""
    return wide(conv) and conv.padding not in ((0, 0), "same") and type(conv) is nn.Conv2d


on_conv("conv: weights rounded to bfloat16", _weight(lambda w: w.bfloat16().float()))
on_conv("conv: computed in bfloat16", lambda conv: _Half(conv, torch.bfloat16))
on_conv("conv: weights rounded to TF32", _weight(_tf32))
on_conv("conv: groups 2 for 1", _in_two_groups, plain)
on_conv(
    "conv: padding same for symmetric",
    _SamePadded,
    lambda conv: padded(conv) and conv.stride[0] == 2,
)


def _reflecting(conv: Any) -> Any:
    other = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
        conv.groups, bias=conv.bias is not None, padding_mode="reflect",
    )  # fmt: skip
    other.load_state_dict(conv.state_dict())
    return other.eval()


def _with_bias(conv: Any) -> None:
    conv.bias = nn.Parameter(torch.full((conv.out_channels,), 0.1))


on_conv("conv: padding reflects", _reflecting, padded)
on_conv("conv: a bias that is not there", _with_bias, lambda conv: conv.bias is None)


def _twins(candidate: Candidate, kind: type) -> tuple[Step, Step] | None:
    """Return two layers of one kind and shape, from the middle, in order."""
    groups = defaultdict(list)
    for step in candidate.of(kind):
        groups[candidate.module(step.path).weight.shape].append(step)
    steps = max(groups.values(), key=len)
    return (steps[len(steps) // 2 - 1], steps[len(steps) // 2]) if len(steps) > 1 else None


@fault("conv: two layers' weights exchanged")
def _(candidate: Candidate) -> Named:
    pair = _twins(candidate, nn.Conv2d)
    if pair is None:
        return None
    first, second = (candidate.module(step.path) for step in pair)
    first.weight, second.weight = second.weight, first.weight
    return {pair[0].path}


@fault("BatchNorm: two layers exchanged")
def _(candidate: Candidate) -> Named:
    pair = _twins(candidate, nn.BatchNorm2d)
    if pair is None:
        return None
    first, second = (candidate.module(step.path) for step in pair)
    candidate.replace(pair[0].path, second)
    candidate.replace(pair[1].path, first)
    return {pair[0].path}


@fault("conv: stride on the other convolution")
def _(candidate: Candidate) -> Named:
    convs = candidate.of(nn.Conv2d)
    strided = [
        step for step in convs if candidate.module(step.path).stride == (2, 2) and "down" not in step.path
    ]
    for step in reversed(strided):
        at = convs.index(step)
        block = step.path.rpartition(".")[0]
        for other in (convs[at - 1], *convs[at + 1 : at + 2]):
            here = candidate.module(other.path)
            if at and other.path.startswith(block.rpartition(".")[0]) and here.stride == (1, 1):
                here.stride, candidate.module(step.path).stride = (2, 2), (1, 1)
                return {step.path, other.path}
    return None


# --- activations ---


def on_activation(name: str, change: Callable[[Any, Any], Any], *kinds: type, over_six: bool = False) -> None:
    """Add a fault of one call of the activation in the middle; `over_six`: of one that gets there."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        steps = candidate.of(*kinds)
        if over_six:
            steps = [
                step for step in steps if candidate.largest(step.name) > (6 if nn.ReLU in kinds else 5.99)
            ]
        step = middle(steps)
        if step is None:
            return None
        on_output(step.path, step.number, change)(candidate)
        return {step.name}


on_activation("activation: ReLU6 for ReLU", lambda x, y: y.clamp(max=6), nn.ReLU, over_six=True)
on_activation("activation: ReLU for ReLU6", lambda x, y: x.clamp(min=0), nn.ReLU6, over_six=True)


# --- pools ---


def _pools(candidate: Candidate, *words: str) -> list[Step]:
    return [step for step in candidate.steps if step.leaf and step.layer in [KINDS[word] for word in words]]


def _numbers(pool: Any) -> tuple[int, int]:
    kernel = getattr(pool, "kernel_size", None) or pool.kernel
    return kernel, pool.stride


@fault("max-pool: padding same for symmetric")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        if not isinstance(pool, nn.MaxPool2d):  # a "same" pool, as MindCV's: symmetric for it
            candidate.replace(step.path, nn.MaxPool2d(kernel, stride, kernel // 2))
        elif pool.padding:
            candidate.replace(step.path, _SamePadded(pool, float("-inf")))
        else:
            before = [s for s in candidate.steps if s.name == source_of(step) and s.kind == "ZeroPad2d"]
            if not before:
                continue
            candidate.replace(before[0].path, nn.ZeroPad2d((0, 1, 0, 1)))
            return {before[0].path}
        return {step.path}
    return None


@fault("max-pool: ceil_mode")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        if isinstance(pool, nn.MaxPool2d):
            pool.ceil_mode = True
            return {step.path}
    return None


@fault("max-pool: zeros for nothing around the image")
def _(candidate: Candidate) -> Named:
    """Seen only where what is pooled has negative values at the border: not behind a ReLU."""
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        if isinstance(pool, nn.MaxPool2d) and pool.padding:
            source = next((s for s in candidate.steps if s.name == source_of(step)), None)
            if source is not None and "relu" in source.kind.lower():
                return None
            candidate.replace(
                step.path, nn.Sequential(nn.ZeroPad2d(pool.padding), nn.MaxPool2d(*_numbers(pool)))
            )
            return {step.path}
    return None


@fault("max-pool: average for maximum")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        candidate.replace(step.path, nn.AvgPool2d(kernel, stride, getattr(pool, "padding", kernel // 2)))
        return {step.path}
    return None


@fault("average pool: count_include_pad")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "average_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        if kernel == 2:
            continue  # of the shortcuts: nothing is padded at even sizes
        before = [s for s in candidate.steps if s.name == source_of(step) and s.kind == "ZeroPad2d"]
        if before:  # the zeros around the image count: not to count them is to pad in the pool
            candidate.replace(before[0].path, nn.Identity())
        candidate.replace(step.path, nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=not before))
        return {step.path, *(s.path for s in before)}
    return None


@fault("global pool: maximum for average")
def _(candidate: Candidate) -> Named:
    step = middle(_pools(candidate, "global_pool"))
    assert step is not None
    on_output(step.path, None, lambda x, y: x.amax((2, 3)).view_as(y))(candidate)
    return {step.path}


@fault("global pool: without the last row and column")
def _(candidate: Candidate) -> Named:
    step = _pools(candidate, "global_pool")[-1]
    on_output(step.path, None, lambda x, y: x[:, :, : max(1, x.shape[2] - 1)].mean((2, 3)).view_as(y))(
        candidate
    )
    return {step.path}


# --- between modules ---


def _blocks(candidate: Candidate, shortcut: bool = True) -> list[Step]:
    """Return the containers whose output has the shape of their input: those that may be skipped."""
    given = {step.name: step.shape for step in candidate.steps}
    leaves = {step.path for step in candidate.steps if step.leaf}
    found = []
    for step in candidate.steps:
        module = candidate.module(step.path)
        if (
            step.leaf
            or source_of(step) is None
            or isinstance(module, nn.Sequential)
            or step.path[-2:] == "se"
        ):
            continue
        parts = [s for s in candidate.steps if s.path.startswith(step.path + ".") and s.path in leaves]
        if (
            given.get(source_of(step)) == step.shape
            and len(parts) > 4
            and not any("down" in s.path for s in parts if s.kind != "Identity")
        ):
            found.append(step)
    return found


def _on_block(name: str, change: Callable[[Any, Any], Any]) -> None:
    """Add a fault of what the block in the middle returns: change(its input, its output)."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        block = middle(_blocks(candidate))
        if block is None:
            return None
        on_output(block.path, None, change)(candidate)
        return {block.path, *candidate.step_after(block.name), *candidate.step_after(block.same_as or "")}


_on_block("block: skipped", lambda x, y: x)
_on_block("block: run on a tenth more", lambda x, y: 1.1 * y)


def _last_sum(candidate: Candidate) -> tuple[Step, Step | None] | None:
    """Return the block in the middle that adds its input, and its last activation if the sum goes there."""
    block = middle(_blocks(candidate))
    if block is None or candidate.spec.family == "inception_v4":
        return None
    if block.same_as is None:
        return block, None
    last = next(step for step in candidate.steps if step.name == block.same_as)
    return block, last


def _on_sum(name: str, change: Callable[[Any, Any], Any]) -> None:
    """Add a fault of the sum at the end of the block in the middle: change(block's input, sum)."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        found = _last_sum(candidate)
        if found is None:
            return None
        block, last = found
        given: list[Any] = []
        candidate.module(block.path).register_forward_pre_hook(
            lambda module, arguments: given.__setitem__(slice(None), [arguments[0]])
        )
        if last is None:
            on_output(block.path, None, lambda x, y: change(x, y))(candidate)
            return {block.path}
        on_input(last.path, last.number, lambda x: change(given[0], x))(candidate)
        return {last.name}


_on_sum("shortcut: left out", lambda x, y: y - x)
_on_sum("shortcut: added twice", lambda x, y: y + x)
_on_sum("shortcut: subtracted", lambda x, y: y - 2 * x)


@fault("shortcut: read after an activation in place")
def _(candidate: Candidate) -> Named:
    """The block's first activation writes over what the shortcut reads; nothing changes behind a ReLU."""
    if candidate.spec.family in ("res2net", "inception_v4"):
        return None  # the cascade has its own; branches that are joined have no shortcut
    block = middle(_blocks(candidate))
    if block is None:
        return None
    inside = [s for s in candidate.steps if s.path.startswith(block.path + ".")]
    first = next(s for s in inside if source_of(s) == source_of(block) and s.leaf)
    source = next(s for s in candidate.steps if s.name == source_of(block))
    last = next((s for s in candidate.steps if s.name == source.same_as), source)
    if "relu" in last.kind.lower():
        return None

    def hook(module: Any, arguments: tuple[Any, ...], output: Any) -> Any:
        arguments[0].relu_()
        return output

    candidate.module(first.path).register_forward_hook(hook)
    return {block.path, *(s.name for s in inside), *candidate.step_after(source_of(block) or "")}


def _res2net_block(candidate: Candidate) -> tuple[Step, Any] | None:
    if candidate.spec.family != "res2net":
        return None
    block = middle(
        [
            s
            for s in candidate.steps
            if type(candidate.module(s.path)).__name__ == "Bottle2neck"
            and not candidate.module(s.path).is_first
        ]
    )
    return None if block is None else (block, candidate.module(block.path))


def _res2net(name: str, order: Callable[[list], list], joined: Callable[[Any, Any], Any], wrong: str) -> None:
    """Add a fault of Res2Net's cascade; `wrong` is the module that is fed it first."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        found = _res2net_block(candidate)
        if found is None:
            return None
        step, block = found

        def forward(x: Any) -> Any:
            shortcut = block.downsample(x)
            pieces = order(list(torch.chunk(block.relu(block.bn1(block.conv1(x))), block.scale, dim=1)))
            y = block.relu(block.bns[0](block.convs[0](pieces[0])))
            parts = [y]
            for i in range(1, block.scale - 1):
                y = joined(y, pieces[i])
                y = block.relu(block.bns[i](block.convs[i](y)))
                parts.append(y)
            x = torch.cat([*parts, block.pool(pieces[-1])], dim=1)
            return block.relu(block.bn3(block.conv3(x)) + shortcut)

        block.forward = forward
        return {f"{step.path}.{wrong}"}


_res2net(
    "Res2Net: pieces in the other order", lambda pieces: pieces[::-1], lambda y, piece: y + piece, "convs.0"
)
_res2net("Res2Net: cascade without its addition", lambda pieces: pieces, lambda y, piece: piece, "convs.1")
_res2net("Res2Net: added in place", lambda pieces: pieces, lambda y, piece: y.add_(piece), "conv3")


@fault("branches joined in another order")
def _(candidate: Candidate) -> Named:
    """The concatenation's pieces the other way round."""
    if candidate.spec.family == "inception_v4":
        block = middle(
            [s for s in candidate.steps if type(candidate.module(s.path)).__name__ == "InceptionB"]
        )
        assert block is not None
        on_output(block.path, None, lambda x, y: y.flip(1))(candidate)
        return {block.path}
    found = _res2net_block(candidate)
    if found is None:
        return None
    step, block = found
    on_input(f"{step.path}.conv3", None, lambda x: torch.cat(torch.chunk(x, 4, 1)[::-1], 1))(candidate)
    return {f"{step.path}.conv3"}


@fault("squeeze-excite: gate left out")
def _(candidate: Candidate) -> Named:
    step = middle([s for s in candidate.steps if type(candidate.module(s.path)).__name__ == "SqueezeExcite"])
    if step is None:
        return None
    on_output(step.path, None, lambda x, y: x)(candidate)
    return {step.path, *candidate.step_after(step.name)}


@fault("two blocks exchanged")
def _(candidate: Candidate) -> Named:
    groups = defaultdict(list)
    found = _blocks(candidate)
    paths = [block.path for block in found]
    for block in found:
        if any(block.path.startswith(path + ".") for path in paths):
            continue  # a part of another
        shapes = tuple(p.shape for p in candidate.module(block.path).parameters())
        groups[shapes].append(block)
    blocks = max(groups.values(), key=len, default=[])
    if len(blocks) < 2:
        return None
    one, two = blocks[0], blocks[1]
    first, second = candidate.module(one.path), candidate.module(two.path)
    candidate.replace(one.path, second)
    candidate.replace(two.path, first)
    return {
        next(
            s.name
            for s in candidate.steps
            if s.path.startswith(one.path + ".") and hasattr(candidate.module(s.path), "weight")
        )
    }


# --- the head ---


def _on_head(name: str, change: Callable[[Any], None]) -> None:
    """Add a fault of the classifier."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        step = candidate.of(nn.Linear)[-1] if candidate.of(nn.Linear) else candidate.of(nn.Conv2d)[-1]
        with torch.no_grad():
            change(candidate.module(step.path))
        return {step.path}


def _rows(order: Callable[[int], Any]) -> Callable[[Any], None]:
    def change(head: Any) -> None:
        rows = order(len(head.bias))
        head.weight.copy_(head.weight[rows].clone())
        head.bias.copy_(head.bias[rows].clone())

    return change


_on_head(
    "head: rows permuted", _rows(lambda n: torch.randperm(n, generator=torch.Generator().manual_seed(0)))
)
_on_head("head: labels off by one", _rows(lambda n: torch.arange(n).roll(1)))
_on_head("head: weight rows permuted, bias not", lambda head: head.weight.copy_(head.weight.roll(1, 0)))
_on_head("head: bias left out", lambda head: head.bias.zero_())
_on_head("head: rounded to float16", lambda head: head.weight.copy_(head.weight.half().float()))


@fault("head: dropout left on")
def _(candidate: Candidate) -> Named:
    step = candidate.of(nn.Linear)[-1] if candidate.of(nn.Linear) else candidate.of(nn.Conv2d)[-1]
    torch.manual_seed(0)
    on_input(step.path, None, lambda x: functional.dropout(x, 0.2, training=True))(candidate)
    return {step.path}


# --- the images ---


def _on_images(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Add a fault of the preprocessing: what is fed the images is fed wrong ones."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        candidate.batch = np.ascontiguousarray(change(candidate.batch), np.float32)
        return set(candidate.step_after(input_name(INPUT)))


def _per_channel(values: Sequence[float]) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


_IMAGENET = _per_channel((0.485, 0.456, 0.406)), _per_channel((0.229, 0.224, 0.225))

_on_images("images: RGB as BGR", lambda x: x[:, ::-1])
_on_images(
    "images: mean and std of another publisher", lambda x: (x * _IMAGENET[1] + _IMAGENET[0] - 0.5) / 0.5
)
_on_images("images: 0 to 255 for 0 to 1", lambda x: 255 * x)
_on_images("images: rows and columns exchanged", lambda x: x.transpose(0, 1, 3, 2))
_on_images("images: one pixel to the right", lambda x: np.roll(x, 1, 3))
_on_images("images: mirrored", lambda x: x[..., ::-1])
_on_images("images: rounded to eight bits", lambda x: np.round(x * 32) / 32)
