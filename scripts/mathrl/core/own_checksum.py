"""Objects of JSON that carry their own hash under `checksum`, as `mathrl.core.files.write_checked_json` writes them, or none.

Those of earlier commits have none, and a person who changes one by hand takes it out.
"""

from __future__ import annotations

from typing import Any

from mathrl.core.files import sha256_json


def holds(value: Any) -> bool:
    """Take its hash out of a value that was read; whether the rest is an object as it was written. One without a hash is as it stands."""
    return isinstance(value, dict) and value.pop("checksum", None) in (None, sha256_json(value))
