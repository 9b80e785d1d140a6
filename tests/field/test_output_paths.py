"""Where outputs go: paths that are none, pipes, links and folders that are not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.field.digits_weights import digits
from triport.converters.formats import ArrayTensor, write_checkpoint


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.pth"
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in digits().items()})
    return path


@pytest.mark.field(
    case="an output behind a folder that is not there: -o nowhere/../x.pth",
    source="found by an adversary: it is no path to the system, but was one to what wrote, over the input",
    outcome="Refused before any work; the input stays as it was.",
)
@pytest.mark.parametrize("option", ["--output", "--json"])
def test_no_way_through_a_missing_folder(source: Path, run_cli: Any, option: str) -> None:
    before = source.read_bytes()
    path = source.parent / "nowhere" / ".." / "x.pth"
    result = run_cli("convert", source, "--to", "pytorch", option, path)
    assert result.exit_code == 2
    assert "does not exist; make it first" in result.stderr
    assert source.read_bytes() == before
    assert sorted(source.parent.iterdir()) == [source]


@pytest.mark.field(
    case="a report into what standard output is: --json /dev/stdout",
    source="found by an adversary: the work was done, and its report then could not be written",
    outcome="Refused before the work begins, where it is a pipe.",
)
def test_a_pipe_by_its_device(source: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    monkeypatch.setattr("triport.commands.inspect.inspect.callback", lambda **_: begun.append(True))
    reader, writer = os.pipe()
    try:
        result = run_cli("inspect", source, "--json", f"/dev/fd/{writer}")
    finally:
        os.close(reader)
        os.close(writer)
    assert result.exit_code == 2
    assert "is not a regular file" in result.stderr
    assert not begun
