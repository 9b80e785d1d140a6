"""Whether the manifest of a network of one's own agrees with itself, as far as can be told without code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from triport.converters.formats import as_stated
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.parity.candidates import GIVEN_FILE
from triport.parity.reference import OF_A_GRAPH, REFERENCE, WITHOUT_TORCH
from triport.publishing.compared import parity_problems
from triport.publishing.folder import PYTORCH_FILE
from triport.publishing.licenses import license_problems

from .files import AS_IT_IS, FIRST_FILES, SECOND_FILES, is_as_it_is, weights_files, what_of


def claim_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a manifest says that cannot be so, each with the manifest's name."""
    problems = chain(
        license_problems(values["license"]),
        *(find(values) for find in (_file_problems, _parity_problems, _ledger_problems)),
    )
    yield from (f"{MANIFEST}: {problem}" for problem in problems)


def _file_problems(values: Mapping[str, Any]) -> Iterator[str]:
    nets, taken = values["nets"], set[str]()
    if is_as_it_is(values) and (values["map"] or values["graph"]["exporter"] != AS_IT_IS):
        yield "is of an .onnx file, which is published as it is, and says otherwise"
    if not is_as_it_is(values) and values["graph"]["exporter"] == AS_IT_IS:
        yield "says that the graph is the publisher's, who has given no .onnx file"
    if [net["runtime"] for net in nets].count("onnx") > 1:
        yield "has two graphs"
    for net in nets:
        first = FIRST_FILES[net["runtime"]]
        second = SECOND_FILES.get(net["runtime"], first)
        expected = second if first in taken else first
        taken.add(expected)
        if net["file"] != expected:
            yield f"the weights of {net['net']} are in {net['file']}, expected {expected}"
    if values["map"]:
        ends = [values["map"]["source"], values["map"]["target"]]
        if ends != [net["file"] for net in nets]:
            yield f"its map leads from {ends[0]} to {ends[1]}, which are not the two networks'"
    for name, entry in values["files"].items():
        if entry["what"] != what_of(name):
            yield f"calls {name} {as_stated(entry['what'])}, it is {as_stated(what_of(name))}"


def _parity_problems(values: Mapping[str, Any]) -> Iterator[str]:
    parity = values["parity"]
    nets = [net for net in values["nets"] if net["runtime"] != "onnx"] or values["nets"]
    runtimes = [net["runtime"] for net in nets]
    found = [pair["candidate"] for pair in parity["pairs"]]
    expected = _reference_of(runtimes, found, parity["reference"])
    if parity["reference"] != expected:
        yield f"its reference is {parity['reference']}, of such networks it is {expected}"
    if "onnx" in runtimes and expected != REFERENCE and not parity["not_run"]:
        yield "does not say why its reference is not PyTorch in float64"
    if len(set(found)) != len(found):
        yield "compares one candidate twice"
    if GIVEN_FILE not in found:
        yield f"does not compare {MODEL_FILE}"
    second = [net["net"] for net in nets[1:]]
    others = {"pytorch", "mindspore", *(f"{net['runtime']} ({net['net']})" for net in nets[1:])}
    if set(found) - others - {GIVEN_FILE}:
        yield f"compares {', '.join(sorted(set(found) - others - {GIVEN_FILE}))}, which is no network of it"
    if second and len(set(runtimes)) == 1 and f"{runtimes[0]} ({second[0]})" not in found:
        yield f"does not compare {second[0]}"
    if len(set(runtimes)) == 2 and "mindspore" not in found:
        yield "does not compare the two networks"
    outputs = {one["name"] for one in values["outputs"]}
    if set(parity["noise"]) != outputs:
        yield "its noise is not of the graph's outputs"
        return
    yield from parity_problems(values, parity["noise"], lambda pair: pair["outputs"])


def _reference_of(runtimes: Sequence[str], candidates: Sequence[str], said: str) -> str:
    """Return what the reference must be; of an .onnx file it is one of those written from its graph."""
    if "onnx" not in runtimes:
        return REFERENCE if "pytorch" in runtimes else WITHOUT_TORCH
    if "pytorch" in candidates:
        return REFERENCE
    # MindSpore as the reference is not compared with itself
    return OF_A_GRAPH if "mindspore" in candidates or said == REFERENCE else said


def _ledger_problems(values: Mapping[str, Any]) -> Iterator[str]:
    parameters = [entry for entry in values["names"] if entry["role"] == "parameter"]
    for file in weights_files(values):
        if not any(file in entry["files"] for entry in parameters):
            yield f"its ledger has no parameter in {file}"
    if values["map"] or len(weights_files(values)) < 2:
        return
    for entry in parameters:
        lacking = set(weights_files(values)) - entry["files"].keys()
        if lacking and PYTORCH_FILE in entry["files"]:
            yield f"its ledger has {entry['name']} not in {', '.join(sorted(lacking))}"
