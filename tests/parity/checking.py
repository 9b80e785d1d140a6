"""What tests of parity check: a registered model, with options as keywords."""

from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT
from triport.parity.candidates import given_file
from triport.parity.check import check_model
from triport.parity.inputs import Inputs
from triport.parity.options import Options, ReportSources


def checked(
    spec, parameters, batch, *, num_classes=None, onnx_file=None, exporters=None, files=None, further=(),
    progress=None, **options
):  # fmt: skip
    """Return the report on a model, without further inputs unless they are given."""
    network = of_model(spec, num_classes)
    if "runtimes" in options:
        options["runtimes"] = tuple(options["runtimes"])
    asked = Options(**options)
    return check_model(
        network,
        parameters,
        Inputs({INPUT: batch}, further),
        asked,
        told=ReportSources(files=files or {}),
        given=[given_file(network, parameters, onnx_file, asked)] if onnx_file else [],
        exporters=exporters,
        progress=progress,
    )
