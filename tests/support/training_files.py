"""format_training_data.py, called on p.parquet, and what it wrote read back."""

import json

import polars as pl


def format_files(script, folder, *options):
    """(train, val, summary) of the files that it wrote into `folder`; the finished process where it refused."""
    places = ("--problems", "p.parquet", "--train", "t.parquet", "--val", "v.parquet", "--summary", "d.json")
    done = script("format_training_data.py", *places, *options)
    assert "Traceback" not in done.stderr
    if done.returncode:
        return done
    return (*(pl.read_parquet(folder / name) for name in ("t.parquet", "v.parquet")), json.loads((folder / "d.json").read_text()))
