"""Command-line arguments of the scripts that train a stage: one to its end, the other a few steps for a forecast."""

import argparse
from pathlib import Path

from mathrl.config import process, served, verifiers
from mathrl.config.messages import parse
from mathrl.config.stage import Budget, Reward, Stage
from mathrl.core.files import mapping, read_json
from mathrl.training import budget
from mathrl.training.plan import STORE, StagePlan


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add what both need: run, stage, config, verifiers, budget, reward, accelerator, model, train, validation, log."""
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--stage", default="main", help="name of the stage (default main)")
    parser.add_argument("--config", required=True, help="keys of `training` with the stage's values, JSON (default: config.yaml's)")
    parser.add_argument(
        "--verifiers", default="{}", metavar="JSON", help="the section `verifiers`, for a stage with reward.process (default: none)"
    )
    parser.add_argument(
        "--run-budget", default="{}", metavar="JSON", help="what all stages of the run may use together (default: no limit)"
    )
    parser.add_argument(
        "--earlier", type=Path, action="append", default=[], metavar="FILE", help="manifest or forecast of a stage that shares that budget"
    )
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face directory to start from")
    parser.add_argument("--train", type=Path, required=True, help="training problems, parquet in verl's columns")
    parser.add_argument("--validation", type=Path, required=True, help="validation problems, parquet in verl's columns")
    parser.add_argument(
        "--log",
        type=Path,
        default=Path("verl.log"),
        help="where verl's log is, and how it ended (default verl.log); verl's own lies with the checkpoints",
    )


def plan(args: argparse.Namespace, root: Path, store: Path = STORE) -> StagePlan:
    """The stage to train below `root`; `store` keeps the scores of verifiers.

    Raises:
        UserError: a value that may not be; the line names the argument.
    """
    trained = stage(args)
    scorers = verifiers.read(mapping(args.verifiers, "--verifiers"), "--verifiers")
    if trained.reward and not trained.supervised:
        process.check(trained.reward.process, trained.reward.terms, scorers, "reward.process", args.accelerator)
        served.check(trained, scorers, args.accelerator, "--config")
    return StagePlan(
        run=args.run,
        stage_name=args.stage,
        stage=trained,
        verifiers=scorers,
        store=store,
        accelerator=args.accelerator,
        model=args.model,
        train_file=args.train,
        validation_file=args.validation,
        root=root,
        log=args.log,
    )


def stage(args: argparse.Namespace) -> Stage:
    """The stage's configuration, its budget cut to what earlier stages left of the run's."""
    given = parse(Stage, mapping(args.config, "--config"), "--config")
    whole = parse(Budget, mapping(args.run_budget, "--run-budget"), "--run-budget")
    left = budget.left(given.budget, whole, [read_json(path) for path in args.earlier])
    return given.model_copy(update={"budget": left, "reward": given.reward or Reward()})
