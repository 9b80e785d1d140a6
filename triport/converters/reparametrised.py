"""Weights that a file keeps in parts: what the network computes with is made of them when it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

# names, what they are of, and how the weights themselves are had
_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"(^|\.)parametrizations\.\w+\.original\d*$"),
        "torch.nn.utils.parametrize keeps a weight in parts, and the network uses a function of them",
        "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight')",
    ),
    (
        re.compile(r"_mask$"),
        "torch.nn.utils.prune keeps a weight (_orig) beside its mask, and the network uses their product",
        "torch.nn.utils.prune.remove(module, 'weight')",
    ),
    (
        re.compile(r"_g$"),
        "torch.nn.utils.weight_norm keeps a weight as its length (_g) and direction (_v)",
        "torch.nn.utils.remove_weight_norm(module)",
    ),
    (
        re.compile(r"_u$"),
        "torch.nn.utils.spectral_norm divides a weight (_orig) by its largest singular value",
        "torch.nn.utils.remove_spectral_norm(module)",
    ),
    (
        re.compile(r"(^|\.)lora_(A|B|embedding_A|embedding_B)(\.\w+)*$"),
        "LoRA adds a product of two small matrices to a weight",
        "peft's model.merge_and_unload()",
    ),
    (
        re.compile(r"(^|\.)modules_to_save\.\w+\.\w+$"),
        "PEFT keeps a trained copy of a layer (modules_to_save) beside what the layer was before "
        "(original_module), and the network uses the copy",
        "peft's model.merge_and_unload()",
    ),
    *(
        (
            re.compile(pattern),
            f"{whose} keeps a weight as small whole numbers with their scales",
            "dequantise the layers in that library",
        )
        for pattern, whose in (
            (r"(^|\.)qweight$", "GPTQ or AWQ"),
            (r"(^|\.)SCB$|(^|\.)weight\.(absmax|quant_map|quant_state\.\w+)$", "bitsandbytes"),
            (r"(^|\.)_?weight[:_.]_?qdata$", "torchao"),
            (r"(^|\.)weight_packed$", "compressed-tensors"),
            (r"(^|\.)weight_(quantized|zero_point)$", "ONNX Runtime's quantisation"),
            (r"(^|\.)_packed_params(\.\w+)*$|(^|\.)zero_point$", "torch.ao.quantization"),
        )
    ),
    (
        re.compile(r"(^|\.)\w*(fake_quant|activation_post_process)\w*\.\w+$"),
        "quantisation-aware training rounds weights and activations as the network runs",
        "take the modules' weights and biases alone, which are not rounded yet",
    ),
)
_WHOLE = {"_mask": "_orig", "_g": "_v", "_u": "_orig"}


def reparametrised(names: Iterable[str]) -> str | None:
    """Return what keeps a file's weights in parts and what to do, for a message; None if nothing does.

    Args:
        names: of the tensors that the model does not have.
    """
    known = set(names)
    for name in sorted(known):
        for pattern, what, advice in _KINDS:
            found = pattern.search(name)
            part = found.group() if found else ""
            if found and (part not in _WHOLE or name.removesuffix(part) + _WHOLE[part] in known):
                return f"{what} ('{name[:80]}'). Join them first: {advice}, and save the state dict again"
    return None
