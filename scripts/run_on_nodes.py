#!/usr/bin/env python3
"""Run a command over all nodes of this job, with a Ray cluster of its own, the image inside.

python scripts/run_on_nodes.py --gpus 6 --image containers/cuda.sif --image-arguments=--nv -- python train.py

Runs on the host of the job's first node, outside any image. The command finds RAY_ADDRESS set.
The image may also be given as $MATHRL_NODE_IMAGE and its arguments as $MATHRL_NODE_IMAGE_ARGUMENTS, so that a change of them
is no change of the command.
"""

from __future__ import annotations

import argparse

from mathrl.core.files import UserError, run_main
from mathrl.execution.node_image import remembered


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, metavar="N", help="GPUs of each node")
    parser.add_argument("--cpus", type=int, metavar="N", help="CPUs of each node for Ray (default: the job's)")
    parser.add_argument(
        "--image",
        default=remembered()[0],
        metavar="FILE",
        help="image of all steps (default: none, the host's Python)",
    )
    parser.add_argument(
        "--image-arguments",
        default=remembered()[1],
        metavar="ARGS",
        help="for apptainer exec, e.g. --nv (default none)",
    )
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="cpu: ranks without GPUs (default cuda)")
    parser.add_argument("--hosts", type=int, metavar="N", help="hosts of the configuration's launcher (default: SLURM's nodes)")
    inner = parser.add_argument_group("used by the script itself, on each node")
    inner.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    inner.add_argument("--head", metavar="ADDRESS", help=argparse.SUPPRESS)
    inner.add_argument("--join", metavar="ADDRESS", help=argparse.SUPPRESS)
    inner.add_argument("--drive", metavar="ADDRESS", help=argparse.SUPPRESS)
    inner.add_argument("--meet", metavar="ADDRESS", help=argparse.SUPPRESS)
    inner.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    inner.add_argument("--nodes", type=int, help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- command and its arguments")
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command

    from mathrl.execution import launcher, nodes

    if given.serve:
        return launcher.serve(command)
    if given.gpus is None:
        raise UserError("--gpus is missing; give the GPUs of each node")
    if given.head or given.join:
        from mathrl.verl.environment import verl_environment

        variables = verl_environment(given.accelerator)
        return nodes.ray_node(given.head or given.join, bool(given.head), given.gpus, given.cpus, variables)
    if given.meet:
        nodes.meet(given.meet, given.rank, given.nodes, given.accelerator == "cuda")
        return 0
    if not command:
        raise UserError("no command given; put it after --")
    if given.drive:
        nodes.drive(given.drive, given.nodes, command)
    cuda = given.accelerator == "cuda"
    return nodes.launch(command, given.image, given.image_arguments, given.gpus, given.cpus, cuda, given.hosts)


if __name__ == "__main__":
    run_main(main)
