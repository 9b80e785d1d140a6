"""What is said of a network of one's own: which it is, what goes into it, and what its card repeats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triport.converters.formats import open_checkpoint, short
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import Factory, NetFile, parse_net
from triport.publishing.outcome import PublishError


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """What is said of a network of one's own.

    Attributes:
        nets: NETs: one, or two of which the second is to compute the same.
        inputs: what goes into them, as `--input` says it.
        names: the NAMES.toml of two whose parameters have other names, or lie otherwise.
        preprocessing: one line that the card repeats; None says that nobody has stated it.
    """

    nets: tuple[str, ...]
    inputs: tuple[str, ...]
    names: Path | None = None
    preprocessing: str | None = None

    def networks(self, source: Path) -> list[Factory | NetFile]:
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
            raise PublishError("--names: is of two networks: name the second with another --net")
        stated = self.preprocessing
        if stated is not None and not (0 < len(stated) <= 1000 and stated.isprintable()):
            raise PublishError("--preprocessing: expected one line of at most 1,000 characters")
        found = [_network(word) for word in self.nets]
        if len(found) == 2 and any(is_onnx(net) for net in found):
            raise PublishError(
                "--net: an .onnx file is published alone, as it has its weights and is the folder's graph. "
                "`convert FILE.onnx --to pytorch -o DIR` makes a network in code of it; DIR may be one of two"
            )
        first = found[0]
        if isinstance(first, NetFile) and not (source.exists() and source.samefile(first.path)):
            raise PublishError(
                f"--net {short(self.nets[0])}: has its weights within: give the same file as SOURCE, found "
                f"{short(str(source))}"
            )
        return found


def _network(word: str) -> Factory | NetFile:
    net = parse_net(word)
    if isinstance(net, Factory) or (isinstance(net, NetFile) and (is_mindir(net.path) or is_onnx(net))):
        return net
    raise PublishError(
        f"--net {short(word)}: expected a network in code (package.module:factory or path/file.py:factory), "
        "a folder that `convert` wrote, or an .onnx or .mindir file. A model that triport knows is published "
        "with --model; a file of weights alone is SOURCE"
    )


def is_onnx(net: Factory | NetFile) -> bool:
    """Return whether a network is an ONNX file."""
    return (
        isinstance(net, NetFile) and not is_mindir(net.path) and open_checkpoint(net.path).runtime == "onnx"
    )


def holds_weights(net: Factory | NetFile) -> bool:
    """Return whether the weights lie within the network's own file."""
    return isinstance(net, NetFile)
