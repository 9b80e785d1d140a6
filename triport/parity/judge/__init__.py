"""The one judge: how far two results are apart, what noise allows, and where they first part. NumPy alone.

Whoever compares asks here, whatever runs on either side: runtimes with a network (`parity/check.py`), their
modules (`parity/layers/`), a Cell with its graph (`parity/graphs/`), a Module with its graph
(`parity/module_export/`), a graph with its source (`parity/imported/`), one training with another.

`difference.py`: how far two arrays are apart.
`noise.py`: how far a network is from itself, from runs of which none is judged.
`tolerance.py`: what that noise allows.
`comparison.py`: the verdict on a network's outputs.
`words.py`: errors as a sentence says them.
`divergence.py`: the first of many values that is out.
"""
