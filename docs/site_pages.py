"""What mkdocs asks while it builds the site: README's pages become the site's first ones.

The pages are written to be read in the repository. On the site a link to a page of docs/ leads to that page,
and one to a file of the repository, which the site does not have, becomes the file's path.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
STARTS = {"index.md": "README.md", "index.zh-CN.md": "README.zh-CN.md"}
_LINK = re.compile(r"(!?)\[([^\[\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the READMEs, as pages."""
    for page, source in STARTS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Let each link lead to where it does on the site."""
    folder = ROOT if page.file.src_uri in STARTS else ROOT / "docs"
    return _LINK.sub(lambda link: _led(link, folder, files), markdown)


def _led(link: re.Match[str], folder: Path, files: Files) -> str:
    before, words, target, anchor = link.groups()
    if "://" in target:
        return link.group()
    path = (folder / target).resolve()
    for page, source in STARTS.items():
        if path == ROOT / source:
            return f"{before}[{words}]({page}{anchor or ''})"
    if path.is_relative_to(ROOT / "docs"):
        found = path.relative_to(ROOT / "docs").as_posix()
        if files.get_file_from_path(found) is not None:
            return f"{before}[{words}]({found}{anchor or ''})"
    if not path.exists():
        return link.group()  # mkdocs warns of it, and --strict makes that an error
    name = path.relative_to(ROOT).as_posix()
    return f"`{name}`" if words in (target, name) else f"{words} (`{name}`)"
