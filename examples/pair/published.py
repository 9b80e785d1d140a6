"""The publisher's network: a small Res2Net in MindSpore, which examples/digits/train.py has trained."""

from triport.reference_models.spec import get_model


def network():
    """Return the Cell; its weights are in examples/digits/res2net_digits.ckpt."""
    return get_model("res2net_digits").build_mindspore()
