"""Before verl starts: do model and settings fit these GPUs, and what does the link between them cost?"""

from __future__ import annotations

import sys

from mathrl.core.files import UserError, read_json
from mathrl.execution import compiler, nvidia
from mathrl.training import memory, served, traffic
from mathrl.training.plan import StagePlan


def check(plan: StagePlan) -> None:
    """Say what the memory table and the link make of this job's GPUs, and refuse what cannot work.

    Raises:
        UserError: nothing can be compiled here, or weights, optimizer and gradients alone take more than a GPU has.
    """
    if plan.accelerator != "cuda" or plan.supervised:
        return
    compiler.check()  # of this node, which need not have what the one has that started the workflow
    found = nvidia.gpus(nvidia.own())[: plan.stage.gpus]
    for line in nvidia.notices(found):
        print(f"{plan.name}: {line}", file=sys.stderr)
    try:
        model = memory.read_model(read_json(plan.model / "config.json"))
    except KeyError:
        return  # a shape that the table does not know
    smallest = min((gpu.total for gpu in found), default=0)
    if smallest:
        held = served.held(plan)
        served.check_room(plan, smallest)
        parts = memory.estimate(model, plan.stage, smallest, held)
        least = parts["state"] + parts["gradients"] + parts["verifiers"]
        said = memory.advice(model, plan.stage, smallest, held)
        if least > smallest:
            what = "weights, optimizer, gradients and verifiers" if held.count else "weights, optimizer and gradients"
            raise UserError(
                f"{plan.name}: {what} take {least / memory.GIB:.0f} GiB on each of {plan.stage.all_gpus} GPU(s), which "
                f"have {smallest / memory.GIB:.0f}; use more GPUs, or training.lora, or let scripts/write_preset.py choose"
            )
        if said != "fits":
            print(f"{plan.name}: the memory table expects no room on {smallest / memory.GIB:.0f} GiB: {said}", file=sys.stderr)
    cost = traffic.told(model, plan.stage, nvidia.slowest_link(found))
    if cost:
        print(f"{plan.name}: {cost}", file=sys.stderr)
