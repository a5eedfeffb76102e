"""Write the JSON schema of config.yaml and its page of the documentation, from the models in scripts/mathrl/config.

python scripts/write_configuration_reference.py
"""

import argparse
from pathlib import Path

from mathrl.core.code_files import ROOT
from mathrl.core.files import run_main, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schema", type=Path, default=ROOT / "rules/schemas/config.schema.yaml", help="JSON schema (default ours)")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/reference/configuration.md", help="page, Markdown (default ours)")
    args = parser.parse_args()

    from mathrl.config import documents

    write_text(args.schema, documents.schema_text())
    write_text(args.page, documents.page())


if __name__ == "__main__":
    run_main(main)
