"""A loss summed over pieces of a batch, with the memory of one piece."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

PieceLoss = Callable[[slice, Tensor], Tensor]


def streamed_loss(piece_loss: PieceLoss, rows: Tensor, parameters: Sequence[Tensor], pieces: Sequence[slice]) -> Tensor:
    """Return the sum of the losses of all pieces; each piece's activations are freed before the next begins.

    The gradients are taken on the way forward and handed out on the way back, so that nothing is computed twice.

    Parameters
    ----------
    piece_loss : callable
        The loss of a piece, from its slice and its part of `rows`; it may depend on `parameters` too.
    rows : Tensor
        Shape (batch, ...).
    parameters : sequence of Tensor
        All others that gradients are wanted of.
    pieces : sequence of slice
        Cover `rows` without overlap.

    Notes
    -----
    Second derivatives are not available.
    """
    if len(pieces) == 1 or not torch.is_grad_enabled():
        return torch.stack([piece_loss(piece, rows[piece]) for piece in pieces]).sum()
    found: Tensor = _Streamed.apply(piece_loss, pieces, rows, *parameters)  # type: ignore[no-untyped-call]
    return found


class _Streamed(torch.autograd.Function):
    """Gradients on the way forward."""

    @staticmethod
    def forward(ctx: Any, piece_loss: PieceLoss, pieces: Sequence[slice], rows: Tensor, *parameters: Tensor) -> Tensor:
        totals: list[Tensor | None] = [None] * len(parameters)
        row_gradient = torch.zeros_like(rows)
        total = torch.zeros((), dtype=torch.float32, device=rows.device)
        for piece in pieces:
            with torch.enable_grad():
                own = rows[piece].detach().requires_grad_()
                loss = piece_loss(piece, own)
            gradients = torch.autograd.grad(loss, [own, *parameters], allow_unused=True)
            total += loss.detach()
            if gradients[0] is not None:
                row_gradient[piece] = gradients[0]
            for place, gradient in enumerate(gradients[1:]):
                before = totals[place]
                if gradient is not None:
                    totals[place] = gradient if before is None else before + gradient
        ctx.used = [gradient is not None for gradient in totals]
        ctx.save_for_backward(row_gradient, *(gradient for gradient in totals if gradient is not None))
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        row_gradient, *saved = ctx.saved_tensors
        given = iter(saved)
        own = [next(given) * outer[0] if used else None for used in ctx.used]
        return (None, None, row_gradient * outer[0], *own)
