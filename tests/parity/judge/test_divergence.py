import subprocess
import sys

import pytest

from triport.parity.judge.divergence import Divergence, first_divergence


def first(values, given=None):
    """Return the first divergence of values that are right where they are capitals."""
    return first_divergence(values, str.isupper, lambda value: (given or {}).get(value))


@pytest.mark.parametrize(
    ("values", "given", "expected"),
    [
        ("ABC", {}, None),
        ("", {}, None),
        ("aBc", {}, Divergence("a", None)),
        ("ABcd", {}, Divergence("c", "B", None)),
        ("ABcd", {"c": True}, Divergence("c", "B", True)),
        ("ABcd", {"c": False}, Divergence("c", "B", False)),
        # what it was made of is wrong although it is right itself, as a ReLU's may be
        ("ABC", {"B": False}, Divergence("B", "A", False)),
    ],
)
def test_the_first_that_is_out_is_named(values, given, expected):
    assert first(values, given) == expected


def test_the_judge_needs_numpy_alone():
    code = (
        "import sys, triport.parity.judge.comparison, triport.parity.judge.noise, "
        "triport.parity.judge.divergence; "
        "print(sorted(name for name in sys.modules if name.startswith(('torch', 'mindspore', 'onnx', "
        "'triport.parity.runtimes', 'triport.converters'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
