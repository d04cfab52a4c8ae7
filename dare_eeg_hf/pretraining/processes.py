"""What several training processes must agree on, over a channel that never waits for a GPU."""

import datetime
from collections.abc import Sequence

import torch
import torch.distributed as dist


class ProcessGroup:
    """A gloo group beside the training group, for facts that live on the CPU.

    Asking "does anybody want to stop?" through NCCL would make every step wait for the GPU; this does not. With one
    process every method answers at once.
    """

    def __init__(self, timeout: datetime.timedelta = datetime.timedelta(minutes=30)) -> None:
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self._group = dist.new_group(backend="gloo", timeout=timeout) if self.world_size > 1 else None

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0

    def any(self, *flags: object) -> list[bool]:
        """For each flag: is it true in at least one process? Every process must ask at the same point."""
        return [bool(value) for value in self._reduce([float(bool(flag)) for flag in flags], dist.ReduceOp.MAX)]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Element-wise sum over processes, in float64."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def wait(self) -> None:
        """Return once every process has come here."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def _reduce(self, values: Sequence[float], operation: dist.ReduceOp) -> list[float]:
        if self._group is None:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, operation, group=self._group)
        return tensor.tolist()
