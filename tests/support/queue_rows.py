"""verl's TransferQueue in the place of itself: rows in memory, with the fields and the views of them that verl asks for.

It runs in a process that has imported verl.
"""

from __future__ import annotations

from typing import Any


class Rows:
    """Rows by name, each a mapping of fields. `install` puts its functions in the place of TransferQueue's."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, Any]] = {}

    def install(self) -> Rows:
        import transfer_queue

        transfer_queue.kv_batch_get, transfer_queue.kv_batch_put = self.kv_batch_get, self.kv_batch_put
        transfer_queue.kv_clear = self.kv_clear
        return self

    def kv_batch_get(self, keys, partition_id, select_fields=None):
        """What all of the rows have of the fields, as TransferQueue answers: tensors nested, whatever their lengths."""
        import torch
        from tensordict import NonTensorStack, TensorDict

        common = set.intersection(*(set(self.rows[key]) for key in keys))
        found = {}
        for name in (name for name in (select_fields or sorted(common)) if name in common):
            values = [self.rows[key][name] for key in keys]
            are_tensors = isinstance(values[0], torch.Tensor)
            found[name] = torch.nested.as_nested_tensor(values, layout=torch.jagged) if are_tensors else NonTensorStack(*values)
        return TensorDict(found, batch_size=[len(keys)])

    def kv_batch_put(self, keys, partition_id, fields=None, tags=None):
        from transfer_queue import KVBatchMeta

        for name in fields.keys() if fields is not None else ():
            values = fields[name].unbind() if hasattr(fields[name], "unbind") else list(fields[name])
            for key, value in zip(keys, values, strict=True):
                self.rows.setdefault(key, {})[name] = getattr(value, "data", value) if not hasattr(value, "shape") else value
        for key, tag in zip(keys, tags or [{}] * len(keys), strict=True):
            self.tags.setdefault(key, {}).update(tag)
        return KVBatchMeta(partition_id=partition_id, keys=list(keys), tags=[self.tags[key] for key in keys])

    def kv_clear(self, keys, partition_id):
        for key in keys:
            self.rows.pop(key, None)


def row(uid: str, length: int, score: float, info: dict[str, Any], tokens: list[int] | None = None) -> dict[str, Any]:
    """The fields of one response of so many tokens, its reward on the last one, as verl's agent loop puts them."""
    import torch

    ids = torch.tensor(tokens or [7] * length)
    scores = torch.zeros(length)
    scores[-1] = score
    probabilities = torch.full((length,), -0.5)
    return {
        "uid": uid,
        "prompts": torch.tensor([1, 2]),
        "responses": ids,
        "input_ids": torch.cat([torch.tensor([1, 2]), ids]),
        "position_ids": torch.arange(length + 2),
        "response_mask": torch.ones(length, dtype=torch.int64),
        "rm_scores": scores,
        "rollout_log_probs": probabilities,
        "old_log_probs": probabilities,
        "num_turns": 2,
        "reward_model": {"ground_truth": "2"},
        "extra_fields": {"reward_extra_info": {"score": score, **info}},
    }


def tag(length: int) -> dict[str, Any]:
    """The tag of such a row."""
    return {"prompt_len": 2, "response_len": length, "seq_len": length + 2, "min_global_steps": 0, "max_global_steps": 0}
