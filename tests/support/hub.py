"""A small hub on loopback that speaks as much of ModelScope's, Hugging Face's and plain HTTP as the real clients ask for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `files` (path → bytes) of one repository under any id. Use as a context manager; `url` is its address.

    `break_after`: a transfer is cut after so many bytes of each file, `breaks` times in all. `failures`: so many answers 503 first.
    `log` holds `(method, path, range)` of each request.
    """

    def __init__(self, files: dict[str, bytes], break_after: int | None = None, breaks: int = 1, failures: int = 0) -> None:
        self.files, self.break_after, self.breaks, self.failures = files, break_after, breaks, failures
        self.log: list[tuple[str, str, str | None]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, address = self.hub, urlsplit(self.path)
        hub.log.append((self.command, self.path, self.headers.get("Range")))
        if hub.failures > 0:
            hub.failures -= 1
            return self.reply(503, b"busy", {})
        path, query = unquote(address.path), {key: values[0] for key, values in parse_qs(address.query).items()}
        if match := re.fullmatch(r"/api/(?:datasets|models)/[^/]+/[^/]+(?:/revision/[^/]+)?", path):
            return self.reply_json({"id": "a/b", "sha": COMMIT, "siblings": [{"rfilename": name} for name in hub.files], "private": False})
        if match := re.fullmatch(r"/api/(?:datasets|models)/[^/]+/[^/]+/tree/.*", path):
            return self.reply_json([{"type": "file", "path": name, "size": len(data), "oid": "0" * 40} for name, data in hub.files.items()])
        if match := re.fullmatch(r"(?:/datasets)?/[^/]+/[^/]+/resolve/[^/]+/(.+)", path):
            return self.reply_file(match.group(1))
        if re.fullmatch(r"/api/v1/(?:datasets|models)/[^/]+/[^/]+/repo/(?:tree|files)", path):
            root = query.get("Root", "").strip("/")
            listing = [
                {
                    "Path": name,
                    "Name": name.rsplit("/", 1)[-1],
                    "Type": "blob",
                    "Size": len(data),
                    "Sha256": hashlib.sha256(data).hexdigest(),
                    "Revision": COMMIT,
                }
                for name, data in hub.files.items()
                if name.startswith(root)
            ]
            return self.reply_json({"Code": 200, "Success": True, "Data": {"Files": listing, "TotalCount": len(listing)}})
        if re.fullmatch(r"/api/v1/(?:datasets|models)/[^/]+/[^/]+/repo", path):
            return self.reply_file(query["FilePath"])
        if re.fullmatch(r"/api/v1/(?:datasets|models)/[^/]+/[^/]+(?:/revisions)?", path):
            revisions = {"Branches": [{"Revision": "master"}], "Tags": []}
            return self.reply_json({"Code": 200, "Success": True, "Data": {"Id": 1, "Name": "b", "RevisionMap": revisions, **revisions}})
        if path.lstrip("/") in hub.files:
            return self.reply_file(path.lstrip("/"))
        return self.reply(404, b"{}", {})

    def reply_json(self, value: object) -> None:
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def reply_file(self, name: str) -> None:
        data = self.hub.files.get(name)
        if data is None:
            return self.reply(404, b"{}", {})
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted or self.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
            return self.reply(200, data, headers, breakable=True)
        first = int(wanted.group(1))
        last = min(int(wanted.group(2) or len(data) - 1), len(data) - 1)
        if first >= len(data):
            return self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self.reply(206, data[first : last + 1], headers, breakable=True)

    def reply(self, status: int, data: bytes, headers: dict[str, str], breakable: bool = False) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        hub = self.hub
        if breakable and hub.break_after is not None and hub.breaks > 0 and len(data) > hub.break_after:
            hub.breaks -= 1
            self.wfile.write(data[: hub.break_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
