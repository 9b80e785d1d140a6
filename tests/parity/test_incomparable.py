"""Outputs without elements are never called equal, and what is no tensor is said to be left out."""

import json

import pytest

NETS = "tests.parity.nets.modules"


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("NoElements", "what it returns has no elements on inputs of 2x4"),
        ("NoElements(also=True)", "its output output_0 has no elements (2, 0)"),
    ],
)
def test_parity_refuses_them(run_cli, net, message):
    done = run_cli("parity", f"{NETS}:{net}", "--input", "2x4", "--runtimes", "pytorch")
    assert done.exit_code == 2 and message in done.stderr and "Warning" not in done.stderr


def test_convert_refuses_them(run_cli, tmp_path):
    output = tmp_path / "net.onnx"
    done = run_cli("convert", f"{NETS}:NoElements", "--input", "2x4", "--to", "onnx", "-o", output)
    assert done.exit_code == 2 and "has no elements" in done.stderr and not output.exists()


def test_what_is_no_tensor_is_said_to_be_left_out(run_cli):
    words = ("--input", "2x4", "--runtimes", "pytorch", "--json", "-")
    done = run_cli("parity", f"{NETS}:Besides", *words)
    [report] = json.loads(done.stdout)["models"]
    assert done.exit_code == 0 and report["passed"]
    assert [line for line in report["not_run"] if line.startswith("output ")] == [
        "output 1: None, no tensor",
        "output 2: 'text', no tensor",
    ]
