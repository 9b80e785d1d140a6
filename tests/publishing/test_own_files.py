"""An .onnx or .mindir file of one's own, and a folder that `convert` wrote, published as they are."""

import json
import shutil

import mindspore
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file

import triport
from tests.publishing.forgery import rewrite
from tests.publishing.mutations import check_that_a_change_is_found
from tests.publishing.own_networks import arrays_of, write_weights
from tests.publishing.test_own_network_forged import mend
from triport.converters.formats import file_sha256, open_checkpoint
from triport.publishing.own.network import OwnNetwork
from triport.publishing.own.publish import publish_network
from triport.publishing.verify import verify
from triport.reference_models.errors import TriportError


def dense(last=("Relu", ""), weight=None):
    """Return x @ w + b and one more operator, with metadata that say much."""
    random_ = np.random.default_rng(0)
    weight = random_.standard_normal((3, 4)).astype(np.float32) if weight is None else weight
    stored = {"w": weight, "b": random_.standard_normal(4).astype(np.float32)}
    kind, domain = last
    more = {"offset": [0.5], "scale": [2.0]} if kind == "Scaler" else {}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
            helper.make_node(kind, ["h"], ["y"], domain=domain, **more),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(model, {"triport.model": "resnet50"})
    return model


def published(folder, model):
    """Publish an ONNX model."""
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    own = OwnNetwork((str(path),), ("2x3",))
    return publish_network(path, folder / "out", own, license="mit")


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory):
    """An .onnx file, published once."""
    return published(tmp_path_factory.mktemp("onnx"), dense())


@pytest.fixture
def folder(onnx_folder, tmp_path):
    """A copy of its folder to change."""
    return shutil.copytree(onnx_folder.folder, tmp_path / "copy")


def test_an_onnx_file_is_published_with_its_graph_and_bits(onnx_folder):
    folder, source = onnx_folder.folder, onnx_folder.folder.parent / "net.onnx"
    names = {"model.onnx", "sample.safetensors", "README.md", "triport.json"}
    assert {path.name for path in folder.iterdir()} == names
    before, after = onnx.load(source), onnx.load(folder / "model.onnx")
    assert after.graph == before.graph and not after.metadata_props
    values = onnx_folder.manifest
    assert values["source"]["sha256"] == file_sha256(source)
    assert values["nets"] == [{"net": "net.onnx", "runtime": "onnx", "file": "model.onnx"}]
    assert values["parity"]["reference"] == "pytorch-float64"
    candidates = [pair["candidate"] for pair in values["parity"]["pairs"]]
    assert candidates == ["pytorch", "mindspore", "onnxruntime (given file)"]
    card = (folder / "README.md").read_text()
    assert "metadata of the source are left out, which nothing checks: triport.model" in card
    assert "The network itself is not in this folder" not in card


def test_its_folder_verifies(onnx_folder):
    done = verify(onnx_folder.folder, digest=onnx_folder.digest)
    names = ["manifest", "files", "structure", "bits", "texts", "claims", "sample: model.onnx"]
    assert {check.name: check.status for check in done.checks} == dict.fromkeys(names, "passed")


def test_data_in_another_file_is_taken_in(tmp_path):
    path = tmp_path / "net.onnx"
    where = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
    onnx.save(dense(), path, **where)
    assert (tmp_path / "net.data").stat().st_size
    own = OwnNetwork((str(path),), ("2x3",))
    done = publish_network(path, tmp_path / "out", own, license="mit")
    written = onnx.load(done.folder / "model.onnx", load_external_data=False)
    assert [one.raw_data for one in written.graph.initializer] == [
        one.raw_data for one in dense().graph.initializer
    ]


def test_a_graph_that_no_other_runtime_computes_says_so(tmp_path):
    done = published(tmp_path, dense(("Scaler", "ai.onnx.ml")))
    parity = done.manifest["parity"]
    assert parity["reference"] == "onnxruntime-float32"
    assert any(line.startswith("pytorch: ") and "Scaler" in line for line in parity["not_run"])
    assert any(line.startswith("mindspore: ") for line in parity["not_run"])
    assert "ONNX Runtime in float32 without its optimiser" in (done.folder / "README.md").read_text()
    assert verify(done.folder).passed


def test_a_mindir_file_is_published_with_its_bits_in_every_file(run_cli, tmp_path):
    cell = mindspore.nn.Dense(3, 4)
    cell.weight.set_data(
        mindspore.Tensor(np.random.default_rng(0).standard_normal((4, 3)), mindspore.float32)
    )
    path = tmp_path / "net.mindir"
    x = mindspore.Tensor(np.ones((2, 3), np.float32))
    mindspore.export(cell.set_train(False), x, file_name=str(path), file_format="MINDIR")
    done = run_cli(
        *("publish", path, "--net", path, "--input", "2x3"), "--license", "mit", "-o", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    for file in ("model.ckpt", "model.safetensors", "model.onnx"):
        stored = open_checkpoint(tmp_path / "out" / file).tensors["weight"].numpy()
        assert stored.tobytes() == cell.weight.asnumpy().tobytes()
    values = json.loads((tmp_path / "out" / "triport.json").read_text())
    assert values["source"]["format"] == "mindir" and values["parity"]["reference"] == "mindspore-float32"
    assert verify(tmp_path / "out").passed


def test_a_folder_that_convert_wrote_is_published(run_cli, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(dense().SerializeToString())
    assert run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "net").exit_code == 0
    weights = tmp_path / "net" / "net.safetensors"
    words = ("--net", tmp_path / "net", "--input", "2x3", "--license", "mit", "-o", tmp_path / "out")
    done = run_cli("publish", weights, *words)
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in (tmp_path / "out" / "triport.json").read_text()
    assert verify(tmp_path / "out").passed


TWO = "tests.parity.nets.modules:Two"
OF_TWO = ("--input", "2x3x8x8", "--input", "2x5", "--license", "mit")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A network's weights, and a graph of it that its publisher has made."""
    from tests.parity.nets.modules import Two

    folder, net = tmp_path_factory.mktemp("two"), Two()
    weights = write_weights(folder / "two.safetensors", arrays_of(net))
    done = triport.parity(net, inputs=["2x3x8x8", "2x5"], runtimes="pytorch", weights=weights)
    assert done.passed
    net.load_state_dict(load_file(weights), strict=False)
    assert triport.to_onnx(net, folder / "two.onnx", inputs=["2x3x8x8", "2x5"]).passed
    return weights, folder / "two.onnx"


def test_a_graph_of_the_publishers_is_kept_beside_a_network(two, run_cli, tmp_path):
    weights, graph = two
    for number, (source, nets) in enumerate(((weights, (TWO, graph)), (graph, (graph, TWO)))):
        out = tmp_path / f"out{number}"
        words = [word for net in nets for word in ("--net", net)]
        done = run_cli("publish", source, *words, *OF_TWO, "-o", out)
        assert done.exit_code == 0, done.output
        values = json.loads((out / "triport.json").read_text())
        assert values["nets"] == [
            {"net": TWO, "runtime": "pytorch", "file": "model.safetensors"},
            {"net": "two.onnx", "runtime": "onnx", "file": "model.onnx"},
        ]
        assert onnx.load(out / "model.onnx").graph == onnx.load(graph).graph
        assert [pair["candidate"] for pair in values["parity"]["pairs"]] == [
            "pytorch",
            "onnxruntime (given file)",
        ]
        assert "`model.onnx` is the publisher's own file" in (out / "README.md").read_text()
        assert verify(out).passed


def test_a_graph_with_other_weights_than_the_networks_is_refused(two, run_cli, tmp_path):
    weights, graph = two
    model = onnx.load(graph)
    tensor = next(one for one in model.graph.initializer if one.name == "head.weight")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1.5, tensor.name))
    onnx.save(model, tmp_path / "other.onnx")
    words = ("--net", TWO, "--net", tmp_path / "other.onnx", *OF_TWO)
    done = run_cli("publish", weights, *words, "-o", tmp_path / "out")
    assert done.exit_code == 1 and not (tmp_path / "out").exists()
    assert "head.weight holds other bits than the source" in done.stderr


def test_a_graph_that_computes_something_else_is_refused(two, run_cli, tmp_path):
    weights, graph = two
    model = onnx.load(graph)
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    onnx.save(model, tmp_path / "other.onnx")
    words = ("--net", TWO, "--net", tmp_path / "other.onnx", *OF_TWO)
    done = run_cli("publish", weights, *words, "-o", tmp_path / "out")
    assert done.exit_code == 1 and not (tmp_path / "out").exists()
    assert "runtimes differ" in done.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    weight = np.full((3, 4), value, np.float32)
    with pytest.raises(TriportError, match=r"w: NaN or Inf"):
        published(tmp_path, dense(weight=weight))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("other.onnx", "--net", "net.onnx"), "has its weights within: give the same file as SOURCE"),
        (
            ("net.onnx", "--net", "net.onnx", "--net", "other.onnx"),
            "of two networks one may be an .onnx",
        ),
        (("net.onnx", "--net", "w.safetensors"), "a file of weights alone is SOURCE"),
        (("net.onnx", "--net", "net.onnx", "--input", "2x5"), "has 1 input (x), and --input is given 2"),
    ],
)
def test_what_makes_no_sense_is_one_message(run_cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    for name in ("net.onnx", "other.onnx"):
        (tmp_path / name).write_bytes(dense().SerializeToString())
    write_weights(tmp_path / "w.safetensors", {"w": np.ones((3, 4), np.float32)})
    done = run_cli("publish", *words, "--input", "2x3", "--license", "mit", "-o", "out")
    assert done.exit_code == 2 and message in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (lambda v: v["graph"].update(exporter="torch.onnx"), "claims", "published as it is"),
        (lambda v: v["nets"][0].update(runtime="pytorch"), "files", "model.safetensors"),
        (lambda v: v["nets"].append(v["nets"][0]), "claims", "has two graphs"),
        (lambda v: v["parity"].update(reference="onnxruntime-float32"), "claims", "its reference is"),
        (lambda v: v["parity"]["pairs"].pop(0), "claims", "its reference is"),
        (lambda v: v["parity"]["pairs"].pop(2), "claims", "does not compare model.onnx"),
        (lambda v: v["names"].clear(), "bits", "is not in the ledger"),
        (lambda v: v["inputs"][0].update(shape=["N", 9]), "structure", "its inputs are"),
    ],
)
def test_a_manifest_that_contradicts_the_files_is_found(folder, change, check, message):
    rewrite(folder, change)
    done = verify(folder, runtimes=())
    found = [problem for one in done.checks if one.name == check for problem in one.problems]
    assert not done.passed and message in "\n".join(found)


def test_another_graph_with_the_same_weights_is_found_by_the_sample(folder):
    model = onnx.load(folder / "model.onnx")
    model.graph.node[1].op_type = "Abs"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    mend(folder)
    done = verify(folder, runtimes=("onnx",))
    assert [check.name for check in done.checks if check.status == "failed"] == ["sample: model.onnx"]


@pytest.mark.parametrize("seed", range(30))
def test_no_manifest_makes_a_traceback(folder, seed):
    check_that_a_change_is_found(folder, seed)
