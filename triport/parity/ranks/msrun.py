"""Ranks that MindSpore's msrun started: HCCL on Ascend, NCCL on GPU, MindSpore's own collectives on CPU."""

from __future__ import annotations

import numpy as np

from triport.converters import environment
from triport.parity.device import parse_device
from triport.parity.runtimes.mindspore import TARGETS

from .rank import RankError, first_line

_BACKENDS = {"cpu": "mccl", "cuda": "nccl", "npu": "hccl"}


class MsrunRanks:
    """The world group of MindSpore's communication."""

    def __init__(self, device: str) -> None:
        """Join, with results on `device`. In msrun's scheduler process this does not return."""
        mindspore = environment.import_mindspore(device)
        from mindspore import communication, ops

        where = parse_device(device)
        mindspore.set_device(TARGETS[where.kind], where.index)
        try:
            communication.init()
        except (RuntimeError, ValueError) as error:
            raise RankError(f"the ranks did not meet ({first_line(error)}): see msrun's log files") from error
        self.backend = _BACKENDS[where.kind]
        self.rank, self.size = communication.get_rank(), communication.get_group_size()
        self._mindspore, self._all_gather = mindspore, ops.AllGather()

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what every rank gave, by rank."""
        self._mindspore.set_context(mode=self._mindspore.PYNATIVE_MODE)
        given = self._mindspore.Tensor(np.ascontiguousarray(rows, np.int32))
        try:
            return np.split(self._all_gather(given).asnumpy(), self.size)
        except RuntimeError as error:
            raise RankError(
                f"rank {self.rank}: another rank is gone ({first_line(error)}): see its log file. Rows that "
                "are written stay, and --resume goes on with them"
            ) from error

    def close(self) -> None:
        """Stay: MindSpore leaves its group when the process ends."""
