"""Tensors of all processes that share a step."""

import torch
import torch.distributed as distributed
from torch import Tensor


def processes() -> int:
    """Return how many processes share each step; 1 without `torch.distributed`."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(values: Tensor) -> Tensor:
    """Return the rows of all processes in order of rank; this process's own keep their gradient.

    Parameters
    ----------
    values : Tensor
        Shape (rows, ...); processes may have unequal numbers of rows.

    Notes
    -----
    A loss of all rows that every process computes has, on each, the gradient of its own rows only. ddp averages over
    processes, so the loss must be multiplied by their number (`every_process_sums`) to get the gradient of one process.
    """
    world = processes()
    if world == 1:
        return values
    counts = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(world)]
    distributed.all_gather(counts, torch.tensor([len(values)], device=values.device))
    rows = [int(count) for count in counts]
    padded = values.new_zeros((max(rows), *values.shape[1:]))
    padded[: len(values)] = values.detach()
    parts = [torch.zeros_like(padded) for _ in range(world)]
    distributed.all_gather(parts, padded)
    own = distributed.get_rank()
    return torch.cat([values if rank == own else part[: rows[rank]] for rank, part in enumerate(parts)])


def every_process_sums(loss: Tensor) -> Tensor:
    """Return `loss`, its gradient multiplied by the number of processes; see `gathered`."""
    world = processes()
    return loss if world == 1 else loss.detach() + world * (loss - loss.detach())
