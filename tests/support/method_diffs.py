"""tests/golden/verl_methods.yaml: what each shipped method changes of verl's resolved configuration for `grpo`.

Written anew, when a change is meant, by: PYTHONPATH=scripts:tests python -m support.method_diffs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/verl_methods.yaml"
HEAD = """# What each shipped method of one stage changes of verl's resolved configuration for `grpo` (verl_grpo.yaml): key: value.
# A list or a mapping is compared as a whole. Written by tests/support/method_diffs.py.
"""
RESOLVE = """
import json, sys
from mathrl.verl import grpo_config
print("RESOLVED" + json.dumps([grpo_config.resolve(keys) for keys in json.loads(sys.argv[1])]))
"""
# Names, and copies of keys for parts of verl that no run of ours has.
UNTOLD = ("trainer.experiment_name", "actor_rollout_ref.rollout.trace.", "actor_rollout_ref.ref.", "critic.", "distillation.")


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a configuration by their dotted names."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def diffs(config: Mapping[str, Any], verl: Any) -> dict[str, dict[str, Any]]:
    """By run, keys of verl's resolved configuration that differ from grpo's. `verl` is a VerlProcess for cuda."""
    from support.settings import keys_of

    runs = [run for run, own in config["runs"].items() if not own.get("stages") and own.get("algorithm") != "supervised"]
    printed = verl.ask(RESOLVE, json.dumps([keys_of(config, run) for run in runs]))
    (line,) = [line for line in printed.splitlines() if line.startswith("RESOLVED")]
    resolved = {run: dict(flat(one)) for run, one in zip(runs, json.loads(line.removeprefix("RESOLVED")), strict=True)}
    first = resolved.pop("grpo")
    return {
        run: {key: one.get(key) for key in sorted({*first, *one}) if one.get(key) != first.get(key) and not key.startswith(UNTOLD)}
        for run, one in resolved.items()
    }


def text(found: Mapping[str, Any]) -> str:
    """The golden file."""
    import yaml

    return HEAD + "\n".join(yaml.safe_dump({run: found[run]}, sort_keys=True, width=140) for run in found)


def main() -> None:
    """Write the golden anew."""
    import yaml

    from support.verl_process import VerlProcess

    verl = VerlProcess("cuda", ROOT)
    GOLDEN.write_text(text(diffs(yaml.safe_load((ROOT / "config.yaml").read_text()), verl)))
    verl.end()


if __name__ == "__main__":
    main()
