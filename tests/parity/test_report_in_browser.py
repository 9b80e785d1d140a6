"""The HTML reports in a real browser: `pytest -m browser`, with Debian's chromium (apt-get install chromium).

Not part of the default run, where tests/parity/test_reports.py reads the page; without the browser it fails.
"""

import html
import json
import re
import subprocess

import onnx
import pytest

import triport
from examples.lost_accuracy import bgr
from tests.parity.checking import checked as check_model
from triport.parity.batches import random_batch
from triport.parity.reports.page import page_of
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

# nothing but the page: no profile of a user's, no updates, no network of its own
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=2000", "--hide-scrollbars", "--proxy-server=127.0.0.1:9"),
]


PHONE, DESKTOP = 390, 1280
DIGITS = "examples/digits/val"
# which way each page is made, and what of it is to be seen without scrolling sideways
PAGES = {
    "parity": ("parity", "{right}", "{wrong}", "--runtimes", "pytorch,onnx", "--layers", "--html"),
    "diagnosis": ("diagnose", "{right}", "{wrong}", "--html"),
    "model": ("evaluate", "{wrong}", "--data", DIGITS, "--limit", "60", "--html"),
    "pair": ("evaluate", "{right}", "{wrong}", "--data", DIGITS, "--limit", "60", "--html"),
    "imported": ("convert", "{right}", "--to", "pytorch", "-o", "{source}", "--report"),
}
# in a frame, since a window is at least 500 px wide; what is clipped or beyond the edge is not seen
MEASURE = """<body><iframe style="width: %dpx; height: 900px; border: 0" srcdoc="%s"></iframe>
<pre id="found"></pre>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument, width = page.documentElement.clientWidth;
  const right = one => Math.round(one.getBoundingClientRect().right);
  const beyond = [...page.querySelectorAll("h1, h2, p, li, .verdict, .cards th, .cards td, .rows td")]
    .filter(one => right(one) > width || one.scrollWidth > one.clientWidth + 1);
  document.getElementById("found").textContent = JSON.stringify({
    width, page: page.documentElement.scrollWidth,
    beyond: beyond.map(one => one.outerHTML.slice(0, 120)),
    verdicts: page.querySelectorAll(".verdict, .says").length,
  });
}</script>"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every kind of page that a command writes, of a file and of one with its channels in reverse."""
    from click.testing import CliRunner

    from triport.cli import main

    folder = tmp_path_factory.mktemp("pages")
    places = {"right": folder / "right.onnx", "wrong": folder / "wrong.onnx", "source": folder / "source"}
    triport.convert(triport.SHIPPED, to="onnx", output=places["right"])
    model = onnx.load(places["right"])
    bgr(model)
    onnx.save(model, places["wrong"])
    written = {}
    for name, words in PAGES.items():
        path = folder / f"{name}.html"
        done = CliRunner().invoke(main, [*(word.format(**places) for word in words), str(path)])
        assert done.exit_code in (0, 1), done.output
        written[name] = path.read_text()
    return written


@pytest.mark.browser
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off(pages, name, width, tmp_path):
    found = measured(pages[name], width, tmp_path)
    assert found["width"] == found["page"] == width
    assert found["verdicts"]
    if width == PHONE:
        assert not found["beyond"], found["beyond"]


@pytest.mark.browser
def test_a_table_that_is_no_card_is_found_to_be_cut_off(pages, tmp_path):
    page = pages["parity"].replace('class="cards"', 'class="scroll"')
    wide = page.replace("<h1>", f"<h1 style='white-space: nowrap'>{'x' * 100}")
    assert measured(wide, PHONE, tmp_path)["beyond"]


def measured(page, width, folder):
    """Return how wide a page is in a window of this width, and what of it is beyond the edge."""
    wrapper = folder / "wrapper.html"
    wrapper.write_text(MEASURE % (width, html.escape(page)))
    command = ["chromium", *ARGUMENTS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
    done = subprocess.run(
        [*command, "--dump-dom", wrapper.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    (text,) = re.findall(r'<pre id="found">(.+?)</pre>', done.stdout)
    return json.loads(html.unescape(text))


@pytest.mark.browser
def test_the_page_as_a_browser_builds_it(tmp_path):
    spec = get_model("res2net_digits")
    report = check_model(
        spec,
        random_parameters(spec),
        random_batch(spec),
        runtimes=["pytorch"],
        tolerance=1e-12,
        layers=True,
    )
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(page_of([report]))
    command = ["chromium", *ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "NOT equal: 1 of 1 models: res2net_digits (pytorch)" in done.stdout
    assert done.stdout.count("<circle") > 100
    assert "Content Security Policy" not in done.stderr
    subprocess.run(
        [*command, f"--screenshot={picture}", page.as_uri()], capture_output=True, timeout=120, check=True
    )
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000
