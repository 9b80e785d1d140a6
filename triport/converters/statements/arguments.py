"""What publishers call the arguments that their networks are built with, and what changes the function.

`PLAIN` has each argument that changes what a network computes, or that no weight's shape shows, with the
values that change nothing in a plain network; a model's own values (`ModelSpec.arguments`) come first. What
is in neither table and is no word of training cannot be judged, and is said not to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triport.reference_models.spec import ModelSpec

_OFF = (False, None, "", "none", 0)
_AVERAGE = ("avg", "average", "gap", "mean", "fast", "", None, "globalaveragepooling", "adaptiveavgpool2d")
_BATCH_NORM = (
    *("", None, "batchnorm2d", "bn", "bn2d", "batchnorm", "syncbn", "syncbatchnorm", "naivesyncbn"),
    *("frozenbatchnorm2d", "batchnormact2d", "syncbatchnormact", "batch", "batch_norm", "batchnorm2dfloat"),
)
# argument: the values that leave a network as it is
PLAIN: Mapping[str, tuple[object, ...]] = {
    # timm, torchvision and MindCV
    **dict.fromkeys(("stem_type", "deep_stem", "replace_stem_pool", "avg_down"), _OFF),
    **dict.fromkeys(("block_reduce_first", "down_kernel_size"), (1, None)),
    **dict.fromkeys(("aa_layer", "attn_layer", "attn_type", "antialias", "blur"), _OFF),
    "output_stride": (32, None),
    "replace_stride_with_dilation": ("[false, false, false]", False, None),
    **dict.fromkeys(("dilation", "dilations", "dilate"), (1, "[1, 1, 1, 1]", False, None)),
    "strides": ("[1, 2, 2, 2]", None),
    **dict.fromkeys(("global_pool", "gp", "pool_type", "pooling", "global_pooling", "neck.type"), _AVERAGE),
    **dict.fromkeys(("norm_layer", "norm_type", "norm_cfg.type", "norm", "bn_type"), _BATCH_NORM),
    **dict.fromkeys(("split_bn", "bn_tf", "features_only", "weight_standardization", "ws"), _OFF),
    **dict.fromkeys(("conv_layer", "conv_type", "conv_cfg.type"), ("", None, "conv2d", "conv", "nn.conv2d")),
    **dict.fromkeys(("pad_type", "padding_type", "pad_mode"), ("", None, "symmetric", "pad")),
    **dict.fromkeys(("padding_mode",), ("zeros", "", None)),
    **dict.fromkeys(("ceil_mode", "quantize", "quantized", "linear_out", "preact", "se_layer"), _OFF),
    **dict.fromkeys(("drop_head", "no_head", "headless", "pre_logits"), _OFF),
    **dict.fromkeys(("in_chans", "in_channels", "in_channel", "input_channels", "n_channels"), (3, None)),
    # mmengine's ResNets; "caffe" has the stride in the first convolution of a block
    "style": ("pytorch",),
    **dict.fromkeys(("dcn", "dcn.type", "gcb", "gen_attention", "plugins", "contract_dilation"), _OFF),
    "num_stages": (4, None),
    "bottle_ratio": (1, None),
    "bot_mul": (1, None),
}
# have these meanings only where they stand among a network's own arguments: others use the words too
_AMONG_ARGUMENTS = {
    *("style", "norm", "strides", "dilation", "dilations", "depth", "depths", "layers", "groups", "scale"),
    *("in_channels", "in_channel", "plugins", "num_stages", "pooling", "quantize", "blur", "ws", "dilate"),
    *("width", "w0", "wa", "wm", "block", "blocks"),
}
# where they stand
_OF_A_NETWORK = re.compile(
    r"(model|net|network|backbone|encoder|arch|block|stem|timm)(_(args|kwargs|config|cfg|params|init_args|options))?"
)
# parts of a network that are no body: a head's in_channels are not the images'
_BESIDE_THE_BODY = frozenset(("head", "heads", "neck", "decode_head", "classifier", "loss"))
# arguments that change no function: how it was initialised or is trained, and where it runs
HARMLESS = frozenset(
    (
        *("drop", "drop_rate", "drop_path", "drop_path_rate", "drop_block_rate", "drop_block", "dropout"),
        *("drop_connect", "drop_connect_rate", "stochastic_depth_prob", "keep_prob", "proj_drop_rate"),
        *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "checkpoint_path"),
        *("zero_init_residual", "zero_init_last", "progress"),
        *("scriptable", "exportable", "no_jit", "cache_dir", "norm_eval", "frozen_stages", "with_cp"),
        *("init_cfg", "out_indices", "bn_momentum", "bn_mom", "norm_momentum", "grad_checkpointing"),
        *("head_init_scale", "head_init_bias", "weight_init", "init_values", "memory_efficient", "topk"),
        *(
            "strict",
            "train",
            "training",
            "requires_grad",
            "func",
            "class_names",
            "label_names",
            "type",
            "name",
        ),
        *("weights", "num_params", "momentum", "affine", "track_running_stats", "inplace", "fix_stem"),
    )
)
# words that a training script's other options have
_OF_TRAINING = frozenset(
    (
        *("lr", "lrs", "rate", "epoch", "epochs", "batch", "batchsize", "bs", "opt", "optim", "optimizer"),
        *("momentum", "wd", "decay", "sched", "scheduler", "warmup", "cooldown", "patience", "milestones"),
        *("gamma", "beta", "betas", "seed", "worker", "workers", "device", "devices", "gpu", "gpus", "cuda"),
        *("rank", "world", "dist", "distributed", "local", "backend", "url", "port", "host", "node", "nodes"),
        *("log", "logs", "logger", "logging", "print", "freq", "interval", "save", "saved", "output", "out"),
        *("dir", "path", "root", "folder", "file", "data", "dataset", "datasets", "dataloader", "loader"),
        *("train", "training", "val", "valid", "validation", "eval", "test", "split", "sampler", "shuffle"),
        *("aug", "augment", "augmentation", "mixup", "cutmix", "smoothing", "label", "reprob", "remode"),
        *("recount", "resplit", "jitter", "color", "hflip", "vflip", "flip", "ratio", "aa", "crop", "jsd"),
        *("bce", "loss", "losses", "criterion", "ema", "amp", "apex", "fp16", "bf16", "precision", "native"),
        *("clip", "grad", "gradient", "accum", "accumulation", "accumulate", "resume", "start", "end"),
        *("initial", "pretrain", "pretrained", "checkpoint", "checkpoints", "ckpt", "experiment", "exp"),
        *("project", "wandb", "tensorboard", "tb", "tag", "tags", "note", "notes", "user", "version", "date"),
        *("time", "timestamp", "metric", "metrics", "monitor", "best", "acc", "acc1", "acc5", "accuracy"),
        *("top1", "top5", "score", "step", "steps", "iter", "iters", "iteration", "iterations", "prefetch"),
        *("pin", "mem", "memory", "tta", "last", "torchscript", "torchcompile", "compile", "fuser", "debug"),
        *("verbose", "deterministic", "benchmark", "cudnn", "strategy", "accelerator", "callback"),
        *("callbacks", "profiler", "trainer", "hook", "hooks", "runner", "param", "params", "schedule"),
        *("visualizer", "env", "cfg", "config", "nesterov", "eps", "cycle", "noise", "distill", "kd"),
        *("temperature", "teacher", "mode", "command", "argv", "git", "commit", "hash", "sha", "id", "task"),
        *("job", "run", "name", "description", "author", "license", "framework", "library", "platform"),
        *("transformers", "torch", "mindspore", "timm", "hydra", "ddp", "fsdp", "deepspeed", "zero", "find"),
        *("unused", "sync", "synchronize", "broadcast", "buffers", "enabled", "enable", "use", "tqdm"),
        *("bar", "progress", "history", "early", "stopping", "fold", "folds", "kfold", "repeat", "repeats"),
        *("aot", "autograd", "fast", "prefetcher", "magnitude", "severity", "erase", "reps", "randaugment"),
        *("recovery", "hist", "weight", "class", "classes", "target", "grayscale", "blur", "scale"),
    )
)
_PREPARATION = frozenset(
    (
        *("mean", "std", "crop_pct", "interpolation", "crop_mode", "image_mean", "image_std", "resize_size"),
        *("img_size", "image_size", "input_size", "val_resize_size", "val_crop_size", "val_image_size"),
        *(
            "val_resize",
            "val_size",
            "test_size",
            "test_crop_size",
            "eval_crop_ratio",
            "crop_ratio",
            "crop_size",
        ),
        *(
            "channel_order",
            "color_order",
            "color_space",
            "color_format",
            "bgr_to_rgb",
            "rgb_to_bgr",
            "to_rgb",
        ),
    )
)


def allowed_values(spec: ModelSpec, argument: str) -> tuple[object, ...] | None:
    """Return the values of an argument that mean a model; None where that is not known."""
    return spec.arguments.get(argument, PLAIN.get(argument))


def argument_name(parts: Sequence[str]) -> str | None:
    """Return which argument of a network an entry is, by the parts of its dotted key; None for none."""
    key = parts[-1]
    pair = ".".join(parts[-2:])
    if pair in PLAIN:
        return pair
    if not _BESIDE_THE_BODY.isdisjoint(parts[:-1]):
        return None
    if key not in PLAIN and key not in _OF_MODELS:
        return None
    return key if key not in _AMONG_ARGUMENTS or is_of_a_network(parts) else None


def is_of_a_network(parts: Sequence[str]) -> bool:
    """Whether an entry stands among the arguments of a network, by the parts of its dotted key."""
    return any(_OF_A_NETWORK.fullmatch(part) for part in parts[:-1])


def is_harmless(parts: Sequence[str]) -> bool:
    """Whether an entry says nothing of what a network computes, by the parts of its dotted key."""
    if parts[-1] in HARMLESS or not _BESIDE_THE_BODY.isdisjoint(parts):
        return True
    return not is_of_a_network(parts) and any(not _OF_TRAINING.isdisjoint(part.split("_")) for part in parts)


def is_preparation(key: str) -> bool:
    """Whether an entry says how images are prepared, in the words of a training script."""
    return key in _PREPARATION


def means(value: object, allowed: Sequence[object]) -> bool:
    """Whether a value, or the text of one, is among some others."""
    return any(_plain(value) == _plain(one) for one in allowed)


def _plain(value: object) -> object:
    """Return a value in one form: numbers as float, None and words in small letters."""
    if isinstance(value, str):
        word = value.strip().lower().removeprefix("<class '").removesuffix("'>")
        word = {"true": "1", "false": "0", "null": "none"}.get(word, word)
        if re.fullmatch(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", word):
            return float(word)
        return word if word.startswith("[") else word.rpartition(".")[2]
    return "none" if value is None else float(value) if isinstance(value, bool | int | float) else value


# what configurations of models call what their weights' shapes show
_OF_MODELS = frozenset(
    (
        *("depth", "layers", "groups", "cardinality", "base_width", "width_per_group", "stem_width", "scale"),
        *("scales", "w0", "wa", "wm", "group_w", "group_size", "group_width", "se_ratio", "squeeze_ratio"),
        *("width_coefficient", "depth_coefficient", "channel_multiplier", "depth_multiplier"),
        *("stem_channels", "base_channels"),
    )
)
