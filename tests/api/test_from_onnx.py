"""`triport.from_onnx`: a Network of any ONNX file."""

import numpy as np
import pytest

import triport


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return the shipped network as an ONNX file."""
    path = tmp_path_factory.mktemp("digits") / "digits.onnx"
    triport.convert(output=path, to="onnx")
    return path


def test_it_says_what_goes_in_and_out(digits):
    net = triport.from_onnx(digits)
    assert net.name == "digits" and net.outputs == ("logits",)
    assert [(one.name, one.shape[1:], one.dtype) for one in net.inputs] == [("input", (3, 32, 32), "float32")]
    assert set(net.network.realisations) == {"onnx", "pytorch", "mindspore"}


def test_both_networks_compute_what_onnx_runtime_does(digits):
    torch, mindspore = pytest.importorskip("torch"), pytest.importorskip("mindspore")
    import onnxruntime

    net = triport.from_onnx(digits)
    images = np.random.default_rng(0).standard_normal((3, 3, 32, 32)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(digits).run(None, {"input": images})[0]
    with torch.no_grad():
        first = net.torch()(torch.from_numpy(images)).numpy()
    second = net.mindspore()(mindspore.Tensor(images)).asnumpy()
    for found in (first, second):
        np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())
    assert net.proof("pytorch").is_equal
    assert "class Digits(nn.Module)" in net.source("pytorch")


@pytest.mark.slow
def test_source_that_differs_is_not_given_away(digits, monkeypatch):
    from dataclasses import replace

    from triport.parity.imported import convert as proof

    writer = proof.source_of

    def faulty(*arguments):
        source = writer(*arguments)
        assert "return F.relu(" in source.text
        return replace(source, text=source.text.replace("return F.relu(", "return 1.001 * F.relu("))

    monkeypatch.setattr(proof, "source_of", faulty)
    with pytest.raises(triport.Error, match="differs from ONNX Runtime"):
        triport.from_onnx(digits).torch()


def test_another_framework_is_an_error(digits):
    with pytest.raises(triport.Error, match="pytorch or mindspore"):
        triport.from_onnx(digits).source("jax")


def test_a_file_that_is_no_onnx_is_an_error(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no")
    with pytest.raises(triport.Error, match="no ONNX file"):
        triport.from_onnx(tmp_path / "x.onnx")
