"""The table of kinds is true: its classes are there, its parameters are theirs, and both frameworks agree."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from tests.kind_samples import SAMPLES, values
from triport.converters.names import name_map, reference_dialect
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.kernels.approximations import approximated
from triport.parity.kernels.inexact import inexact, reversed_sums
from triport.parity.kernels.mindspore import TANH
from triport.parity.subjects.random_weights import random_parameters, seeded_parameters
from triport.reference_models import kinds
from triport.reference_models.kinds import KINDS, KindError, kind_of, kind_of_class, public_name
from triport.reference_models.modules import of_no_kind, parameters_of, parts_of
from triport.reference_models.spec import all_models, get_model

# of no parameters and no arithmetic that a sample would show
WITHOUT_SAMPLE = {"sequence", "collection"}
FAMILIES = {spec.family: spec.name for spec in reversed(all_models().values())}


def built(name):
    """Return a class by its public name; some of MindSpore's have none but those of mint's aliases."""
    module, _, cls = name.rpartition(".")
    found = getattr(importlib.import_module(module), cls, None)
    if found is not None:
        return found
    aliases = vars(importlib.import_module("mindspore.mint.nn")).values()
    return next(one for one in aliases if isinstance(one, type) and public_name(one) == name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for kind in KINDS.values() for name in (*kind.torch, *kind.mindspore)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_class_of_the_table_is_there_and_of_its_kind(name, kind):
    assert public_name(built(name)) == name
    assert kind_of_class(built(name)) is kind


def test_what_inherits_is_of_the_kind():
    assert kind_of(type("Own", (nn.Conv2d,), {})(1, 1, 1)) is KINDS["conv"]
    assert kind_of(type("Conv2d", (nn.Module,), {})()) is None


def test_a_class_that_stands_in_two_rows_is_an_error(monkeypatch):
    doubled = {**KINDS, "again": kinds.Kind("again", "again", torch=("torch.nn.Conv2d",))}
    monkeypatch.setattr(kinds, "KINDS", doubled)
    with pytest.raises(KindError, match=r"torch\.nn\.Conv2d is of two kinds, conv and again"):
        kinds._by("torch")


def test_every_kind_has_a_sample():
    assert {sample.kind for sample in SAMPLES.values()} == KINDS.keys() - WITHOUT_SAMPLE


@pytest.mark.parametrize("spec", all_models().values(), ids=lambda spec: spec.name)
def test_every_module_of_every_net_has_a_kind(spec):
    with torch.device("meta"):
        net = spec.build_torch()
    assert of_no_kind(net) == []
    assert {owned.kind for owned in parameters_of(net)} == {KINDS[layer.kind] for layer in spec.layers()}
    assert all(owned.leaf is not None for owned in parameters_of(net))


@pytest.mark.parametrize("name", FAMILIES.values(), ids=FAMILIES)
def test_every_cell_of_a_family_has_a_kind(name):
    net = mindspore_net(get_model(name))
    assert of_no_kind(net) == []
    assert all(owned.leaf is not None for owned in parameters_of(net))


def mindspore_net(spec):
    """Return the MindSpore definition without initial values."""
    from mindspore.nn.utils import no_init_parameters

    with no_init_parameters():
        return spec.build_mindspore(10)


def test_a_class_of_ones_own_is_of_no_kind():
    class Own(nn.Module):
        def forward(self, x):
            return x

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.own = nn.Conv2d(3, 3, 1), Own()

    assert of_no_kind(nn.Sequential(Block(), nn.ReLU())) == [
        f"0.own ({__name__}.test_a_class_of_ones_own_is_of_no_kind.<locals>.Own)"
    ]


def test_what_is_inside_of_an_attention_is_no_part():
    net = nn.Sequential(nn.MultiheadAttention(8, 2), nn.Linear(8, 8))
    assert [(part.path, part.kind.name, part.leaf) for part in parts_of(net)] == [
        ("0", "attention", True),
        ("1", "dense", True),
    ]


# --- seeded values ---


@pytest.mark.parametrize("name", ["res2net_digits", "tf_efficientnet_lite0", "regnet_y_200mf"])
def test_a_registered_model_seeded_by_its_modules_gets_the_values_of_its_record(name):
    spec = get_model(name)
    expected = random_parameters(spec, 10, seed=3)
    with torch.device("meta"):
        found = seeded_parameters(spec.build_torch(10), 3)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_a_cell_gets_the_values_of_the_module():
    spec = get_model("res2net_digits")
    names = {theirs: ours for ours, theirs in name_map(spec, reference_dialect(spec, "mindspore")).items()}
    found = seeded_parameters(mindspore_net(spec), 3, names)
    expected = random_parameters(spec, 10, seed=3)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_seeded_value_is_an_initial_one(name):
    layer = SAMPLES[name].torch(nn)
    found = seeded_parameters(nn.ModuleDict({"it": layer}), 0)
    for key, tensor in layer.state_dict().items():
        if tensor.dtype.is_floating_point:
            value = found[f"it.{key}"]
            assert value.shape == tuple(tensor.shape)
            assert (value != tensor.numpy()).all(), key
            assert np.ptp(value) > 0
            assert (value > 0.4).all() or not key.endswith("running_var")
        else:
            assert f"it.{key}" not in found


class Bare(nn.Module):
    """Parameters and buffers that are nobody's layer."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.bias = nn.Parameter(torch.zeros(8))
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.position = nn.Parameter(torch.zeros(1, 7, 8))
        self.mixing = nn.Parameter(torch.zeros(8, 8))
        self.register_buffer("running_var", torch.ones(8))
        self.register_buffer("index", torch.arange(8))
        self.register_buffer("mask", torch.full((7, 7), -100.0))


def test_a_bare_parameter_is_drawn_by_its_shape_and_a_constant_is_not():
    seeding = {owned.name: owned.seeding for owned in parameters_of(Bare())}
    assert seeding == {
        "scale": "scale",
        "bias": "shift",
        "token": "scale",
        "position": "shift",
        "mixing": "weight",
        "running_var": "variance",
        "index": None,
        "mask": None,
    }
    assert seeded_parameters(Bare()).keys() == seeding.keys() - {"index", "mask"}


def test_two_names_of_one_tensor_get_one_array():
    net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9, bias=False))
    net[1].weight = net[0].weight
    found = seeded_parameters(net)
    assert found["0.weight"] is found["1.weight"]


# --- both frameworks ---


def in_torch(sample):
    """Return the seeded PyTorch layer in float32, its parameters and its inputs."""
    layer = sample.torch(nn).eval()
    parameters = seeded_parameters(nn.ModuleDict({"it": layer}))
    state = {key.removeprefix("it."): torch.from_numpy(array.copy()) for key, array in parameters.items()}
    layer.load_state_dict(state, strict=False)
    return layer, parameters, [draw() for draw in sample.given]


def flat(array):
    """Return an output as rows, as the judge takes them."""
    return array.reshape(len(array), -1)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.mindspore])
def test_mindspore_computes_the_same_with_the_leaves_of_the_table(name):
    import mindspore

    sample = SAMPLES[name]
    layer, parameters, given = in_torch(sample)
    # MindSpore's tanh is a quotient of polynomials, 1.2e-5 off here: the reference computes it so too
    with torch.inference_mode(), approximated(torch, (TANH,), set()):
        exact = sample.of(layer.double()(*(torch.from_numpy(one).to(wide(one)) for one in given)))
    cell = mindspore.nn.CellList([sample.mindspore(mindspore.nn)]).set_train(False)
    for owned in parameters_of(cell):
        leaf = owned.leaf
        own = owned.name.removeprefix("0.")
        # a leaf's name with its layer and direction, as PyTorch has it
        theirs = own if leaf is None else own.replace(leaf.in_mindspore, leaf.name, 1)
        array = parameters[f"it.{theirs}"]
        array = sample.steps.get(theirs, lambda same: same)(array)
        assert array.shape == owned.shape, owned.name
        parameter = next(one for one in cell.get_parameters() if one.name == owned.name)
        parameter.set_data(mindspore.Tensor(np.ascontiguousarray(array)))
    found = sample.of(cell[0](*(mindspore.Tensor(one) for one in given))).asnumpy()
    # MindSpore's sigmoid is 14 roundings off, and what is made of it
    tolerance = 4 * FLOAT32.least
    assert compare(flat(exact.numpy()), flat(found), tolerance).passed


def wide(array):
    """Return the type in which the reference takes an input."""
    return torch.float64 if array.dtype == np.float32 else torch.int64


@pytest.mark.parametrize(
    "name", [name for name, sample in SAMPLES.items() if KINDS[sample.kind].summed is not None]
)
def test_sums_from_the_other_end_are_the_same_sums(name):
    sample = SAMPLES[name]
    layer, _, given = in_torch(sample)
    net = nn.ModuleList([layer.double()])
    arguments = [torch.from_numpy(one).to(wide(one)) for one in given]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.inference_mode():
        plain = sample.of(layer(*arguments))
        with reversed_sums(net):
            turned = sample.of(layer(*arguments))
    np.testing.assert_allclose(turned.numpy(), plain.numpy(), rtol=0, atol=1e-13)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert "forward" not in vars(layer)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(64, 64),
        nn.LayerNorm(64),
        nn.LSTM(64, 16),
        nn.MultiheadAttention(64, 4),
        nn.Softmax(-1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_sums_from_the_other_end_round_otherwise(layer):
    layer.eval()
    x = torch.from_numpy(values(5, 7, 64)())
    arguments = (x, x, x) if isinstance(layer, nn.MultiheadAttention) else (x,)
    with torch.inference_mode():
        plain = layer(*arguments)
        with reversed_sums(nn.ModuleList([layer])):
            turned = layer(*arguments)
    first = (plain, turned) if isinstance(plain, torch.Tensor) else (plain[0], turned[0])
    assert not torch.equal(*first)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if KINDS[sample.kind].inexact])
def test_an_inexact_function_is_off_by_roundings_and_no_more(name):
    sample = SAMPLES[name]
    layer, _, given = in_torch(sample)
    arguments = [torch.from_numpy(one) for one in given]
    with torch.inference_mode():
        plain = sample.of(layer(*arguments))
        with inexact(nn.ModuleList([layer]), 1):
            moved = sample.of(layer(*arguments))
        after = sample.of(layer(*arguments))
    largest = max(1.0, float(plain.abs().max()), float(arguments[0].abs().max()))
    assert 0 < float((moved - plain).abs().max()) / largest < 6 * 2.0**-24
    assert torch.equal(plain, after)


@pytest.mark.parametrize(("name", "hidden"), [("lstm", 6), ("gru", 6), ("rnn", 6)])
def test_gates_stand_in_onnx_in_the_order_that_the_table_says(name, hidden):
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind = KINDS[name]
    layer, _, given = in_torch(SAMPLES["RNN"] if name == "rnn" else SAMPLES[name.upper()])
    layer = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[name](8, hidden, batch_first=False).eval()
    state = seeded_parameters(nn.ModuleDict({"it": layer}))
    layer.load_state_dict({key.removeprefix("it."): torch.from_numpy(array) for key, array in state.items()})
    order = [kind.gates["pytorch"].index(gate) for gate in kind.gates["onnx"]]

    def blocks(leaf):
        array = state[f"it.{leaf}_l0"]
        return array.reshape(len(order), hidden, -1)[order].reshape(array.shape)

    initializers = {
        "w": blocks("weight_ih")[None],
        "r": blocks("weight_hh")[None],
        "b": np.concatenate([blocks("bias_ih"), blocks("bias_hh")])[None],
    }
    attributes = {"linear_before_reset": 1} if name == "gru" else {}
    graph = helper.make_graph(
        [helper.make_node(kind.onnx[0], ["x", "w", "r", "b"], ["y"], hidden_size=hidden, **attributes)],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, key) for key, array in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(["y"], {"x": given[0]})[0][:, 0]
    with torch.inference_mode():
        exact = layer.double()(torch.from_numpy(given[0]).double())[0].numpy()
    assert compare(flat(exact), flat(found), 4 * FLOAT32.least).passed
