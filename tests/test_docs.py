"""Generated pages are fresh, and what the README shows as commands exists."""

import re
import shlex
from collections import Counter
from pathlib import Path

import click
import pytest

import triport
from docs.api_page import markdown_of
from docs.generate import DOCS, PAGES
from triport.cli import main
from triport.reference_models.spec import all_models

ROOT = Path(__file__).parent.parent
COMMANDS = [
    shlex.split(line, comments=True)[2:]
    for page in (*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md")))
    for line in re.findall(
        r"^\$? ?(python cli\.py .*)$", page.read_text().replace("\\\n", " "), flags=re.MULTILINE
    )
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_page_is_fresh(page):
    assert page.read_text(encoding="utf-8") == PAGES[page](), "run: python docs/generate.py"


def test_the_readme_counts_the_models():
    text = (ROOT / "README.md").read_text()
    in_families = re.findall(r"^\| [^|]+ \| (\d+) \|", text, flags=re.MULTILINE)
    families = Counter(model.family for model in all_models().values())

    assert f"**{len(all_models())} models**" in text
    assert sorted(map(int, in_families)) == sorted(families.values())


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_help_is_asked_for_alike_with_and_without_the_program(name):
    """Click keeps the option that it makes first: a command that was parsed alone had no -h from then on."""
    command = main.get_command(click.Context(main), name)
    assert command.get_help_option(click.Context(command)).opts == ["-h", "--help"]


def test_every_command_is_documented():
    page = (DOCS / "cli.md").read_text()
    assert all(f"## {name}\n" in page for name in main.list_commands(click.Context(main)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_the_docs_show_parses(words):
    """Every option that is shown exists: the command is parsed, not run."""
    if words[0].startswith("-") or words[0].isupper():
        return
    command = main.get_command(click.Context(main), words[0])
    command.make_context(words[0], list(words[1:]), resilient_parsing=False)


OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[-1]}")
    for name in main.list_commands(click.Context(main))
    for option in main.get_command(click.Context(main), name).params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize("option", OPTIONS)
def test_the_help_of_an_option_is_whole_sentences(option):
    assert re.fullmatch(r"[A-Z].*[^.]\.", option.help), option.help
    assert not {"...", ",..."} & set(option.help.split())


COMMAND_NAMES = main.list_commands(click.Context(main))


def help_of(name):
    command = main.get_command(click.Context(main), name)
    return command.get_help(click.Context(command, info_name=name, terminal_width=80))


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_a_paragraph_of_help_is_read_at_once(name):
    """Four lines of 80 columns; a list may be longer, as its lines are read one by one."""
    text = help_of(name).partition("Example:")[0]

    paragraphs = [one.splitlines() for one in text.split("\n\n")]
    assert not [one for one in paragraphs if len(one) > 4 and not one[0].endswith(":")]


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_a_command_has_an_example_and_its_options_in_groups(name):
    command = main.get_command(click.Context(main), name)
    shown = help_of(name)

    assert re.search(rf"Example:\n    .* {name}\b", shown)
    own = [option.opts[-1] for option in command.params if isinstance(option, click.Option)][:-3]
    ungrouped = re.findall(
        r"^  (?:-\w, )?(--[\w-]+)", shown.rpartition("\nOptions:\n")[2], flags=re.MULTILINE
    )
    assert len(own) < 8 or not set(own) & set(ungrouped)


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_the_list_of_commands_cuts_nothing_off(name):
    """In a terminal of 80 columns."""
    described = re.search(rf"^  {name} +(.*)$", (DOCS / "cli.md").read_text(), flags=re.MULTILINE).group(1)

    assert described.endswith(".")
    assert not described.endswith("...")


def test_the_page_of_the_api_has_all_that_the_import_gives_and_no_more():
    shown = re.findall(r"^## triport\.(\w+)$", (DOCS / "api.md").read_text(), flags=re.MULTILINE)

    constants = {"SHIPPED", "Error", "__version__"}
    assert sorted(shown) == sorted(set(triport.__all__) - constants)


def test_a_docstring_becomes_lists_and_code():
    arguments, returned = "Args:\n    a: one\n        thing.", "Returns:\n    What: done."
    docstring = f"Do it.\n\n{arguments}\n\n{returned}\n\nExample:\n    >>> 1\n    1"

    assert markdown_of(docstring) == (
        "Do it.\n\n**Args:**\n\n- `a`: one thing.\n\n**Returns:** What: done.\n\n```python\n>>> 1\n1\n```\n"
    )
