"""`triport.convert` and `triport.to_onnx`: weights and graphs to another runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from triport.reference_models.spec import Runtime

from .arguments import (
    ArgumentError,
    PathLike,
    Progress,
    Renames,
    SelectionOptions,
    path_or_none,
    quiet,
    selection_of,
)
from .checked import checked
from .networks import as_net, is_model_named, is_network, network_of
from .sources import located

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from triport.converters.conversion import Conversion
    from triport.converters.naming.convert import NamedConversion
    from triport.converters.networks.factories import Made
    from triport.converters.request import ConvertRequest
    from triport.parity.graphs.result import AnyConversion
    from triport.parity.imported.chain import Chained
    from triport.parity.imported.result import ImportedSource
    from triport.parity.module_export.result import ModuleConversion


class ConvertOptions(SelectionOptions, total=False):
    """What `convert` takes besides; `triport.converters.request.ConvertRequest` says what each means."""

    head: bool
    source_runtime: Runtime | None
    model: str | None
    dialect: str | None
    dtype: str | None
    opset: int
    optimize: bool
    crc: bool
    plain: bool
    cell: Any
    checkpoint: PathLike | None
    inputs: Sequence[Any]
    check: bool
    size: int | str | None
    io_dtype: str
    report: PathLike | None
    offline: bool
    names: PathLike | None
    into: Literal["a", "b"] | None


@checked
def convert(
    source: Any = None,
    output: PathLike | None = None,
    *,
    to: Runtime,
    progress: Progress = quiet,
    **options: Unpack[ConvertOptions],
) -> Conversion | NamedConversion | AnyConversion | ModuleConversion | ImportedSource | Chained:
    """Move a checkpoint to another runtime: every parameter accounted for, bit-equal, checked.

    Args:
        source: any .ckpt, .pth, .safetensors, .onnx or .mindir, told by its content, or what `fetch` takes;
            None is the small trained model that triport ships. Or a network in code, to ONNX or to the other
            framework's source: a torch.nn.Module, a Cell, or a NET such as "package.module:factory".
        output: the file to write, or of a graph's source the folder; None is the source's name in the
            working directory.
        to: the runtime to write for: "mindspore", "pytorch" or "onnx".
        progress: is told each step.
        **options: model, dialect, dtype, ... as `python -m triport convert --help` lists them.

    Returns:
        What was done. Its `passed` is False, and no file was written, where a graph was converted that
        then differs from its source.

    Raises:
        triport.Error: the source is not fit to be converted, or the output cannot be written; nothing
            was written then.

    Example:
        >>> import triport
        >>> done = triport.convert(to="pytorch", output="digits.safetensors")
        >>> done.model, done.tensors_written, done.round_trip
        ('res2net_digits', 187, 'bit-equal')
        >>> back = triport.convert("digits.safetensors", "digits.ckpt", to="mindspore", dialect="mindcv")
        >>> triport.diff("digits.ckpt", "digits.safetensors").passed
        True
    """
    from triport.converters.mindir.asked import is_graph_asked
    from triport.converters.onnx_import.asked import check_report, is_source_asked

    source, options = _brought(source, options, progress)
    request = _request(to, path_or_none(output), **options)
    check_report(request)
    if request.names is not None or request.into is not None:
        return _convert_by_names(source, request, progress)
    if is_network(source):
        return _convert_network(source, request, progress)
    path = path_or_none(source)
    if is_model_named(source):
        path, request = request.weights_of_model(source)
    if is_source_asked(path, request):
        assert path is not None
        return _source_of_file(path, request, progress)
    if is_graph_asked(path, request):
        from triport.parity.graphs.asked import convert_asked

        return convert_asked(path, request, progress)
    return _convert_checkpoint(path, request, progress)


def _convert_checkpoint(path: Path | None, request: ConvertRequest, progress: Progress) -> Conversion:
    from triport.converters.convert import convert as run
    from triport.converters.formats import open_checkpoint
    from triport.converters.identification.identify import IdentifyError, is_foreign_graph

    try:
        return run(path, request, progress)
    except IdentifyError as error:
        if path is None or not is_foreign_graph(open_checkpoint(path)):
            raise
        what = "It is an ONNX file already" if request.to == "onnx" else "It can become source"
        raise IdentifyError(
            f"{error}. {what}: `convert {path} --to pytorch -o DIR` writes any graph's source and weights"
        ) from error


def _brought(source: Any, options: ConvertOptions, progress: Progress) -> tuple[Any, ConvertOptions]:
    """Return the source as what lies here, and the options without what was of bringing it.

    The name of published weights together with a checkpoint says what the checkpoint is: nothing is brought.
    """
    from triport.converters.sources import is_elsewhere

    source = None if source is None else as_net(source)
    rest: Any = {name: value for name, value in options.items() if name != "offline"}
    if options.get("checkpoint") is not None or not is_elsewhere(source):
        return source, rest
    path, weights = located(source, progress, options.get("offline", False))
    return path, {**rest, "model": options.get("model") or weights}


def _source_of_file(path: Path, request: ConvertRequest, progress: Progress) -> ImportedSource | Chained:
    """Write the source of an ONNX or .mindir file's graph into a folder."""
    from triport.converters.mindir.asked import is_mindir
    from triport.parity.imported.convert import convert_to_source

    assert request.output is not None and request.to != "onnx"
    if not is_mindir(path):
        return convert_to_source(path, request.output, request.to, progress, report=request.report)
    from triport.parity.graphs.asked import convert_asked

    return _chained(
        str(path), path.stem, request, lambda asked: convert_asked(path, asked, progress), progress
    )


def _convert_by_names(source: Any, request: ConvertRequest, progress: Progress) -> NamedConversion:
    """Convert the weights of one network of a pair to those of the other."""
    from triport.converters.naming.convert import convert_by_names

    if request.names is None:
        raise ArgumentError("--into: says which network of --names to write for; give --names NAMES.toml too")
    if is_network(source):
        raise ArgumentError(f"{source}: --names moves weights; give the file that holds them")
    return convert_by_names(path_or_none(source), request, progress)


def _convert_network(
    source: Any, request: ConvertRequest, progress: Progress
) -> AnyConversion | ModuleConversion | Chained:
    """Convert a network in code: to ONNX, or by way of ONNX to source in a folder."""
    from triport.converters.mindir.asked import AskedError
    from triport.converters.onnx_import.asked import check_options, is_folder_asked

    if request.cell is not None:
        raise AskedError(f"{source}: give a NET or --cell, not both")
    made = network_of(source, progress)
    if is_folder_asked(request):
        check_options(made.net.text, request, made.runtime)
        return _chained(
            made.net.text,
            made.net.name,
            request,
            lambda asked: _network_to_onnx(made, asked, progress),
            progress,
        )
    return _network_to_onnx(made, request, progress)


def _network_to_onnx(
    made: Made, request: ConvertRequest, progress: Progress
) -> AnyConversion | ModuleConversion:
    if made.runtime == "mindspore":
        from triport.parity.graphs.asked import convert_asked

        return convert_asked(None, replace(request, cell=made), progress)
    from triport.parity.module_export.convert import convert_module

    return convert_module(made.network, made.net.name, request, progress)


def _chained(
    source: str,
    name: str,
    request: ConvertRequest,
    to_onnx: Callable[[ConvertRequest], AnyConversion | ModuleConversion],
    progress: Progress,
) -> Chained:
    """Write a network's source by way of an ONNX file that is proven, and not kept."""
    from triport.parity.imported.chain import convert_by_onnx

    assert request.output is not None and request.to != "onnx"
    return convert_by_onnx(
        source,
        name,
        lambda path: to_onnx(replace(request, to="onnx", output=path, report=None)),
        request.output,
        request.to,
        progress,
        request.report,
    )


def _request(
    to: Runtime,
    output: Path | None,
    key: str | None = None,
    prefix: str | None = None,
    renames: Renames = (),
    head: bool = True,
    checkpoint: PathLike | None = None,
    names: PathLike | None = None,
    **others: Any,
) -> ConvertRequest:
    """Return what is asked for as the record that the converters take."""
    from triport.converters.request import ConvertRequest

    return ConvertRequest(
        to=to,
        output=output,
        selection=selection_of(key, prefix, renames),
        with_head=head,
        checkpoint=path_or_none(checkpoint),
        names=path_or_none(names),
        **{**others, "report": path_or_none(others.get("report"))},
    )


@checked
def to_onnx(
    what: Any,
    output: PathLike | None = None,
    *,
    progress: Progress = quiet,
    **options: Unpack[ConvertOptions],
) -> Conversion | NamedConversion | AnyConversion | ModuleConversion | ImportedSource | Chained:
    """Write an ONNX file of a checkpoint, a .mindir file, or a network of your own.

    A checkpoint's parameters are put into its model's graph. A .mindir file, a Module or a Cell is converted
    whatever it computes, and compared with its framework before it is kept.

    Args:
        what: a file; or a `torch.nn.Module` or a `mindspore.nn.Cell`, with `inputs`.
        output: the file to write; None is the source's or the network's name in the working directory.
        progress: is told each step.
        **options: inputs, checkpoint, opset, optimize, check, ... as `convert` takes them.

    Returns:
        What was done. Its `passed` is False, and no file was written, where the results then differ.

    Raises:
        triport.Error: it cannot be converted.

    Example:
        >>> import triport
        >>> triport.to_onnx(triport.SHIPPED, "digits.onnx").to_dict()["to"]
        'onnx'
    """
    return convert(what, output, to="onnx", progress=progress, **options)
