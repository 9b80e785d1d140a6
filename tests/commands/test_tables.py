"""Tables where the terminal is narrow: nothing that a person may have to copy is cut off."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from triport.commands.shared.output import hanging
from triport.commands.shared.tables import fitted
from triport.reference_models.spec import all_models, get_model
from triport.reference_models.tables import model_tables, models_table

NAME = "layer4.2.downsample.1.num_batches_tracked"


def printed(table, width):
    console = Console(width=width, file=io.StringIO(), soft_wrap=True, highlight=False)
    for piece in fitted(table, console, console.options):
        console.print(piece)
    return console.file.getvalue()


def of_names(*columns):
    table = Table("tensor", *columns, title="Values")
    table.add_row(NAME, *(f"{column}-{'x' * 12}" for column in columns))
    table.add_row("short", *([""] * len(columns)))
    return table


@pytest.mark.parametrize("width", [50, 80, 200])
@pytest.mark.parametrize("columns", [("a",), ("a", "b", "c", "d"), ("a", "b", "c", "d", "e", "f", "g")])
def test_no_word_is_cut_off(width, columns):
    shown = printed(of_names(*columns), width)

    assert all(f"{column}-{'x' * 12}" in shown for column in columns)
    assert NAME in shown and "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_a_table_that_fits_stays_a_table():
    assert "┃ tensor" in printed(of_names("a"), 80)
    assert "┃" not in printed(of_names("a", "b", "c", "d"), 80)


def test_a_block_has_the_heading_of_each_cell_that_is_not_empty():
    blocks = printed(of_names("first", "second", "third"), 60).splitlines()

    assert blocks[:2] == ["Values", NAME] and blocks[-1] == "short"
    assert blocks[2].startswith("  first first-xxxxxxxxxxxx  second ")


def test_long_cells_wrap_between_words():
    table = Table("operator", "what it does")
    table.add_row("AdaptiveAvgPool2DExt", "Average down to a given size, " * 5)

    shown = printed(table, 60)
    assert "│ AdaptiveAvgPool2DExt │ Average down to a given size" in shown


def test_a_value_longer_than_the_terminal_is_broken_and_not_shortened():
    table = Table(show_header=False)
    table.add_row("sha256", "0123456789abcdef" * 4)

    found = "".join(
        line.strip("│ ").replace("sha256 │", "").strip() for line in printed(table, 60).splitlines()
    )
    assert "0123456789abcdef" * 4 in found


def test_a_hash_among_sentences_makes_no_blocks_of_a_table():
    table = Table("check", "result", "found")
    table.add_row("manifest", "passed", f"sha256:{'0123456789abcdef' * 4}")
    table.add_row("sample: model_optimized.onnx", "passed", "2.4e-07 of the largest logit, allowed 1.9e-06")

    shown = printed(table, 80)
    assert "│ passed │" in shown and "sha256:0123" in shown and "…" not in shown


def test_a_name_is_whole_beside_a_row_of_several_words():
    table = Table("a (mindspore)", "b (pytorch)", "steps", "by")
    table.add_row("conv1.1.moving_variance", "stem.0.1.running_var", "", "the rest of its layer")
    table.add_row("classifier.weight", "head.weight", "unsqueeze 2 3", "gradient")
    table.add_row("... and 175 more", "", "", "")

    shown = printed(table, 80)
    assert "│ conv1.1.moving_variance │ stem.0.1.running_var │" in shown


def test_the_models_fit_80_columns():
    (table, _) = models_table(all_models().values())
    shown = printed(table, 80)

    assert all(f"\n{name} " in shown for name in all_models())


def test_published_weights_are_named_in_full():
    pieces = list(model_tables(get_model("res2net50")))
    shown = "".join(printed(piece, 80) if isinstance(piece, Table) else f"{piece}\n" for piece in pieces)

    for weights in get_model("res2net50").weights:
        assert f"│ {weights.name} " in shown and weights.url in shown and str(weights.preprocess) in shown


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ("  output      x.pth", ["  output      x.pth"]),
        (
            "  graph       same       both files hold or state one graph",
            ["  graph       same       both files hold or state", " " * 25 + "one graph"],
        ),
        (f"Note: {'word ' * 20}", [f"Note: {'word ' * 20}"]),
        (f"  sha256  {'0' * 64}", [f"  sha256  {'0' * 64}"]),
    ],
)
def test_what_follows_a_column_goes_on_below_itself(line, broken):
    assert hanging(line, 50).split("\n") == broken
