"""Storage units of TransferQueue and their enemies; prints what each of them got, as JSON.

`open` is a unit as verl makes it, `closed` one behind our doors. Every enemy sends a frame that makes a file when it is unpickled, as
an identity that TransferQueue lets through.
"""

import inspect
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from mathrl.verl import doors

doors.close()
doors.close()  # verl's import and Ray's hook both call it

import zmq  # noqa: E402
from transfer_queue.storage import simple_storage  # noqa: E402
from transfer_queue.utils import zmq_utils  # noqa: E402
from transfer_queue.utils.serial_utils import _PICKLE_FALLBACK_SENTINEL  # noqa: E402

folder = Path(sys.argv[1])


def make_unit():
    plain = simple_storage.SimpleStorageUnit.__ray_metadata__.modified_class
    known = {"config": {}, "storage_unit_size": 8, "total_storage_size": 8, "num_data_storage_units": 1}
    return plain(**{name: known[name] for name in inspect.signature(plain.__init__).parameters if name in known})


class Bomb:
    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return (os.system, (f"touch {folder}/{self.name}",))


def bomb(name):
    """The frames of a message that makes a file."""
    return [_PICKLE_FALLBACK_SENTINEL, pickle.dumps(Bomb(name))]


def honest(port):
    """Whether a client of TransferQueue's own is answered."""
    context = zmq.Context()
    client = zmq_utils.create_zmq_socket(context, zmq.DEALER, "127.0.0.1", identity=f"TQ_STORAGE_honest{time.time()}".encode())
    client.setsockopt(zmq.LINGER, 0)
    client.connect(f"tcp://127.0.0.1:{port}")
    request = zmq_utils.ZMQMessage.create(zmq_utils.ZMQRequestType.CLEAR_DATA, "honest", {"global_indexes": []})
    client.send_multipart(request.serialize())
    answered = bool(client.poll(5000))
    client.close()
    context.term()
    return answered


def hostile(port, name, keys=None):
    context = zmq.Context()
    client = context.socket(zmq.DEALER)
    client.setsockopt(zmq.LINGER, 0)
    client.setsockopt(zmq.IDENTITY, f"TQ_STORAGE_{name}".encode())
    if keys:
        client.curve_publickey, client.curve_secretkey, client.curve_serverkey = keys
    client.connect(f"tcp://127.0.0.1:{port}")
    client.send_multipart(bomb(name))
    until = time.monotonic() + 1.5
    while time.monotonic() < until and not (folder / name).exists():
        time.sleep(0.02)
    client.close()
    context.term()
    return (folder / name).exists()


class Recorder:
    """A relay that keeps what the client sent, and may spoil a byte on its way."""

    def __init__(self, port, spoil=None):
        self.server, self.port, self.spoil, self.sent = socket.create_server(("127.0.0.1", 0)), port, spoil, b""
        threading.Thread(target=self.relay, daemon=True).start()

    def relay(self):
        client = self.server.accept()[0]
        upstream = socket.create_connection(("127.0.0.1", self.port))
        threading.Thread(target=self.pump, args=(upstream, client, False), daemon=True).start()
        self.pump(client, upstream, True)

    def pump(self, source, target, keep):
        while data := source.recv(1 << 16):
            if keep:
                self.sent += data
                if self.spoil and len(self.sent) > self.spoil:
                    data = data[:-1] + bytes([data[-1] ^ 1])
            target.sendall(data)


def replay(recorded):
    """Requests that arrive when recorded bytes are sent once more."""
    before = unit._requests_arrived
    with socket.create_connection(("127.0.0.1", port)) as client:
        for start in range(0, len(recorded), 64):
            try:
                client.sendall(recorded[start : start + 64])
            except OSError:
                break
            time.sleep(0.02)
        time.sleep(0.3)
    return unit._requests_arrived - before


def other(port, name, *before):
    """Whether a client that is started by another program gets through: as another user, from another network."""
    code = (
        f"import zmq,time; s=zmq.Context().socket(zmq.DEALER); s.identity=b'TQ_STORAGE_x'; s.connect('tcp://127.0.0.1:{port}'); "
        f"s.send_multipart({bomb(name)!r}); time.sleep(1); s.close(0)"
    )
    subprocess.run([*before, sys.executable, "-c", code], check=True, cwd="/", stderr=subprocess.DEVNULL)
    return (folder / name).exists()


def attack(port, prefix):
    """What a stranger, another user and another network get."""
    said = {"honest": honest(port), "stranger": hostile(port, f"{prefix}_stranger")}
    if os.geteuid() == 0:
        said["user"] = other(port, f"{prefix}_user", "setpriv", "--reuid=65534", "--clear-groups")
        said["network"] = other(port, f"{prefix}_network", "unshare", "--net")
    return said


unit = make_unit()
port = unit.zmq_server_info.ports["put_get_socket"]
said = attack(port, "closed")
another = doors.key_pair("w" * 64, "server")[0]
said["another token"] = hostile(port, "another_token", (*zmq.curve_keypair(), another))
recorder = Recorder(port)
said["honest through a relay"] = honest(recorder.server.getsockname()[1])
said["replayed"], said["cut"] = replay(recorder.sent), replay(recorder.sent[: len(recorder.sent) // 2])
before = unit._requests_arrived
spoiler = Recorder(port, spoil=len(recorder.sent) - 40)
threading.Thread(target=honest, args=(spoiler.server.getsockname()[1],), daemon=True).start()
time.sleep(1)
said["spoilt"] = unit._requests_arrived - before
said["honest afterwards"] = honest(port)
said["address"] = unit.zmq_server_info.ip

closed = zmq_utils.create_zmq_socket
simple_storage.create_zmq_socket = zmq_utils.create_zmq_socket = closed.__wrapped__
said["open"] = attack(make_unit().zmq_server_info.ports["put_get_socket"], "open")
print(json.dumps(said), flush=True)  # what is buffered is lost below
os._exit(0)
