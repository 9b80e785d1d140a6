"""Options that can have no effect on what is written are refused, not passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from triport.converters.convert import SHIPPED


@pytest.mark.field(
    case="--optimize, --opset, --size, --io-dtype or --crc with what they are not of",
    source="found here: --optimize and --opset were passed over where weights are written",
    outcome="refused, with what the option is of; nothing is written",
)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--to", "pytorch", "--optimize"), "--optimize: is of ONNX files, and pytorch gets weights"),
        (("--to", "mindspore", "--opset", "13"), "--opset: is of ONNX files, and mindspore gets weights"),
        (("--to", "pytorch", "--size", "64"), "--size: weights have no image size"),
        (("--to", "pytorch", "--io-dtype", "float16"), "--io-dtype float16: is of ONNX files"),
        (("--to", "onnx", "--crc"), "--crc: an ONNX file has no place"),
    ],
)
def test_an_option_without_effect(
    run_cli: Any, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    suffix = {"pytorch": ".pth", "mindspore": ".ckpt", "onnx": ".onnx"}[words[1]]
    done = run_cli("convert", SHIPPED, *words, "-o", tmp_path / f"x{suffix}")
    assert done.exit_code == 2
    assert expected in done.output
    assert list(tmp_path.iterdir()) == []
