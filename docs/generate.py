"""Writes what is made from the code: layouts, converters/identification/name_index.json and pages of docs/.

python docs/generate.py

A test fails when one of them is stale. docs/operators.md is among them, which
`python -m triport.converters.mindir.operator_table` makes alone. A model that has no graph in
converters/graphs/models gets one too; where a definition has changed, `python docs/generate_graphs.py MODEL`
makes its graph again.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs.api_page import api_page
from docs.versions_page import page_text
from triport.cli import main
from triport.converters.graphs.stored import FOLDER as GRAPHS
from triport.converters.identification import name_index
from triport.converters.mindir import operator_table
from triport.reference_models import layouts
from triport.reference_models.layouts_torch import layers_of
from triport.reference_models.program import FROM_CHECKOUT, started_as
from triport.reference_models.spec import ModelSpec, all_models, family_models

DOCS = Path(__file__).parent
NOTICE = "<!-- made by docs/generate.py -->\n"


# two, so that what depends on it shows
NUMBERS_OF_OUTPUTS = (1000, 10)


def layouts_text(family: str) -> str:
    """Return the layouts of a family's models, of their PyTorch definitions."""
    return layouts.text_of(
        (spec.config, layouts.rows_of({n: layers_of(spec.build_torch, n) for n in NUMBERS_OF_OUTPUTS}))
        for spec in family_models(family)
    )


def models_page() -> str:
    """Return the table of models and, per family, of published weights, as Markdown."""
    lines = [NOTICE, "# Models\n", "| model | graph of | names | input px | parameters | weights also fit |"]
    lines.append("|---|---|---|--:|--:|---|")
    for spec in all_models().values():
        names = ", ".join(dict.fromkeys(dialect.name for dialect in spec.dialects))
        others = ", ".join(f"{o.model} ({o.percent} off)" for o in spec.same_weights_as)
        size, count = spec.input_size_px, f"{spec.num_parameters:,}"
        lines.append(f"| {spec.name} | {spec.publisher} | {names} | {size} | {count} | {others} |")
    lines += [
        '\n"Weights also fit" names a model of the same parameter names and shapes that computes another',
        "function, with the largest difference of a logit on seeded random weights",
        "(`python benchmarks/same_weights.py`).\n",
        "# Published weights\n",
        "Figures as their publishers give them, on ILSVRC-2012's validation set unless the context says",
        "otherwise.\n",
        "| weights | top-1 % | top-5 % | context | date | preprocessing | source |",
        "|---|--:|--:|---|---|---|---|",
    ]
    for spec in all_models().values():
        lines += _weights_rows(spec)
    return "\n".join(lines) + "\n"


def _weights_rows(spec: ModelSpec) -> list[str]:
    rows = []
    for weights in spec.weights:
        name = f"[{weights.name}]({weights.url})" if weights.url.startswith("http") else weights.name
        for accuracy in weights.accuracies:
            top5 = "" if accuracy.top5_percent is None else f"{accuracy.top5_percent:.2f}"
            source = f"[source]({accuracy.source})" if accuracy.source.startswith("http") else accuracy.source
            rows.append(
                f"| {name} | {accuracy.top1_percent:.2f} | {top5} | {accuracy.context} | {accuracy.date} | "
                f"{weights.preprocess} | {source} |"
            )
    return rows


def cli_page() -> str:
    """Return every command's help as Markdown, as it is in a checkout."""
    with started_as(FROM_CHECKOUT):
        return _cli_page()


def _cli_page() -> str:
    sections = [NOTICE, "# Command line\n"]
    # widths are fixed: the page must not depend on a terminal
    context = click.Context(main, info_name=FROM_CHECKOUT, terminal_width=80, **main.context_settings)
    sections.append(f"```\n{main.get_help(context).strip()}\n```\n")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        help_text = command.get_help(
            click.Context(command, info_name=name, parent=context, terminal_width=80)
        )
        sections.append(f"## {name}\n\n```\n{help_text.strip()}\n```\n")
    return "\n".join(sections)


def field_page() -> str:
    """Return the table of the cases in tests/field: what was reported, where, and what is right."""
    lines = [NOTICE, "# Cases from the field\n"]
    lines += [
        "Inputs that people have, made from scratch after public reports, with the outcome that is right.",
        'Each is a test (`pytest tests/field -m "slow or not slow"`). The source names the repository and',
        "the number of the report, or says how the case was found.\n",
    ]
    for path in sorted((DOCS.parent / "tests" / "field").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        rows = [f"| {case} | {source} | {outcome} |" for case, source, outcome in _field_cases(tree)]
        title = (ast.get_docstring(tree) or path.name).splitlines()[0].rstrip(".")
        lines += [f"## {title}\n", "| case | source | outcome |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _field_cases(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.field":
            words = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
            case, source, outcome = (words[key].replace("|", "\\|") for key in ("case", "source", "outcome"))
            yield case, source, outcome


FAMILIES = sorted({spec.family for spec in all_models().values()})
PAGES = {
    # the others are made of what these say
    **{layouts.path_of(family): partial(layouts_text, family) for family in FAMILIES},
    DOCS / "api.md": partial(api_page, NOTICE),
    DOCS / "models.md": models_page,
    DOCS / "cli.md": cli_page,
    DOCS / "field.md": field_page,
    DOCS / "versions.md": page_text,
    operator_table.PATH: operator_table.make_table,
    name_index.TABLE: name_index.table_text,
}


def write_missing_graphs() -> None:
    """Write the graph of each model that has none."""
    from docs.generate_graphs import graph_text

    for name, spec in all_models().items():
        path = GRAPHS / f"{name}.txt"
        if not path.exists():
            path.write_text(graph_text(spec), encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    for page, make in PAGES.items():
        page.write_text(make(), encoding="utf-8")
        print(f"wrote {page.relative_to(DOCS.parent)}")
    write_missing_graphs()
