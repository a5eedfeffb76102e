"""The demo's optimizer is torch's Muon, but for its precision."""

import torch
from mathrl.demo.muon import Muon, orthogonalize


def test_directions_are_nearly_orthogonal():
    torch.manual_seed(1)
    made = orthogonalize(torch.randn(3, 16, 40))
    singular = torch.linalg.svdvals(made)
    assert ((singular > 0.6) & (singular < 1.3)).all()  # the iteration does not go all the way to one


def test_three_steps_are_those_of_torch():
    torch.manual_seed(1)
    begin = [torch.randn(24, 24), torch.randn(64, 24), torch.randn(24, 24), torch.randn(24, 64)]
    target = [torch.randn_like(matrix) for matrix in begin]
    found = {}
    for name, make in {
        "ours": lambda matrices: Muon(matrices, lr=0.02),
        "torch": lambda matrices: torch.optim.Muon(matrices, lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    }.items():
        matrices = [matrix.clone().requires_grad_() for matrix in begin]
        optimizer = make(matrices)
        for _ in range(3):
            sum(((matrix - wanted) ** 2).sum() for matrix, wanted in zip(matrices, target, strict=True)).backward()
            optimizer.step()
            optimizer.zero_grad()
        found[name] = matrices
    for ours, theirs, first in zip(found["ours"], found["torch"], begin, strict=True):
        assert (theirs - first).norm() > 0.1
        assert (ours - theirs).norm() < 0.03 * (theirs - first).norm()  # bfloat16 has eight bits
