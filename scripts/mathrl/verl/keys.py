"""verl's keys as we hand them on: dotted names of Hydra and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]
Overrides = dict[str, Value]
"""verl's keys (`actor_rollout_ref.actor.optim.lr`, with + before one that verl does not know) and their values."""
