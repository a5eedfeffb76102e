"""The secrets of one job, and where its processes listen. Handed on in the environment alone: no file, no command line.

Linux shows a process's environment to its own user and to root, to nobody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

TOKEN, ENGINE_KEY = "RAY_AUTH_TOKEN", "VLLM_API_KEY"

# On one host nothing listens beyond loopback. Ray has a switch for it that names other systems: with it every process of Ray takes
# 127.0.0.1 for its address. Its parameter `_node_ip_address` moves none of Ray's listeners.
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
    "VLLM_HOST_IP": "127.0.0.1",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # torchrun: the ranks have a store of their own (models/local_stores.py)
}


def authentication() -> dict[str, str]:
    """Variables for every process of the job: a token for Ray and verl's queue, a key for vLLM's HTTP server, both made just now.

    Ray's head asks for a token by itself where the user's home holds one, as any earlier `ray.init()` leaves it, and nodes that
    join and the driver do not bring it. Without a token, others on the nodes could run code as this user.
    """
    return {"RAY_AUTH_MODE": "token", TOKEN: secrets.token_hex(32), ENGINE_KEY: secrets.token_hex(32)}


def isolation(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a training: its secrets, and loopback. Nothing where a cluster is there, which has both (execution/nodes.py)."""
    return {} if "RAY_ADDRESS" in environment else authentication() | LOOPBACK
