"""Settings for a base model on the GPUs that you have: batch numbers that divide, memory that fits. Lay them over config.yaml.

python scripts/write_preset.py --model Qwen/Qwen2.5-Math-1.5B --gpus 4 --memory 80 --out mine.yaml
snakemake -n --configfile mine.yaml
"""

import argparse
import math
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main, write_text


def main() -> None:
    from mathrl.models.usual import USUAL

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(USUAL)
    parser.add_argument("--model", required=True, help=f"one of {names}, with or without @commit; or a directory with a config.json")
    parser.add_argument("--gpus", type=int, required=True, help="GPUs of the host: 1, 2, 4, 6 or 8")
    shown = "GiB of each GPU as nvidia-smi shows it: 22 for an L4 of 24 GB, 45 for an L40S of 48 GB (default 80)"
    parser.add_argument("--memory", type=float, default=80, help=shown)
    parser.add_argument("--out", type=Path, required=True, help="YAML to write")
    args = parser.parse_args()

    import yaml
    from mathrl.training.presets import preset

    plain = args.model.partition("@")[0]
    if plain in USUAL:
        config = USUAL[plain]
    elif (Path(args.model) / "config.json").is_file():
        config = read_json(Path(args.model) / "config.json")
    else:
        raise UserError(f"--model {args.model}: is no directory with a config.json and none of {names}")
    if args.gpus < 1 or not 0 < args.memory < math.inf:
        raise UserError("--gpus and --memory: must be finite and must be above 0")
    if not args.model.isprintable():
        raise UserError(f"--model {args.model!r}: holds a line break or a control character; give a plain name")
    if args.out.is_dir():
        raise UserError(f"--out {args.out}: is a directory; name a file in it")
    try:
        keys = preset(config, args.gpus, args.memory)
    except KeyError as error:
        raise UserError(f"{args.model}/config.json: lacks {error}; is it a model of DeepSeek-V3's or Llama's shape?") from None
    except (TypeError, ValueError, ZeroDivisionError, AttributeError):
        raise UserError(f"{args.model}/config.json: is no model's configuration: sizes must be whole numbers above 0") from None
    found = {"base_model": args.model, "training": keys} if plain != args.model or plain not in USUAL else {"training": keys}
    comment = f"# {args.model} on {args.gpus} GPU(s) of {args.memory:g} GiB: scripts/write_preset.py\n"
    if "base_model" not in found:
        comment += f"# name it with the commit that you want: base_model: {plain}@…\n"
    write_text(args.out, comment + yaml.safe_dump(found, sort_keys=False))


if __name__ == "__main__":
    run_main(main)
