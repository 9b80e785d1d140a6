"""Every operator that has a translation, on the node cases that the onnx package ships."""

import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import load_operators
from triport.converters.onnx_import.pieces import piece
from triport.converters.onnx_import.reading import ImportRefusedError


@pytest.fixture(scope="module")
def cases():
    """Return the cases of one node, by its operator."""
    from onnx.backend.test.loader import load_model_tests

    found = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in load_model_tests(kind="node"):
            if len(case.model.graph.node) == 1:
                found.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return {**found, "GlobalLpPool": [global_lp_pool()]}


def global_lp_pool():
    """Return a case of the one operator that the onnx package has none of."""
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    y = (np.abs(x.astype(np.float64)) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)
    node = onnx.helper.make_node("GlobalLpPool", ["x"], ["y"], p=3)
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", x.shape), ("y", y.shape))
    ]
    graph = onnx.helper.make_graph([node], "graph", values[:1], values[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    return SimpleNamespace(model=model, data_sets=[([x], [y.astype(np.float32)])])


def with_constants(case, kept=1):
    """Return a case's model and inputs with all inputs but the first ones as initializers."""
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    arrays = [array_of(each) for each in case.data_sets[0][0]]
    for value, array in list(zip(case.model.graph.input, arrays, strict=True))[kept:]:
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        del proto.graph.input[kept]
    return proto, arrays[:kept]


def first_translated(cases, target):
    """Return the source of the first case that is not refused, its inputs, and the case."""
    reasons = []
    for kept in (None, 1, 0):
        for case in cases:
            try:
                arrays = [array_of(each) for each in case.data_sets[0][0]]
                proto, arrays = (case.model, arrays) if kept is None else with_constants(case, kept)
                return written(proto, target), arrays, case
            except (ImportRefusedError, ValueError) as error:
                reasons.append(str(error))
    pytest.fail(f"every case is refused: {reasons}")


def array_of(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


OPERATORS = [(op_type, target) for domain, op_type, target in load_operators() if domain == ""]


@pytest.mark.parametrize(("op_type", "target"), OPERATORS)
def test_the_first_case_that_is_translated_is_right(op_type, target, cases, tmp_path):
    source, arrays, case = first_translated(cases[op_type], target)
    found, wanted = outputs_of(source, arrays, tmp_path), case.data_sets[0][1]
    assert len(found) == len(wanted)
    for mine, its in zip(found, map(array_of, wanted), strict=True):
        assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
        if its.dtype.kind in "fc":
            # where the terms of a transform cancel, their roundings are left
            largest = float(np.abs(its).max(initial=0)) if op_type in ("DFT", "STFT") else 0.0
            np.testing.assert_allclose(mine, its, rtol=1e-3, atol=1e-6 + 1e-7 * largest)
        else:
            assert np.atleast_1d(mine).tobytes() == np.atleast_1d(its).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(("target", "least"), [("pytorch", 1600), ("mindspore", 1100)])
def test_all_cases_pass_or_are_refused(target, least):
    from benchmarks.backend_tests import Ways, counted

    verdicts = counted(Ways(target))
    assert verdicts["wrong"] == 0
    assert verdicts["passed"] >= least


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (onnx.helper.make_node("Relu", ["x"], ["y"], colour=3), "attribute colour is not translated"),
        (onnx.helper.make_node("Conv", ["x", "x"], ["y"], auto_pad="SIDEWAYS"), "auto_pad"),
        (
            onnx.helper.make_node("Nothing", ["x"], ["y"], domain="nobody"),
            "nobody.Nothing has no translation",
        ),
        (onnx.helper.make_node("Linear", ["x"], ["y"], domain="triport.fused"), "domain triport.fused"),
        (onnx.helper.make_node("TfIdfVectorizer", ["x"], ["y"], mode="TF"), "has no translation"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.op_type,
)
def test_what_is_not_read_is_refused_with_the_node_named(node, reason):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 4, 4])
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("nobody", 1)]
    graph = onnx.helper.make_graph([node], "graph", [value], [output])
    with pytest.raises(ImportRefusedError, match=reason):
        written(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8))


def deformed(groups=1, offset_groups=1):
    """Return a deformable convolution of 4 channels by kernels of 2, the offsets in 2 groups."""
    shapes = {"x": [1, 4, 5, 5], "w": [6, 2, 3, 3], "offset": [1, 36, 3, 3]}
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    node = onnx.helper.make_node("DeformConv", list(shapes), ["y"], group=groups, offset_group=offset_groups)
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 6, 3, 3])
    graph = onnx.helper.make_graph([node], "graph", values, [output])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)


def test_groups_of_a_deformable_convolution_come_from_the_shapes(tmp_path):
    random = np.random.default_rng(0)
    x, w = (random.standard_normal(s).astype("f4") for s in ((1, 4, 5, 5), (6, 2, 3, 3)))
    offset = np.zeros((1, 36, 3, 3), "f4")
    (found,) = outputs_of(written(deformed(2, 2)), [x, w, offset], tmp_path)
    import torch

    wanted = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), groups=2)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("groups", "offset_groups"), [(1, 2), (2, 1), (4, 2)])
def test_groups_that_contradict_the_shapes_are_refused(groups, offset_groups):
    with pytest.raises(ImportRefusedError, match="group or offset_group does not fit the shapes"):
        written(deformed(groups, offset_groups))


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_a_piece_brings_the_records_and_functions_that_it_uses(target):
    texts = list(piece(target, "resize"))
    assert texts[-1] == "resize"
    assert {"Resampling", "resize_lengths", "resize_places", "resize_weights"} == set(texts[:-1])
