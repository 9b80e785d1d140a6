"""One published folder for the tests that only read it."""

import shutil

import pytest

from converters.convert import SHIPPED
from publishing.publish import publish


@pytest.fixture(scope="package")
def made(tmp_path_factory):
    """The shipped model, published once."""
    return publish(
        SHIPPED, tmp_path_factory.mktemp("made") / "digits", model="res2net_digits", license="apache-2.0"
    )


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(made.folder, tmp_path / "digits")
