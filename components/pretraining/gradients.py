"""One gradient of a loss over the global batch, whatever the number of workers and of accumulated parts.

Each worker sends only its own rows through the network; the others' outputs come to it as constants. The loss is that
of all rows, so a worker's gradient is its rows' share of the whole gradient, and the sum over workers is the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from components.objectives.protocol import Scored
from components.training import Session, gather, mean_gradients


def step_gradients(
    forward: Callable[[torch.Tensor], torch.Tensor],
    parts: Sequence[torch.Tensor],
    score: Callable[[torch.Tensor], Scored],
    *,
    views: int,
    columns: range,
    total: int,
    session: Session,
) -> Scored:
    """Add the gradient of ``score`` to that of all parameters; :func:`share_out` then makes it one for all workers.

    Args:
        forward: inputs -> outputs [*, K].
        parts: inputs of this worker's rows, cut into parts: each holds all views of its rows, view by view.
        score: outputs of the global batch [V, B, K] -> loss.
        columns: place of this worker's rows in the global batch of ``total`` rows.
    """
    at_once = len(parts) == 1
    with torch.set_grad_enabled(at_once):
        outputs = [forward(part) for part in parts]
    shapes = [(views, len(out) // views, out.shape[1]) for out in outputs]
    own = torch.cat([o.detach().float().view(s) for o, s in zip(outputs, shapes, strict=True)], dim=1).requires_grad_()
    scored = score(gather(own, columns, total, session))
    scored.loss.backward()
    assert own.grad is not None
    gradients = (own.grad * session.world).split([s[1] for s in shapes], dim=1)
    for part, out, gradient in zip(parts, outputs, gradients, strict=True):
        again = out if at_once else forward(part)
        again.backward(gradient.reshape(again.shape).to(again.dtype))
    return scored


def share_out(parameters: Sequence[torch.Tensor], session: Session) -> None:
    """Make the gradients of all workers one; a parameter that had none on this worker counts as zero."""
    if session.world == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    mean_gradients(parameters, session)
