"""Writes converters/graphs/models: each model's graph, from the trace of its PyTorch definition.

python docs/generate_graphs.py [MODEL ...]

A test makes them again and fails when one is stale (`pytest -m slow tests/converters/test_graphs.py` for
all).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from triport.converters.formats import open_checkpoint
from triport.converters.graphs.reader import flow_of_file
from triport.converters.graphs.stored import FOLDER, text_of
from triport.converters.identification.identify import fit
from triport.converters.names import reference_dialect
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.reference_models.spec import ModelSpec, all_models, get_model


def graph_text(spec: ModelSpec) -> str:
    """Return a model's graph as it is stored."""
    from triport.parity.subjects.random_weights import random_parameters

    model = FROM_TORCH.export(spec, spec.num_classes, random_parameters(spec, spec.num_classes, 0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        checkpoint = open_checkpoint(path)
        found = fit(checkpoint, spec, reference_dialect(spec, "onnx"))
        flow = flow_of_file(checkpoint, found.names, spec.input_size_px)
        assert flow is not None
        return text_of(flow)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or all_models():
        (FOLDER / f"{name}.txt").write_text(graph_text(get_model(name)), encoding="utf-8")
        print(f"wrote {FOLDER.name}/{name}.txt", flush=True)
