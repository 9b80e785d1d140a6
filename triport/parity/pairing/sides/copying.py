"""Copies of a user's Module, so that its own values stay as they are."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from triport.converters.environment import import_torch
from triport.converters.networks.arguments import NetArgumentError


def copied(net: Any, instead: Mapping[int, Any] | None = None) -> Any:
    """Return a copy of a Module.

    A Module may keep what it has computed of its parameters, as the older weight norm does: PyTorch does not
    copy such a tensor, and the copy gets its values.

    Args:
        net: is not changed.
        instead: what stands in the copy for an object, by its id.

    Raises:
        NetArgumentError: something in it cannot be copied.
    """
    torch = import_torch()
    memo = dict(instead or {})
    for module in net.modules():
        for value in vars(module).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(net, memo)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise NetArgumentError(
            f"a {type(net).__name__}: cannot be copied: {error}. A pair works with a copy of an object; name "
            f"what makes it instead, as 'package.module:factory'"
        ) from error
