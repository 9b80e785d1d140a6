"""The examples of the API's docstrings run as they are printed."""

import doctest
import importlib
from pathlib import Path

import pytest

from docs.api_page import MODULES

EXAMPLES = [
    test
    for name in ("triport", *MODULES)
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name)
    if test.examples
]


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_example(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(Path(__file__).parents[2] / "examples")
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_every_function_has_an_example():
    names = {test.name.rpartition(".")[2] for test in EXAMPLES}
    assert {
        "open",
        "inspect",
        "diff",
        "convert",
        "evaluate",
        "publish",
        "to_onnx",
        "parity",
        "models",
        "model",
        "load_into",
    } <= names
