"""docs/tutorial.md, run from its first command to its last: each does what the page shows."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```\n(\$ python cli\.py .*?)^```$", flags=re.MULTILINE | re.DOTALL)
# what another machine, or another version, may find otherwise
_MEASURED = re.compile(r"\d+\.\d+e[+-]\d+|\d+\.\d+ x|\d{1,3},\d{3},\d{3}|sha256:\w+")


def shown() -> list[tuple[list[str], list[str]]]:
    """Return each command that the page shows, with the lines that it shows of its output."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    runs = []
    for block in _BLOCK.findall(text):
        for command in block.split("$ python cli.py ")[1:]:
            words, *lines = command.splitlines()
            runs.append((shlex.split(words), [line for line in lines if line and line != "..."]))
    return runs


def plain(line: str) -> str:
    """Return a line without what was measured, and without how far a table is padded."""
    return re.sub(r"[\s─]+", " ", _MEASURED.sub("FIGURE", line)).strip(" │")


def missing_of(lines: list[str], output: str) -> list[str]:
    """Return those of the lines that begin no line of the output."""
    found = [plain(line) for line in output.splitlines()]
    return [line for line in lines if not any(other.startswith(plain(line)) for other in found)]


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_it_shows(run_cli, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    monkeypatch.chdir(tmp_path)

    ends = [(words, run_cli(*words), lines) for words, lines in shown()]

    assert [(words, done.output) for words, done, _ in ends if done.exit_code != 0] == []
    assert {
        " ".join(words): (missing, done.output)
        for words, done, lines in ends
        if (missing := missing_of(lines, done.output))
    } == {}


def test_the_tutorial_shows_commands_and_output():
    runs = shown()

    assert [words[0] for words, _ in runs][:3] == ["doctor", "inspect", "convert"]
    assert sum(len(lines) for _, lines in runs) > 30


def test_a_line_that_is_not_printed_is_missed():
    assert missing_of(["tensors  187 written"], "  tensors     186 written, 0 dropped") == [
        "tensors  187 written"
    ]
    assert missing_of(["off 4.3e-07"], "off 5.1e-07 of the largest") == []
