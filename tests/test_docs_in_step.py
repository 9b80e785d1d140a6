"""README.zh-CN.md says what README.md says, and versions and pages agree, as far as a program can tell."""

import re
from pathlib import Path

import pytest
import yaml

import triport

ROOT = Path(__file__).parent.parent
# what is told apart here, so that sentences may differ and nothing else
_CODE = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\n)+", flags=re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")
# a figure, not the digits of a name such as resnet50 or float32
_FIGURE = re.compile(r"(?<![\w.-])\d[\d,.]*(?: ?%)?(?![\w-])")
BEFORE = "before the first heading"


def sections(text: str) -> dict[str, str]:
    """Return the text under each heading of the second rank, in order, by its place."""
    prose = _CODE.sub(lambda block: block.group().replace("\n## ", "\n\\## "), text)
    first, *others = re.split(r"^## .*\n", prose, flags=re.MULTILINE)
    return {BEFORE: first, **{f"section {place}": other for place, other in enumerate(others, 1)}}


def facts(section: str) -> dict[str, list[str]]:
    """Return all of a section that must not depend on the language."""
    prose = _TABLE.sub("", _CODE.sub("", section))
    links = sorted(link for link in _LINK.findall(prose) if not link.startswith("README"))
    words = _LINK.sub(" ", prose)
    return {
        "code blocks": _CODE.findall(section),
        "tables": _TABLE.findall(section),
        "links": links,
        "code in sentences": sorted(_SPAN.findall(words)),
        "figures": sorted(figure.rstrip(".,") for figure in _FIGURE.findall(_SPAN.sub(" ", words))),
        "bold starts": [str(len(re.findall(r"^(?:- )?\*\*", prose, flags=re.MULTILINE)))],
    }


def headings(text: str) -> list[int]:
    """Return the rank of each heading, in order."""
    return [len(mark) for mark in re.findall(r"^(#+) ", _CODE.sub("", text), flags=re.MULTILINE)]


ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def test_both_readmes_have_the_same_headings():
    assert headings(CHINESE) == headings(ENGLISH)


@pytest.mark.parametrize("place", sections(ENGLISH))
def test_both_readmes_state_the_same(place):
    """Code, tables, links and figures are equal; only the sentences are in another language."""
    assert facts(sections(CHINESE)[place]) == facts(sections(ENGLISH)[place])


@pytest.mark.parametrize(
    ("true", "false"),
    [
        pytest.param("1,884", "1,848", id="a figure in a sentence"),
        pytest.param("| Res2Net | 7 |", "| Res2Net | 8 |", id="a figure in a table"),
        pytest.param("--to mindspore", "--to onnx", id="a word of a command"),
        pytest.param("(docs/pair.md)", "(docs/pairs.md)", id="a link"),
        pytest.param("`--plain`", "`--crc`", id="an option in a sentence"),
        pytest.param("\n## ", "\n### ", id="the rank of a heading"),
    ],
)
def test_a_change_in_one_of_them_is_seen(true, false):
    changed = CHINESE.replace(true, false, 1)

    assert changed != CHINESE
    assert headings(changed) != headings(ENGLISH) or any(
        facts(section) != facts(sections(ENGLISH)[place]) for place, section in sections(changed).items()
    )


def test_the_citation_has_the_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == triport.__version__


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem
)
def test_an_issue_template_asks_for_what_doctor_says(path):
    fields = [field for field in yaml.safe_load(path.read_text())["body"] if field["type"] == "textarea"]

    assert any("doctor --json" in field["attributes"]["label"] for field in fields)
    assert all(field["validations"]["required"] for field in fields)


def pages_of(entry) -> list[str]:
    """Return the pages of a part of mkdocs.yml's nav."""
    if isinstance(entry, str):
        return [entry]
    return [
        page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages_of(part)
    ]


def test_the_site_has_every_page():
    nav = re.search(r"^nav:\n.*", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE | re.DOTALL).group()
    listed = pages_of(yaml.safe_load(nav))

    assert sorted(listed) == sorted(
        ["index.md", "index.zh-CN.md", *(page.name for page in (ROOT / "docs").glob("*.md"))]
    )


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_file_leads_to_one(page):
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = [link.partition("#")[0] for link in _LINK.findall(text) if "://" not in link]

    assert [target for target in targets if target and not (page.parent / target).exists()] == []
