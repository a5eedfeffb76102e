"""Hold a verifier that is a model and answer over a Unix socket, until who started it ends. A training starts one for each.

python scripts/serve_verifier.py --verifiers '{"named": {"checker": {"kind": "prm", "model": "m"}}}' --verifier checker \\
    --model results/checker/model --accelerator cpu --socket /tmp/mine/checker
"""

import argparse
import os
from pathlib import Path

from mathrl.core.files import run_main
from mathrl.verifiers import arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_to(parser)
    parser.add_argument("--socket", type=Path, required=True, help="to be made, in a directory that you alone can enter")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process to end with (default: who started this)")
    args = parser.parse_args()

    from mathrl.execution import processes
    from mathrl.models.checks import check_model
    from mathrl.models.engine import leave_out_sklearn
    from mathrl.verifiers import server
    from mathrl.verifiers.one_pass import OnePass

    processes.end_with(args.parent)
    server.check_place(args.socket)
    if args.model:
        check_model(args.model)
        leave_out_sklearn()
    verifier = arguments.verifier(args)
    if isinstance(verifier.inner, OnePass):
        verifier.inner.check()
    server.serve(verifier.inner, args.socket, verifier.batch_size, args.verifier)


if __name__ == "__main__":
    run_main(main)
