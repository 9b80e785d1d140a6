"""What is said of a network of one's own: which it is, what goes into it, and what its card repeats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats import short
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import Factory, Net, NetFile, net_of
from triport.converters.networks.given import Given
from triport.converters.networks.onnx_file import is_onnx_file
from triport.publishing.outcome import PublishError

# what can be published: a network in code, or a file with a graph
OneNet = Factory | Given | NetFile


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """What is said of a network of one's own.

    Attributes:
        nets: NETs, as texts or as Modules and Cells: one, or two of which the second is to compute the same.
        inputs: what goes into them, as `--input` says it.
        names: the NAMES.toml of two whose parameters have other names, or lie otherwise.
        preprocessing: one line that the card repeats; None says that nobody has stated it.
    """

    nets: tuple[Any, ...]
    inputs: tuple[str, ...]
    names: Path | None = None
    preprocessing: str | None = None

    def networks(self, source: Path) -> list[OneNet]:
        """Return the networks that are named: in code, or a file with a graph.

        Args:
            source: whose weights are published.

        Raises:
            PublishError: they are not one or two networks, or something of them is missing.
        """
        if not 1 <= len(self.nets) <= 2:
            raise PublishError(f"--net: expected one network or two, found {len(self.nets)}")
        if not self.inputs:
            raise PublishError("--net: say with --input what goes into the network: --input 1x3x224x224")
        if self.names is not None and len(self.nets) != 2:
            raise PublishError("--names: is for two networks: name the second with another --net")
        stated = self.preprocessing
        if stated is not None and not (0 < len(stated) <= 1000 and stated.isprintable()):
            raise PublishError("--preprocessing: expected one line of at most 1,000 characters")
        found = list(map(_network, self.nets))
        found.sort(key=is_onnx)  # the graph of a network in code, which is the first
        if is_onnx(found[0]) and len(found) == 2:
            raise PublishError("--net: of two networks one may be an .onnx file, which is the folder's graph")
        if self.names is not None and is_onnx(found[-1]):
            raise PublishError(
                "--names: is for two networks in code; an .onnx file beside one has its parameters by name"
            )
        first = found[0]
        if isinstance(first, NetFile) and not (source.exists() and source.samefile(first.path)):
            raise PublishError(
                f"--net {short(first.text)}: has its weights within: give the same file as SOURCE, found "
                f"{short(str(source))}"
            )
        return found


def _network(what: Any) -> OneNet:
    net = net_of(what)
    if isinstance(net, Factory | Given) or (
        isinstance(net, NetFile) and (is_mindir(net.path) or is_onnx(net))
    ):
        return net
    raise PublishError(
        f"--net {short(net.text)}: expected a network in code (package.module:factory or "
        "path/file.py:factory), a folder that `convert` wrote, or an .onnx or .mindir file. A model that "
        "triport knows is published with --model; a file of weights alone is SOURCE"
    )


def is_onnx(net: Net) -> bool:
    """Return whether a network is an ONNX file."""
    return isinstance(net, NetFile) and is_onnx_file(net.path)
