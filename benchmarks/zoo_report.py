"""Tables of what zoo_mindspore.py found."""

from __future__ import annotations

from typing import Any

from triport.parity.graphs import verdicts

MAKERS = ("ours", "export", "onnx.export")
SLOWER = 1.05  # than MindSpore's own file, beyond what repeated runs differ by
INTRODUCTION = """# MindCV's models to ONNX

Written by `python benchmarks/zoo_mindspore.py --markdown docs/mindcv_to_onnx.md`: MindCV 0.3.0's models with
seeded weights, exported by triport and by MindSpore 2.10's two exporters, each run in ONNX Runtime and
compared with MindSpore in graph mode. Each cell: verdict, difference relative to the largest output, nodes
("-" is not run). "Own noise" is how far a change of the input by 1e-7 moves MindSpore's output.
"""


def is_right(result: dict[str, Any]) -> bool:
    """Return whether a file was made and nothing speaks against it."""
    return result.get("verdict", verdicts.NOT_EQUAL) != verdicts.NOT_EQUAL


def describe(result: dict[str, Any] | None) -> str:
    """Return a cell of the table."""
    if result is None:
        return "-"
    if "failed" in result:
        return "FAILED"
    words = {
        verdicts.EQUAL: "right",
        verdicts.ILL_CONDITIONED: "noise",
        verdicts.UNOPTIMISED: "right unoptimised",
    }
    return f"{words.get(result['verdict'], 'WRONG')} {result['error']:.1e} {result['nodes']:5d}"


def describe_timing(timing: dict[str, Any] | None) -> str:
    """Return milliseconds of our file and of MindSpore's, and their ratio."""
    if not timing or "ours" not in timing:
        return "-"
    ours, theirs = (1e3 * timing[key] for key in ("ours", "theirs"))
    return f"{ours:7.1f} {theirs:7.1f} {ours / theirs:5.2f}"


def summarise(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines below the table."""
    exported = [found for found in results.values() if "failed" not in found["reference"]]
    lines = [f"{len(results)} models, {len(exported)} of which export as MINDIR"]
    for stage in MAKERS:
        tried = [found[stage] for found in exported if stage in found]
        if tried:
            lines.append(f"{stage}: {sum(map(is_right, tried))} of {len(tried)} right in ONNX Runtime")
    both = [
        found
        for found in exported
        if is_right(found.get("ours", {})) and any(is_right(found.get(stage, {})) for stage in MAKERS[1:])
    ]
    fewer = sum(
        found["ours"]["nodes"]
        <= min(found[stage]["nodes"] for stage in MAKERS[1:] if is_right(found.get(stage, {})))
        for found in both
    )
    lines.append(f"nodes: ours has no more than MindSpore's own in {fewer} of the {len(both)} that both make")
    timed = [found["timing"] for found in both if "ours" in found.get("timing", {})]
    if timed:
        ratios = sorted(timing["ours"] / timing["theirs"] for timing in timed)
        slower = sum(ratio > SLOWER for ratio in ratios)
        lines.append(
            f"time: ours over MindSpore's own is {ratios[len(ratios) // 2]:.2f} in the median, "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f}; over {SLOWER} in {slower} of {len(timed)}"
        )
    return lines


def make_document(results: dict[str, dict[str, Any]], note: str) -> str:
    """Return all as a Markdown page; the note says of the run what the figures do not."""
    lines = [INTRODUCTION, *([note, ""] if note else []), *(f"- {line}" for line in summarise(results)), ""]
    lines += [
        "| model | own noise | ours | mindspore.export | mindspore.onnx.export | ms: ours, theirs, ratio |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        reference = found["reference"]
        if "failed" in reference:
            why = " ".join(reference["failed"].split())[:80].replace("|", "\\|")
            lines.append(f"| {name} | no MINDIR: {why} | | | | |")
            continue
        cells = [" ".join(describe(found.get(stage)).split()) for stage in MAKERS]
        timing = " ".join(describe_timing(found.get("timing")).split())
        lines.append(f"| {name} | {reference['noise']:.1e} | {' | '.join(cells)} | {timing} |")
    return "\n".join(lines) + "\n"
