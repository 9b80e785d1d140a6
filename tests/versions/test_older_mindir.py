"""A MindIR that an older MindSpore wrote is read, and computes what that MindSpore computed.

Neither framework is needed for it.
"""

import numpy as np
import pytest

from tests.mindir.conftest import check_model, largest_difference, run_onnx, with_kernels_of_mindspore
from tests.versions.mindir_cells import CELLS, FOLDER
from triport.converters.mindir.export import onnx_from_mindir

VERSIONS = ("2.7.0", "2.8.0", "2.9.0")
FILES = [
    pytest.param(FOLDER / version / f"{cell.name}.mindir", id=f"{version}-{cell.name}")
    for version in VERSIONS
    for cell in CELLS
]


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("opset", [13, 21])
def test_it_computes_what_its_mindspore_computed(path, opset):
    model = onnx_from_mindir(path, opset=opset)
    check_model(model)
    recorded = np.load(path.with_suffix(".npz"))
    expected = [recorded[f"output_{at}"] for at in range(len(recorded.files) - 1)]
    found = run_onnx(with_kernels_of_mindspore(model), recorded["x"])
    assert [value.shape for value in found] == [value.shape for value in expected]
    assert max(map(largest_difference, found, expected)) <= 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_converts_it(version, run_cli, tmp_path):
    done = run_cli(
        "convert", FOLDER / version / "same_pool.mindir", "--to", "onnx", "-o", tmp_path / "x.onnx"
    )
    assert done.exit_code == 0, done.output


def test_the_inputs_differ_from_zero():
    """A file whose outputs are all the same number would prove nothing."""
    for parameters in FILES:
        recorded = np.load(parameters.values[0].with_suffix(".npz"))
        assert all(np.ptp(recorded[name].astype(float)) > 0 for name in recorded.files)
