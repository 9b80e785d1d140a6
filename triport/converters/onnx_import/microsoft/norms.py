"""Layer norms."""

from __future__ import annotations

from .expansion import Expansion, NotExpandedError, rule

_LAYER_NORM_SINCE = 17


@rule("LayerNormalization")
def _layer_norm(made: Expansion) -> None:
    axis, epsilon = made.attribute("axis", -1), made.attribute("epsilon", 1e-5)
    made.attribute("stash_type", 1)
    made.check(3)
    if axis != -1:
        raise NotExpandedError
    made.give(0, normal(made, made.of(0), made.of(1), made.of(2) if made.has(2) else "", epsilon))


@rule("SimplifiedLayerNormalization")
def _rms_norm(made: Expansion) -> None:
    axis, epsilon = made.attribute("axis", -1), made.attribute("epsilon", 1e-5)
    made.attribute("stash_type", 1)
    made.check(2)
    if axis != -1:
        raise NotExpandedError
    made.give(0, _rms(made, made.of(0), made.of(1), epsilon))


@rule("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def _skip_layer_norm(made: Expansion) -> None:
    epsilon = made.attribute("epsilon", 1e-12)
    simplified = made.node.op_type == "SkipSimplifiedLayerNormalization"
    bias = 3 if simplified else 4
    if any(name for name in made.node.output[1:3]):
        raise NotExpandedError
    made.check(bias + 1, 4)
    x = made.put("Add", made.of(0), made.of(1))
    if made.has(bias):
        x = made.put("Add", x, made.of(bias))
    if simplified:
        made.give(0, _rms(made, x, made.of(2), epsilon))
    else:
        made.give(0, normal(made, x, made.of(2), made.of(3) if made.has(3) else "", epsilon))
    made.give(3, x)


def normal(made: Expansion, x: str, scale: str, bias: str, epsilon: float) -> str:
    """Return a layer norm over the last axis."""
    if made.opset >= _LAYER_NORM_SINCE:
        return made.put("LayerNormalization", x, scale, *([bias] if bias else []), epsilon=epsilon)
    centred = made.put("Sub", x, made.put("ReduceMean", x, axes=[-1]))
    variance = made.put("ReduceMean", made.put("Mul", centred, centred), axes=[-1])
    root = made.put("Sqrt", made.put("Add", variance, made.number(epsilon)))
    y = made.put("Mul", made.put("Div", centred, root), scale)
    return made.put("Add", y, bias) if bias else y


def _rms(made: Expansion, x: str, scale: str, epsilon: float) -> str:
    mean = made.put("ReduceMean", made.put("Mul", x, x), axes=[-1])
    root = made.put("Sqrt", made.put("Add", mean, made.number(epsilon)))
    return made.put("Mul", made.put("Div", x, root), scale)
