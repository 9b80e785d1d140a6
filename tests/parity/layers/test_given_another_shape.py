"""A constant of a network that is stored once, or expanded along the rows: no difference by itself."""

import json
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

SHAPES = "2 x 6 x 4 and 1 x 6 x 4"


class ForEachRow(nn.Module):
    """Adds what a layer makes of a table, which is expanded along the rows."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.register_buffer("table", torch.randn((1, 6, 4), generator=random))
        self.first = nn.Linear(4, 8)
        self.place = nn.Linear(4, 8)
        self.act = nn.Tanh()
        self.flat = nn.Flatten()
        self.last = nn.Linear(48, 3)

    def forward(self, x):
        x = self.first(x) + self.place(self.table.expand(len(x), -1, -1))
        return self.last(self.flat(self.act(x)[..., None]))


class Once(ForEachRow):
    """The same with the table as it is; where `wrong`, what a module is given is off too."""

    def __init__(self, wrong=""):
        super().__init__()
        self.wrong = wrong

    def forward(self, x):
        x = self.first(x) + self.place(self.table * (1.01 if self.wrong == "place" else 1))
        x = self.act(x)
        return self.last(self.flat(x * (1.01 if self.wrong == "flat" else 1)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("", f"4 of 5 modules within their own noise; not compared, given another shape: place ({SHAPES})"),
        ("place", f"at place (Linear): it was given another shape ({SHAPES}); the last that is right is"),
        (
            "flat",
            "in flat (Flatten): its output is wrong, and it was given another shape (2 x 6 x 8 x 1 and 2",
        ),
    ],
)
def test_what_is_made_of_it_decides(wrong, says, run_cli, tmp_path):
    nets = [f"{__file__}:ForEachRow", f"{__file__}:Once(wrong='{wrong}')"]
    junit, page = tmp_path / "x.xml", tmp_path / "x.html"
    files = "--json", "-", "--junit", junit, "--html", page
    done = run_cli("parity", *nets, "--input", "2x6x4", "--layers", "--runtimes", "pytorch", *files)
    assert done.exit_code == bool(wrong), done.output
    layers = json.loads(done.stdout)["models"][0]["pairs"][-1]["layers"]
    assert (layers["first"] or {}).get("module", "") == wrong
    assert layers["given_another_shape"] == ({} if wrong == "place" else {"place": SHAPES})
    assert says in page.read_text()
    told = "".join(ElementTree.parse(junit).getroot().itertext())
    assert (says in told) == bool(wrong) and "inf" not in told
