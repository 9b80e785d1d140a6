"""A model card as text: made of metadata and a template, and held against the one that the manifest makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import yaml

from triport.converters.formats import as_stated

from .folder import CARD_FILE


def card_text(metadata: Mapping[str, Any], body: str) -> str:
    """Return a card: what the hub reads, and what a person reads."""
    start = yaml.safe_dump(
        dict(metadata), sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=False
    )
    return f"---\n{start}---\n\n{body}"


def rendered(package: str, **values: Any) -> str:
    """Return a package's card.md with values in it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(code=code, plain=plain)
    return environment.get_template("card.md").render(**values)


def code(name: str) -> str:
    """Return a name as a code span, also in a table: what it holds is neither Markdown nor HTML."""
    fence = "`" * (1 + max(map(len, re.findall("`+", name)), default=0))
    space = " " if name.startswith("`") or name.endswith("`") else ""
    return f"{fence}{space}{name}{space}{fence}".replace("|", "\\|")


def plain(text: str) -> str:
    """Return a text of which code spans alone are Markdown: it may hold names that a file made up."""
    parts = re.split("(`[^`]+`)", text)
    parts[::2] = (re.sub(r"([\\`*_<\[\]|])", r"\\\1", part) for part in parts[::2])
    return "".join(parts)


def problems_of(text: str, expected: str) -> Iterator[str]:
    """Yield how a card differs from the one that the manifest makes: its metadata's keys, its first line."""
    parts = [one.partition("\n---\n") for one in (text, expected)]
    found, stated = (_loaded(start) for start, _, _ in parts)
    if not isinstance(found, dict):
        yield f"{CARD_FILE}: its metadata cannot be read"
        return
    assert isinstance(stated, dict)
    claims, right = _claims(found), _claims(stated)
    for claim in [one for one in claims if one not in right][:10]:
        yield f"{CARD_FILE}: claims {claim}, which the manifest does not have"
    for claim in [one for one in right if one not in claims][:10]:
        yield f"{CARD_FILE}: lacks {claim}, which the manifest has"
    for key in [key for key in (*stated, *(set(found) - set(stated))) if key != "model-index"][:20]:
        if found.get(key) != stated.get(key):
            yield (
                f"{CARD_FILE}: {as_stated(key)} is {as_stated(found.get(key))}, the manifest says "
                f"{as_stated(stated.get(key))}"
            )
    theirs, ours = (rest.splitlines() for _, _, rest in parts)
    for line in theirs:
        if line not in ours:
            yield f"{CARD_FILE}: says {as_stated(line)}, which the manifest does not"
            return
    yield f"{CARD_FILE}: is not the card that the manifest makes"


def _loaded(start: str) -> object:
    # aliases could grow a short text into a long one
    try:
        return yaml.load(start.removeprefix("---\n"), _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


class _PlainLoader(yaml.SafeLoader):
    """Reads plain YAML: an alias is an error."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def _claims(metadata: Mapping[str, Any]) -> list[str]:
    """Return every accuracy in a card's metadata, in words."""
    try:
        return [
            f"{metric.get('name')} {metric['value']} on {result['dataset']['name']} "
            f"({result['dataset'].get('config')}, {(result.get('source') or {}).get('url')})"[:300]
            for model in metadata.get("model-index") or []
            for result in model["results"]
            for metric in result["metrics"]
        ]
    except (AttributeError, KeyError, TypeError):
        return ["something that is no model-index"]
