"""What names a machine or a person does not travel: absolute paths, home directories, logins in addresses, hosts of a local net.

Only what describes the study is looked at (configuration, pins, manifests, the model card); responses and problems are data.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from typing import Any

ELSEWHERE = "elsewhere"
"""The folder that stands for any absolute one."""
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^/\s@\"']*@)?(\[[^\]\s]*\]|[^/\s:?#\"']*)(:\d+)?", re.I)
_LOGIN = re.compile(r"(?<![\w/.-])[\w.-]+@(?!sha\d+:)[\w-]+(?:\.[\w-]+)*:([~/\w][\w./~+-]*)")
_PATH = re.compile(r"(?<![\w.:/<\\$}\])-])(?:~[\w.-]*|/[\w.@+,=-]+)(?:/[\w.@+,=-]+)+/?")
_LOCAL = (".local", ".localdomain", ".internal", ".intranet", ".lan", ".corp", ".home", ".private")


def local_places() -> list[str]:
    """The working directory, by each of its names: what lies below it becomes relative."""
    places = {os.getcwd(), os.path.realpath(os.getcwd()), os.environ.get("PWD", "")}
    return sorted((place for place in places if len(place) > 1), key=len, reverse=True)


def local_names() -> list[str]:
    """What this host is called, where the name can be nothing else: with a digit, a dash or a dot in it."""
    names = {socket.gethostname()}
    names |= {name.split(".")[0] for name in names}
    return sorted((name for name in names if len(name) > 3 and re.search(r"[\d.-]", name)), key=len, reverse=True)


def is_local_host(host: str) -> bool:
    """Whether an address of the net leads nowhere for a stranger."""
    host = host.strip("[]").lower()
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL)


def _address(found: re.Match[str]) -> str:
    scheme, host, port = found[1], found[2], found[3] or ""
    if scheme.lower() == "file" or not host:
        return f"{scheme}://{ELSEWHERE}"
    return f"{scheme}://{ELSEWHERE}" if is_local_host(host) else f"{scheme}://{host}{port}"


def _elsewhere(path: str) -> str:
    name = path.rstrip("/").rpartition("/")[2]
    return f"{ELSEWHERE}/{name}"


def scrub_text(text: str, places: Sequence[str] | None = None, names: Sequence[str] | None = None) -> str:
    """A text without them. A path below the working directory becomes relative; of any other its last part stays."""
    for place in local_places() if places is None else places:
        text = re.sub(rf"(?<![\w/]){re.escape(place)}/", "", text)
        text = re.sub(rf"(?<![\w/]){re.escape(place)}(?![\w-])", ".", text)
    text = re.sub(r"\bfile://(/[^\s\"']*)", lambda found: _elsewhere(found[1]), text)
    text = _ADDRESS.sub(_address, text)
    text = _LOGIN.sub(lambda found: _elsewhere(found[1]), text)
    text = _PATH.sub(lambda found: _elsewhere(found[0]), text)
    for name in local_names() if names is None else names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", ELSEWHERE, text)
    return text


def scrub(value: Any) -> Any:
    """A JSON value, its keys included, without them."""
    places, names = local_places(), local_names()

    def clean(part: Any) -> Any:
        if isinstance(part, dict):
            return {clean(key) if isinstance(key, str) else key: clean(inner) for key, inner in part.items()}
        if isinstance(part, list | tuple):
            return [clean(inner) for inner in part]
        if not isinstance(part, str):
            return part
        short = scrub_text(part, places, names)
        # A text that is nothing but a path may hold spaces.
        return _elsewhere(short) if re.match(r"(?:/|~[\w.-]*/)[^/\n]", short) and "\n" not in short else short

    return clean(value)
