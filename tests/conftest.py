"""What the environment must say before a test imports MindSpore, and what many tests use."""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

import shutil

import pytest
from click.testing import CliRunner


@pytest.fixture
def run_cli():
    """The command line in this process, as a function of its words."""
    from triport.cli import main

    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The shipped model, published once for the tests that only read it."""
    from triport.converters.convert import SHIPPED
    from triport.publishing.publish import publish

    folder = tmp_path_factory.mktemp("published") / "digits"
    return publish(SHIPPED, folder, model="res2net_digits", license="apache-2.0")


@pytest.fixture
def published_copy(published, tmp_path):
    """A copy of its folder to change."""
    return shutil.copytree(published.folder, tmp_path / "digits")
