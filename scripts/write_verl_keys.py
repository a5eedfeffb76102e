"""List the keys of verl's configuration, which raw keys in `training.verl` are held against. After verl's lock has changed.

python scripts/write_verl_keys.py
"""

import argparse
from pathlib import Path

from mathrl.core.files import run_main, write_json


def main() -> None:
    from mathrl.config import verl_keys

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=verl_keys.FILE, help="JSON to write (default ours)")
    args = parser.parse_args()

    from mathrl.verl.grpo_config import all_keys

    write_json(args.out, {algorithm: all_keys(trainer) for algorithm, trainer in verl_keys.TRAINERS.items()})


if __name__ == "__main__":
    run_main(main)
