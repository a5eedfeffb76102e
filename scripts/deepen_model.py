"""Put more layers on a model that answers as before until they are trained.

python scripts/deepen_model.py --model resources/models/demo-base --layers 2 --out results/checker/main/deepened
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face directory; it is not changed")
    parser.add_argument("--layers", type=int, required=True, help="how many more")
    parser.add_argument("--out", type=Path, required=True, help="directory to write, replaced as a whole")
    args = parser.parse_args()

    from mathrl.models.deepen import deepen

    deepen(args.model, args.layers, args.out)


if __name__ == "__main__":
    run_main(main)
