"""The Network of a torch.nn.Module: itself, and the ONNX files that torch's exporters make of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from triport.reference_models.network import Arrays, Network, Realisation, Runtime

from .foreign import NetworkError, Parameters
from .input_specs import InputSpec
from .samples import sample_of

if TYPE_CHECKING:
    import onnx

_OPSET = 17


def of_module(module: Any, specs: Sequence[InputSpec], name: str, parameters: Parameters) -> Network:
    """Return the Network of a Module; it is left as it is.

    Args:
        module: the user's.
        specs: its inputs, in the order of its `forward`.
        name: what it is called.
        parameters: what `foreign.parameters_in` finds in it.

    Raises:
        TriportError: it cannot be run on such inputs.
    """
    from triport.converters.torch_export.network import TorchNet

    net = TorchNet(module, specs, name)
    _check_order(module, [given.name for given in net.inputs], name)
    arrays = sample_of(net.inputs, net.sizes)
    net.name_outputs([arrays[given.name] for given in net.inputs])
    net.refresh()  # copies get other values
    realisation = Realisation(
        "pytorch",
        partial(copy.deepcopy, module),
        parameters.names,
        parameters.kept,
        partial(_exported, module, specs, name, parameters),
        remade=True,
    )
    left_out = tuple(f"output {place}: {what}, no tensor" for place, what in net.left_out)
    realisations: dict[Runtime, Realisation] = {"pytorch": realisation}
    return Network(name, net.inputs, net.output_names, realisations, net.sizes, left_out=left_out)


def _check_order(module: Any, names: Sequence[str], name: str) -> None:
    """Raise NetworkError where inputs have names of `forward`'s in another order than it has them."""
    import inspect

    known = [one for one in inspect.signature(module.forward).parameters if one in names]
    if known and list(names)[: len(known)] != known:
        raise NetworkError(f"{name}: its forward takes {', '.join(known)}: describe the inputs in that order")


def _exported(
    module: Any, specs: Sequence[InputSpec], name: str, parameters: Parameters, values: Arrays, feed: Arrays
) -> onnx.ModelProto:
    """Return the Module as an ONNX model with these values, by whichever of torch's exporters can."""
    import onnx_ir as ir

    from triport.converters.environment import import_torch
    from triport.converters.torch_export.exporters import NotExportedError, export_dynamo, export_torchscript
    from triport.converters.torch_export.network import TorchNet

    torch = import_torch()
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for own, tensor in copied.state_dict(keep_vars=True).items():
            if own in parameters.names:
                tensor.copy_(torch.from_numpy(values[parameters.names[own]].copy()))
    net = TorchNet(copied, specs, name)
    arrays = [feed[given.name] for given in net.inputs]
    net.name_outputs(arrays)
    free = [axis for given in net.inputs for axis in given.shape if isinstance(axis, str)]
    free = list(dict.fromkeys(free))
    try:
        exported = export_torchscript(net, arrays, free, _OPSET)
    except NotExportedError as error:
        try:
            exported = export_dynamo(net, arrays, free, _OPSET)
        except NotExportedError as second:
            raise NetworkError(f"{name}: torch makes no ONNX of it. {error}. {second}") from second
    return ir.to_proto(exported.model)
