"""Whatever a program hands to the API, a refusal is a triport.Error with a sentence of what was called."""

import re

import numpy as np
import pytest

import triport
import triport.mindspore
import triport.torch
from triport.api.checked import checked

S = triport.SHIPPED


def digits(**options):
    return triport.model("res2net_digits").torch(**options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: triport.open(np.zeros(2)),
            "triport.open(path=array([0., 0.])): expected a path, found ndarray",
        ),
        (lambda: triport.open(b"x"), "triport.open(path=b'x'): expected a path, found bytes"),
        (lambda: triport.open(S, key=3), "triport.open(key=3): expected a text or None, found int"),
        (lambda: triport.open(S, renames=3), "expected a mapping of a text to a text or a list"),
        (lambda: triport.open(S, prefx="a"), "triport.open: takes no argument prefx; did you mean prefix?"),
        (lambda: triport.open("a\0b"), "has a zero byte"),
        (lambda: triport.inspect(None), "triport.inspect(path=None): expected a path, found NoneType"),
        (lambda: triport.inspect(), "triport.inspect: missing a required argument: 'path'"),
        (lambda: triport.diff(S, 1.5), "triport.diff(second=1.5): expected a path"),
        (lambda: triport.model(None), "triport.model(name=None): expected a text"),
        (lambda: triport.fetch(True), "triport.fetch(source=True): expected a path"),
        (lambda: triport.convert(S, to=3), "triport.convert(to=3): expected 'mindspore'"),
        (lambda: triport.convert(S, to="onnx", opset=True), "convert(opset=True): expected a whole number"),
        (lambda: triport.convert(S, to="onnx", opset="17"), "expected a whole number, found str"),
        (lambda: triport.convert(S, "a.onnx", to="onnx", dtype="int8"), "--dtype int8: expected float16"),
        (lambda: triport.convert(S, "a.onnx", to="onnx", size=-1), "--size -1: expected a number of pixels"),
        (lambda: triport.convert(S, "a.onnx", to="onnx", size="9" * 5000), "expected a number of pixels"),
        (lambda: triport.convert(S, "a" * 300, to="pytorch"), "File name too long"),
        (lambda: triport.to_onnx("a" * 300, inputs=["1x3"]), "File name too long"),
        (lambda: triport.to_onnx(object(), inputs=["1x3"]), "object"),
        (lambda: triport.parity("resnet50", sizes=64), "triport.parity(sizes=64): expected a list, each"),
        (lambda: triport.parity(3), "a int: expected a path"),
        (lambda: triport.evaluate(S, data=".", runtime=3), "triport.evaluate(runtime=3): expected a text or"),
        (lambda: triport.evaluate("a\0", data="."), "has a zero byte"),
        (lambda: triport.publish(S, "out", license=1), "triport.publish(license=1): expected a text"),
        (lambda: triport.publish(S, "out", license="mit", nets="a"), "publish(nets='a'): expected a list"),
        (lambda: triport.verify("a" * 5000), "is not a folder"),
        (lambda: triport.verify(".", runtimes=[1]), "expected a list, each of it"),
        (lambda: triport.torch.load_into(None, 3), "triport.torch.load_into(path=3): expected a path"),
        (
            lambda: triport.mindspore.load_into(None, 3),
            "triport.mindspore.load_into(path=3): expected a path",
        ),
        (lambda: digits(num_classes=1.5), "triport.Model.torch(num_classes=1.5): expected a whole number"),
        (lambda: digits(num_classes=0), "num_classes=0: expected 1 or more"),
        (lambda: digits(weights=S), "triport.Model.torch: got an unexpected keyword argument 'weights'"),
    ],
)
def test_a_refusal_is_a_sentence(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(triport.Error, match=re.escape(message)):
        call()
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers():
    assert digits(num_classes=np.int64(3)).fc.weight.shape[0] == 3


def test_an_error_within_a_function_is_not_taken_for_one_of_its_caller():
    @checked
    def fails(path: str) -> None:
        raise TypeError(path)

    with pytest.raises(TypeError, match="inside"):
        fails("inside")
