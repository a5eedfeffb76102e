#!/usr/bin/env python3
"""tests/hpc/strangers.py BOMB NODE=ADDRESS...: what a stranger on the cluster's network gets from a training over these nodes.

The nodes' network namespaces are mathrl-NODE (start_slurm.sh). Everything that listens there beyond loopback, but SLURM, is visited from
this host's network by another user, whose frames make the file BOMB wherever they are unpickled.
"""

import re
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "scripts")]

from support import strangers  # noqa: E402

SLURM = ("slurmd", "slurmstepd", "srun")


def listeners(node: str, own: str) -> dict[str, str]:
    """Routable addresses at which processes of a node listen, with the name of the process."""
    command = ["nsenter", f"--net=/run/netns/mathrl-{node}", "ss", "-Hltnp"]
    found = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        name = (re.search(r'\(\("([^"]*)"', line) or [None, "?"])[1]
        if not address.startswith(("127.", "[::1]", "[::ffff:127.")) and name not in SLURM:
            found[f"{own}:{port}"] = name
    return found


def main() -> int:
    bomb, found = Path(sys.argv[1]), {}
    for node in sys.argv[2:]:
        found |= listeners(*node.split("="))
    if len(found) < 10:
        print(f"FAILED: only {found} listen: is a training there?", file=sys.stderr)
        return 1
    said = strangers.visit(sorted(found), bomb, *strangers.AS_ANOTHER_USER)
    wrong = [f"{found[address]} at {address}: {answers}" for address, answers in said.items() if strangers.opened(answers)]
    if not any("UNAUTHENTICATED" in answers["Ray"] for answers in said.values()):
        wrong.append("no server of Ray's asked for a token: was any called?")
    if bomb.exists():
        wrong.append(f"a frame of the stranger was unpickled: {bomb} is there")
    for line in wrong:
        print(f"FAILED: {line}", file=sys.stderr)
    if not wrong:
        print(f"ok: {len(found)} listeners on the cluster's network gave a stranger nothing but Ray's metrics")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
