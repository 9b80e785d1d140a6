"""Functions of one value at a time, and softmax."""

from __future__ import annotations

from .fault import Fault, changed
from .kind import Inexact, Kind, Leaf, Summed

_LEFT_OUT = Fault("left out", instead="identity")
_HALF = Fault("rounded to float16", instead="float16")


def _activation(
    name: str,
    title: str,
    torch: str,
    mindspore: tuple[str, ...],
    onnx: tuple[str, ...],
    *faults: Fault,
    inexact: Inexact | None = None,
) -> Kind:
    """Return the kind of an activation without parameters."""
    return Kind(
        name,
        title,
        torch=(f"torch.nn.{torch}",),
        mindspore=tuple(f"mindspore.{one}" for one in mindspore),
        onnx=onnx,
        inexact=inexact,
        faults=(*faults, _LEFT_OUT),
    )


def _instead(what: str, function: str, **options: object) -> Fault:
    return Fault(what, instead=function, options=options)


KINDS = (
    _activation(
        "relu", "ReLU", "ReLU", ("nn.ReLU", "mint.nn.ReLU"), ("Relu",),
        _instead("leaky (0.01)", "leaky_relu"), _instead("SiLU", "silu"),
        Fault("twice as large", instead="twice"), _HALF,
    ),
    _activation(
        "relu6", "ReLU6", "ReLU6", ("nn.ReLU6", "mint.nn.ReLU6"), ("Clip",),
        _instead("leaky (0.01)", "leaky_relu"), _instead("SiLU", "silu"),
        Fault("twice as large", instead="twice"), _HALF,
    ),
    _activation(
        "leaky_relu", "LeakyReLU", "LeakyReLU", ("nn.LeakyReLU",), ("LeakyRelu",),
        # PyTorch's default is 0.01, MindSpore's 0.2
        Fault("slope 0.2", attributes={"negative_slope": lambda slope: 0.2 if slope != 0.2 else 0.01}),
        _instead("ReLU", "relu"),
    ),
    _activation(
        "elu", "ELU", "ELU", ("nn.ELU", "mint.nn.ELU"), ("Elu",),
        Fault("alpha twice as large", attributes={"alpha": lambda alpha: 2 * alpha}),
        _instead("SELU", "selu"),
        inexact=Inexact(4),
    ),
    _activation(
        "selu", "SELU", "SELU", ("nn.SeLU", "mint.nn.SELU"), ("Selu",),
        _instead("ELU", "elu"), inexact=Inexact(4),
    ),
    _activation(
        "celu", "CELU", "CELU", ("nn.CELU",), ("Celu",),
        Fault("alpha twice as large", attributes={"alpha": lambda alpha: 2 * alpha}),
        inexact=Inexact(4),
    ),
    _activation(
        "gelu", "GELU", "GELU", ("nn.GELU", "nn.FastGelu", "mint.nn.GELU"), ("Gelu",),
        Fault("tanh for exact", attributes={"approximate": lambda how: "tanh" if how == "none" else "none"}),
        _instead("SiLU", "silu"), _instead("x sigmoid(1.702 x)", "quick_gelu"),
        inexact=Inexact(4, of="input"),
    ),
    _activation(
        "silu", "SiLU", "SiLU", ("nn.SiLU", "mint.nn.SiLU"), ("Swish",),
        _instead("hard-swish", "hardswish"), _instead("GELU", "gelu"),
        inexact=Inexact(4, of="input"),
    ),
    _activation(
        "hard_swish", "hard-swish", "Hardswish", ("nn.HSwish", "mint.nn.Hardswish"), ("HardSwish",),
        _instead("SiLU", "silu"), _instead("ReLU6", "relu6"),
    ),
    _activation(
        "mish", "Mish", "Mish", ("nn.Mish", "mint.nn.Mish"), ("Mish",),
        _instead("SiLU", "silu"), _instead("GELU", "gelu"),
        inexact=Inexact(4, of="input"),
    ),
    _activation(
        "sigmoid", "sigmoid", "Sigmoid", ("nn.Sigmoid", "mint.nn.Sigmoid"), ("Sigmoid",),
        _instead("hard sigmoid", "hardsigmoid"), inexact=Inexact(4),
    ),
    _activation(
        "hard_sigmoid", "hard-sigmoid", "Hardsigmoid", ("nn.HSigmoid", "mint.nn.Hardsigmoid"),
        ("HardSigmoid",),
        _instead("sigmoid", "sigmoid"),
        # Keras's and ONNX's default: 0.2 x + 0.5
        Fault("slope 0.2 for 1/6", instead="keras_hard_sigmoid"),
    ),
    _activation(
        "log_sigmoid", "log-sigmoid", "LogSigmoid", ("nn.LogSigmoid", "mint.nn.LogSigmoid"), (),
        _instead("sigmoid", "sigmoid"), inexact=Inexact(4, of="output"),
    ),
    _activation(
        "tanh", "tanh", "Tanh", ("nn.Tanh", "mint.nn.Tanh"), ("Tanh",),
        _instead("hard tanh", "hardtanh"), inexact=Inexact(4),
    ),
    _activation(
        "hard_tanh", "hard-tanh", "Hardtanh", ("nn.Hardtanh", "mint.nn.Hardtanh"), (),
        _instead("tanh", "tanh"),
    ),
    _activation(
        "softplus", "softplus", "Softplus", (), ("Softplus",),
        _instead("ReLU", "relu"), inexact=Inexact(4, of="output"),
    ),
    _activation(
        "softsign", "softsign", "Softsign", ("nn.Softsign",), ("Softsign",), _instead("tanh", "tanh"),
    ),
    _activation(
        "glu", "GLU", "GLU", ("nn.GLU", "mint.nn.GLU"), (),
        Fault("halves exchanged", instead="glu_of_other_half"), inexact=Inexact(4, of="output"),
    ),
    Kind(
        "prelu", "PReLU",
        torch=("torch.nn.PReLU",),
        mindspore=("mindspore.nn.PReLU", "mindspore.nn.PReLUExt", "mindspore.mint.nn.PReLU"),
        onnx=("PRelu",),
        leaves=(Leaf("weight", "slope", "w", fresh=0.25),),
        faults=(
            Fault("slopes left at 0.25", changed("weight", lambda weight: 0 * weight + 0.25)),
            _instead("ReLU", "relu"),
        ),
    ),
    Kind(
        "softmax", "softmax",
        torch=("torch.nn.Softmax", "torch.nn.Softmax2d", "torch.nn.LogSoftmax"),
        mindspore=(
            *("mindspore.nn.Softmax", "mindspore.nn.Softmax2d", "mindspore.mint.nn.Softmax"),
            *("mindspore.nn.LogSoftmax", "mindspore.nn.LogSoftmaxExt", "mindspore.mint.nn.LogSoftmax"),
        ),
        onnx=("Softmax", "LogSoftmax"),
        inexact=Inexact(4, of="output"),
        summed=Summed("dim", output="dim", where=lambda softmax: getattr(softmax, "dim", None) is not None),
        faults=(
            Fault("over another axis", attributes={"dim": lambda dim: dim - 1}),
            _instead("sigmoid", "sigmoid"),
            _LEFT_OUT,
        ),
    ),
)  # fmt: skip
