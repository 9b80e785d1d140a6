"""A batch size that became a number.

MindSpore traces a Cell with one batch size and writes what follows from it as numbers. A file whose batch
axis is free must compute what the Cell computes at every size, or its batch is fixed and it is said why.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.few_are_quick import one_in
from tests.mindir.conftest import make_builder, run_mindspore, run_onnx
from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs.convert import AnyConversion, convert_cell, convert_mindir
from triport.parity.graphs.proof import ONE_DROPPED

Build = Callable[[str], Any]
SIZES = range(1, 6)


def long(*values: str) -> list[Any]:
    """Return further spellings of what every run tries: MindSpore compiles each of them ten times."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Make a Cell of an expression of x."""
    return make_builder(tmp_path_factory.mktemp("batch"))


def run_file(path: Path, x: np.ndarray) -> np.ndarray:
    return run_onnx(onnx.load(path), x)[0]


def check_every_size(cell: Any, path: Path, rest: tuple[int, ...]) -> None:
    """Compare the file with the Cell, or with a function of arrays, on other images at each size."""
    run = cell if callable(cell) and not hasattr(cell, "set_train") else lambda x: run_mindspore(cell, x)[0]
    for size in SIZES:
        x = np.random.default_rng(size).normal(size=(size, *rest)).astype(np.float32)
        found, expected = run_file(path, x), run(x)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=f"batch of {size}")


def convert(cell: Any, shape: tuple[int, ...], path: Path, **options: Any) -> AnyConversion:
    return convert_cell(cell, [InputSpec(shape)], path, **options)


@pytest.mark.field(
    case="the batch size takes part in the arithmetic",
    source="pytorch/pytorch#69605, roboflow/rf-detr#949, onnx/onnx#3510",
    outcome="The batch is fixed, and the operator that holds the number is named.",
)
@pytest.mark.parametrize(
    ("expression", "shape", "operator"),
    [
        ("x.sum(axis=0) / x.shape[0]", (2, 3, 4), "Divs-op0"),
        ("x * x.shape[0]", (2, 3), "Muls-op0"),
        ("x * 2 if x.shape[0] == 1 else x * 3", (1, 3), "Muls-op0"),
        ("x * (x.shape[0] % 2 + 1)", (3, 3), "Muls-op0"),
        ("x[:4] * 2", (4, 3), ""),
    ],
)
def test_a_number_that_was_the_batch_size(
    build: Build, tmp_path: Path, expression: str, shape: tuple[int, ...], operator: str
) -> None:
    cell = build(expression)
    done = convert(cell, shape, tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: the batch size with which it was traced is part of the graph")
    assert operator in done.batch
    assert done.inputs == (f"input ({', '.join(map(str, shape))}) float",)
    assert done.comparison.verdict == "equal"
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(run_file(tmp_path / "x.onnx", x), run_mindspore(cell, x)[0], rtol=1e-6)


@pytest.mark.field(
    case="a branch that only many images take",
    source="found by trying: nets that work in pieces from some batch size on",
    outcome="The batch is fixed: the Cell is traced with 65 images too, and where its code goes another way.",
)
@pytest.mark.parametrize(
    ("branch", "seen_at"),
    one_in(
        5,
        [
            ("x * 2 if sum(x.shape) == 83 else x * 3", 80),
            ("x * 2 if x.shape[0] < 8 else x * 3", 65),
            ("x * 2 if x.shape[0] < 64 else x * 3", 65),
            ("x * 2 if x.shape[0] <= 100 else x * 3", 101),
            ("x * 2 if len(x) == 200 else x * 3", 200),
            ("x[:300] * 2", 301),
            (f"x * 2 if len(x) in {tuple(range(301, 335, 2))} and len(x) == 317 else x", 317),
            ("x * float(x.shape[0] == 6)", 6),
            ("x * 2 if x.shape[0] % 8 == 0 else x", 8),
            ("x * 2 if x.size == 27 else x * 3", 9),
            ("x * {80: 2}.get(x.shape[0], 1)", 80),
            ("x * 2 if len(x) in (7, 9) else x", 7),
            ("x * 2 if x.shape[0] % 4 == 3 else x * 3", 3),
            ("x * 2 if ops.shape(x)[0] == 6 else x * 3", 6),
            ("x * 2 if 8 <= x.shape[0] <= 16 else x * 3", 8),
            ("y = ops.relu(x); x * {80: 2}.get(y.shape[0], 1)", 80),
            ("x * 2 if x.nbytes == 960 else x * 3", 80),
            ("x * [1, 1, 1, 2, 1, 1, 1][x.shape[0] % 7]", 3),
            ("x * 2 if x.shape[0] & 8 else x * 3", 8),
            ("x * 2 if str(x.shape[0]) == '80' else x * 3", 80),
        ],
    ),
)
def test_a_branch_for_many_images(build: Build, tmp_path: Path, branch: str, seen_at: int) -> None:
    done = convert(build(branch), (2, 3), tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: ")
    assert f"traced with a batch of {seen_at} " in done.batch


@pytest.mark.field(
    case="a batch that is free, as the output says it",
    source="found by trying: a branch at 2,000 images is beyond all that can be traced",
    outcome="It is said with which batch sizes it was tested, not that it holds for every one.",
)
def test_a_free_batch_says_what_was_tested(build: Build, tmp_path: Path) -> None:
    done = convert(build("x * 2 if x.shape[0] < 2000 else x * 3"), (2, 3), tmp_path / "x.onnx")
    assert done.batch_proof.startswith("tested: compared with MindSpore at 5, 1, other images each time")
    assert any(line.strip() == f"batch       free: {done.batch_proof}" for line in done.lines())


@pytest.mark.field(
    case="a shape that MindSpore itself refuses at other batch sizes",
    source="onnx/onnx#3510 (hard-coded shapes)",
    outcome="The batch is fixed, and it is said that MindSpore refuses the other size too.",
)
@pytest.mark.parametrize(
    ("expression", "shape"), [("x.reshape(x.shape[0] // 2, 12)", (4, 6)), ("x[3]", (4, 6))]
)
def test_mindspore_refuses(build: Build, tmp_path: Path, expression: str, shape: tuple[int, ...]) -> None:
    done = convert(build(expression), shape, tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: MindSpore itself does not run a batch of ")
    assert done.comparison.verdict == "equal"


@pytest.mark.field(
    case="code that takes the images one by one",
    source="mindspore-lab/mindocr (RobustScanner)",
    outcome="What is done with each image is written for all at once: the batch axis is free, and checked.",
)
@pytest.mark.slow
def test_images_one_by_one(build: Build, tmp_path: Path) -> None:
    cell = build("ops.stack([ops.select(one > 0, one * 2, float('-inf')) for one in x])")
    done = convert(cell, (2, 3), tmp_path / "x.onnx")
    assert done.inputs == ("input (N, 3) float",)
    assert done.batch.startswith("checked at 1, 2, 5, 65 only: ")  # what its code does with each is not seen
    check_every_size(cell, tmp_path / "x.onnx", (3,))


@pytest.mark.field(
    case="code that does something else with each image, or with those before it",
    source="mindspore-lab/mindocr (RobustScanner), changed",
    outcome="The batch is fixed, and it is said that the graph is another one at each size.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "ops.stack([one * (i + 2) for i, one in enumerate(x)])",
        *long("y = [x[0]]; for i in range(1, x.shape[0]): y.append(x[i] + y[-1] * 2); ops.stack(y)"),
    ],
)
def test_a_fixed_batch_says_why(build: Build, tmp_path: Path, expression: str) -> None:
    done = convert(build(expression), (2, 3), tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: ")
    assert "with a batch of 5, the Cell is another graph: " in done.batch


@pytest.mark.field(
    case="what is done with each image, and cannot be done with all at once",
    source="found by trying: a cumulative sum within each image",
    outcome="The batch is fixed, and the operator is named.",
)
def test_an_operator_of_one_image_alone(build: Build, tmp_path: Path) -> None:
    done = convert(build("ops.stack([ops.cumsum(one, 0) for one in x])"), (2, 3), tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: the code takes the images one by one: ")
    assert "ONNX's CumSum" in done.batch


@pytest.mark.field(
    case="code that drops the axis of one image alone",
    source="mindspore-lab/mindaudio (ECAPA-TDNN)",
    outcome="The batch is free, and it is said that the file keeps the axis that MindSpore drops.",
)
@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3)])
def test_the_axis_of_one_image_is_kept_and_said(build: Build, tmp_path: Path, shape: tuple[int, ...]) -> None:
    done = convert(build("x.squeeze()"), shape, tmp_path / "x.onnx")
    assert (done.batch, done.warnings) == ("free", [ONE_DROPPED])
    assert str(done.comparison).startswith("equal, but for what the warning says")
    one = np.ones((1, *shape[1:]), np.float32)
    assert run_file(tmp_path / "x.onnx", one).shape == (1, 3)


@pytest.mark.field(
    case="one image whose axis is dropped and then computed with",
    source="mindspore-lab/mindaudio (ECAPA-TDNN), changed",
    outcome="The batch is fixed: the numbers are others, not the shape alone.",
)
def test_an_axis_that_is_missed_later_fixes_the_batch(build: Build, tmp_path: Path) -> None:
    done = convert(build("x.squeeze().sum(0)"), (2, 3), tmp_path / "x.onnx")
    assert "with a batch of 1, MindSpore gives the shape (), the file (3,)" in done.batch


@pytest.mark.field(
    case="code that asks for the size of a tensor that it has made",
    source="found by trying 36 such Cells",
    outcome="The batch is fixed: the sizes at which that tensor may be so large are traced too.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "y = x.reshape(-1); x * 2 if y.shape[0] == 36 else x * 3",
        *long("y = x.T; x * 2 if y.shape[1] == 12 else x * 3", "x * 2 if x.shape == (12, 3) else x * 3"),
    ],
)
def test_a_branch_on_what_was_made(build: Build, tmp_path: Path, expression: str) -> None:
    done = convert(build(expression), (2, 3), tmp_path / "x.onnx")
    assert "traced with a batch of 12 " in done.batch


@pytest.mark.field(
    case="the last ten of the batch: as many rows as images, up to ten",
    source="found by trying",
    outcome="The batch is free, and the output is not declared to have as many rows as the input.",
)
def test_rows_that_end_growing_have_a_name_of_their_own(build: Build, tmp_path: Path) -> None:
    done = convert(build("x[-10:]"), (2, 3), tmp_path / "x.onnx")
    assert (done.batch, done.outputs) == ("free", ("logits (logits_0, 3) float",))


@pytest.mark.field(
    case="a further output that is not of the batch, with as many rows as the traced batch has images",
    source="found by an adversary: the anchors of two levels, traced with two images, fixed the batch",
    outcome="The batch is free: a second trace shows that these rows are always as many.",
)
@pytest.mark.parametrize(
    ("expression", "rows"),
    one_in(
        2,
        [
            ("(x * 2, ops.ones((2, 7), ms.float32) * 3)", "(2, 7)"),
            ("(x * 2, x.sum(0).reshape((2, 2)))", "(2, 2)"),
            ("(ops.matmul(x[:, :2], x[:, :2].T), ops.matmul(x[:, :2].T, x[:, :2]))", "(2, 2)"),
            ("(x.sum(0).reshape((2, 2)) * 0 + ops.ones((2, 2)), x[:, 0])", "(2, 2)"),
        ],
    ),
)
def test_rows_that_are_as_many_by_chance(build: Build, tmp_path: Path, expression: str, rows: str) -> None:
    done = convert(build(expression), (2, 4), tmp_path / "x.onnx")
    assert done.batch == "free"
    assert rows in done.outputs[0] + done.outputs[1]


@pytest.mark.field(
    case="images that see each other, without a hard-coded size",
    source="pytorch/pytorch#25273 (the last of the batch)",
    outcome="The batch is free, and each size gives what MindSpore gives there.",
)
@pytest.mark.parametrize("expression", one_in(2, ["x[-1] + x[0]", "x - x.mean(axis=0)"]))
def test_right_at_every_size(build: Build, tmp_path: Path, expression: str) -> None:
    cell = build(expression)
    done = convert(cell, (4, 6), tmp_path / "x.onnx")
    assert (done.batch, done.comparison.batch_sizes) == ("free", (5, 1))
    assert "compared with MindSpore at 5, 1" in done.batch_proof
    check_every_size(cell, tmp_path / "x.onnx", (6,))


@pytest.mark.field(
    case="the place of each image in the batch, as detectors that choose their best boxes index with it",
    source="mindspore-lab/mindyolo (YOLOv10's head)",
    outcome="The batch is free: whole numbers that count the images are counted anew at each size.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "(x.reshape(-1) + ops.full((x.shape[0] * 6,), 2.5)).reshape(-1, 6)",
        *long(
            "x[ops.arange(x.shape[0])[..., None], ops.argmax(x, 1)[..., None]]",
            "x * (3 * ops.arange(x.shape[0]) + 2)[:, None].astype(ms.float32)",
            "x.reshape(-1) * ops.arange(x.shape[0] * 6).astype(ms.float32)",
        ),
    ],
)
def test_places_in_the_batch(build: Build, tmp_path: Path, expression: str) -> None:
    cell = build(expression)
    done = convert(cell, (2, 6), tmp_path / "x.onnx")
    assert done.batch == "free"
    check_every_size(cell, tmp_path / "x.onnx", (6,))


@pytest.mark.field(
    case="numbers that a loop over the images makes",
    source="found by trying",
    outcome="Right at every size that is tried; a loop is not followed, so the batch is not called free.",
)
@pytest.mark.slow
def test_a_loop_over_the_images_is_right_and_said_to_be_checked(build: Build, tmp_path: Path) -> None:
    cell = build("x + x * ms.Tensor([[3 * i + 2] for i in range(x.shape[0])], ms.float32)")
    done = convert(cell, (2, 6), tmp_path / "x.onnx")
    assert done.batch.startswith("checked at 1, 2, 3, ")
    assert "how often a loop runs in compute" in done.batch
    check_every_size(cell, tmp_path / "x.onnx", (6,))


@pytest.mark.field(
    case="images counted from the last one, or in another way than one by one",
    source="found by trying: such a constant counts too, at the size that was traced",
    outcome="The batch is fixed, as the file differs from MindSpore at another size.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "x * ops.linspace(0.0, 1.0, x.shape[0])[:, None]",
        "x * ms.Tensor([[i * i] for i in range(x.shape[0])], ms.float32)",
        *long(
            "x * ops.arange(x.shape[0] - 1, -1, -1)[:, None].astype(ms.float32)",
            "x * ms.Tensor([[min(i, 30)] for i in range(x.shape[0])], ms.float32)",
        ),
    ],
)
def test_places_that_are_counted_otherwise(build: Build, tmp_path: Path, expression: str) -> None:
    done = convert(build(expression), (2, 6), tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: ")
    assert done.comparison.verdict == "equal"


@pytest.mark.field(
    case="the batch rolled, for which MindSpore has no kernel on CPU",
    source="pytorch/pytorch#58389",
    outcome="Every batch size gives np.roll; the batch is free as the traces of three sizes agree.",
)
@pytest.mark.parametrize(
    "shift", [1, pytest.param(-1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_roll(build: Build, tmp_path: Path, shift: int) -> None:
    done = convert(build(f"ops.roll(x, {shift}, 0)"), (3, 6), tmp_path / "x.onnx")
    assert done.batch == "free"
    assert "traces the same graph" in done.batch_proof
    assert done.comparison.verdict.startswith("not compared: MindSpore cannot run it here: ")
    check_every_size(lambda x: np.roll(x, shift, 0), tmp_path / "x.onnx", (6,))


@pytest.mark.field(
    case="a number that was the batch size, where nothing is compared",
    source="pytorch/pytorch#69605",
    outcome="The batch is fixed: traced with another size, the graph computes something else.",
)
@pytest.mark.parametrize(
    ("expression", "options"),
    [
        ("ops.roll(x, 1, 0) * x.shape[0]", {}),
        pytest.param("ops.roll(x, 1, 0) * (1 + 1e-5 * x.shape[0])", {}, marks=pytest.mark.slow),
        ("x * x.shape[0]", {"check": False}),
    ],
    ids=["no kernel", "no kernel, a small part", "no check"],
)
def test_not_compared(build: Build, tmp_path: Path, expression: str, options: dict[str, bool]) -> None:
    done = convert(build(expression), (2, 6), tmp_path / "x.onnx", **options)
    assert done.batch.startswith(
        "fixed: traced with a batch of 5 the graph computes something else (first at "
    )
    assert done.inputs == ("input (2, 6) float",)


@pytest.mark.field(
    case="a batch that turns out fixed, with the parameters in a file beside",
    source="onnx/onnx#3510",
    outcome="Both files are written again, with the fixed batch, and compared again.",
)
def test_external_data(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triport.parity.graphs.convert.EXTERNAL_DATA_BYTES", 50)
    cell = build("nn.Dense(6, 8); layer(x) * x.shape[0]")
    done = convert(cell, (2, 6), tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.onnx", "x.onnx.data"]
    model = onnx.load(tmp_path / "x.onnx")  # with its data
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [2, 6]
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    np.testing.assert_allclose(run_onnx(model, x)[0], run_mindspore(cell, x)[0], atol=1e-5)


@pytest.mark.field(
    case=".mindir of a sum over the batch divided by its size",
    source="roboflow/rf-detr#949",
    outcome="A file has one batch size: whether 2 is it cannot be known, so the batch is fixed.",
)
@pytest.mark.parametrize("expression", ["x.sum(axis=0) / x.shape[0]", "x + 1e-5 * x.mean(axis=0)"])
def test_mindir_of_images_that_see_each_other(build: Build, tmp_path: Path, expression: str) -> None:
    source = tmp_path / "x.mindir"
    source.write_bytes(mindir_bytes_from_cell(build(expression), (2, 6)))
    done = convert_mindir(source, tmp_path / "x.onnx")
    assert "whether a number in the graph is the batch size cannot be known" in done.batch
    assert done.inputs == ("input (2, 6) float",)


@pytest.mark.field(
    case=".mindir whose shapes hold its batch size",
    source="onnx/onnx#3510 (hard-coded shapes)",
    outcome="The batch is free where each image gives what it gives alone.",
)
def test_mindir_with_shapes(build: Build, tmp_path: Path) -> None:
    cell = build("ops.relu(x).reshape(x.shape[0], 3, -1).sum(axis=1)")
    (tmp_path / "x.mindir").write_bytes(mindir_bytes_from_cell(cell, (2, 6)))
    done = convert_mindir(tmp_path / "x.mindir", tmp_path / "x.onnx")
    assert (done.batch, done.comparison.verdict) == ("free", "equal")
    assert "each image of the file's batch gives what it gives alone" in done.batch_proof
    check_every_size(cell, tmp_path / "x.onnx", (6,))


@pytest.mark.field(
    case=".mindir exported with an unknown batch size",
    source="mindspore-lab/mindocr#592, mindspore-lab/mindocr#639",
    outcome="It becomes the same graph as the one exported with a batch of one; the batch is free.",
)
def test_unknown_batch(build: Build, tmp_path: Path) -> None:
    import mindspore

    cell = build("nn.SequentialCell(nn.Conv2d(3, 8, 3, has_bias=True), nn.MaxPool2d(2, 2))")
    unknown = mindspore.Tensor(shape=[None, 3, 8, 8], dtype=mindspore.float32)
    mindspore.export(cell, unknown, file_name=str(tmp_path / "unknown"), file_format="MINDIR")
    (tmp_path / "one.mindir").write_bytes(mindir_bytes_from_cell(cell, (1, 3, 8, 8)))
    one, other = (
        convert_mindir(tmp_path / f"{name}.mindir", tmp_path / f"{name}.onnx") for name in ("one", "unknown")
    )
    assert (one.batch, other.batch) == ("free", "free")
    first, second = (onnx.load(tmp_path / f"{name}.onnx").graph for name in ("one", "unknown"))
    second.name = first.name  # MindSpore numbers its graphs
    assert first.SerializeToString() == second.SerializeToString()
    check_every_size(cell, tmp_path / "unknown.onnx", (3, 8, 8))


@pytest.mark.field(
    case=".mindir exported with an unknown image size",
    source="mindspore-lab/mindocr#639",
    outcome="An error names the input as the user does, its unknown axes, and what to do.",
)
def test_unknown_image_size(build: Build, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    import mindspore

    unknown = mindspore.Tensor(shape=[None, 3, None, 8], dtype=mindspore.float32)
    path = tmp_path / "x.mindir"
    mindspore.export(build("nn.ReLU()"), unknown, file_name=str(path), file_format="MINDIR")
    result = run_cli("convert", path, "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert result.exit_code == 2
    assert "has the shape (unknown, 3, unknown, 8): export with fixed sizes" in result.output
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.field(
    case="states of an LSTM, whose batch is the second axis",
    source="pytorch/pytorch#68003, pytorch/pytorch#70110",
    outcome="The declared shape of the states follows the free batch: (1, N, 6).",
)
def test_declared_shapes(build: Build, tmp_path: Path) -> None:
    done = convert(build("nn.LSTM(8, 6, batch_first=True)"), (2, 5, 8), tmp_path / "x.onnx")
    assert done.batch == "free"
    assert [text.partition(" ")[2] for text in done.outputs] == [
        "(N, 5, 6) float",
        "(1, N, 6) float",
        "(1, N, 6) float",
    ]
