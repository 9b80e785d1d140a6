"""Whether the manifest of a network of one's own agrees with itself, as far as can be told without code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triport.converters.formats import as_stated
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.parity.candidates import GIVEN_FILE
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.reference import OF_A_GRAPH, REFERENCE, WITHOUT_TORCH
from triport.publishing.candidates import LARGEST_NOISE
from triport.publishing.folder import PYTORCH_FILE
from triport.publishing.licenses import LicenseError, license_of

from .files import AS_IT_IS, FIRST_FILES, SECOND_FILES, is_of_onnx, weights_files, what_of


def claim_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a manifest says that cannot be so, each with the manifest's name."""
    for find in (_license_problems, _file_problems, _parity_problems, _ledger_problems):
        for problem in find(values):
            yield f"{MANIFEST}: {problem}"


def _license_problems(values: Mapping[str, Any]) -> Iterator[str]:
    try:
        if license_of(values["license"]) != values["license"]:
            yield f"license is {as_stated(values['license'])}, SPDX writes {license_of(values['license'])}"
    except LicenseError:
        yield f"license is {as_stated(values['license'])}, which SPDX does not list"


def _file_problems(values: Mapping[str, Any]) -> Iterator[str]:
    nets, taken = values["nets"], set[str]()
    if is_of_onnx(values) and (len(nets) != 1 or values["map"] or values["graph"]["exporter"] != AS_IT_IS):
        yield "is of an .onnx file, which is published as it is and alone, and says otherwise"
    if not is_of_onnx(values) and values["graph"]["exporter"] == AS_IT_IS:
        yield "says that the graph is the source's, which is no .onnx file"
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
    runtimes = [net["runtime"] for net in values["nets"]]
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
    second = [net["net"] for net in values["nets"][1:]]
    others = {"pytorch", "mindspore", *(f"{net['runtime']} ({net['net']})" for net in values["nets"][1:])}
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
    for name, noise in parity["noise"].items():
        if noise > LARGEST_NOISE:
            yield f"says that float32 makes {noise:.1e} of the largest {name}: nothing is proven then"
    for pair in parity["pairs"]:
        yield from _pair_problems(pair, parity["noise"])
    if parity["files"] != {MODEL_FILE: values["files"][MODEL_FILE]["sha256"]}:
        yield f"its parity is of another {MODEL_FILE}"


def _reference_of(runtimes: Sequence[str], candidates: Sequence[str], said: str) -> str:
    """Return what the reference must be; of an .onnx file it is one of those written from its graph."""
    if "onnx" not in runtimes:
        return REFERENCE if "pytorch" in runtimes else WITHOUT_TORCH
    if "pytorch" in candidates:
        return REFERENCE
    # MindSpore as the reference is not compared with itself
    return OF_A_GRAPH if "mindspore" in candidates or said == REFERENCE else said


def _pair_problems(pair: Mapping[str, Any], noises: Mapping[str, float]) -> Iterator[str]:
    if set(pair["outputs"]) != set(noises):
        yield f"{pair['candidate']} was compared in other outputs than the graph's"
        return
    for name, one in pair["outputs"].items():
        allowed = FLOAT32.tolerance_of(noises[name])
        if not (pair["passed"] and one["max_rel"] <= one["tolerance"]):
            yield f"{pair['candidate']} did not pass parity in {name}"
        if one["tolerance"] > allowed * (1 + 1e-6):
            yield f"allows {one['tolerance']} in {name}, and the network's noise only {allowed}"


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
