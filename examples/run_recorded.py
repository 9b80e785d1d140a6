"""Runs the inputs of `parity NET --save-inputs x.npz` in any runtime, here ONNX Runtime, without triport.

    python run_recorded.py net.onnx x.npz y.npz

Then `parity NET --inputs x.npz --outputs y.npz` judges y.npz. For another runtime, change what makes the
session and what runs it.
"""

import sys

import numpy as np
import onnxruntime


def main(model: str, inputs: str, outputs: str) -> None:
    """Write what the network computes on every batch of `inputs`."""
    session = onnxruntime.InferenceSession(model)
    names = [output.name for output in session.get_outputs()]

    saved = np.load(inputs)
    found = {"made_for": saved["made_for"], "runtime": np.array(f"onnxruntime {onnxruntime.__version__}")}
    for batch in saved["batches"]:  # "main" first; a network that takes one size may leave the others out
        feed = {key.split("/", 1)[1]: saved[key] for key in saved.files if key.startswith(f"{batch}/")}
        for name, array in zip(names, session.run(names, feed), strict=True):
            found[f"{batch}/{name}"] = array
    np.savez(outputs, **found)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
