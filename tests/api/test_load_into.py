"""Files go into a user's own network whole, by names that are found, or not at all."""

import numpy as np
import pytest

import triport
import triport.mindspore
import triport.torch
from tests.converters.checkpoints import dialect_of, write_arrays, write_random
from triport.converters.formats import open_checkpoint
from triport.converters.names import COUNTER_LEAF, name_map
from triport.reference_models.spec import all_models

SPEC = all_models()["res2net_digits"]
MINDCV = dialect_of(SPEC, "mindcv")


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", SPEC, MINDCV)


def torch_bits(module):
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


def stored_bits(path, names):
    tensors = open_checkpoint(path).tensors
    return {name: tensors[theirs].numpy().tobytes() for name, theirs in names.items()}


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors", ".onnx"])
def test_every_format_and_dialect_goes_into_a_module(suffix, tmp_path, digits_ckpt):
    path = digits_ckpt
    if suffix != ".ckpt":
        path = tmp_path / f"x{suffix}"
        triport.convert(digits_ckpt, path, to="onnx" if suffix == ".onnx" else "pytorch")
    net = SPEC.build_torch()
    done = triport.torch.load_into(net, path)
    assert done.model == "res2net_digits"
    expected = stored_bits(digits_ckpt, name_map_to(MINDCV, list(net.state_dict())))
    got = torch_bits(net)
    assert {name: got[name] for name in expected} == expected
    assert set(net.state_dict()) - set(done.names) == {name for name, _ in done.left}
    assert all(name.endswith(COUNTER_LEAF) for name, _ in done.left)
    assert done.to_dict()["tensors_loaded"] == len(expected)


def name_map_to(dialect, names):
    """Return each canonical name's in a dialect."""
    theirs = name_map(SPEC, dialect)
    return {name: theirs[name] for name in names if name in theirs}


@pytest.mark.parametrize("to", ["pytorch", "mindspore"])
def test_both_frameworks_go_into_a_cell(to, tmp_path, digits_ckpt):
    path = tmp_path / ("x.pth" if to == "pytorch" else "x.ckpt")
    triport.convert(digits_ckpt, path, to=to)
    cell = SPEC.build_mindspore()
    done = triport.mindspore.load_into(cell, path)
    got = {one.name: one.asnumpy().tobytes() for one in cell.get_parameters()}
    assert got == stored_bits(digits_ckpt, {name: name for name in got})
    assert not done.left and done.named_by == "mindcv's names of res2net_digits"


def test_counters_are_loaded_where_both_have_them_and_dropped_where_only_the_file_has(tmp_path, digits_ckpt):
    import torch

    net = SPEC.build_torch()
    triport.torch.load_into(net, digits_ckpt)
    net.bn1.num_batches_tracked.fill_(7)
    torch.save(net.state_dict(), tmp_path / "x.pth")
    other, cell = SPEC.build_torch(), SPEC.build_mindspore()
    assert triport.torch.load_into(other, tmp_path / "x.pth").left == ()
    assert other.bn1.num_batches_tracked == 7
    dropped = triport.mindspore.load_into(cell, tmp_path / "x.pth").dropped
    assert ("bn1.num_batches_tracked", "counts training batches; the network has no such buffer") in dropped


def make_own_net():
    """A network that triport does not know; MindSpore's of the same attributes has gamma and beta."""
    import torch

    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 4, 3)
            self.norm = torch.nn.BatchNorm2d(4)
            self.head = torch.nn.Linear(4, 2)

    return Own()


def own_arrays(**changes):
    rng = np.random.default_rng(0)
    arrays = {
        "stem.weight": rng.normal(size=(4, 3, 3, 3)),
        "stem.bias": rng.normal(size=4),
        "norm.gamma": rng.normal(size=4),
        "norm.beta": rng.normal(size=4),
        "norm.moving_mean": rng.normal(size=4),
        "norm.moving_variance": rng.uniform(1, 2, size=4),
        "head.weight": rng.normal(size=(2, 4)),
        "head.bias": rng.normal(size=2),
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


def write_own(path, **changes):
    write_arrays(
        path, "mindspore", own_arrays(**{name.replace("__", "."): array for name, array in changes.items()})
    )
    return path


def test_an_unknown_network_is_loaded_by_its_own_names(tmp_path):
    import torch

    source, target = make_own_net(), make_own_net()
    torch.save(source.state_dict(), tmp_path / "own.pth")
    done = triport.torch.load_into(target, tmp_path / "own.pth")
    assert done.model is None and done.named_by == "the file's own" and done.left == ()
    assert torch_bits(target) == torch_bits(source)


def test_an_unknown_network_is_loaded_with_the_other_frameworks_leaves(tmp_path):
    net = make_own_net()
    done = triport.torch.load_into(net, write_own(tmp_path / "own.ckpt"))
    arrays = own_arrays()
    assert done.names["norm.running_var"] == "norm.moving_variance"
    assert np.array_equal(net.norm.weight.detach().numpy(), arrays["norm.gamma"])
    assert np.array_equal(net.norm.running_mean.numpy(), arrays["norm.moving_mean"])


def test_a_module_goes_into_a_cell_of_the_same_attributes(tmp_path):
    import mindspore
    import torch

    class Own(mindspore.nn.Cell):
        def __init__(self):
            super().__init__()
            self.stem = mindspore.nn.Conv2d(3, 4, 3, has_bias=True)
            self.norm = mindspore.nn.BatchNorm2d(4)
            self.head = mindspore.nn.Dense(4, 2)

    net, cell = make_own_net(), Own()
    net.norm.running_mean.copy_(torch.arange(4))
    torch.save(net.state_dict(), tmp_path / "own.pth")
    done = triport.mindspore.load_into(cell, tmp_path / "own.pth")
    assert done.names["norm.gamma"] == "norm.weight"
    assert cell.norm.moving_mean.asnumpy().tolist() == [0, 1, 2, 3]


NAN = np.full(2, np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head__bias": None}, r"head\.bias: float32\[2\] in the network, not in the file"),
        ({"more": np.zeros(3, np.float32)}, r"more: float32\[3\] in the file, not in the network"),
        (
            {"head__weight": np.zeros((3, 4), np.float32)},
            r"head\.weight: float32\[2, 4\] in the network, float32\[3, 4\] in the file",
        ),
        ({"head__bias": np.zeros(2, np.float64)}, r"head\.bias: float32 in the network, float64 in the file"),
        ({"head__bias": NAN}, r"head\.bias: NaN or Inf in 2 of 2 values"),
        ({"norm__gamma": None}, r"norm\.weight: float32\[4\] in the network, not in the file"),
    ],
)
def test_what_does_not_fit_is_an_error_and_changes_nothing(changes, message, tmp_path):
    net = make_own_net()
    before = torch_bits(net)
    with pytest.raises(triport.Error, match=message) as error:
        triport.torch.load_into(net, write_own(tmp_path / "own.ckpt", **changes))
    assert "Nothing was loaded" in str(error.value)
    assert torch_bits(net) == before


def test_a_file_that_is_damaged_at_its_end_changes_nothing(tmp_path, digits_ckpt):
    path = tmp_path / "x.ckpt"
    triport.convert(digits_ckpt, path, to="mindspore", crc=True)
    content = bytearray(path.read_bytes())
    at = content.rindex(open_checkpoint(digits_ckpt).tensors["classifier.weight"].numpy().tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    net = SPEC.build_torch()
    before = torch_bits(net)
    with pytest.raises(triport.Error, match="damaged"):
        triport.torch.load_into(net, path)
    assert torch_bits(net) == before


def test_a_write_that_fails_half_way_is_taken_back(tmp_path):
    import torch

    source, net = make_own_net(), make_own_net()
    torch.save(source.state_dict(), tmp_path / "own.pth")
    # one value behind both elements: PyTorch refuses to write such a tensor
    net.head.bias = torch.nn.Parameter(torch.zeros(1).expand(2))
    before = torch_bits(net)
    with pytest.raises(RuntimeError, match="single memory location"):
        triport.torch.load_into(net, tmp_path / "own.pth")
    assert torch_bits(net) == before


def test_tied_parameters_need_one_set_of_values(tmp_path):
    import torch

    def tied():
        net = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
        net["b"].weight = net["a"].weight
        return net

    source = tied()
    torch.save(source.state_dict(), tmp_path / "tied.pth")
    net = tied()
    assert len(triport.torch.load_into(net, tmp_path / "tied.pth").names) == 4
    assert torch_bits(net) == torch_bits(source)
    one = {name: tensor for name, tensor in source.state_dict().items() if name != "b.weight"}
    torch.save(one, tmp_path / "one.pth")
    assert len(triport.torch.load_into(tied(), tmp_path / "one.pth").names) == 3
    torch.save({**source.state_dict(), "b.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(triport.Error, match=r"a\.weight: is one with b\.weight in the network"):
        triport.torch.load_into(net, tmp_path / "other.pth")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_loaded_bit_by_bit(dtype, tmp_path, digits_ckpt):
    import mindspore
    import torch

    triport.convert(digits_ckpt, tmp_path / "x.pth", to="pytorch", dtype=dtype)
    net = SPEC.build_torch()
    with pytest.raises(triport.Error, match=f"float32 in the network, {dtype} in the file"):
        triport.torch.load_into(net, tmp_path / "x.pth")
    net.to(getattr(torch, dtype))
    triport.torch.load_into(net, tmp_path / "x.pth")
    expected = open_checkpoint(tmp_path / "x.pth").tensors["fc.weight"].numpy().tobytes()
    assert net.fc.weight.detach().view(torch.uint8).numpy().tobytes() == expected
    cell = SPEC.build_mindspore()
    cell.to_float(getattr(mindspore, dtype))
    for parameter in cell.get_parameters():
        parameter.set_dtype(getattr(mindspore, dtype))
    triport.mindspore.load_into(cell, tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda torch: torch.nn.LazyLinear(3), "has no shape yet; run the module once"),
        (lambda torch: torch.nn.Linear(2, 2, device="meta"), "has no memory yet"),
        (lambda torch: object(), "expected a torch.nn.Module"),
    ],
    ids=["lazy", "meta", "other"],
)
def test_a_network_that_cannot_take_weights_is_refused(make, message, digits_ckpt):
    import torch

    with pytest.raises(triport.Error, match=message):
        triport.torch.load_into(make(torch), digits_ckpt)


def test_a_file_of_another_model_than_said_is_refused(digits_ckpt):
    with pytest.raises(triport.Error, match="is not a checkpoint of resnet18"):
        triport.torch.load_into(SPEC.build_torch(), digits_ckpt, model="resnet18")


def test_weights_that_compute_something_else_in_the_module_say_so(tmp_path):
    """MindCV's ResNets have another stem than the module under torchvision's names."""
    spec = all_models()["resnet18_mindcv"]
    path = write_random(tmp_path / "x.ckpt", spec, dialect_of(spec, "mindcv"))
    net = all_models()["resnet18"].build_torch()
    done = triport.torch.load_into(net, path)
    assert any("another function" in warning for warning in done.warnings)


def test_a_folded_file_is_refused(tmp_path, digits_ckpt):
    triport.convert(digits_ckpt, tmp_path / "x.onnx", to="onnx", optimize=True)
    with pytest.raises(triport.Error, match="BatchNorm is folded"):
        triport.torch.load_into(SPEC.build_torch(), tmp_path / "x.onnx")


@pytest.mark.parametrize("num_classes", [None, 7])
def test_a_model_is_built_for_its_files_classes(num_classes, tmp_path):
    path = write_random(tmp_path / "x.ckpt", SPEC, MINDCV, num_classes=num_classes or SPEC.num_classes)
    made = triport.model("res2net_digits")
    expected = num_classes or SPEC.num_classes
    assert made.torch(path).fc.out_features == expected
    assert made.mindspore(path).classifier.weight.shape[0] == expected


def test_a_models_definition_refuses_a_file_with_more_classes(tmp_path):
    path = write_random(tmp_path / "x.ckpt", SPEC, MINDCV, num_classes=7)
    with pytest.raises(triport.Error, match=r"float32\[10, \d+\] in the network, float32\[7, \d+\] in"):
        triport.model("res2net_digits").torch(path, num_classes=10)


def test_how_the_users_program_runs_its_cells_stays_as_it_is(digits_ckpt, monkeypatch):
    mindspore = pytest.importorskip("mindspore")
    cell = SPEC.build_mindspore()
    set_here = []
    monkeypatch.setattr(mindspore, "set_context", lambda **settings: set_here.append(settings))
    triport.mindspore.load_into(cell, digits_ckpt)
    assert not set_here
