"""Sentence embeddings of very many problems: once per text, on a GPU where there is one, in bfloat16 where the processor has it.

Without the package sentence-transformers, whose loop embeds a fifth as many rows in the same time (scripts/time_embeddings.py).
Texts are sorted by length within a window, batches hold about the same number of tokens, and every vector is kept by the hash
of its text, so that a second run embeds only what is new. Memory does not grow with the number of texts.

A vector depends a little on the texts that share its batch, on the number of threads and on the device: in bfloat16 in the third
digit, in float64 in the fifteenth. Search in the first, decide in the second.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mathrl.core.files import UserError, atomic_path, check_unchanged, read_json, sha256_file

WINDOW = 8192  # texts that are sorted together
MAX_TEXT = 20_000  # characters that are read; the model takes a few hundred tokens
BATCH_TOKENS = 4096  # on a CPU; a GPU takes sixteen times as many


class Embedder:
    """A sentence-transformers model with mean pooling, without that package: tokenizer, encoder, mean, unit length."""

    def __init__(self, directory: Path, cache: Path | None = None, dtype: str = "auto") -> None:
        """`directory` holds the model; `cache` a folder of vectors (None: keep nothing); `dtype` is auto, bfloat16, float32 or float64.

        `auto` is bfloat16 where it is fast, else float32."""
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            if not (directory / name).is_file():
                has = ", ".join(sorted(p.name for p in directory.glob("*"))[:8]) if directory.is_dir() else "it does not exist"
                raise UserError(
                    f"{directory}: has no {name}, so it is no sentence-transformers model ({has}); fetch the embedding model again"
                )
        pooling = directory / "1_Pooling" / "config.json"
        if pooling.is_file() and not read_json(pooling).get("pooling_mode_mean_tokens", True):
            raise UserError(f"{pooling}: asks for another pooling than the mean of the tokens; use a model with mean pooling")
        settings = directory / "sentence_bert_config.json"
        self.max_tokens = int(read_json(settings).get("max_seq_length") or 256) if settings.is_file() else 256
        self.directory = directory
        self.dtype = dtype
        self.key = sha256_file(directory / "model.safetensors")[:16]
        self.kept = np.float64 if dtype == "float64" else np.float16  # in the cache, and on the way to it
        self.cache = cache / self.key / ("exact" if dtype == "float64" else "fast") if cache else None
        self._model: Any = None
        self._store: Store | None = None

    def _load(self) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        fast = self.device == "cuda" or _has_bfloat16()
        kind = getattr(torch, self.dtype if self.dtype != "auto" else "bfloat16" if fast else "float32")
        self._model = AutoModel.from_pretrained(self.directory, dtype=kind, attn_implementation="sdpa").to(self.device).eval()
        self._tokenizer = Tokenizer.from_file(str(self.directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.max_tokens)
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str], label: str = "") -> Iterator[tuple[int, np.ndarray]]:
        """Yield `(first text, vectors)` window by window: `(texts, width)`, of unit length. `label` names a progress line."""
        begun = time.monotonic()
        for first in range(0, len(texts), WINDOW):
            window = texts[first : first + WINDOW]
            yield first, self._window(window)
            if label:
                done = first + len(window)
                rate = done / max(time.monotonic() - begun, 1e-9)
                end = "\n" if done == len(texts) else "\r"
                print(
                    f"{label}: {done}/{len(texts)} texts, {rate:.0f}/s, {(len(texts) - done) / rate:.0f} s left   ",
                    end=end,
                    file=sys.stderr,
                    flush=True,
                )

    def _window(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of one window; what the cache has is not computed again."""
        if not self.cache:
            return self._compute(texts)
        if self._store is None:
            self._store = Store(self.cache)
        keys = np.array([hashlib.sha256(text.encode()).digest()[:16] for text in texts], "S16")
        vectors, known = self._store.get(keys)
        if vectors is None or not known.all():
            missing = np.flatnonzero(~known)
            new = self._compute([texts[number] for number in missing.tolist()]).astype(self.kept)
            if vectors is None:
                vectors = np.empty((len(texts), new.shape[1]), self.kept)
            vectors[missing] = new
            self._store.put(keys[missing], new)
        return vectors.astype(self._wide)

    @property
    def _wide(self) -> type[np.floating]:
        return np.float64 if self.dtype == "float64" else np.float32

    def _compute(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        if self._model is None:
            self._load()
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch([text[:MAX_TEXT] for text in texts])]
        result = np.empty((len(ids), self._model.config.hidden_size), self._wide)
        order = sorted(range(len(ids)), key=lambda number: (len(ids[number]), number))
        budget = BATCH_TOKENS * (16 if self.device == "cuda" else 1)
        place = 0
        with torch.inference_mode():
            while place < len(order):
                after = place + 1
                while after < len(order) and len(ids[order[after]]) * (after + 1 - place) <= budget:
                    after += 1
                batch = order[place:after]
                width = len(ids[batch[-1]])
                tokens = torch.zeros(len(batch), width, dtype=torch.long)
                mask = torch.zeros(len(batch), width, dtype=torch.long)
                for line, number in enumerate(batch):
                    tokens[line, : len(ids[number])] = torch.tensor(ids[number])
                    mask[line, : len(ids[number])] = 1
                tokens, mask = tokens.to(self.device), mask.to(self.device)
                hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
                hidden = hidden.double() if self.dtype == "float64" else hidden.float()
                mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                result[batch] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
                place = after
        return result


class Store:
    """Vectors by the hash of their text, in files that are written once: `*.keys.npy` (16 bytes each) and `*.vectors.npy`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys = np.zeros(0, "S16")  # sorted
        self.places = np.zeros((0, 2), np.int64)  # file and row of each key
        self.files: list[np.ndarray] = []
        for path in sorted(directory.glob("*.keys.npy")):
            vectors = path.with_name(path.name.replace(".keys.", ".vectors."))
            if vectors.is_file():
                for file in (path, vectors):
                    check_unchanged(file)
                self._add(np.load(path), np.load(vectors, mmap_mode="r"))

    def _add(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        places = np.stack((np.full(len(keys), len(self.files)), np.arange(len(keys))), axis=1)
        self.files.append(vectors)
        keys, places = np.concatenate((self.keys, keys)), np.concatenate((self.places, places))
        self.keys, first = np.unique(keys, return_index=True)
        self.places = places[first]

    def get(self, keys: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Vectors of the keys (rows that are not known hold nothing; None without any) and which are known."""
        if not len(self.keys):
            return None, np.zeros(len(keys), bool)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[place] == keys
        vectors = np.empty((len(keys), self.files[0].shape[1]), self.files[0].dtype)
        for number in np.unique(self.places[place[known], 0]):
            rows = np.flatnonzero(known & (self.places[place, 0] == number))
            vectors[rows] = self.files[number][self.places[place[rows], 1]]
        return vectors, known

    def put(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """Keep new vectors, in two files named by their content."""
        name = hashlib.sha256(keys.tobytes()).hexdigest()[:24]
        for kind, array in (("vectors", vectors), ("keys", keys)):
            with atomic_path(self.directory / f"{name}.{kind}.npy") as temporary, open(temporary, "wb") as handle:
                np.save(handle, array)
        self._add(keys, np.load(self.directory / f"{name}.vectors.npy", mmap_mode="r"))


def _has_bfloat16() -> bool:
    """Does this processor multiply bfloat16 in hardware? (Elsewhere it would be slower than float32.)"""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
