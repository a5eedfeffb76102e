"""`make atlas`: the arms of profiles/demo/atlas.yaml × seeds in a directory of their own, equal in generated tokens.

A few steps of the reference run are measured before; they say what the whole will take. Its first seed is trained first, for the steps
asked for: what it generated is the budget of every other training, which ends with the step that uses it up. The directory keeps what it
was asked for in `atlas.json`; the same command goes on from where it was ended, as Snakemake does.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mathrl.config.reading import CONTROLS, Raw, merge, read_yaml
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, read_json, write_json
from mathrl.execution.driver import snakemake
from mathrl.training.records import Forecast, Manifest

DEMO, ATLAS = ROOT / "profiles/demo/demo.yaml", ROOT / "profiles/demo/atlas.yaml"
REFERENCE = "grpo"
ROOM = 20 * 2**30  # bytes that must be free for two trainings at once; one of the demo's takes 7.6 GB
UNPADDED = 88  # prompts of an update at config.yaml's sizes, for every arm: `grpo` alone has the finalist's padded 72
CAP = 3  # an arm whose responses get shorter may take so many times the steps before the budget is used up; inverted rewards need 2.5
TARGETS = ("all", "results/atlas/index.html", "results/atlas/atlas.json")


@dataclass(frozen=True)
class Atlas:
    """What is asked for.

    Attributes:
        directory: where Snakemake works.
        arms: runs of the configuration; none: those of profiles/demo/atlas.yaml. The reference run and the control arms come with them.
        seeds: per arm.
        steps: of the reference run; other arms generate as many tokens.
        model: a name of the table of downloads, of a hub or a directory, trained on `gpus` GPUs; none: the demo's world on the CPU.
        gpus: of one training.
    """

    directory: Path
    arms: tuple[str, ...] = ()
    seeds: int = 3
    steps: int = 30
    model: str | None = None
    gpus: int = 1

    @property
    def files(self) -> list[Path]:
        """Configuration files below our own."""
        return [] if self.model else [DEMO, ATLAS]

    @property
    def overlay(self) -> Path:
        """Our own."""
        return self.directory / "atlas.json"

    @property
    def first(self) -> Path:
        """The forecast of a training."""
        return self.directory / f"results/{REFERENCE}-seed-1/main/forecast.json"

    @property
    def measure(self) -> Path:
        """The manifest of the training that all others are equal to."""
        return self.first.with_name("manifest.json")

    def chosen(self) -> list[str]:
        """The arms, the reference run first, without the control arms, which `controls` adds."""
        given = self.arms or read_yaml(ATLAS)["select"]
        return list(dict.fromkeys([REFERENCE, *(arm for arm in given if arm not in CONTROLS)]))

    @property
    def trainings(self) -> int:
        """How many there are."""
        return (len(self.chosen()) + len(CONTROLS)) * self.seeds


def settings(atlas: Atlas, tokens: int | None = None) -> Raw:
    """The overlay: arms, seeds, steps, and the budget in `tokens` where it is known; before, only the first training has its length.

    Raises:
        UserError: an arm that is no run.
    """
    known = read_yaml(ROOT / "config.yaml", *atlas.files)["runs"]
    chosen = atlas.chosen()
    for arm in chosen:
        if arm not in known:
            raise UserError(f"ARMS: '{arm}' is no run of config.yaml; known: {', '.join(known)}")
    seeds = list(range(1, atlas.seeds + 1))
    runs: Raw = {arm: {"seeds": seeds} for arm in chosen}
    for arm in chosen:
        if known[arm].get("algorithm") == "supervised":  # it generates nothing while it trains; its steps end it
            runs[arm]["budget"] = {"tokens": None, "gpu_hours": None}
    most = CAP * atlas.steps
    training: Raw = {"steps": most if tokens else atlas.steps, "validate_every": most, "save_every": atlas.steps}
    if tokens:
        training["budget"] = {"tokens": tokens}
    own: Raw = {"select": chosen, "controls": True, "runs": runs, "training": training}
    if atlas.model:
        shared = {key: value for key, value in read_yaml(ATLAS)["training"].items() if key in ("validate_before", "choose")}
        endpoint = {"evaluation": {"endpoint": read_yaml(ATLAS)["evaluation"]["endpoint"]}}
        own = merge(endpoint | {"base_model": atlas.model, "training": shared | {"gpus": atlas.gpus, "mini_batch_size": UNPADDED}}, own)
    return own


def arguments(atlas: Atlas, *targets: str, dry_run: bool = False, at_once: int = 1) -> list[str]:
    """Snakemake's command line."""
    command = [snakemake(), "-s", str(ROOT / "Snakefile"), "-d", str(atlas.directory)]
    if atlas.model:
        command += ["--cores", "all", "--keep-going", "--resources", f"gpu={atlas.gpus}"]
    else:
        command += side_by_side(at_once)
    command += ["--configfile", *map(str, atlas.files), str(atlas.overlay.resolve())]
    return [*command, *(["-n"] if dry_run else []), "--", *targets]


def side_by_side(at_once: int) -> list[str]:
    """Snakemake's words for `at_once` trainings at once in the demo's profile, where one counts as a core.

    Beside each there is room for a job that samples or grades. One that fails does not end the others.
    """
    cores = min(os.cpu_count() or 1, 2 * at_once)
    resources = ["--set-resources", "train_policy:trainings=1", "--resources", f"trainings={at_once}"]
    return ["--profile", str(DEMO.parent), "--cores", str(cores), "--keep-going", *resources]


def at_once(free: int, cores: int) -> int:
    """How many trainings run at once on a CPU."""
    return 2 if free >= ROOM and cores >= 2 else 1


def budget(measured: Manifest) -> int:
    """Tokens of every training: those that the reference run generated in its steps."""
    return max(1, int(measured.get("generated_tokens") or 0))


def write_overlay(atlas: Atlas, tokens: int | None = None) -> None:
    """Write the overlay into the directory; one with a budget stays, so that a call that goes on has the same.

    Raises:
        UserError: the directory holds another atlas.
    """
    wanted = settings(atlas, tokens)
    there = read_json(atlas.overlay) if atlas.overlay.is_file() else {"training": {}}
    if not isinstance(there, dict) or not isinstance(there.get("training"), dict):
        raise UserError(f"{atlas.overlay}: is no atlas; give another DIRECTORY, or remove the file")
    if not there["training"].get("budget"):  # nothing is trained yet
        write_json(atlas.overlay, wanted)
    elif _without_budget(there) != _without_budget(json.loads(json.dumps(wanted))):
        raise UserError(
            f"{atlas.overlay}: an atlas of other arms, seeds, steps or model began here; ask for the same, or give another DIRECTORY"
        )


def _without_budget(own: Raw) -> Raw:
    return {**own, "training": {key: value for key, value in own["training"].items() if key not in ("budget", "steps")}}


def told(atlas: Atlas, forecast: Forecast, together: int) -> str:
    """What the whole will take, from the forecast of one training."""
    each = forecast["start_seconds"] + atlas.steps * forecast["step_seconds"] + forecast["validation_seconds"] + forecast["save_seconds"]
    tokens = forecast["generated_tokens"] / max(1, forecast["steps"]) * atlas.steps
    disk = forecast["disk_gb"] * atlas.trainings
    return (
        f"atlas: {atlas.trainings} trainings ({len(atlas.chosen())} arms and {len(CONTROLS)} controls × {atlas.seeds} seeds) of about "
        f"{atlas.steps} steps and {tokens:,.0f} generated tokens; {each / 60:.1f} minutes each, {together} at once: "
        f"{atlas.trainings * each / 3600 / together:.1f} hours if two do not slow each other down, samples and grades besides; at most "
        f"{disk:.1f} GB of checkpoints"
    )
