"""The metadata of a crate: ro-crate-metadata.json after the profile Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5).

Plain JSON-LD by the standard library, because a study gives the same bytes each time: the package rocrate dates a crate by the clock. The
workflow is the Snakefile, a step is a rule, a tool is a rule's script, and each job whose results travel is an action. When a result was
made is its file time; who made it, and on which machine, is not said.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from mathrl.core.files import read_json, sha256_file, write_json
from mathrl.crate.archive import METADATA
from mathrl.crate.licences import permits
from mathrl.crate.records import Action, Entity
from mathrl.crate.study import CONFIG, EVAL, PINS, SAMPLES, STUDY, Study, pins_of

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
OWN_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW = "Snakefile"
COMPLETED = "http://schema.org/CompletedActionStatus"
APACHE = "https://spdx.org/licenses/Apache-2.0"
TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".md": "text/markdown",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".jsonl": "application/jsonl",
    ".zst": "application/zstd",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
}
PARAMETERS = {  # inputs and outputs of the workflow: file → its name and direction
    CONFIG: ("config", "input"),
    PINS: ("pins", "input"),
    "results/scores.csv": ("scores", "output"),
    "results/report.html": ("report", "output"),
}


@dataclass(frozen=True)
class Job:
    """A job of a rule whose results travel: patterns of files below the crate."""

    rule: str
    script: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]


EACH = re.compile(r"\{(\w+)\}")
JOBS = (
    Job("fetch_benchmark", "fetch_benchmark.py", (PINS,), ("resources/benchmarks/{benchmark}.jsonl",)),
    Job("prepare_model", "prepare_model.py", (PINS,), ("resources/models/{pin}.json",)),
    Job("clean_problems", "clean_problems.py", (PINS,), ("results/data/funnel.json",)),
    Job(
        "decontaminate_problems",
        "decontaminate.py",
        ("resources/benchmarks/*.jsonl",),
        ("results/data/matches.parquet", "results/data/contamination.json", "results/data/contamination.csv"),
    ),
    Job("format_training_data", "format_training_data.py", ("results/data/matches.parquet",), ("results/{run}/{stage}/data.json",)),
    Job("train_policy", "train_policy.py", (CONFIG, "results/{run}/{stage}/data.json"), ("results/{run}/{stage}/manifest.json",)),
    Job("summarize_run", "summarize_run.py", ("results/{run}/*/manifest.json",), ("results/{run}/manifest.json",)),
    Job("export_model", "export_model.py", ("results/{run}/*/manifest.json",), ("results/{run}/model/export.json",)),
    Job("generate_samples", "generate_samples.py", ("resources/benchmarks/*.jsonl",), ("results/{model}/generation/{shard}.json",)),
    Job(
        "merge_samples",
        "merge_samples.py",
        ("results/{model}/generation/*.json",),
        (SAMPLES.replace("{benchmark}", "*"),),
    ),
    Job("grade_samples", "grade_samples.py", (SAMPLES, "resources/benchmarks/{benchmark}.jsonl", "results/data/matches.parquet"), (EVAL,)),
    Job("tabulate_scores", "tabulate_scores.py", ("results/*/*/eval/*.json", CONFIG), ("results/scores.*",)),
    Job("plot_training", "plot_training.py", ("results/*/*/manifest.json",), ("results/figures/*",)),
    Job("audit_grader", "audit_grader.py", ("results/*/*/samples/*",), ("results/audit.json",)),
    Job("write_model_card", "write_model_card.py", ("results/*/*/eval/*.json",), ("results/{run}/model/README.md",)),
    Job("render_report", "render_report.py", ("results/scores.csv", "results/*/*/eval/*.json"), ("results/report.html",)),
)


def write_metadata(folder: Path, study: Study) -> None:
    """Describe every file below `folder`, and how the results came to be."""
    graph = Graph(folder, study)
    context = [CONTEXT, OWN_TERMS]
    write_json(folder / METADATA, {"@context": context, "@graph": list(graph.entities())})


def _id(*names: str) -> Any:
    """A reference, or a list of them where there are several: JSON-LD's compact form."""
    found = [{"@id": name} for name in names]
    return found[0] if len(found) == 1 else found


class Graph:
    """The entities of a crate in their order."""

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder, self.study = folder, study
        self.files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != METADATA)
        self.known = read_json(folder / STUDY)
        self.actions = list(self._jobs())
        self.licences = self._licences()

    def entities(self) -> Iterator[Entity]:
        """All of them."""
        yield {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": _id("./"),
            "conformsTo": _id(CONTEXT.removesuffix("/context"), *list(PROFILES)[3:]),
        }
        yield self._root()
        for at, (n, v) in PROFILES.items():
            yield {"@id": at, "@type": "CreativeWork", "name": n, "version": v}
        yield from self._workflow()
        yield from map(self._file, self.files)
        yield from self._runs()
        urls = {APACHE: "Apache-2.0", **{url: name for url, name in self.licences.values() if url}}
        for url, name in sorted(urls.items()):
            yield {"@id": url, "@type": "CreativeWork", "name": name, "url": url}

    def _root(self) -> Entity:
        models, benchmarks = ", ".join(self.known["models"]), ", ".join(self.known["benchmarks"])
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Study of {models} on {benchmarks}",
            "description": "Configuration, pins, locks, matches, samples, grades, manifests, score table and report of a finished study. "
            "Without weights and training data. README.md says how to rebuild the score table.",
            "datePublished": self._time([name for name in self.files if name.startswith("results/")]),
            "license": _id("README.md"),
            "conformsTo": _id(*PROFILES),
            "hasPart": _id(*self.files),
            "mainEntity": _id(WORKFLOW),
            "mentions": _id("#run", *(action["@id"] for action in self.actions)),
        }

    def _workflow(self) -> Iterator[Entity]:
        yield {
            "@id": "#snakemake-language",
            "@type": "ComputerLanguage",
            "name": "Snakemake",
            "identifier": _id("https://w3id.org/workflowhub/workflow-ro-crate#snakemake"),
            "url": _id("https://snakemake.readthedocs.io"),
        }
        yield {
            "@id": "#snakemake",
            "@type": "SoftwareApplication",
            "name": "Snakemake",
            "version": self._snakemake(),
            "url": "https://snakemake.github.io",
        }
        for file, (name, direction) in PARAMETERS.items():
            if file in self.files:
                yield {
                    "@id": f"#parameter-{name}",
                    "@type": "FormalParameter",
                    "additionalType": "File",
                    "name": name,
                    "description": f"{direction} of the workflow: {file}",
                    "conformsTo": _id("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
                    "workExample": _id(file),
                }
        for number, job in enumerate(self._used(), 1):
            tool = f"#scripts/{job.script}"
            yield {"@id": f"#step-{job.rule}", "@type": "HowToStep", "name": job.rule, "position": str(number), "workExample": _id(tool)}
            yield {
                "@id": tool,
                "@type": "SoftwareApplication",
                "name": f"scripts/{job.script}",
                "description": f"script of the rule {job.rule}; which commit of it ran is told by each action",
                "softwareVersion": self.known["git_commit"],
            }

    def _used(self) -> list[Job]:
        rules = {action["rule"] for action in self._jobs()}
        return [job for job in JOBS if job.rule in rules]

    def _snakemake(self) -> str:
        """The version in the driver's lock."""
        lock = self.folder / "envs/driver.txt"
        found = re.search(r"^snakemake==(\S+)", lock.read_text(encoding="utf-8"), re.M) if lock.is_file() else None
        return found[1] if found else "unknown"

    def _licences(self) -> dict[str, tuple[str, str]]:
        """(address, name) of the licence of each pin; no address where it is none of the table."""
        found = {}
        for name, licence in self.study.licences.items():
            known = permits(licence)
            found[name] = (known.url, known.name) if known else ("", licence or "no licence")
        return found

    def _file(self, name: str) -> Entity:
        path = self.folder / name
        found: Entity = {
            "@id": name,
            "@type": "File",
            "name": name,
            "contentSize": str(path.stat().st_size),
            "sha256": sha256_file(path),
            "dateModified": self._time([name]),
            "encodingFormat": TYPES.get(path.suffix, "text/plain"),
        }
        benchmark = re.fullmatch(r"resources/benchmarks/(.+)\.jsonl", name)
        if benchmark:
            pin = pins_of(self.study).get(benchmark[1])
            url, licence = self.licences[benchmark[1]]
            found["description"] = f"benchmark {benchmark[1]}; {licence}" + ("" if url else "; problem texts are left out")
            if url:
                found["license"] = _id(url)
            if pin and pin.url:
                found["isBasedOn"] = pin.url
        if name == "README.md":
            found["about"] = _id("./")
        if name in PARAMETERS:
            found["exampleOfWork"] = _id(f"#parameter-{PARAMETERS[name][0]}")
        if name == WORKFLOW:
            used = self._used()
            found |= {
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                "name": "Maths reasoning by reinforcement learning",
                "conformsTo": _id("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
                "programmingLanguage": _id("#snakemake-language"),
                "license": _id(APACHE),
                "version": self.known["git_commit"],
                "step": _id(*(f"#step-{job.rule}" for job in used)),
                "hasPart": _id(*(f"#scripts/{job.script}" for job in used)),
            }
            directions: tuple[Literal["input", "output"], ...] = ("input", "output")
            for direction in directions:
                found[direction] = _id(*(f"#parameter-{n}" for file, (n, d) in PARAMETERS.items() if d == direction and file in self.files))
        return found

    def _jobs(self) -> Iterator[Action]:
        """An action per job."""
        for job in JOBS:
            seen = set()
            pattern = re.compile(_pattern(job.makes[0]))
            for name in self.files:
                match = pattern.fullmatch(name)
                if not match or tuple(match.groupdict().values()) in seen:
                    continue
                values = match.groupdict()
                seen.add(tuple(values.values()))
                makes = self._matching(job.makes, values)
                label = "/".join(values.values())
                action: Action = {
                    "@id": f"#{job.rule}" + (f"/{label}" if label else ""),
                    "@type": "CreateAction",
                    "name": f"{job.rule} {label}".strip(),
                    "description": self._commit(makes),
                    "instrument": _id(f"#scripts/{job.script}"),
                    "result": _id(*makes),
                    "endTime": self._time(makes),
                    "actionStatus": COMPLETED,
                    "rule": job.rule,
                }
                reads = self._matching(job.reads, values)
                if reads:
                    action["object"] = _id(*reads)
                yield action

    def _matching(self, patterns: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
        found = [re.compile(_pattern(EACH.sub(lambda key: values.get(key[1], "*"), pattern))) for pattern in patterns]
        return [name for name in self.files if any(pattern.fullmatch(name) for pattern in found)]

    def _commit(self, makes: list[str]) -> str:
        """Which commit made it, where a result of the job says so."""
        for name in makes:
            if name.endswith(".json"):
                content = read_json(self.folder / name)
                if content.get("trained_by"):
                    parts = content["trained_by"]
                    return "; ".join(f"steps {part['first_step']} to {part['last_step']}: commit {part['git_commit']}" for part in parts)
                block = content.get("provenance") or {}
                if block.get("git_commit"):
                    versions = ", ".join(f"{package} {version}" for package, version in sorted(block.get("versions", {}).items()))
                    return f"commit {block['git_commit']}; image: {block.get('image', 'unknown')}; {versions}"
        return "which commit made it is not noted in the result"

    def _runs(self) -> Iterator[Entity]:
        """The jobs, the run that they make up, and the engine that ran them."""
        results = [name for name, (_, direction) in PARAMETERS.items() if direction == "output" and name in self.files]
        yield {
            "@id": "#run",
            "@type": "CreateAction",
            "name": "run of the workflow",
            "description": "the jobs whose results are in this crate; each names the commit that made it",
            "instrument": _id(WORKFLOW),
            "object": _id(CONFIG, PINS),
            "result": _id(*results),
            "endTime": self._time(results),
            "actionStatus": COMPLETED,
        }
        for action in self.actions:
            yield cast(Entity, {key: value for key, value in action.items() if key != "rule"})
            control = f"#control-{action['@id'][1:]}"
            yield {
                "@id": control,
                "@type": "ControlAction",
                "name": f"orchestrate {action['name']}",
                "instrument": _id(f"#step-{action['rule']}"),
                "object": _id(action["@id"]),
            }
        yield {
            "@id": "#organize",
            "@type": "OrganizeAction",
            "name": "Snakemake runs the workflow",
            "instrument": _id("#snakemake"),
            "object": _id(*(f"#control-{action['@id'][1:]}" for action in self.actions)),
            "result": _id("#run"),
            "endTime": self._time(results),
        }

    def _time(self, names: list[str]) -> str:
        """When the newest of these files was made, in UTC."""
        newest = max((self.folder / name).stat().st_mtime for name in names)
        return datetime.datetime.fromtimestamp(int(newest), datetime.UTC).isoformat()


def _pattern(text: str) -> str:
    """A pattern of paths (`{name}` and `*` stand for one part) as a regular expression."""
    parts = re.split(r"(\{\w+\}|\*)", text)
    return "".join("[^/]*" if part == "*" else f"(?P<{part[1:-1]}>[^/]+)" if EACH.fullmatch(part) else re.escape(part) for part in parts)
