"""What the environment must say before a test imports MindSpore, and what many tests use."""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")
# both frameworks are loaded here; what a test changes in this process must be what runs
os.environ.setdefault("TRIPORT_ONE_PROCESS", "1")

import gc
import inspect
import shutil

import pytest
from click.testing import CliRunner

from triport.converters.versions.protobuf_messages import accept_old_messages

accept_old_messages()


def pytest_runtest_setup(item):
    """Leave what stays for good out of the search for garbage: a search here sees only what is new.

    MindSpore searches all objects of the process at each compilation, which takes 0.2 s where the tests and
    two frameworks are among them: half of what the tests that compile took.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def run_cli():
    """The command line in this process, as a function of its words."""
    from triport.cli import main

    # before click 8.2 one had to ask for stderr apart from stdout
    apart = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return lambda *arguments: CliRunner(**apart).invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The shipped model, published once for the tests that only read it."""
    from triport.converters.convert import SHIPPED
    from triport.publishing.registered.publish import publish

    folder = tmp_path_factory.mktemp("published") / "digits"
    return publish(SHIPPED, folder, model="res2net_digits", license="apache-2.0")


@pytest.fixture
def published_copy(published, tmp_path):
    """A copy of its folder to change."""
    return shutil.copytree(published.folder, tmp_path / "digits")
