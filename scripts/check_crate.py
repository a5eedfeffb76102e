"""Check a crate against the profile Provenance Run Crate, without network; in the driver's environment (.venv-driver).

python scripts/check_crate.py results/crate.zip
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("crate", help="zip file or folder that scripts/write_crate.py wrote")
    return parser.parse_args()


def main() -> int:
    args = parse()
    try:
        import rocrate_validator  # noqa: F401
    except ImportError:
        raise UserError("roc-validator is missing here; use the driver's environment: .venv-driver/bin/python") from None
    from mathrl.crate.profile_check import findings

    found = findings(Path(args.crate))
    for line in found:
        print(line)
    if not found:
        print(f"{args.crate}: conforms to the profile Provenance Run Crate 0.5")
    return 1 if found else 0


if __name__ == "__main__":
    run_main(main)
