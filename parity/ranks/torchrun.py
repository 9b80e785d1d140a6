"""Ranks that torchrun started: torch.distributed with gloo, NCCL or (by way of torch_npu) HCCL."""

from __future__ import annotations

import numpy as np

from converters import environment
from parity.runners.device import parse_device

_BACKENDS = {"cpu": "gloo", "cuda": "nccl", "npu": "hccl"}


class TorchrunRanks:
    """A process group over all ranks; tensors travel on the ranks' devices."""

    def __init__(self, device: str) -> None:
        """Join, with results on `device`."""
        torch = environment.import_torch()
        import torch.distributed as distributed

        where = parse_device(device)
        if where.kind == "npu":
            import torch_npu  # noqa: F401

            torch.npu.set_device(where.index)
        elif where.kind == "cuda":
            torch.cuda.set_device(where.index)
        self.backend = _BACKENDS[where.kind]
        distributed.init_process_group(self.backend)
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._device = str(where)
        self._torch, self._distributed = torch, distributed

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what every rank gave, by rank."""
        given = self._torch.from_numpy(np.ascontiguousarray(rows, np.int32)).to(self._device)
        parts = [self._torch.empty_like(given) for _ in range(self.size)]
        self._distributed.all_gather(parts, given)
        return [part.cpu().numpy() for part in parts]

    def close(self) -> None:
        """Leave the process group."""
        self._distributed.destroy_process_group()
