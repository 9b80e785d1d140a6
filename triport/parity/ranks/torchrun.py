"""Ranks that torchrun started: torch.distributed with gloo, NCCL or (by way of torch_npu) HCCL."""

from __future__ import annotations

import contextlib

import numpy as np

from triport.converters import environment
from triport.parity.device import parse_device
from triport.parity.torch_devices import require_device

from .rank import RankError, first_line

_BACKENDS = {"cpu": "gloo", "cuda": "nccl", "npu": "hccl"}


class TorchrunRanks:
    """A process group over all ranks; tensors travel on the ranks' devices."""

    def __init__(self, device: str) -> None:
        """Join, with results on `device`.

        Raises:
            DeviceError: the device is not there.
            RankError: the ranks do not meet.
        """
        torch = environment.import_torch()
        import torch.distributed as distributed

        where = parse_device(device)
        require_device(torch, where)
        if where.kind == "npu":
            torch.npu.set_device(where.index)
        elif where.kind == "cuda":
            torch.cuda.set_device(where.index)
        self.backend = _BACKENDS[where.kind]
        try:
            distributed.init_process_group(self.backend)
        except (RuntimeError, ValueError) as error:  # torch.distributed's own errors are RuntimeErrors
            raise RankError(
                f"the ranks did not meet by {self.backend} ({first_line(error)}): is every one of them "
                "started, with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE?"
            ) from error
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._device = str(where)
        self._torch, self._distributed = torch, distributed

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what every rank gave, by rank."""
        given = self._torch.from_numpy(np.ascontiguousarray(rows, np.int32)).to(self._device)
        parts = [self._torch.empty_like(given) for _ in range(self.size)]
        try:
            self._distributed.all_gather(parts, given)
        except RuntimeError as error:
            raise RankError(
                f"rank {self.rank}: another rank is gone ({first_line(error)}): see its message. Rows that "
                "are written stay, and --resume goes on with them"
            ) from error
        return [part.cpu().numpy() for part in parts]

    def close(self) -> None:
        """Leave the process group."""
        with contextlib.suppress(RuntimeError):  # another rank is gone already
            self._distributed.destroy_process_group()
