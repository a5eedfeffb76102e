"""What listens below a process, and what a stranger gets there: another user of the host, and another network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from mathrl.execution import processes

# Sent to every port: HTTP requests that vLLM and Ray's agents answer, and TransferQueue's greeting with a frame that makes a file.
STRANGER = r"""
import concurrent.futures, http.client, json, os, pickle, sys
import zmq
class Bomb:
    def __reduce__(self):
        return (os.system, ("touch " + sys.argv[1],))
def asked(address, path):
    try:
        link = http.client.HTTPConnection(*address.rsplit(":", 1), timeout=5)
        link.request("GET", path)
        answer = link.getresponse()
        return "metrics" if answer.status == 200 and answer.read(6) in (b"# HELP", b"") else answer.status
    except Exception as error:
        return type(error).__name__
def visit(address):
    said = {path: asked(address, path) for path in ("/v1/models", "/metrics")}
    peer = zmq.Context.instance().socket(zmq.DEALER)
    peer.linger, peer.identity = 0, b"TQ_STORAGE_stranger"
    peer.connect("tcp://" + address)
    peer.send_multipart([b"\xc1\xfe\xed", pickle.dumps(Bomb())])
    peer.poll(1000)
    peer.close()
    return said
pool = concurrent.futures.ThreadPoolExecutor(64)
visits = {address: pool.submit(visit, address) for address in sys.argv[2:]}
concurrent.futures.wait(visits.values(), 120)
nothing = {"/v1/models": "no end", "/metrics": "no end"}
print(json.dumps({address: visit.result() if visit.done() else nothing for address, visit in visits.items()}), flush=True)
os._exit(0)
"""


def listeners(root: int) -> dict[str, str]:
    """TCP addresses at which processes below `root` listen, with the name of the process."""
    tree = {root} | processes.descendants(root)
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in lines:
        pids = {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
        if pids & tree:
            found[line.split()[3].replace("[::ffff:127.0.0.1]", "127.0.0.1")] = re.search(r'\(\("([^"]*)"', line).group(1)
    return found


def visit(addresses: list[str], bomb: Path, *before: str) -> dict:
    """What a stranger is answered at each address; `bomb` is the file that its frame makes where it is unpickled."""
    command = [*before, sys.executable, "-c", STRANGER, str(bomb), *addresses]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


AS_ANOTHER_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
FROM_ANOTHER_NETWORK = ("unshare", "--net")
