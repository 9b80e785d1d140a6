"""README.md: the model card, made of nothing but the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import yaml

from triport.converters.formats import as_stated
from triport.reference_models.errors import counted

from .folder import CARD_FILE
from .licenses import hub_metadata

_LIBRARIES = {"pil": "Pillow", "mindspore": "MindSpore's vision operators", "opencv": "OpenCV"}
_REFERENCES = {"pytorch-float64": "PyTorch in float64", "mindspore-float32": "MindSpore in float32"}
_TASK = "image-classification"


def written(manifest: Mapping[str, Any]) -> str:
    """Return the card's text: the hub's metadata and a description."""
    metadata = yaml.safe_dump(
        metadata_of(manifest), sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=False
    )
    return f"---\n{metadata}---\n\n{body(manifest)}"


def body(manifest: Mapping[str, Any]) -> str:
    """Return what a person reads."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    preprocess = manifest["preprocess"]
    return environment.get_template("card.md").render(
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


def problems_of(text: str, expected: str) -> Iterator[str]:
    """Yield how a card differs from the one that the manifest makes: its metadata's keys, its first line."""
    parts = [one.partition("\n---\n") for one in (text, expected)]
    found, stated = (_loaded(start) for start, _, _ in parts)
    if not isinstance(found, dict):
        yield f"{CARD_FILE}: its metadata cannot be read"
        return
    assert isinstance(stated, dict)
    claims, right = _claims(found), _claims(stated)
    for claim in [one for one in claims if one not in right][:10]:
        yield f"{CARD_FILE}: claims {claim}, which the manifest does not have"
    for claim in [one for one in right if one not in claims][:10]:
        yield f"{CARD_FILE}: lacks {claim}, which the manifest has"
    for key in [key for key in (*stated, *(set(found) - set(stated))) if key != "model-index"][:20]:
        if found.get(key) != stated.get(key):
            yield (
                f"{CARD_FILE}: {as_stated(key)} is {as_stated(found.get(key))}, the manifest says "
                f"{as_stated(stated.get(key))}"
            )
    theirs, ours = (rest.splitlines() for _, _, rest in parts)
    for line in theirs:
        if line not in ours:
            yield f"{CARD_FILE}: says {as_stated(line)}, which the manifest does not"
            return
    yield f"{CARD_FILE}: is not the card that the manifest makes"


def _loaded(start: str) -> object:
    # aliases could grow a short text into a long one
    try:
        return yaml.load(start.removeprefix("---\n"), _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


class _PlainLoader(yaml.SafeLoader):
    """Reads plain YAML: an alias is an error."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def _claims(metadata: Mapping[str, Any]) -> list[str]:
    """Return every accuracy in a card's metadata, in words."""
    try:
        return [
            f"{metric.get('name')} {metric['value']} on {result['dataset']['name']} "
            f"({result['dataset'].get('config')}, {(result.get('source') or {}).get('url')})"[:300]
            for model in metadata.get("model-index") or []
            for result in model["results"]
            for metric in result["metrics"]
        ]
    except (AttributeError, KeyError, TypeError):
        return ["something that is no model-index"]
