"""What listens below a process, TCP and Unix sockets, and what a stranger gets there: another user of the host, and another network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from mathrl.execution import processes

# Sent to every port: HTTP requests that vLLM and Ray's agents answer, calls of Ray's own servers, and TransferQueue's greeting with a frame
# that makes a file. With Ray's token only what harms nobody is called: it shows that Ray was asked.
STRANGER = r"""
import concurrent.futures, http.client, json, os, pickle, sys
import grpc, zmq
RAY = ("NodeInfoGcsService/CheckAlive", "NodeManagerService/GetSystemConfig", "CoreWorkerService/GetCoreWorkerStats",
    "ObjectManagerService/Pull", "LogService/ListLogs", "ReporterService/HealthCheck", "RayletDriver/ClusterInfo")
KEY = [("authorization", "Bearer " + os.environ["STRANGERS_TOKEN"])] if os.environ["STRANGERS_TOKEN"] else None
RAY = RAY[:2] if KEY else RAY
def called(address):
    codes = []
    with grpc.insecure_channel(address) as channel:
        for method in RAY:
            try:
                channel.unary_unary("/ray.rpc." + method)(b"", timeout=3, metadata=KEY)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
            if codes[-1] in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                break
    return codes
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
    said = {path: asked(address, path) for path in ("/v1/models", "/metrics")} | {"Ray": called(address)}
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
nothing = {"/v1/models": "no end", "/metrics": "no end", "Ray": []}
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


def unix_listeners(root: int) -> dict[str, str]:
    """Unix sockets that processes below `root` have bound and not connected, with the name of the process; abstract ones begin with @."""
    tree = {root} | processes.descendants(root)
    lines = subprocess.run(["ss", "-Hlxnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in lines:
        match = re.match(r"\S+\s+\S+\s+\d+\s+\d+\s+(.+?)\s+\d+\s+\*\s+\d+\s+users:(.+)", line)
        if match and match[1] != "*" and {int(pid) for pid in re.findall(r"pid=(\d+)", match[2])} & tree:
            found[match[1]] = re.search(r'\(\("([^"]*)"', match[2])[1]
    return found


# Any kind of socket, pathname or abstract: whether the kernel lets this user connect.
KNOCK = r"""
import json, socket, sys
def open_to_me(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as one:
                one.settimeout(5)
                one.connect("\0" + path[1:] if path.startswith("@") else path)
            return True
        except OSError:
            pass
    return False
print(json.dumps({path: open_to_me(path) for path in sys.argv[1:]}))
"""


def knock(paths: list[str], *before: str) -> dict[str, bool]:
    """Which of these Unix sockets a stranger can connect to."""
    command = [*before, sys.executable, "-c", KNOCK, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def closed_by_mode(path: str) -> bool:
    """Whether the modes of a socket, or of a folder above it, keep everybody but its owner out."""
    place = Path(path)
    return not place.stat().st_mode & 0o022 or any(not folder.stat().st_mode & 0o011 for folder in place.parents)


def visit(addresses: list[str], bomb: Path, *before: str, token: str = "") -> dict:
    """What a stranger is answered at each address; `bomb` is the file that its frame makes where it is unpickled.

    `token`: Ray's, of one who is no stranger to it.
    """
    command = [*before, sys.executable, "-c", STRANGER, str(bomb), *addresses]
    environment = {"PATH": os.environ["PATH"], "STRANGERS_TOKEN": token}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/", env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


CLOSED = {"UNAUTHENTICATED", "UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}  # it has not that server, or no server at all


def opened(answers: dict) -> bool:
    """Whether an address gave a stranger more than Ray's metrics: a call that Ray answers, be it with a refusal of its own, has passed."""
    return 200 in (answers["/v1/models"], answers["/metrics"]) or not CLOSED.issuperset(answers["Ray"])


AS_ANOTHER_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
FROM_ANOTHER_NETWORK = ("unshare", "--net")
