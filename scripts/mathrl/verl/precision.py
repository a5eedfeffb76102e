"""What trainer and engine can compute of a model, and in which precision; the rest is refused by name before verl starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError

FUSED = "actor_rollout_ref.model.use_fused_kernels"
# What leaves logits alone, of keys that Gemma 2, Cohere and Granite have.
PLAIN_HEAD = {"final_logit_softcapping": None, "logit_scale": 1.0, "logits_scaling": 1.0}
