"""Prepare a published checkpoint for training and vLLM without running code from a hub; an ordinary model passes through unchanged.

python scripts/prepare_model.py --published resources/published/openseek --out resources/models/openseek --changes changes.json
"""

import argparse
import sys
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import run_main, write_json
from mathrl.core.provenance import provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--published", type=Path, required=True, help="model directory as it was downloaded; it is not changed")
    parser.add_argument("--out", type=Path, required=True, help="Hugging Face directory to write, replaced as a whole")
    parser.add_argument("--changes", type=Path, required=True, help="JSON to write: what was changed and why")
    parser.add_argument("--trained", action="store_true", help="it is trained, so that it must have a chat template")
    args = parser.parse_args()

    from mathrl.models.checks import check_chat_template
    from mathrl.models.prepare import prepare

    prepared = prepare(args.published, args.out)
    if args.trained:
        check_chat_template(args.out)
    for line in prepared["changes"]:
        print(f"{args.out.name}: {line}", file=sys.stderr)
    write_json(args.changes, {"schema_version": 1, **prepared, "provenance": provenance({"published": args.published})})


if __name__ == "__main__":
    run_main(main)
