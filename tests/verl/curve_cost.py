"""Processor time that CURVE adds on this machine, both ends together, as JSON: seconds per connection, frame and byte.

The same connections and frames are made without and with it, in turn; the least of nine rounds counts, which other work disturbs least.
Small frames go in messages of eight, as TransferQueue sends them, large ones alone.
"""

import json
import time

import zmq
from mathrl.verl.doors import key_pair

TOKEN = "t" * 64


def pair(curve):
    context = zmq.Context()
    server = context.socket(zmq.ROUTER)
    if curve:
        server.curve_publickey, server.curve_secretkey = key_pair(TOKEN, "server")
        server.curve_server = True
    return context, server, server.bind_to_random_port("tcp://127.0.0.1")


def client(context, port, curve):
    made = context.socket(zmq.DEALER)
    made.linger = 0
    if curve:
        made.curve_publickey, made.curve_secretkey = key_pair(TOKEN, "client")
        made.curve_serverkey = key_pair(TOKEN, "server")[0]
    made.connect(f"tcp://127.0.0.1:{port}")
    return made


def frames(curve, size, count, parts):
    """Seconds per frame of this size."""
    context, server, port = pair(curve)
    sender, message = client(context, port, curve), [b"x" * size] * parts
    sender.send(b"first")
    server.recv_multipart()
    begin = time.process_time()
    for _ in range(count):
        sender.send_multipart(message)
        server.recv_multipart()
    took = (time.process_time() - begin) / count / parts
    for one in (sender, server):
        one.close()
    context.term()
    return took


def connections(curve, count=50):
    """Seconds per connection that sends one frame."""
    context, server, port = pair(curve)
    begin = time.process_time()
    for _ in range(count):
        sender = client(context, port, curve)
        sender.send(b"one")
        server.recv_multipart()
        sender.close()
    took = (time.process_time() - begin) / count
    server.close()
    context.term()
    return took


def main():
    least = {}
    for _ in range(9):
        for curve in (False, True):
            for name, took in (
                ("connection", connections(curve)),
                ("small", frames(curve, 100, 500, 8)),
                ("large", frames(curve, 1 << 20, 50, 1)),
            ):
                least[name, curve] = min(took, least.get((name, curve), took))
    more = {name: max(0.0, least[name, True] - least[name, False]) for name in ("connection", "small", "large")}
    print(json.dumps({"connection": more["connection"], "frame": more["small"], "byte": more["large"] / (1 << 20)}))


if __name__ == "__main__":
    main()
