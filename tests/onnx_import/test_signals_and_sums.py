"""Einstein's sums, Fourier transforms, windows and cuts around the middle, beside ONNX Runtime at edges."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.judge import UnoptimisedRuntime

TARGETS = ["pytorch", "mindspore"]


def random(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype("f4")


def model_of(op_type, arrays, constants=(), opset=20, **attributes):
    """Return a model of one node; inputs named in `constants` are stored in it."""
    names = [f"i{i}" if array is not None else "" for i, array in enumerate(arrays)]
    kept = [i for i, array in enumerate(arrays) if array is not None]
    node = onnx.helper.make_node(op_type, names, ["y"], "node", **attributes)

    def kind(array):
        return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)

    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [
            onnx.helper.make_tensor_value_info(names[i], kind(arrays[i]), arrays[i].shape)
            for i in kept
            if i not in constants
        ],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(arrays[i], names[i]) for i in kept if i in constants],
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


def compared(proto, arrays, constants, target, folder):
    """Assert that the source gives what ONNX Runtime does."""
    given = {f"i{i}": a for i, a in enumerate(arrays) if a is not None and i not in constants}
    (found,) = outputs_of(written(proto, target), list(given.values()), folder)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run(given)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-5)


SUMS = [
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (7, 2, 3, 4), (4, 5)),
    ("b...,b...->b...", (2, 3, 4), (2, 3, 4)),
    ("...ij,...jk->...ik", (1, 3, 4), (2, 4, 5)),
    ("i...->...i", (2, 3, 4)),
    ("...ij->...", (2, 3, 4)),
    ("...", (2, 3)),
    ("...a,...a->...", (3,), (3,)),
    ("...a,a...->...", (5, 3), (3, 5)),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("equation", "shapes"), [(e, s) for e, *s in SUMS], ids=lambda value: str(value))
def test_an_ellipsis_is_the_axes_that_have_no_letter(equation, shapes, target, tmp_path):
    arrays = [random(*shape) for shape in shapes]
    compared(model_of("Einsum", arrays, equation=equation), arrays, (), target, tmp_path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("equation", ["...i.j->ij", "....ij->ij", "..ij->ij"])
def test_points_that_are_no_ellipsis_are_refused(equation):
    """On the first two onnx's shape inference never ends."""
    with pytest.raises(ImportRefusedError, match="none of an ellipsis"):
        written(model_of("Einsum", [random(2, 3, 4)], equation=equation), "mindspore")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("shape", "sizes", "axes"),
    [
        ((5, 6), [3, 3], None),
        ((4, 5), [7, 8], None),
        ((5, 4), [2, 9], None),
        ((2, 5, 6), [8, 3], [-1, 1]),
        ((3, 4), [3, 4], None),
        ((3, 1), [4, 0], None),
    ],
)
def test_cuts_and_pads_are_around_the_middle(shape, sizes, axes, target, tmp_path):
    arrays = [random(*shape), np.array(sizes)]
    proto = model_of("CenterCropPad", arrays, (1,), **({} if axes is None else {"axes": axes}))
    compared(proto, arrays, (1,), target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("length", [None, 4, 9])
@pytest.mark.parametrize(
    ("inverse", "onesided", "parts"), [(0, 0, 1), (1, 0, 1), (0, 1, 1), (0, 0, 2), (1, 0, 2)]
)
@pytest.mark.parametrize("axis", [1, -2])
def test_fourier_transforms_along_an_axis(axis, inverse, onesided, length, parts, target, tmp_path):
    """Half of a transform is that of real numbers, which have one part."""
    arrays = [random(2, 6, 5, parts), None if length is None else np.array(length), np.array(axis)]
    proto = model_of("DFT", arrays, (1, 2), inverse=inverse, onesided=onesided)
    compared(proto, arrays, (1, 2), target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("has_window", [True, False])
@pytest.mark.parametrize("onesided", [0, 1])
def test_fourier_transforms_of_frames(onesided, has_window, target, tmp_path):
    window = np.hanning(8).astype("f4") if has_window else None
    arrays = [random(2, 50, 1), np.array(6), window, np.array(8)]
    proto = model_of("STFT", arrays, (1, 2, 3), opset=17, onesided=onesided)
    compared(proto, arrays, (1, 2, 3), target, tmp_path)


@pytest.mark.parametrize("periodic", [0, 1])
@pytest.mark.parametrize("operator", ["HannWindow", "HammingWindow", "BlackmanWindow"])
def test_windows_are_the_same_in_both_frameworks(operator, periodic, tmp_path):
    """Beside ONNX Runtime; its own are computed in float32."""
    proto = model_of(operator, [np.array(10)], (0,), opset=17, periodic=periodic)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({})
    for target in TARGETS:
        (found,) = outputs_of(written(proto, target), [], tmp_path)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
