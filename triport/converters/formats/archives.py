"""Zips, tars and folders that hold something else than one checkpoint: what they are, and the next step."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from triport.converters.formats.tensors import short

_WEIGHTS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".onnx", ".tar", ".pkl", ".h5", ".pdparams")
_MAKE_ONE_FILE = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch {} FILE.pth"
_DISTRIBUTED = f"Make one file of its folder: {_MAKE_ONE_FILE.format('FOLDER')}"
_MAX_LISTED = 1000
_OF_A_RANK = re.compile(r"rank_?\d+[/\\]")


def zip_without_pickle(names: Collection[str]) -> str:
    """Return what a zip without one data.pkl is, for a message after its name."""
    inner = {name.partition("/")[2] if name.count("/") else name for name in names}
    if any(name.endswith("/data.pkl") for name in names):
        return f"is a zip without one data.pkl (it has {_some(names)}): not a file of torch.save"
    if "attributes.pkl" in inner or ("model.json" in inner and any(n.startswith("tensors/") for n in inner)):
        return (
            "is a TorchScript program of PyTorch before 1.4, not a state dict. Load it with torch.jit.load "
            "and torch.save its state_dict()"
        )
    if "archive_format" in inner or any(
        name.startswith("data/weights/") or name == "serialized_state_dict.pt" for name in (*inner, *names)
    ):
        return (
            "is a program of torch.export (.pt2), not a state dict. Load it with torch.export.load and "
            "torch.save its state_dict"
        )
    if names and all(name.endswith(".npy") for name in names):
        return (
            f"is a NumPy archive (.npz) of {len(names):,} arrays. Make tensors of them: torch.save({{name: "
            f"torch.from_numpy(array) for name, array in numpy.load(FILE).items()}}, 'x.pth')"
        )
    if "model.weights.h5" in names:
        return (
            "is a model of Keras 3 (.keras), which is not read. Load it in Keras and export it to ONNX "
            "(model.export)"
        )
    if any(name.startswith(".data/") for name in inner):
        return (
            "is a package of torch.package, which is code and its objects. Load it with "
            "torch.package.PackageImporter where you trust it, and torch.save the model's state_dict()"
        )
    if any(name.endswith(".mlmodel") for name in names):
        return "is a package of Core ML, which is not read. Take the checkpoint that it was made from"
    if any(name.endswith("saved_model.pb") for name in names):
        return "is a TensorFlow SavedModel in a zip. Unpack it and export it to ONNX (tf2onnx)"
    found = [name for name in names if name.lower().endswith(_WEIGHTS)]
    if found:
        return f"is a zip archive around {_some(found)}. Unpack it (unzip) and give the file that is inside"
    return f"is a zip without one data.pkl (it has {_some(names)}): not a file of torch.save"


def tar_of_others(names: Collection[str]) -> str:
    """Return what a tar is that is none of torch's, for a message after its name."""
    inside = f"around {_some(names)}" if names else "without files"
    return f"is a tar archive {inside}. Unpack it (tar -xf) and give the file that is inside"


def several_zips() -> str:
    """Return what zips one after the other are."""
    return (
        f"is several zips one after the other, as in a part of a PyTorch distributed checkpoint (.distcp). "
        f"{_DISTRIBUTED}"
    )


def distributed_metadata() -> str:
    """Return what the index of a distributed checkpoint is."""
    return f"is the index (.metadata) of a PyTorch distributed checkpoint, without weights. {_DISTRIBUTED}"


def folder(path: str | os.PathLike[str]) -> str:
    """Return what a folder is, for a message after its name."""
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry, _ in zip(entries, range(_MAX_LISTED), strict=False))
    told = _of_a_framework(os.fspath(path), names)
    if told is not None:
        return told
    found = [name for name in names if name.lower().endswith(_WEIGHTS)]
    found = found or [f"{name}{os.sep}" for name in names if _has_weights(Path(path) / name)]
    if found and all(_OF_A_RANK.fullmatch(name) for name in found):
        return (
            f"is a directory; expected a checkpoint file. It has {_some(found)}, of a parallel training, "
            f"each of which may hold a slice of each tensor. Make whole tensors of all ranks' files first "
            f"(mindspore.transform_checkpoints), or give a file of one rank where that has the whole network"
        )
    if found:
        which = "one of them" if len(found) > 1 else "that"
        return f"is a directory; expected a checkpoint file. It has {_some(found)}: give {which}"
    return (
        "is a directory; expected a checkpoint file, or a folder from a hub, which has a config.json beside "
        "the weights"
    )


def _of_a_framework(path: str, names: Collection[str]) -> str | None:
    """Return what a folder is that a framework wrote as a whole; None where its names do not tell."""
    if ".metadata" in names or any(name.endswith(".distcp") for name in names):
        return (
            f"is a folder of a PyTorch distributed checkpoint. Make one file of it: "
            f"{_MAKE_ONE_FILE.format(path)}"
        )
    if "data.pkl" in names and "version" in names:
        return (
            "is a folder, what a .pth file has inside: something unpacked it. Get the file itself again (a "
            "browser may unpack it: switch that off)"
        )
    if "saved_model.pb" in names:
        return "is a TensorFlow SavedModel, which is not read. Export it to ONNX (tf2onnx)"
    if any(name.endswith(".index") for name in names):
        return "is a folder of TensorFlow checkpoints, which are not read. Export the model to ONNX (tf2onnx)"
    if "latest" in names and any(name.startswith("global_step") for name in names):
        return "is a folder of a DeepSpeed checkpoint. Make one file of it with the zero_to_fp32.py inside"
    if "adapter_config.json" in names:
        return (
            "is an adapter of PEFT, without the weights of the network that it is for. Join both (peft's "
            "model.merge_and_unload()) and save the network's state dict"
        )
    if not {"manifest.ocdbt", "_CHECKPOINT_METADATA", "_METADATA"}.isdisjoint(names):
        return (
            "is a checkpoint of JAX (Orbax), which is not read. Load it where it was made, and save its "
            "weights as safetensors or export the network to ONNX"
        )
    if "snapshot_done" in names:
        return (
            "is a checkpoint of OneFlow, with a folder for each tensor, which is not read. Load it in "
            "OneFlow, and save its arrays by torch.save or as safetensors"
        )
    if "Manifest.json" in names and path.rstrip(os.sep).lower().endswith(".mlpackage"):
        return "is a package of Core ML, which is not read. Take the checkpoint that it was made from"
    return None


def choice(taken: str, others: Collection[str]) -> str:
    """Return which of a folder's files of weights was taken, for a note."""
    return f"of the folder's files {short(taken, 60)} was taken, and not {_some(others)}"


def _has_weights(folder: Path) -> bool:
    """Return whether a folder has a file that is called as weights are."""
    try:
        return any(entry.name.lower().endswith(_WEIGHTS) for entry in os.scandir(folder))
    except OSError:  # also what is no folder
        return False


def _some(names: Iterable[str]) -> str:
    """Return a few names, and how many more there are."""
    listed = [short(Path(name).name if name.count("/") > 3 else name, 60) for name in names]
    more = f" and {len(listed) - 5:,} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more
