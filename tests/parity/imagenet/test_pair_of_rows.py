"""Two files of rows beside one another: what is matched, what is refused, and what is said."""

import json
import re
from pathlib import Path

import pytest

import triport
from triport.parity.imagenet.pair import difference_interval, mcnemar_exact
from triport.parity.imagenet.pair_of_rows import compare_rows
from triport.parity.imagenet.row_columns import read_rows
from triport.parity.imagenet.rows import RowsError

DIGITS = Path(__file__).parents[3] / "examples/digits/val"


def table(*rows, header="image,label,top1"):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


# ten images of two classes; "n" of them are called the other class
def plain(wrong=0, images=10):
    return table(*((f"{i}.png", i % 2, 1 - i % 2 if i < wrong else i % 2) for i in range(images)))


@pytest.fixture
def files(tmp_path):
    """Write two files and give their paths."""

    def write(a, b):
        paths = tmp_path / "a.csv", tmp_path / "b.csv"
        for path, text in zip(paths, (a, b), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return paths

    return write


@pytest.fixture(scope="module")
def rows_of_run(tmp_path_factory):
    """The rows of the shipped model on 40 digits: as it is, with white for black, and of both together."""
    from click.testing import CliRunner

    from triport.cli import main

    folder = tmp_path_factory.mktemp("rows")
    triport.convert(to="onnx", output=folder / "digits.onnx")
    inverted = "mean=0.9/0.9/0.9,std=-0.1/-0.1/-0.1"
    model = str(folder / "digits.onnx")
    runs = {
        "right": [model, "--profile", "resize=32"],
        "wrong": [model, "--profile", inverted],
        "pair": [model, model, "--profile", "resize=32", "--profile", inverted],
        "in_pytorch": ["res2net_digits", "--runtime", "pytorch", "--profile", "resize=32"],
    }
    for name, words in runs.items():
        rows = str(folder / f"{name}.csv")
        result = CliRunner().invoke(
            main, ["evaluate", *words, "--data", str(DIGITS), "--limit", "40", "--rows", rows, "--json", "-"]
        )
        (folder / f"{name}.json").write_text(result.stdout)
    return folder


def test_rows_of_two_runs_give_what_the_run_of_both_gave(rows_of_run, run_cli):
    """The same figures as `evaluate A B` on the images, and its exit code."""
    found = run_cli("evaluate", rows_of_run / "right.csv", rows_of_run / "wrong.csv", "--json", "-")
    assert found.exit_code == 1
    result = json.loads(found.stdout)
    before = json.loads((rows_of_run / "pair.json").read_text())
    same = [key for key in before["pair"] if key != "flips" and key != "classes"]
    assert {key: result["pair"][key] for key in same} == {key: before["pair"][key] for key in same}
    assert [flip["image"] for flip in result["pair"]["flips"]] == [
        flip["image"] for flip in before["pair"]["flips"]
    ]
    for now, then in zip(result["models"], before["models"], strict=True):
        assert {key: now[key] for key in ("top1_percent", "top5_percent", "weights_sha256", "runtime")} == {
            key: then[key] for key in ("top1_percent", "top5_percent", "weights_sha256", "runtime")
        }
    differing = {fact["what"] for fact in result["differs_in"]}
    assert {"preprocess mean", "preprocess std"} <= differing and "weights_sha256" not in differing
    assert result["notes"] == []


def test_one_file_of_a_pair(rows_of_run, run_cli):
    found = run_cli("evaluate", rows_of_run / "pair.csv", "--json", "-")
    assert found.exit_code == 1
    assert len(json.loads(found.stdout)["models"]) == 2


def test_two_runtimes_are_equal_and_what_differs_is_said(rows_of_run, run_cli, tmp_path):
    page = tmp_path / "page.html"
    found = run_cli("evaluate", rows_of_run / "right.csv", rows_of_run / "in_pytorch.csv", "--html", page)
    assert found.exit_code == 0
    assert "A and B were not run alike:" in found.stdout
    assert "runtime: onnx and pytorch" in found.stdout
    assert "The same best class on all 40 images." in found.stdout
    assert re.search(
        r"the same five best in the same order on \d+; the logits of these differ by at most \d", found.stdout
    )
    assert "top-5 100.00 %" in found.stdout
    assert "<img" not in page.read_text() and "The same best class" in page.read_text()


def test_a_file_of_another_tool(files):
    done = compare_rows(files(plain(), plain(wrong=3)))
    assert (done.pair.images, done.pair.same_top1, done.pair.only_a, done.pair.only_b) == (10, 7, 3, 0)
    assert done.pair.p_value == mcnemar_exact(3, 0) and done.passed
    found = done.to_dict()
    assert found["pair"]["same_top5"] is None and found["pair"]["max_abs"] is None
    assert found["models"][0]["top5_percent"] is None
    assert [one["class"] for one in found["pair"]["classes"]] == ["0", "1"]
    assert [one["only_a_right"] for one in found["pair"]["classes"]] == [2, 1]
    assert len(done.notes) == 2 and "does not state its model" in done.notes[0]


def test_the_exit_code_is_that_of_the_verdict(files, run_cli):
    a, b = files(plain(), plain(wrong=9))
    found = run_cli("evaluate", a, b)
    assert found.exit_code == 1
    assert "A is better: 9 images only A has right, 0 only B" in found.stdout
    assert "B's top-1 minus A's: -90.00 points" in found.stdout
    assert run_cli("evaluate", b, b).exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        plain().replace(",", ";"),
        plain().replace(",", "\t"),
        plain().replace("\n", "\r\n"),
        "\ufeff" + plain(),
        plain().removesuffix("\n"),
        "# made by hand\n" + plain(),
        plain().replace("image,label,top1", ' "Image" , Label,TOP1'),
        table(*((f"{i}.png", i % 2, "note", i % 2) for i in range(10)), header="image,label,remark,top1"),
    ],
    ids=["semicolons", "tabs", "crlf", "bom", "no end", "comment", "capitals", "more columns"],
)
def test_forms_that_tools_write(text, files):
    assert compare_rows(files(plain(), text)).pair.same_top1 == 10


def test_rows_in_another_order_and_under_other_folders(files):
    lines = plain().splitlines()
    reverse = "\n".join([lines[0], *(f"val/{line}" for line in reversed(lines[1:]))])
    done = compare_rows(files(plain(wrong=2), reverse))
    assert (done.pair.same_top1, done.pair.only_b) == (8, 2)
    assert "images are matched by names without folders" in done.notes


def test_images_are_matched_by_their_bytes_where_names_differ(files):
    texts = [
        table(*((f"{i + shift}.png", i, f"{i:032x}", i) for i in range(5)), header="image,label,blake2b,top1")
        for shift in (0, 3)
    ]
    done = compare_rows(files(*texts))
    assert done.pair.same_top1 == 5
    assert "images are matched by the hashes of their bytes" in done.notes


def test_labels_of_one_file_are_enough(files):
    without = table(*((f"{i}.png", i % 2) for i in range(10)), header="image,top1")
    done = compare_rows(files(without, plain(wrong=1)))
    assert done.pair.only_a == 1
    assert any("has no labels: those of" in note for note in done.notes)


def test_images_that_both_have(files, run_cli):
    a, b = files(plain(), plain(images=7))
    found = run_cli("evaluate", a, b)
    assert found.exit_code == 2
    assert "3 images only" in found.stderr and "7.png" in found.stderr and "--allow-subset" in found.stderr
    found = run_cli("evaluate", a, b, "--allow-subset")
    assert found.exit_code == 0
    assert "compared are the 7 images that both have; 3 only in A" in found.stdout


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (plain(), plain().replace("2.png,0", "2.png,1"), "1 of 10 images have another label"),
        (
            plain(),
            table(*((f"{i}.png", i % 2 + 1, 1) for i in range(10))),
            r"All differ by one: .*b.csv counts a background class first",
        ),
        (plain(), table(("x.png", 0, 0)), "No image is in both"),
        (plain(), table(("x.png", 0, 0), ("x.png", 0, 0)), "1 image has more than one row"),
        (plain(), table(("x.png", 0, "tench")), "line 2: top1: expected the number of a class"),
        (plain(), table(("x.png", "0.0", 0)), "line 2: label: expected the number of a class"),
        (plain(), table(("x.png", -1, 0)), "line 2: label: expected the number of a class"),
        (plain(), table(("x.png", 0, "9" * 5000)), "line 2: top1: expected the number"),
        (plain(), table(("x.png", 0)), "line 2 has 2 fields, and there are 3 columns"),
        (plain(), table(('"x.png', 0, 0)), "line 2 cannot be read"),
        (plain(), "image,label,top1\n", "has no row"),
        (plain(), "\n", "is empty"),
        (plain(), "image,label\nx.png,0\n", "expected the columns image,label,top1"),
        (plain(), "image,label,top1,top1\nx.png,0,1,1\n", "more than one column top1"),
        (plain(), plain().encode("utf-16"), "not UTF-8 text"),
        (plain(), "image,top1,logit1\n0.png,0,nan\n", "line 2: logit1: expected a number"),
        (plain(), "image,top1,top2\n0.png,1,1\n", "line 2: names a class twice"),
        (plain(), "# triport evaluate {\n" + plain(), "its first line is not what `evaluate` writes"),
        (plain(), "# triport evaluate " + "[" * 100_000 + "\n" + plain(), "its first line is not"),
        (
            "image,top1\n0.png,1\n",
            "image,top1\n0.png,1\n",
            "neither has a column label",
        ),
        (
            "image,label,blake2b,top1\n0.png,1,aa,1\n",
            "image,label,blake2b,top1\n0.png,1,bb,1\n",
            "1 of 1 images have the same name and other bytes",
        ),
    ],
)
def test_files_that_are_refused(a, b, message, files, run_cli):
    paths = files(a, b)
    with pytest.raises(RowsError, match=message):
        compare_rows(paths)
    found = run_cli("evaluate", *paths)
    assert found.exit_code == 2 and "Traceback" not in found.output


def test_a_run_that_was_stopped_is_no_run(rows_of_run, tmp_path):
    """Cut after a row, both files have the same images: that they are not all is told by their hash."""
    cut = [tmp_path / name for name in ("right.csv", "in_pytorch.csv")]
    for path in cut:
        lines = (rows_of_run / path.name).read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:22]))
    with pytest.raises(RowsError, match="its 20 rows are not all of the run"):
        compare_rows(cut)
    done = compare_rows(cut, allow_subset=True)
    assert done.pair.images == 20 and len(done.notes) == 2
    cut[0].write_text(cut[0].read_text()[:-3])
    with pytest.raises(RowsError, match="its last line is cut"):
        compare_rows(cut, allow_subset=True)


def test_what_a_file_states_is_printed_as_text(files, run_cli):
    stated = {"models": [{"model": "a\x1b[31m[red]", "runtime": ["x"] * 1000, "preprocess": {"mean\n": 1}}]}
    mark = f"# triport evaluate {json.dumps(stated)}\n"
    a, b = files(mark + plain(), mark.replace("x", "y") + plain().replace("0.png", "0\x1b.png"))
    a.write_text(a.read_text().replace("0.png", "0\x1b.png"))
    found = run_cli("evaluate", a, b)
    assert found.exit_code == 0
    assert "\x1b" not in found.stdout and r"a\x1b[31m[red]" in found.stdout
    assert len(found.stdout) < 3000


@pytest.mark.parametrize("models", [None, 5, [], [5], [{"preprocess": 7}], {"a": 1}])
def test_a_first_line_of_another_form(models, files):
    text = f"# triport evaluate {json.dumps({'models': models})}\n" + plain()
    assert compare_rows(files(text, plain())).pair.images == 10


def test_large_numbers_take_no_more_room(files):
    rows = table(("0.png", 999_999_999, 999_999_998), ("1.png", 0, 0))
    done = compare_rows(files(rows, rows))
    assert len(done.pair.dataset.class_names) == 3


def test_rows_of_more_than_two_networks(tmp_path, files):
    header = "image,label,a_top1,b_top1,c_top1"
    a, b = files(table(("0.png", 1, 1, 1, 1), header=header), plain())
    with pytest.raises(RowsError, match="expected rows of two networks, found 3"):
        compare_rows([a])
    with pytest.raises(RowsError, match="found 1"):
        compare_rows([b])
    assert [rows.classes.tolist() for rows in read_rows(a)] == [[[1]]] * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "x"], "--data: files of rows are compared as they are"),
        (["--runtime", "onnx", "--limit", 3], "--runtime, --limit: files of rows are compared"),
        (["--predictions"], "--predictions: files of rows"),
    ],
)
def test_options_of_runs_are_none_of_rows(words, message, files, run_cli):
    found = run_cli("evaluate", *files(plain(), plain()), *words)
    assert found.exit_code == 2 and message in found.stderr


def test_rows_beside_a_model(files, run_cli):
    a, _ = files(plain(), plain())
    found = run_cli("evaluate", a, "res2net_digits")
    assert found.exit_code == 2
    assert "a.csv is a file of rows, and res2net_digits is none" in found.stderr
    found = run_cli("evaluate", "res2net_digits")
    assert found.exit_code == 2 and "--data" in found.stderr


@pytest.mark.parametrize(("only_a", "only_b", "images"), [(0, 0, 50), (3, 1, 60), (100, 140, 5000)])
def test_the_interval_covers_the_difference(only_a, only_b, images):
    low, high = difference_interval(only_a, only_b, images)
    assert low < (only_b - only_a) / images < high
    # no flip at all leaves room: fewer than three of as many images would not have been seen
    assert high - low > 2 / images
    assert difference_interval(only_b, only_a, images) == pytest.approx((-high, -low))


def test_the_interval_is_right_as_often_as_it_says():
    """Drawn 2,000 times from known shares."""
    import numpy as np

    drawn = np.random.default_rng(0).multinomial(400, [0.05, 0.02, 0.93], 2000).tolist()
    found = [difference_interval(a, b, 400) for a, b, _ in drawn]
    share = np.mean([low <= -0.03 <= high for low, high in found])
    assert 0.94 <= share <= 0.97
