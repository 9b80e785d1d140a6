"""Functions of one tensor, element by element."""

from __future__ import annotations

import ast
import re

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, name
from triport.converters.onnx_import.values import shortest

from . import both, mindspore, pytorch

# ONNX: PyTorch, MindSpore
# what MindSpore's CPU computes further off than roundings: pieces have it
_EXACT = ("tanh", "exp", "log", "sigmoid", "softplus")
_UNARY = {
    "Abs": ("torch.abs(x)", "ops.abs(x)"),
    "Acos": ("torch.acos(x)", "ops.acos(x)"),
    "Acosh": ("torch.acosh(x)", "ops.acosh(x)"),
    "Asin": ("torch.asin(x)", "ops.asin(x)"),
    "Asinh": ("torch.asinh(x)", "ops.asinh(x)"),
    "Atan": ("torch.atan(x)", "ops.atan(x)"),
    "Atanh": ("torch.atanh(x)", "ops.atanh(x)"),
    "BitwiseNot": ("torch.bitwise_not(x)", "ops.bitwise_xor(x, ops.full_like(x, -1))"),
    "Ceil": ("torch.ceil(x)", "ops.ceil(x)"),
    "Cos": ("torch.cos(x)", "ops.cos(x)"),
    "Cosh": ("torch.cosh(x)", "ops.cosh(x)"),
    "Det": ("torch.linalg.det(x)", "ops.det(x)"),
    "Erf": ("torch.erf(x)", "ops.erf(x)"),
    "Exp": ("torch.exp(x)", "exp(x)"),
    "Floor": ("torch.floor(x)", "ops.floor(x)"),
    "HardSwish": ("F.hardswish(x)", "x * ops.clamp(x / 6.0 + 0.5, 0.0, 1.0)"),
    "IsNaN": ("torch.isnan(x)", "ops.isnan(x)"),
    "Log": ("torch.log(x)", "log(x)"),
    "Mish": ("F.mish(x)", "x * tanh(softplus(x))"),
    "Neg": ("-x", "-x"),
    "Not": ("torch.logical_not(x)", "ops.logical_not(x)"),
    "Reciprocal": ("torch.reciprocal(x)", "ops.reciprocal(x)"),
    "Relu": ("F.relu(x)", "ops.relu(x)"),
    "Round": ("torch.round(x)", "ops.round(x)"),
    "Sigmoid": ("torch.sigmoid(x)", "sigmoid(x)"),
    "Sign": ("torch.sign(x)", "ops.sign(x)"),
    "Sin": ("torch.sin(x)", "ops.sin(x)"),
    "Sinh": ("torch.sinh(x)", "ops.sinh(x)"),
    "Softplus": ("F.softplus(x)", "softplus(x)"),
    "Softsign": ("F.softsign(x)", "x / (1.0 + ops.abs(x))"),
    "Sqrt": ("torch.sqrt(x)", "ops.sqrt(x)"),
    "Tan": ("torch.tan(x)", "ops.tan(x)"),
    "Tanh": ("torch.tanh(x)", "tanh(x)"),
}
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


@pytorch(*_UNARY)
def unary(call: Call) -> ast.expr:
    """One function of PyTorch."""
    if call.node.op_type == "Sign" and call.dtype() in _UNSIGNED:
        return code("(x != 0).to(d)", x=call.tensor(), d=call.dtype_name(call.dtype()))
    if call.node.op_type == "Sign" and call.is_float():
        return code("f(x)", f=call.function("sign"), x=call.tensor())
    if call.node.op_type == "Abs" and call.dtype() in _UNSIGNED:
        return call.tensor()
    if call.node.op_type == "BitwiseNot" and call.dtype() in _UNSIGNED[1:]:  # PyTorch has it of signed ones
        signed = code(f"x.view(torch.{call.dtype()[1:]})", x=call.tensor())
        return code("torch.bitwise_not(x).view(d)", x=signed, d=call.dtype_name(call.dtype()))
    return code(_UNARY[call.node.op_type][0], x=call.tensor())


@mindspore(*_UNARY)
def unary_mindspore(call: Call) -> ast.expr:
    """One function of MindSpore, or its formula where the function is not exact."""
    if call.node.op_type == "Abs" and call.dtype() in _UNSIGNED:
        return call.tensor()
    if call.node.op_type == "Sign" and call.is_float():
        return code("f(x)", f=call.function("sign"), x=call.tensor())
    template = _UNARY[call.node.op_type][1]
    x = call.tensor()
    if template.count("x") > 2 and template.count("(x") + template.count(" x") > 1:
        x = call.let("x", x)
    exact = {
        each: exact_mindspore(call, each) for each in _EXACT if re.search(rf"(?<!\.)\b{each}\(", template)
    }
    return code(template, x=x, **exact)


def exact_mindspore(call: Call, function: str) -> ast.expr:
    """Return what computes tanh, exp, expm1 and others: where MindSpore's is not exact on the CPU, ours."""
    dtypes = ("float32", "float64") if function == "softplus" else ("float32",)
    return call.function(function) if call.dtype() in dtypes else name(f"ops.{function}")


@both("Identity")
def identity(call: Call) -> ast.expr:
    """The value itself."""
    return call.tensor()


@pytorch("IsInf")
def isinf(call: Call) -> ast.expr:
    """Infinities of either sign, or of one."""
    negative, positive = call.attribute("detect_negative", 1), call.attribute("detect_positive", 1)
    x = call.tensor()
    if negative and positive:
        return code("torch.isinf(x)", x=x)
    if not negative and not positive:
        return code("torch.zeros_like(x, dtype=torch.bool)", x=x)
    return code("torch.isposinf(x)" if positive else "torch.isneginf(x)", x=x)


@mindspore("IsInf")
def isinf_mindspore(call: Call) -> ast.expr:
    """Infinities of either sign, or of one."""
    negative, positive = call.attribute("detect_negative", 1), call.attribute("detect_positive", 1)
    x = call.tensor()
    if negative and positive:
        return code("ops.isinf(x)", x=x)
    if not negative and not positive:
        return code("ops.zeros_like(x, dtype=mindspore.bool_)", x=x)
    return code("x == inf", x=x, inf=float("inf") if positive else float("-inf"))


@pytorch("Gelu")
def gelu(call: Call) -> ast.expr:
    """GELU, exact or by tanh."""
    kind = call.attribute("approximate", "none")
    if kind not in ("none", "tanh"):
        call.refuse("attribute approximate is neither none nor tanh")
    return code("F.gelu(x, approximate=kind)", x=call.tensor(), kind=kind if kind != "none" else OMIT)


@mindspore("Gelu")
def gelu_mindspore(call: Call) -> ast.expr:
    """GELU, exact or by tanh."""
    kind = call.attribute("approximate", "none")
    x = call.let("x", call.tensor())
    if kind == "none":
        return code("0.5 * x * (1.0 + ops.erf(x / 1.4142135623730951))", x=x)
    if kind != "tanh":
        call.refuse("attribute approximate is neither none nor tanh")
    return code(
        "0.5 * x * (1.0 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))",
        x=x,
        tanh=exact_mindspore(call, "tanh"),
    )


@pytorch("LeakyRelu")
def leaky_relu(call: Call) -> ast.expr:
    """Leaky ReLU."""
    return code("F.leaky_relu(x, alpha)", x=call.tensor(), alpha=f32(call.attribute("alpha", 0.01)))


@mindspore("LeakyRelu")
def leaky_relu_mindspore(call: Call) -> ast.expr:
    """Leaky ReLU."""
    return code("ops.leaky_relu(x, alpha)", x=call.tensor(), alpha=f32(call.attribute("alpha", 0.01)))


@pytorch("Elu")
def elu(call: Call) -> ast.expr:
    """ELU."""
    alpha = f32(call.attribute("alpha", 1.0))
    return code("F.elu(x, alpha)", x=call.tensor(), alpha=alpha if alpha != 1 else OMIT)


@mindspore("Elu")
def elu_mindspore(call: Call) -> ast.expr:
    """ELU."""
    x = call.let("x", call.tensor())
    return code(
        "ops.where(x > 0, x, alpha * expm1(ops.minimum(x, 0.0)))",
        x=x,
        expm1=exact_mindspore(call, "expm1"),
        alpha=f32(call.attribute("alpha", 1.0)),
    )


@pytorch("Selu")
def selu(call: Call) -> ast.expr:
    """SELU, with the usual constants or others."""
    alpha = f32(call.attribute("alpha", 1.6732631921768188))
    gamma = f32(call.attribute("gamma", 1.0507010221481323))
    if (round(alpha, 5), round(gamma, 5)) == (1.67326, 1.0507):
        return code("F.selu(x)", x=call.tensor())
    return code("gamma * F.elu(x, alpha)", x=call.tensor(), alpha=alpha, gamma=gamma)


@mindspore("Selu")
def selu_mindspore(call: Call) -> ast.expr:
    """SELU."""
    x = call.let("x", call.tensor())
    return code(
        "gamma * ops.where(x > 0, x, alpha * expm1(ops.minimum(x, 0.0)))",
        x=x,
        expm1=exact_mindspore(call, "expm1"),
        alpha=f32(call.attribute("alpha", 1.6732631921768188)),
        gamma=f32(call.attribute("gamma", 1.0507010221481323)),
    )


@pytorch("Celu")
def celu(call: Call) -> ast.expr:
    """CELU."""
    return code("F.celu(x, alpha)", x=call.tensor(), alpha=f32(call.attribute("alpha", 1.0)))


@mindspore("Celu")
def celu_mindspore(call: Call) -> ast.expr:
    """CELU."""
    x = call.let("x", call.tensor())
    alpha = f32(call.attribute("alpha", 1.0))
    if alpha < 0:
        return code("ops.maximum(x, 0.0) + ops.minimum(alpha * ops.expm1(x / alpha), 0.0)", x=x, alpha=alpha)
    return code(
        "ops.maximum(x, 0.0) + alpha * expm1(ops.minimum(x / alpha, 0.0))",
        x=x,
        alpha=alpha,
        expm1=exact_mindspore(call, "expm1"),
    )


@pytorch("HardSigmoid")
def hard_sigmoid(call: Call) -> ast.expr:
    """A line between 0 and 1."""
    alpha, beta = f32(call.attribute("alpha", 0.2)), f32(call.attribute("beta", 0.5))
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return code("F.hardsigmoid(x)", x=call.tensor())
    return code("torch.clamp(a * x + b, 0, 1)", x=call.tensor(), a=alpha, b=beta)


@mindspore("HardSigmoid")
def hard_sigmoid_mindspore(call: Call) -> ast.expr:
    """A line between 0 and 1."""
    alpha, beta = f32(call.attribute("alpha", 0.2)), f32(call.attribute("beta", 0.5))
    return code("ops.clamp(a * x + b, 0.0, 1.0)", x=call.tensor(), a=alpha, b=beta)


@pytorch("ThresholdedRelu")
def thresholded_relu(call: Call) -> ast.expr:
    """What is above alpha."""
    return code("F.threshold(x, alpha, 0.0)", x=call.tensor(), alpha=f32(call.attribute("alpha", 1.0)))


@mindspore("ThresholdedRelu")
def thresholded_relu_mindspore(call: Call) -> ast.expr:
    """What is above alpha."""
    x = call.let("x", call.tensor())
    return code("ops.where(x > a, x, ops.zeros_like(x))", x=x, a=f32(call.attribute("alpha", 1.0)))


@both("Swish")
def swish(call: Call) -> ast.expr:
    """Swish, which is SiLU for alpha 1."""
    alpha = f32(call.attribute("alpha", 1.0))
    if alpha == 1.0 and call.target == "pytorch":
        return code("F.silu(x)", x=call.tensor())
    x = call.let("x", call.tensor())
    return code("x * f(s)", x=x, f=_sigmoid(call), s=_scaled(x, alpha))


@both("Shrink")
def shrink(call: Call) -> ast.expr:
    """Towards zero by bias, and zero within lambd of it."""
    bias, lambd = f32(call.attribute("bias", 0.0)), f32(call.attribute("lambd", 0.5))
    module = "torch" if call.target == "pytorch" else "ops"
    x = call.let("x", call.tensor())
    dtype = call.dtype()
    if dtype not in ("float16", "bfloat16", "float32", "float64") and not (
        bias.is_integer() and lambd.is_integer()
    ):
        call.refuse(f"bias {bias} and lambd {lambd} for {dtype}")
    if dtype in ("float16", "bfloat16", "float32", "float64"):
        template = f"{module}.where(x < -l, x + b, {module}.where(x > l, x - b, {module}.zeros_like(x)))"
        return code(template, x=x, b=bias, l=lambd)
    template = f"{module}.where(x < -l, x + b, {module}.where(x > l, x - b, {module}.zeros_like(x)))"
    return code(template, x=x, b=int(bias), l=int(lambd))


def f32(value: float) -> float:
    """Return an attribute, which is a float32, as the shortest decimal that rounds to it."""
    import numpy as np

    return shortest(np.float32(value))


@both("SwiGLU")
def swiglu(call: Call) -> ast.expr:
    """One input through Swish, times the other."""
    alpha = f32(call.attribute("alpha", 1.0))
    a = call.let("x", call.tensor(0))
    if alpha == 1.0 and call.target == "pytorch":
        return code("F.silu(a) * b", a=a, b=call.tensor(1))
    return code("a * f(s) * b", a=a, f=_sigmoid(call), s=_scaled(a, alpha), b=call.tensor(1))


def _sigmoid(call: Call) -> ast.expr:
    return name("torch.sigmoid") if call.target == "pytorch" else exact_mindspore(call, "sigmoid")


def _scaled(x: ast.expr, alpha: float) -> ast.expr:
    return x if alpha == 1.0 else code("a * x", a=alpha, x=x)
