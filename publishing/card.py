"""README.md: the model card. It says nothing that the manifest does not: see `problems_of`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2

from reference_models.errors import TriportError

from .folder import CARD_FILE

_LIBRARIES = {"pil": "Pillow", "mindspore": "MindSpore's vision operators", "opencv": "OpenCV"}
_TASK = "image-classification"


class CardError(TriportError):
    """The card cannot be made."""


def written(manifest: Mapping[str, Any]) -> str:
    """Return the card's text: the hub's metadata and a description.

    Raises:
        CardError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import ModelCard
    except ImportError as error:
        raise CardError(
            f'the model card needs huggingface_hub ({error}). Install it: pip install "triport[hub]"'
        ) from error
    card = ModelCard(f"---\n{_card_data(manifest).to_yaml()}\n---\n\n{body(manifest)}")
    return str(card)


def body(manifest: Mapping[str, Any]) -> str:
    """Return what a person reads, made of nothing but the manifest."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("publishing", ""),
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
        files=[(name, file) for name, file in sorted(manifest["files"].items()) if name != CARD_FILE],
        timm=manifest["timm"],
        came_from=_came_from,
    )


def _came_from(figure: Mapping[str, Any]) -> str:
    if figure["kind"] == "published":
        source, context = figure["source"], figure["context"]
        linked = f"[{context}]({source})" if source.startswith("http") else f"{context}, {source}"
        return f"published for {figure['weights']}: {linked}"
    interval = figure["interval_percent"]
    bounds = f", 95 % interval {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    return f"measured on {figure['images']} images in {figure['runtime']} on {figure['device']}{bounds}"


def _card_data(manifest: Mapping[str, Any]) -> Any:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=_TASK,
            task_name="Image Classification",
            dataset_type=claim["dataset_type"],
            dataset_name=claim["dataset"],
            dataset_split=claim["split"],
            # results of one data set are kept apart by what they come from
            dataset_config=claim["config"],
            metric_type="accuracy",
            metric_name=claim["metric"],
            metric_value=claim["value"],
            source_url=claim["source"],
            source_name=claim["source_name"],
        )
        for claim in _claims(manifest)
    ]
    return ModelCardData(
        license=manifest["license"],
        library_name="timm" if manifest["timm"] else "onnx",
        pipeline_tag=_TASK,
        tags=_tags(manifest),
        model_name=manifest["model"],
        eval_results=results or None,
    )


def _tags(manifest: Mapping[str, Any]) -> list[str]:
    return [_TASK, "pytorch", "mindspore", "onnx", manifest["family"]]


def _claims(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every accuracy as the card's metadata has it."""
    for figure in manifest["accuracy"]:
        date = figure["date"] or "undated"
        published = figure["kind"] == "published"
        where = f"{figure['runtime']} on {figure['device']}" if not published else figure["context"]
        yield {
            "dataset": figure["dataset"]["name"],
            "dataset_type": figure["dataset"]["type"],
            "split": figure["dataset"]["split"],
            "config": f"{figure['weights']}, {date}" if published else f"measured, {where}",
            "metric": figure["metric"],
            "value": figure["percent"],
            "source": figure["source"] if published else None,
            "source_name": f"{where}, {date}" if published else None,
        }


def problems_of(text: str, manifest: Mapping[str, Any], version: str) -> Iterator[str]:
    """Yield every claim of a card that is not the manifest's.

    The description is compared as a whole where this version of triport wrote it.
    """
    import yaml

    start, _, rest = text.partition("\n---\n")
    try:
        metadata = yaml.safe_load(start.removeprefix("---\n"))
        found = list(_stated(metadata))
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        yield f"{CARD_FILE}: its metadata cannot be read: {error}"
        return
    for key, expected in (("license", manifest["license"]), ("tags", _tags(manifest))):
        if metadata.get(key) != expected:
            yield f"{CARD_FILE}: {key} is {metadata.get(key)!r}, the manifest says {expected!r}"
    claims = list(_claims(manifest))
    for claim in found:
        if claim not in claims:
            yield (
                f"{CARD_FILE}: claims {claim['metric']} {claim['value']} on {claim['dataset']}, "
                f"which the manifest does not have"
            )
    for claim in claims:
        if claim not in found:
            yield (
                f"{CARD_FILE}: lacks {claim['metric']} {claim['value']} on {claim['dataset']}, "
                f"which the manifest has"
            )
    if manifest["triport"] != version:
        return
    theirs, ours = rest.lstrip("\n").splitlines(), body(manifest).splitlines()
    for line in theirs:
        if line not in ours:
            yield f"{CARD_FILE}: says {line!r}, which the manifest does not"
            return
    if theirs != ours:
        yield f"{CARD_FILE}: its description is not the one that the manifest makes"


def _stated(metadata: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every accuracy in a card's metadata."""
    for model in metadata.get("model-index") or []:
        for result in model.get("results") or []:
            dataset, source = result["dataset"], result.get("source") or {}
            for metric in result["metrics"]:
                yield {
                    "dataset": dataset["name"],
                    "dataset_type": dataset["type"],
                    "split": dataset.get("split"),
                    "config": dataset.get("config"),
                    "metric": metric["name"],
                    "value": metric["value"],
                    "source": source.get("url"),
                    "source_name": source.get("name"),
                }
