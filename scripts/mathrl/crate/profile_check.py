"""A crate checked against its profile by roc-validator, without network. Runs in the driver's environment, which has the validator."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError
from mathrl.crate.archive import METADATA, unpack
from mathrl.crate.records import Metadata

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
TERMS = Path(__file__).with_name("context.json")
"""The terms that our metadata use, from the RO-Crate context in the npm package ro-crate 3.7.2 (CC0); the validator would fetch it."""
PROFILE = "provenance-run-crate"


class Offline:
    """Answers the one address that is known, and no other; stands where the validator has its connections."""

    def get(self, url: str, **_: Any) -> Any:
        """A response as `requests` gives it."""
        import requests

        known = url.rstrip("/") == CONTEXT
        response = requests.Response()
        response.status_code, response.url = (200 if known else 504), url
        response.headers["Content-Type"] = "application/ld+json"
        response._content = TERMS.read_bytes() if known else b""
        return response

    head = get

    def close(self) -> None:
        """Nothing is open."""


def findings(crate: Path) -> list[str]:
    """What the validator finds against what the profile requires, a line each; empty where nothing.

    Raises:
        UserError: the crate cannot be read, or uses terms that its context does not have.
    """
    from rocrate_validator import services
    from rocrate_validator.models import ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    with tempfile.TemporaryDirectory(prefix="mathrl-crate-") as folder:
        metadata = unpack(crate, Path(folder, "crate"))
        unknown = _unknown_terms(metadata)
        if unknown:
            raise UserError(f"{crate}: {METADATA} uses the terms {', '.join(unknown)}, which {TERMS.name} lacks")
        settings = ValidationSettings(
            rocrate_uri=str(Path(folder, "crate")),
            profile_identifier=PROFILE,
            requirement_severity="REQUIRED",
            offline=True,
            cache_path=Path(folder, "cache"),
        )
        HttpRequester().session = Offline()
        result = services.validate(settings)
        return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


def _unknown_terms(metadata: Metadata) -> list[str]:
    context = metadata.get("@context")
    own = {key for part in context if isinstance(part, dict) for key in part} if isinstance(context, list) else set()
    known = own | set(json.loads(TERMS.read_text(encoding="utf-8"))["@context"])
    used = {key for entity in metadata["@graph"] for key in entity if not key.startswith("@")}
    for entity in metadata["@graph"]:
        kinds = entity.get("@type")
        used |= {str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])}
    return sorted(used - known)
