"""Runs the core tests of a set of versions in this environment, and keeps what ran in ran.json.

python -m tests.versions.run_core SET [pytest's options]

The versions that are installed must be those of the set: what else ran would not be what is said. With
pytest's options, which may choose some of the tests, nothing is kept.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from typing import Any

import pytest

from docs.versions_page import RAN
from triport.converters.versions.installed import installed_version
from triport.converters.versions.tested import SETS, VersionSet, numbers_of

# by what they need; () is weights, names, folders and graphs without any framework
CORE: dict[tuple[str, ...], tuple[str, ...]] = {
    (): (
        "tests/formats/test_atomic.py",
        "tests/formats/test_damaged_files.py",
        "tests/formats/test_every_format.py",
        "tests/formats/test_malicious_files.py",
        "tests/formats/test_onnx_reading.py",
        "tests/converters/naming/test_names_file.py",
        "tests/converters/naming/test_steps.py",
        "tests/converters/test_identify.py",
        "tests/converters/test_names.py",
        "tests/versions/test_protobuf_messages.py",
        "tests/versions/test_tested_versions.py",
        "tests/versions/test_without_frameworks.py",
    ),
    ("onnx",): ("tests/versions/test_older_mindir.py",),
    ("pytorch", "mindspore", "onnx"): (
        "tests/converters/test_inspection.py",
        "tests/formats/test_frameworks_agree.py",
        "tests/mindir/test_mindir_schema.py",
        "tests/parity/test_runners.py",
        "tests/publishing/test_verify.py",
        "tests/versions/test_mindir.py",
        "tests/versions/test_with_frameworks.py",
    ),
}


class _Counts:
    """A pytest plugin that counts, and keeps which tests failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.counts = {"passed": 0, "failed": 0, "skipped": 0, "xfailed": 0}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(report, "wasxfail"):
            self.counts["xfailed"] += report.outcome == "skipped"
            self.counts["failed"] += report.outcome == "passed"
        elif report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
            if report.outcome == "failed":
                self.failures.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        self.counts["failed"] += report.failed


def files_of(one: VersionSet) -> list[str]:
    """Return the core tests whose frameworks are in the set."""
    return [file for needed, files in CORE.items() if set(needed) <= set(one.frameworks) for file in files]


def wrong_versions(one: VersionSet) -> list[str]:
    """Return what is installed otherwise than the set says."""
    found = {package: installed_version(package) or "" for package in one.versions}
    wrong = [
        f"{package}: {found[package] or 'not installed'}, not {version}"
        for package, version in one.versions.items()
        if numbers_of(found[package]) != numbers_of(version)
    ]
    if platform.python_version_tuple()[:2] != tuple(one.python.split(".")):
        wrong.append(f"python: {platform.python_version()}, not {one.python}")
    return wrong


def main(name: str, *options: str) -> int:
    """Run the set's core tests; return pytest's exit code, 2 where something else is installed."""
    one = SETS[name]
    if wrong := wrong_versions(one):
        print(f"{name} is not what is installed here:", *wrong, sep="\n  ", file=sys.stderr)
        return 2
    counting, start = _Counts(), time.monotonic()
    code = int(pytest.main(["-p", "no:cacheprovider", *files_of(one), *options], plugins=[counting]))
    if options or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return code  # a part of the tests, or a run that was interrupted or did not begin
    ran = json.loads(RAN.read_text()) if RAN.exists() else {}
    ran[name] = {
        "python": platform.python_version(),
        "versions": dict(one.versions),
        **counting.counts,
        "failures": counting.failures,
        "seconds": round(time.monotonic() - start),
    }
    RAN.write_text(json.dumps(dict(sorted(ran.items())), indent=2) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
