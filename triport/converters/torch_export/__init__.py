"""Any torch.nn.Module to ONNX: the Module as arrays in and arrays out, torch's two exporters, and the file.

Nothing here says whether a graph is right: `parity/module_export/` does, and takes the exporter that is.
"""
