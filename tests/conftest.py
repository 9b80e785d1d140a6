"""What the environment must say before a test imports MindSpore, and what many tests use."""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

import pytest
from click.testing import CliRunner


@pytest.fixture
def run_cli():
    """The command line in this process, as a function of its words."""
    from cli import main

    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])
