"""Pages whose commands are run from the first to the last: each must print what the page shows."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from examples.lost_accuracy import damaged_files

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/tutorial.md", "docs/pair.md")
_BLOCK = re.compile(r"^```\n(\$ python cli\.py .*?)^```$", flags=re.MULTILINE | re.DOTALL)
# what another machine, or another version, may find otherwise
_MEASURED = re.compile(
    r"\d+(?:\.\d+)?e[+-]\d+|\d+\.\d+ x|[\d,.]+ images/s|\d{1,3},\d{3},\d{3}|sha256:\w+|\d{4}-\d\d-\d\d"
)


def shown(page: str) -> list[tuple[list[str], list[str]]]:
    """Return each command that a page shows, with the lines that it shows of its output."""
    text = (ROOT / page).read_text(encoding="utf-8")
    runs = []
    for block in _BLOCK.findall(text):
        for command in block.split("$ python cli.py ")[1:]:
            words, *lines = command.splitlines()
            runs.append((shlex.split(words), [line for line in lines if line and line != "..."]))
    return runs


def plain(line: str) -> str:
    """Return a line without what was measured, where the checkout lies, and how far a table is padded."""
    return re.sub(r"[\s─]+", " ", _MEASURED.sub("FIGURE", line.replace(f"{ROOT}/", ""))).strip(" │")


def missing_of(lines: list[str], output: str) -> list[str]:
    """Return those of the lines that begin no line of the output."""
    found = [plain(line) for line in output.splitlines()]
    return [line for line in lines if not any(other.startswith(plain(line)) for other in found)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_is_printed(page, run_cli, tmp_path, monkeypatch):
    for folder in ("digits", "pair"):
        shutil.copytree(ROOT / "examples" / folder, tmp_path / "examples" / folder)
    shutil.copy(ROOT / "examples" / "own_module.py", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    damaged_files(tmp_path / "lost")

    ends = [(words, run_cli(*words), lines) for words, lines in shown(page)]

    # 1 is a verdict, whose words are among the lines; 2 is a command that does not work as it is typed
    assert [(words, done.output) for words, done, _ in ends if done.exit_code not in (0, 1)] == []
    assert {
        " ".join(words): (missing, done.output)
        for words, done, lines in ends
        if (missing := missing_of(lines, done.output))
    } == {}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_commands_and_output(page):
    runs = shown(page)

    assert next(words[0] for words, _ in runs) in ("doctor", "convert", "pair")
    assert sum(len(lines) for _, lines in runs) > 30


def test_a_line_that_is_not_printed_is_missed():
    assert missing_of(["tensors  187 written"], "  tensors     186 written, 0 dropped") == [
        "tensors  187 written"
    ]
    assert missing_of(["off 4.3e-07"], "off 5.1e-07 of the largest") == []
