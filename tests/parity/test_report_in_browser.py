"""The HTML report in a real browser: `pytest -m browser`, with Debian's chromium (apt-get install chromium).

Not part of the default run, where tests/parity/test_reports.py reads the page; without the browser it fails.
"""

import subprocess

import pytest

from tests.parity.checking import checked as check_model
from triport.parity.batches import random_batch
from triport.parity.reports.page import page_of
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

# nothing but the page: no profile of a user's, no updates, no network of its own
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=2000", "--proxy-server=127.0.0.1:9"),
]


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
