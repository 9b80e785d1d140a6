"""What function a file's graph is, beside what its model's is: read without any framework.

`flow` is one normal form of both: layers by the path of their parameters, and the steps between them.
`reader` brings an ONNX file into it, node by node (`nodes`, `operators`, and the rules in `layers`,
`pooling` and `arranging`), `stored` a model's (models/<name>.txt, made of our own exporter's trace by
docs/generate_graphs.py), `difference` lays one beside the other, `verdict` says what came of it.
"""
