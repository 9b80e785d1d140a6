"""The norms."""

from __future__ import annotations

import ast
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.rewriting import DOMAIN
from triport.converters.onnx_import.values import Known

from . import both, mindspore, pytorch
from .elementwise import f32


def _held(call: Call, *indices: int) -> list[Known] | None:
    """Return inputs as constants, if all of them are."""
    found = [call.rep(i) for i in indices]
    return [f for f in found if isinstance(f, Known)] if all(isinstance(f, Known) for f in found) else None


@pytorch("BatchNormalization", since=7)
def batch_norm(call: Call) -> Any:
    """BatchNorm with its running statistics; in training mode with the batch's."""
    eps, momentum = call.attribute("epsilon", 1e-5), call.attribute("momentum", 0.9)
    if call.version < 9 and call.attribute("spatial", 1) != 1:
        call.refuse("spatial=0")
    training = call.attribute("training_mode", 0) if call.version >= 14 else 0
    rank = call.rank(0)
    if training:
        return _training(call, eps, momentum)
    if any(call.used(i) for i in range(1, len(call.node.outputs))):
        call.refuse("its running statistics are outputs")
    held = _held(call, 1, 2, 3, 4)
    if held is not None and 2 <= rank <= 5 and len({str(h.array.dtype) for h in held} | {call.dtype(0)}) == 1:
        kind = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[rank]
        size = int(held[0].array.size)
        dtype = str(held[0].array.dtype)
        constructor = code(
            f"nn.{kind}(n, eps=e, momentum=m, dtype=d)",
            n=size,
            e=OMIT if f32(eps) == 1e-5 else f32(eps),
            m=OMIT if f32(momentum) == 0.9 else round(1 - f32(momentum), 7),
            d=OMIT if dtype == "float32" else call.dtype_name(dtype),
        )
        names = ("weight", "bias", "running_mean", "running_var")
        layer = call.body.layer("norm", constructor, dict(zip(names, held, strict=True)), call.tensor(0))
        if layer is not None:
            return layer
    x, scale, bias, mean, var = (call.tensor(i) for i in range(5))
    return code("F.batch_norm(x, m, v, s, b, eps=e)", x=x, m=mean, v=var, s=scale, b=bias, e=f32(eps))


def _training(call: Call, eps: float, momentum: float) -> Any:
    """Return output and updated statistics of training mode, whose variance is the population's."""
    x = call.let("x", call.tensor(0))
    scale, bias, mean, var = (call.tensor(i) for i in range(1, 5))
    axes = [a for a in range(call.rank(0)) if a != 1]
    batch_mean = call.let("mean", code("x.mean(dim=a)", x=x, a=axes))
    batch_var = call.let("variance", code("x.var(dim=a, correction=0)", x=x, a=axes))
    shaped = code(
        "F.batch_norm(x, m, v, s, b, eps=e)", x=x, m=batch_mean, v=batch_var, s=scale, b=bias, e=f32(eps)
    )
    mixed = "old * m + new * (1 - m)"
    updated = [code(mixed, old=o, new=n, m=f32(momentum)) for o, n in ((mean, batch_mean), (var, batch_var))]
    return (shaped, *updated)


@mindspore("BatchNormalization", since=7)
def batch_norm_mindspore(call: Call) -> Any:
    """BatchNorm with its running statistics; in training mode with the batch's."""
    eps, momentum = call.attribute("epsilon", 1e-5), call.attribute("momentum", 0.9)
    if call.version < 9 and call.attribute("spatial", 1) != 1:
        call.refuse("spatial=0")
    if call.version >= 14 and call.attribute("training_mode", 0):
        return _training_mindspore(call, eps, momentum)
    if any(call.used(i) for i in range(1, len(call.node.outputs))):
        call.refuse("its running statistics are outputs")
    held = _held(call, 1, 2, 3, 4)
    rank = call.rank(0)
    if held is not None and rank in (2, 4) and {str(h.array.dtype) for h in held} == {"float32"}:
        kind = {2: "BatchNorm1d", 4: "BatchNorm2d"}[rank]
        constructor = code(
            f"nn.{kind}(n, eps=e, momentum=m)",
            n=int(held[0].array.size),
            e=OMIT if f32(eps) == 1e-5 else f32(eps),
            m=OMIT if f32(momentum) == 0.9 else f32(momentum),
        )
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        layer = call.body.layer("norm", constructor, dict(zip(names, held, strict=True)), call.tensor(0))
        if layer is not None:
            return layer
    shape = (1, -1, *[1] * (rank - 2))
    x = call.tensor(0)
    scale, bias, mean, var = (
        code("x.reshape(s)", x=call.tensor(i), s=shape) if rank > 2 else call.tensor(i) for i in range(1, 5)
    )
    return code("(x - m) / ops.sqrt(v + e) * s + b", x=x, m=mean, v=var, s=scale, b=bias, e=f32(eps))


def _training_mindspore(call: Call, eps: float, momentum: float) -> Any:
    """Return output and updated statistics of training mode, whose variance is the population's."""
    mean, centred, var = _moments(call, tuple(axis for axis in range(call.rank(0)) if axis != 1))
    var = call.let("variance", var)
    mixed = "old * m + new.reshape(-1) * (1 - m)"
    olds = ((call.tensor(3), mean), (call.tensor(4), var))
    updated = [code(mixed, old=old, new=new, m=f32(momentum)) for old, new in olds]
    return (_normed(call, centred, var, eps), *updated)


def _moments(call: Call, axes: tuple[int, ...]) -> tuple[ast.expr, ast.expr, ast.expr]:
    """Return the mean over axes, which are kept, what is left of the input without it, and the variance."""
    x = call.let("x", call.tensor(0))
    mean = call.let("mean", code("ops.mean(x, a, True)", x=x, a=axes))
    centred = call.let("x", code("x - m", x=x, m=mean))
    return mean, centred, code("ops.mean(ops.square(c), a, True)", c=centred, a=axes)


def _normed(call: Call, centred: ast.expr, var: ast.expr, eps: float) -> ast.expr:
    """Return what is left of the input by its deviation, times a weight for each channel, and a bias."""
    return code(
        "c / ops.sqrt(v + e) * w.reshape(s) + b.reshape(s)",
        c=centred,
        v=var,
        w=call.tensor(1),
        b=call.tensor(2),
        s=(1, -1, *[1] * (call.rank(0) - 2)),
        e=f32(eps),
    )


@pytorch("InstanceNormalization", since=6)
def instance_norm(call: Call) -> ast.expr:
    """Each channel of each image by itself."""
    eps, held, rank = f32(call.attribute("epsilon", 1e-5)), _held(call, 1, 2), call.rank(0)
    if _is_nothing(held):
        return code("F.instance_norm(x, eps=e)", x=call.tensor(0), e=OMIT if eps == 1e-5 else eps)
    if held is not None and rank in (3, 4, 5) and _is_of_a_layer(held):
        constructor = code(
            f"nn.InstanceNorm{rank - 2}d(n, eps=e, affine=True)",
            n=int(held[0].array.size),
            e=OMIT if eps == 1e-5 else eps,
        )
        leaves = dict(zip(("weight", "bias"), held, strict=True))
        layer = call.body.layer("norm", constructor, leaves, call.tensor(0))
        if layer is not None:
            return layer
    return code(
        "F.instance_norm(x, weight=w, bias=b, eps=e)",
        x=call.tensor(0),
        w=call.tensor(1),
        b=call.tensor(2),
        e=eps,
    )


def _is_of_a_layer(held: list[Known]) -> bool:
    """Return whether constants are of float32 and of one module by their names."""
    owners = {(each.origin or "").rpartition(".")[0] for each in held}
    return len(owners) == 1 and "" not in owners and all(str(h.array.dtype) == "float32" for h in held)


def _is_nothing(held: list[Known] | None) -> bool:
    """Return whether a scale and a bias are ones and zeros that an exporter put there."""
    if held is None or any(each.origin is not None for each in held):
        return False
    return bool((held[0].array == 1).all() and not held[1].array.any())


@mindspore("InstanceNormalization", since=6)
def instance_norm_mindspore(call: Call) -> ast.expr:
    """Each channel of each image by itself."""
    eps = call.attribute("epsilon", 1e-5)
    _, centred, var = _moments(call, tuple(range(2, call.rank(0))))
    if _is_nothing(_held(call, 1, 2)):
        return code("c / ops.sqrt(v + e)", c=centred, v=var, e=f32(eps))
    return _normed(call, centred, var, eps)


@both("LayerNormalization", since=17)
def layer_norm(call: Call) -> Any:
    """Over the last axes; mean and inverse deviation are outputs too."""
    eps = f32(call.attribute("epsilon", 1e-5))
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", -1), rank)
    call.attribute("stash_type", 1)
    axes = list(range(axis, rank))
    sizes = [call.size(0, a) for a in axes]
    scale = call.shape(1) or []
    if len(scale) == len(sizes):  # what it scales has its sizes, where these are not one
        sizes = [
            its if mine is None and isinstance(its, int) and its != 1 else mine
            for mine, its in zip(sizes, scale, strict=True)
        ]
    others = call.used(1) or call.used(2)
    held = _held(call, *([1, 2] if call.has(2) else [1]))
    dtype = call.dtype(0)
    fits = held is not None and all(list(h.array.shape) == sizes for h in held)
    if fits and held is not None and not others and all(str(h.array.dtype) == dtype for h in held):
        layer = _layer_norm_layer(call, held, sizes, eps)
        if layer is not None:
            return layer
    if call.target == "pytorch":
        if (
            not others
            and list(call.shape(1) or []) == sizes
            and all(n is not None for n in sizes)
            and (not call.has(2) or list(call.shape(2) or []) == sizes)
        ):
            return code(
                "F.layer_norm(x, s, w, b, e)",
                x=call.tensor(0),
                s=tuple(sizes),
                w=call.tensor(1),
                b=call.tensor(2) if call.has(2) else None,
                e=eps,
            )
        mean_template, wide = "x.mean(dim=a, keepdim=True)", "torch.float32"
    elif not others and dtype == "float32":
        norm, b = call.function("layer_norm"), call.tensor(2) if call.has(2) else None
        return code("f(x, w, b, a, e)", f=norm, x=call.tensor(0), w=call.tensor(1), b=b, a=tuple(axes), e=eps)
    else:
        mean_template, wide = "ops.mean(x, a, True)", "mindspore.float32"
    x = call.tensor(0)
    if dtype in ("float16", "bfloat16"):
        x = code(f"x.to({wide})", x=x)
    x = call.let("x", x)
    a: Any = axes if call.target == "pytorch" else tuple(axes)
    mean = call.let("mean", code(mean_template, x=x, a=a))
    centred = call.let("centred", code("x - m", x=x, m=mean))
    square = code("c.square()", c=centred)
    root = "torch.rsqrt(v + e)" if call.target == "pytorch" else "1.0 / ops.sqrt(v + e)"
    inverse = call.let("scale", code(root, v=code(mean_template, x=square, a=a), e=eps))
    normal = code("c * i", c=centred, i=inverse)
    if dtype in ("float16", "bfloat16"):
        normal = code("x.to(d)", x=normal, d=call.dtype_name(dtype))
    y = code("n * w", n=normal, w=call.tensor(1))
    return (code("y + b", y=y, b=call.tensor(2)) if call.has(2) else y, mean, inverse)


def _layer_norm_layer(call: Call, held: list[Known], sizes: list[Any], eps: float) -> ast.expr | None:
    dtype = str(held[0].array.dtype)
    if call.target == "pytorch":
        constructor = code(
            "nn.LayerNorm(s, eps=e, bias=b, dtype=d)",
            s=sizes[0] if len(sizes) == 1 else tuple(sizes),
            e=OMIT if eps == 1e-5 else eps,
            b=OMIT if len(held) == 2 else False,
            d=OMIT if dtype == "float32" else call.dtype_name(dtype),
        )
        return call.body.layer(
            "norm", constructor, dict(zip(("weight", "bias"), held, strict=False)), call.tensor(0)
        )
    if dtype != "float32" or len(held) != 2:
        return None
    first = len(call.shape(0) or []) - len(sizes)
    constructor = code(
        "nn.LayerNorm(s, begin_norm_axis=a, begin_params_axis=a, epsilon=e)",
        s=tuple(sizes),
        e=eps,
        a=first if len(sizes) > 1 else -1,
    )
    return call.body.layer(
        "norm", constructor, dict(zip(("gamma", "beta"), held, strict=True)), call.tensor(0)
    )


@both("RMSNormalization")
def rms_norm(call: Call) -> ast.expr:
    """By the root of the mean of squares over the last axes."""
    eps = f32(call.attribute("epsilon", 1e-5))
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", -1), rank)
    call.attribute("stash_type", 1)
    dtype = call.dtype(0)
    half = dtype in ("float16", "bfloat16")
    wide = "torch.float32" if call.target == "pytorch" else "mindspore.float32"
    x = code(f"x.to({wide})", x=call.tensor(0)) if half else call.tensor(0)
    x = call.let("x", x)
    axes: Any = list(range(axis, rank))
    if call.target == "pytorch":
        mean = code("x.square().mean(dim=a, keepdim=True)", x=x, a=axes)
        normal = code("x * torch.rsqrt(m + e)", x=x, m=mean, e=eps)
    else:
        mean = code("ops.mean(ops.square(x), a, True)", x=x, a=tuple(axes))
        normal = code("x / ops.sqrt(m + e)", x=x, m=mean, e=eps)
    if half:
        normal = code("x.to(d)", x=normal, d=call.dtype_name(dtype))
    return code("n * w", n=normal, w=call.tensor(1))


@both("GroupNormalization", since=18, until=20)
def group_norm_of_groups(call: Call) -> ast.expr:
    """Groups of channels, whose scales and biases are one for each group."""
    groups, eps, channels = (
        call.attribute("num_groups"),
        f32(call.attribute("epsilon", 1e-5)),
        call.size(0, 1),
    )
    if channels is None:
        call.refuse("a free number of channels")
    repeat = "x.repeat_interleave(n)" if call.target == "pytorch" else "ops.repeat_interleave(x, n, 0)"
    weight, bias = (code(repeat, x=call.tensor(i), n=channels // groups) for i in (1, 2))
    if call.target == "mindspore":
        return _group_norm_mindspore(call, groups, eps, weight, bias)
    return code("F.group_norm(x, g, w, b, e)", x=call.tensor(0), g=groups, w=weight, b=bias, e=eps)


@both("GroupNormalization", since=21)
@both("GroupNorm", domain=DOMAIN)
def group_norm(call: Call) -> ast.expr:
    """Groups of channels."""
    groups, eps = call.attribute("num_groups"), f32(call.attribute("epsilon", 1e-5))
    call.attribute("stash_type", 1)
    layer = _group_norm_layer(call, groups, eps)
    if layer is not None:
        return layer
    if call.target == "mindspore":
        return _group_norm_mindspore(call, groups, eps, call.tensor(1), call.tensor(2))
    return code(
        "F.group_norm(x, g, w, b, e)", x=call.tensor(0), g=groups, w=call.tensor(1), b=call.tensor(2), e=eps
    )


def _group_norm_layer(call: Call, groups: int, eps: float) -> ast.expr | None:
    held = _held(call, 1, 2)
    if held is None or str(held[0].array.dtype) != "float32" or call.dtype(0) != "float32":
        return None
    is_pytorch = call.target == "pytorch"
    if not is_pytorch and call.rank(0) != 4:  # its layer states that it takes images
        return None
    constructor = code(
        "nn.GroupNorm(g, n, eps=e)", g=groups, n=int(held[0].array.size), e=OMIT if eps == 1e-5 else eps
    )
    names = ("weight", "bias") if is_pytorch else ("gamma", "beta")
    return call.body.layer("norm", constructor, dict(zip(names, held, strict=True)), call.tensor(0))


def _group_norm_mindspore(call: Call, groups: int, eps: float, weight: ast.expr, bias: ast.expr) -> ast.expr:
    rank = call.rank(0)
    x = call.let("x", call.tensor(0))
    grouped = call.let("x", code("x.reshape(x.shape[0], g, -1)", x=x, g=groups))
    centred = call.let("x", code("x - ops.mean(x, -1, True)", x=grouped))
    normal = code(
        "(c / ops.sqrt(ops.mean(ops.square(c), -1, True) + e)).reshape(x.shape)", c=centred, e=eps, x=x
    )
    shape = (1, -1, *[1] * (rank - 2))
    return code("n * w.reshape(s) + b.reshape(s)", n=normal, w=weight, b=bias, s=shape)


@both("LpNormalization")
def lp_norm(call: Call) -> ast.expr:
    """By the 1-norm or 2-norm along an axis; what is all zero stays so."""
    p, axis = call.attribute("p", 2), call.attribute("axis", -1)
    if p not in (1, 2):
        call.refuse(f"p is {p}")
    x = call.let("x", call.tensor(0))
    if call.target == "pytorch":
        norm = code("x.norm(p=n, dim=a, keepdim=True)", x=x, n=p, a=axis)
        n = call.let("norm", norm)
        return code("torch.where(n == 0, 0, x / n)", n=n, x=x)
    template = "ops.sum(ops.abs(x), a, True)" if p == 1 else "ops.sqrt(ops.sum(ops.square(x), a, True))"
    n = call.let("norm", code(template, x=x, a=axis))
    return code("ops.where(n == 0, ops.zeros_like(x), x / n)", n=n, x=x)


@both("MeanVarianceNormalization")
def mean_variance(call: Call) -> ast.expr:
    """Zero mean and unit deviation."""
    axes = call.attribute("axes", [0, 2, 3])
    x = call.let("x", call.tensor(0))
    if call.target == "pytorch":
        centred = call.let("x", code("x - x.mean(dim=a, keepdim=True)", x=x, a=axes))
        return code("c / (c.square().mean(dim=a, keepdim=True).sqrt() + 1e-9)", c=centred, a=axes)
    centred = call.let("x", code("x - ops.mean(x, a, True)", x=x, a=tuple(axes)))
    return code("c / (ops.sqrt(ops.mean(ops.square(c), a, True)) + 1e-9)", c=centred, a=tuple(axes))


@both("LRN")
def lrn(call: Call) -> ast.expr:
    """Across neighbouring channels."""
    size = call.attribute("size")
    alpha, beta, bias = (
        f32(call.attribute(n, v)) for n, v in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    if call.target == "pytorch":
        if size % 2 == 0:
            call.refuse("an even size, which PyTorch centres otherwise")
        return code(
            "F.local_response_norm(x, n, alpha=a, beta=b, k=k)",
            x=call.tensor(0),
            n=size,
            a=alpha,
            b=beta,
            k=bias,
        )
    if size % 2 == 0 or call.rank(0) != 4:
        call.refuse("an even size, or no image")
    return code("ops.lrn(x, r, k, a, b)", x=call.tensor(0), r=size // 2, k=bias, a=alpha / size, b=beta)
