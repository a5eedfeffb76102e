"""The client against a scripted server: limits, retries, hostile bodies, and a key that is nowhere but in the environment."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mathrl.augmentation import store
from mathrl.config.entry import Server as Named
from mathrl.core.files import UserError, write_jsonl
from mathrl.demo.provider import answer as right_answer
from mathrl.demo.provider import good
from mathrl.models import chat_client
from mathrl.models.chat import Answer, Request
from support import providers, variants_pipeline
from support.providers import ENDLESS, HANG, Reply, completion

from .conftest import DEV

KEY = "sk-planted-0123456789abcdefghij"
RIGHT = completion("fine", "proposer", prompt="x" * 40)
REQUEST = Request("proposer", "What is $1 + 1$?", 0.5, 50, 0)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(chat_client, "FIRST_WAIT", 0.02)


def attempt(reply, timeout: float = 5, key: str | None = None):
    """One attempt against a server that sends this reply."""

    async def go(address):
        made = chat_client.Client(Named(model="proposer", address=address, key=key), timeout, 50)
        try:
            return await made.attempt(REQUEST)
        finally:
            await made.close()

    with providers.Server(lambda body: reply) as server:
        return asyncio.run(go(server.address)), server


def test_an_answer_is_read_with_its_cost():
    answer, server = attempt(RIGHT)
    assert answer == Answer(REQUEST.key, "fine", "stop", 10, 1, "proposer")
    (body,) = server.asked
    assert body["max_tokens"] == 50 and body["temperature"] == 0.5 and 0 <= body["seed"] < 2**31
    assert server.headers[0]["idempotency-key"] == REQUEST.key


HOSTILE = [
    ("cut-json", Reply(RIGHT.body[:-20]), "malformed"),
    ("no-json", Reply(b"<html>maintenance</html>"), "malformed"),
    ("no-choice", Reply(b'{"choices": []}'), "malformed"),
    ("no-text", Reply(b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'), "malformed"),
    ("another-shape", Reply(b'[{"choices": 1}]'), "malformed"),
    ("latin-1", Reply(completion("x", "p").body.replace(b'"x"', '"é"'.encode("latin-1"))), "malformed"),
    ("utf-16", Reply(completion("x", "p").body.decode().encode("utf-16")), "malformed"),
    ("half-a-character", Reply(completion("x", "p").body.replace(b'"x"', b'"\\ud800"')), "malformed"),
    ("nested", Reply(b'{"choices": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"), "malformed"),
    ("packed", Reply(gzip.compress(b" " * 1_000_000), headers={"Content-Encoding": "gzip"}), "malformed"),
    ("endless", ENDLESS, "too long"),
    ("refused", Reply(b'{"error": {"message": "context too long"}}', 400), "refused"),
]


@pytest.mark.parametrize(("reply", "finish"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_body_is_an_answer_that_passes_no_door(reply, finish):
    answer, _ = attempt(reply)
    assert isinstance(answer, Answer) and answer.finish == finish
    assert (answer.completion_tokens, answer.prompt_tokens) == ((50, REQUEST.prompt_bound) if finish != "refused" else (0, 0))


ERRORS = [
    ("a charset that is none of text", Reply(b"busy", 503, {"Content-Type": "text/plain; charset=hex"}), "503: busy"),
    ("packed", Reply(gzip.compress(b" " * 1_000_000), 503, {"Content-Encoding": "gzip"}), "503: "),
    ("longer than any answer", Reply(b"x" * 10_000_000, 503), "503: " + "x" * 300),
    ("written for a terminal", Reply(b"\x1b[31mred\x00\nand more", 503), "503: [31mred and more"),
    ("nested", Reply(b'{"error": ' * 9000, 503), "503: "),
]


@pytest.mark.parametrize(("reply", "why"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_an_error_is_tried_again_whatever_its_body_is(reply, why):
    failure, _ = attempt(reply)
    assert isinstance(failure, chat_client.Failure) and failure.why.startswith(why)
    assert failure.why.isprintable() and len(failure.why) < 320 and not failure.charged


def test_what_is_refused_says_why():
    assert "context too long" in attempt(Reply(b'{"error": "context too long"}', 400))[0].text


def test_a_claimed_cost_that_is_none_counts_as_the_bound():
    reply = Reply(RIGHT.body.replace(b'"prompt_tokens": 10', b'"prompt_tokens": -5'))
    assert attempt(reply)[0].prompt_tokens == REQUEST.prompt_bound


def test_a_server_that_hangs_is_left():
    began = time.monotonic()
    failure, _ = attempt(HANG, timeout=0.5)
    assert failure == chat_client.Failure("no whole answer within 0.5 s", charged=True) and time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7", 7.0),
        ("99999999", chat_client.LONGEST_WAIT),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_obeyed_within_bounds(said, wait):
    failure, _ = attempt(Reply(b"{}", 429, {"Retry-After": said}))
    assert failure.wait == wait and not failure.charged


@pytest.mark.parametrize(("status", "told"), [(401, "NO_SUCH_KEY"), (404, "correct address and model"), (302, "the address that ends")])
def test_what_no_retry_would_mend_stops_with_a_line(status, told, monkeypatch):
    monkeypatch.setenv("NO_SUCH_KEY", KEY)
    reply = Reply(f'{{"error": {{"message": "not {KEY}"}}}}'.encode(), status, {"Location": "http://127.0.0.1:9/stolen"})
    with pytest.raises(UserError, match=told) as error:
        attempt(reply, key="NO_SUCH_KEY")
    assert KEY not in str(error.value)


def test_without_the_variable_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UserError, match="the environment variable NO_SUCH_KEY is empty"):
        chat_client.Client(Named(model="m", address="http://127.0.0.1:9/v1", key="NO_SUCH_KEY"), 1, 10)


def stuttering():
    """A good provider that first answers each request with an error, in turn 429 with Retry-After, 500, a cut connection's 503."""
    seen: dict[str, int] = {}

    def respond(body):
        name = providers.name_of(body)
        seen[name] = seen.get(name, 0) + 1
        kind = int(providers.chance(body, "kind") * 4)
        if seen[name] > 1 or kind == 3:
            return good(body)
        return (Reply(b"{}", 429, {"Retry-After": "0.3"}), Reply(b"oops", 500), Reply(b"{}", 503))[kind]

    return respond


def test_errors_are_asked_again_and_everything_is_answered(data, entry, tmp_path):
    with providers.Server(stuttering()) as server:
        asking = entry(server.address)
        variants_pipeline.choose(data, asking, tmp_path, DEV)
        began = time.monotonic()
        summary = variants_pipeline.request(asking, tmp_path)
    assert summary["answered"] == summary["requests"] == 12 * 5 and summary["given_up"] == 0
    assert summary["retries"] > 10 and summary["spent"]["requests"] == 60 + summary["retries"] == len(server.asked)
    assert max(server.times_asked().values()) == 2
    assert time.monotonic() - began > 0.3, "the server asked to wait"


def test_a_server_that_is_not_there_ends_it_with_a_line(data, entry, tmp_path):
    asking = entry("http://127.0.0.1:9/v1", attempts=2)
    variants_pipeline.choose(data, asking, tmp_path, DEV)
    with pytest.raises(UserError, match=r"requests in a row were not answered, the last one: ConnectError.*start again"):
        variants_pipeline.request(asking, tmp_path)


def test_a_planted_key_is_in_no_file_no_log_and_no_process_list(data, entry, tmp_path):
    """The server sends it back in every way that it has: as an answer, as a model's name, in errors."""
    seen, lists = set(), []

    def respond(body):
        lists.append(_command_lines())
        name = providers.name_of(body)
        seen.add(name)
        text = (
            f"<think>{KEY}</think>" + right_answer(providers.prompt_of(body))
            if providers.chance(body, "echo") < 0.6
            else f"your key is {KEY}"
        )
        if providers.chance(body, "error") < 0.3 and name in seen and len(seen) % 2:
            return Reply(f'{{"error": {{"message": "{KEY} is slow"}}}}'.encode(), 500)
        return completion(text, KEY, finish="stop" if providers.chance(body, "finish") < 0.9 else KEY)

    with providers.Server(respond) as server:
        asking = entry(server.address, key="PLANTED_KEY", attempts=8)
        rows = variants_pipeline.choose(data, asking, tmp_path, DEV)
        write_jsonl(tmp_path / "sources.jsonl", rows[:4])
        options = {"name": "retold", "entry": json.dumps(asking.as_dict()), "sources": "sources.jsonl", "log": "log.txt"}
        options |= {"answers": "a.jsonl.zst", "summary": "requests.json"}
        command = [sys.executable, Path(__file__).parents[2] / "scripts/request_variants.py"]
        command += [word for name, value in options.items() for word in (f"--{name}", value)]
        environment = {**os.environ, "PLANTED_KEY": KEY}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert any(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert KEY not in done.stdout + done.stderr
    assert lists and not any(KEY in line for found in lists for line in found)
    kept = list(store.read_answers(tmp_path / "a.jsonl.zst"))
    assert any("[key]" in one.text for one in kept) and not any(KEY in str(one) for one in kept)
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not holding


def _command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
