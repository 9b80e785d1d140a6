"""README.md: the model card, made of nothing but the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triport.publishing.card_text import card_text, rendered
from triport.publishing.folder import CARD_FILE
from triport.publishing.licenses import hub_metadata
from triport.reference_models.errors import counted

_LIBRARIES = {"pil": "Pillow", "mindspore": "MindSpore's vision operators", "opencv": "OpenCV"}
_REFERENCES = {"pytorch-float64": "PyTorch in float64", "mindspore-float32": "MindSpore in float32"}
_TASK = "image-classification"


def written(manifest: Mapping[str, Any]) -> str:
    """Return the card's text: the hub's metadata and a description."""
    return card_text(metadata_of(manifest), body(manifest))


def body(manifest: Mapping[str, Any]) -> str:
    """Return what a person reads."""
    preprocess = manifest["preprocess"]
    return rendered(
        __package__,
        m=manifest,
        p=preprocess,
        size=preprocess["crop_px"],
        library=_LIBRARIES[preprocess["library"]],
        reference=_REFERENCES[manifest["parity"]["reference"]],
        files=[(name, file) for name, file in sorted(manifest["files"].items()) if name != CARD_FILE],
        timm=manifest["timm"],
        came_from=_came_from,
    )


def metadata_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the hub reads: license, tags, and every accuracy that is claimed as its model-index."""
    metadata: dict[str, Any] = {
        **hub_metadata(manifest["license"]),
        "library_name": "timm" if manifest["timm"] else "onnx",
        "tags": [_TASK, "pytorch", "mindspore", "onnx", manifest["family"]],
        "pipeline_tag": _TASK,
    }
    results = [_result(figure) for figure in manifest["accuracy"]]
    if results:
        metadata["model-index"] = [{"name": manifest["model"], "results": results}]
    return metadata


def _result(figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return an accuracy as the hub's model-index has it; an entry a figure."""
    date = figure["date"] or "undated"
    published = figure["kind"] == "published"
    where = figure["context"] if published else f"{figure['runtime']} on {figure['device']}"
    dataset = {"name": figure["dataset"]["name"], "type": figure["dataset"]["type"]}
    # results of one data set are kept apart by what they come from
    dataset["config"] = f"{figure['weights']}, {date}" if published else f"measured, {where}"
    if figure["dataset"]["split"]:
        dataset["split"] = figure["dataset"]["split"]
    result: dict[str, Any] = {
        "task": {"type": _TASK, "name": "Image Classification"},
        "dataset": dataset,
        "metrics": [{"type": "accuracy", "value": figure["percent"], "name": figure["metric"]}],
    }
    if published:
        result["source"] = {"url": figure["source"], "name": f"{where}, {date}"}
    return result


def _came_from(figure: Mapping[str, Any]) -> str:
    if figure["kind"] == "published":
        source, context = figure["source"], figure["context"]
        linked = f"[{context}]({source})" if source.startswith("http") else f"{context}, {source}"
        return f"published for {figure['weights']}: {linked}"
    interval = figure["interval_percent"]
    bounds = f", 95 % interval {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    images = counted(figure["images"], "image")
    return f"measured on {images} in {figure['runtime']} on {figure['device']}{bounds}"
