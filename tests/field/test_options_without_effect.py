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
        (("--to", "pytorch", "--io-dtype", "float16"), "--io-dtype float16: is for ONNX files"),
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


@pytest.mark.field(
    case="verify --digest with a part of the digest, or with what is none",
    source="found here: 'NOT as published', though nothing of the folder is wrong",
    outcome="exit 2: 64 digits are expected; upper case and sha256: in front are the same digest",
)
def test_a_digest_that_is_none(run_cli: Any, published: Any) -> None:
    for digest in (published.digest[:12], "", "z" * 64):
        done = run_cli("verify", published.folder, "--digest", digest, "--runtimes", "onnx")
        assert done.exit_code == 2
        assert "expected the 64 digits" in done.output
    right = f"sha256:{published.digest.upper()}"
    done = run_cli("verify", published.folder, "--digest", right, "--runtimes", "onnx")
    assert done.exit_code == 0, done.output
