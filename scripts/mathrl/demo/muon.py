"""Muon for small matrices on a CPU: torch's own computes its directions in bfloat16, which a CPU without instructions for it (most
laptops) multiplies some fifteen times slower than float32. It took most of the time of the demo's base model there.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic iteration: https://kellerjordan.github.io/posts/muon/
ITERATIONS = 5


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrix of each, nearly: `matrices` (count, rows, columns), no more rows than columns."""
    x = matrices / matrices.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x


class Muon(torch.optim.Optimizer):
    """`torch.optim.Muon` with Nesterov momentum, no decay and adjust_lr_fn="match_rms_adamw", all matrices of a shape at once."""

    def __init__(self, matrices: Iterable[torch.Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """One step for every matrix, each of which has a gradient."""
        for group in self.param_groups:
            wide: dict[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]] = {}
            for matrix in group["params"]:
                average = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                average.lerp_(matrix.grad, 1 - group["momentum"])
                direction = matrix.grad.lerp(average, group["momentum"])
                tall = matrix.shape[0] > matrix.shape[1]
                wide.setdefault(tuple(sorted(matrix.shape)), []).append(
                    (matrix.mT if tall else matrix, direction.mT if tall else direction)
                )
            for shape, pairs in wide.items():
                made = orthogonalize(torch.stack([direction for _, direction in pairs]))
                for (matrix, _), direction in zip(pairs, made, strict=True):
                    matrix.add_(direction, alpha=-group["lr"] * 0.2 * shape[1] ** 0.5)
