"""Write the JSON schema of config.yaml and its page of the documentation, from the models in scripts/mathrl/config.

python scripts/write_configuration_reference.py
"""

import argparse

from mathrl.core.arguments import Help
from mathrl.core.code_files import ROOT
from mathrl.core.files import run_main, write_text


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=Help).parse_args()

    from mathrl.config import documents

    write_text(ROOT / "rules/schemas/config.schema.yaml", documents.schema_text())
    write_text(ROOT / "docs/reference/configuration.md", documents.page())


if __name__ == "__main__":
    run_main(main)
