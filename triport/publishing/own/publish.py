"""Makes the published folder of a network of one's own, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triport.converters.environment import prepare
from triport.converters.formats import (
    ArrayTensor,
    Checkpoint,
    check_target,
    file_sha256,
    short,
    write_checkpoint,
)
from triport.converters.networks.arguments import Factory, NetFile
from triport.converters.networks.given import as_given
from triport.converters.published import MODEL_FILE
from triport.converters.versions.installed import installed_versions
from triport.parity.candidates import given_file
from triport.parity.check import ModelReport, check_model
from triport.parity.inputs import Inputs, sample_feed
from triport.parity.options import Options
from triport.parity.reference import WITHOUT_TORCH
from triport.parity.subjects.own import LoadedNet, load_nets, net_subject
from triport.publishing import manifest
from triport.publishing.compared import check_report, reference_runner
from triport.publishing.finishing import date_given, finished
from triport.publishing.folder import appearing, check_free
from triport.publishing.licenses import license_notes, license_of
from triport.publishing.outcome import PublishedFolder, PublishError
from triport.publishing.rules import LONGEST_LINE
from triport.reference_models.errors import listed
from triport.reference_models.network import Arrays
from triport.version import __version__

from .files import NAMES_FILE
from .network import OneNet, OwnNetwork
from .sample import write_sample
from .schema import LONGEST_NAME
from .source import opened
from .structure import signature_of
from .weights import accounted, layouts_of, ledger_of, map_of, realisations_of
from .written_graph import write_graph

Progress = Callable[[str], None]
_SEED = 0
_NO_TORCH = (
    "\nThe reference is MindSpore, whose kernels approximate some functions. Where that is all, the folder's "
    "sample would still be numbers that no other runtime gives: name the same network in PyTorch too, with "
    "another --net, and it is the reference"
)


def publish_network(
    source: Path,
    output: Path,
    own: OwnNetwork,
    *,
    license: str,
    progress: Progress = lambda step: None,
) -> PublishedFolder:
    """Make the folder `output` of a network of one's own, complete and verified, or nothing.

    Args:
        source: its weights, of any format.
        output: the folder; nothing may be there.
        own: the network.
        license: of the weights, an SPDX identifier.
        progress: is told each step.

    Raises:
        NotPublishableError: a check was not passed.
        TriportError: the source or what was said of it is wrong, or a runtime is missing.
    """
    license, date = license_of(license), date_given()
    networks = own.networks(source)
    check_free(output)
    prepare()
    progress(f"building {networks[0].text}")
    weights = None if isinstance(networks[0], NetFile) else str(source)
    subject, checkpoint = net_subject(own.nets, own.inputs, weights, own.names), opened(source)
    loaded = load_nets(subject, _SEED)
    said = {
        "license": license,
        "date": date,
        "source": _of_source(source, checkpoint, accounted(checkpoint, loaded)),
        "preprocessing": own.preprocessing,
        "not_stored": sorted({short(name) for _, one in realisations_of(loaded) for name in one.kept}),
    }
    with as_given(*own.nets), appearing(output) as folder:
        _write_weights(loaded, folder)
        if own.names is not None:
            (folder / NAMES_FILE).write_bytes(own.names.read_bytes())
        graph = write_graph(networks, subject.specs, loaded, folder, progress)
        signature = signature_of(folder / MODEL_FILE)
        names = _readable(source, signature, ledger_of(checkpoint, loaded, folder))
        report, reference, feed = _parity(loaded, folder, progress)
        check_report(str(source), report, _NO_TORCH if report.pairs[0].reference == WITHOUT_TORCH else "")
        progress("writing the card and the manifest")
        titles = list(map(_title, networks))
        values: dict[str, Any] = {
            **_of_triport(loaded, titles),
            **said,
            **signature,
            "graph": graph,
            "map": None if own.names is None else map_of(loaded, folder),
            "parity": _parity_entry(report, [one.text for one in networks], titles, signature, folder),
            "names": names,
        }
        write_sample(folder, feed, reference, values)
        content = finished(folder, values)
    parsed, digest = manifest.parsed(content), manifest.digest_of(content)
    return PublishedFolder(output, parsed, digest, tuple(_notes(values)))


def _readable(
    source: Path, signature: Mapping[str, list[dict[str, Any]]], names: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return a ledger; raise PublishError for a name that a card cannot show, or that hides what it is."""
    longest = {one["name"]: LONGEST_NAME for side in signature.values() for one in side}
    longest |= {name: LONGEST_LINE for entry in names for name in (entry["name"], *entry["files"].values())}
    wrong = [
        short(name) for name, most in longest.items() if not name.isprintable() or not 0 < len(name) <= most
    ]
    if wrong:
        raise PublishError(
            f"{source}: its inputs, outputs or tensors have names that nobody can read: empty, too long, or "
            f"with characters that are not printed\n{listed(wrong)}\nRename them. Nothing was written"
        )
    return names


def _of_triport(loaded: LoadedNet, titles: Sequence[str]) -> dict[str, Any]:
    """Return what the manifest says of what made it, and of the networks."""
    return {
        "schema": manifest.NETWORK_SCHEMA,
        "triport": __version__,
        "versions": installed_versions(),
        "network": re.sub(r"[^\w.-]", "_", loaded.network.name)[:100],
        "nets": [
            {"net": title, "runtime": one.runtime, "file": file}
            for title, (file, one) in zip(titles, realisations_of(loaded), strict=True)
        ],
    }


def _of_source(source: Path, checkpoint: Checkpoint, dropped: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "file": re.sub(r"[^\w.+-]", "_", source.name),
        "format": checkpoint.format,
        "size": source.stat().st_size,
        "sha256": file_sha256(source),
        "dropped": dropped,
    }


def _title(net: OneNet) -> str:
    """Return what a network is, without the folders of the publisher's machine."""
    if isinstance(net, NetFile):
        return short(net.path.name, 300)
    if isinstance(net, Factory) and isinstance(net.module, Path):
        made = f"{net.module.name}:{net.attribute}"
        return short(net.text.replace(str(net.module), net.module.name, 1) if net.is_called else made, 300)
    return short(net.text, 300)


def _write_weights(loaded: LoadedNet, folder: Path) -> None:
    for file, arrays in layouts_of(loaded).items():
        runtime = "mindspore" if file.endswith(".ckpt") else "pytorch"
        check_target(folder / file, runtime)
        tensors = {name: ArrayTensor(array) for name, array in arrays.items()}
        write_checkpoint(folder / file, runtime, tensors)


def _parity(
    loaded: LoadedNet, folder: Path, progress: Progress
) -> tuple[ModelReport, dict[str, Any], Arrays]:
    """Return the report of everything that can run, the reference's outputs, and the sample's inputs."""
    # a graph of the publisher's is the folder's
    loaded = replace(loaded, rivals=tuple(one for one in loaded.rivals if one[1] != "onnx"))
    network, parameters = loaded.network, loaded.parameters
    feed = sample_feed(network, {}, _SEED)
    options = Options(("pytorch", "mindspore"), seed=_SEED)
    report = check_model(
        network,
        parameters,
        Inputs(feed),
        options,
        given=[
            given_file(network, parameters, folder / MODEL_FILE, options),
            *loaded.candidates(options),
        ],
        progress=lambda step, done, total: progress(f"parity: {step}"),
    )
    report = replace(report, not_run=(*report.not_run, *loaded.refused))
    runner = reference_runner(report.pairs[0].reference, network, parameters, folder / MODEL_FILE)
    return report, runner.run(feed), feed


def _parity_entry(
    report: ModelReport,
    nets: Sequence[str],
    titles: Sequence[str],
    signature: dict[str, list[dict[str, Any]]],
    folder: Path,
) -> dict[str, Any]:
    """Return a report as the manifest has it: by the graph's names of outputs, without times."""
    names = dict(zip(report.noises, (one["name"] for one in signature["outputs"]), strict=True))

    def named(candidate: str) -> str:
        runtime, _, word = candidate.partition(" (")
        title = dict(zip(nets, titles, strict=True)).get(word.removesuffix(")"))
        return candidate if title is None else f"{runtime} ({title})"

    return {
        "reference": report.pairs[0].reference,
        "noise": {names[name]: noise for name, noise in report.noises.items()},
        "files": {MODEL_FILE: file_sha256(folder / MODEL_FILE)},
        "pairs": [
            {
                "candidate": named(pair.candidate),
                "device": pair.device,
                "outputs": {
                    names[name]: {
                        "max_abs": one.max_abs,
                        "max_rel": one.max_rel,
                        "tolerance": one.tolerance,
                    }
                    for name, one in pair.outputs.items()
                },
                "further": [short(one.input, 300) for one in pair.further],
                "passed": pair.passed,
                **({"but_for": short(str(pair.but_for), 900)} if pair.but_for else {}),
                "versions": dict(pair.versions),
            }
            for pair in report.pairs
        ],
        "not_run": [short(" ".join(line.split()), 900) for line in report.not_run],
    }


def _notes(values: dict[str, Any]) -> Iterator[str]:
    yield "no accuracy is claimed: triport knows no published figure of this network"
    if values["preprocessing"] is None:
        yield "preprocessing is not stated; --preprocessing says it in one line"
    if any(net["file"] != MODEL_FILE for net in values["nets"]):
        yield "the network itself is not in the folder: say on its page where it is"
    if values["map"] and "NOT PROVEN" in values["map"]["standing"]:
        yield f"the map is {values['map']['standing']}"
    for pair in values["parity"]["pairs"]:
        if "but_for" in pair:
            yield f"{pair['candidate']} is equal but for its own kernels: {pair['but_for']}"
    yield from (f"not run: {one}" for one in values["parity"]["not_run"])
    yield from license_notes(values["license"])
