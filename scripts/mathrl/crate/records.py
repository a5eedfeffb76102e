"""Records of a crate: its metadata, the note on its study, and what travels without problem texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from mathrl.core.files import JsonObject
from mathrl.data.records import Item, Sample

Reference = Any
"""JSON-LD's compact form: {"@id": name}, or a list of them."""

Entity = TypedDict(
    "Entity",
    {
        "@id": str,
        "@type": str | list[str],
        "name": NotRequired[str],
        "description": NotRequired[str],
        "version": NotRequired[str],
        "url": NotRequired[Reference],
        "about": NotRequired[Reference],
        "conformsTo": NotRequired[Reference],
        "datePublished": NotRequired[str],
        "license": NotRequired[Reference],
        "hasPart": NotRequired[Reference],
        "mainEntity": NotRequired[Reference],
        "mentions": NotRequired[Reference],
        "identifier": NotRequired[Reference],
        "additionalType": NotRequired[str],
        "workExample": NotRequired[Reference],
        "exampleOfWork": NotRequired[Reference],
        "position": NotRequired[str],
        "softwareVersion": NotRequired[str],
        "contentSize": NotRequired[str],
        "sha256": NotRequired[str],
        "dateModified": NotRequired[str],
        "encodingFormat": NotRequired[str],
        "isBasedOn": NotRequired[str],
        "programmingLanguage": NotRequired[Reference],
        "step": NotRequired[Reference],
        "input": NotRequired[Reference],
        "output": NotRequired[Reference],
        "instrument": NotRequired[Reference],
        "object": NotRequired[Reference],
        "result": NotRequired[Reference],
        "endTime": NotRequired[str],
        "actionStatus": NotRequired[str],
    },
)
"""An entity of the metadata that we write, by the terms of RO-Crate; sizes in bytes and times (UTC, ISO) are texts."""


class Action(Entity):
    """A job; `rule`, its rule's name, is taken out before it is written."""

    rule: str


Metadata = TypedDict("Metadata", {"@context": Any, "@graph": list[JsonObject]})
"""The metadata that a crate brings; its entities are a stranger's."""


class StudyNote(TypedDict):
    """What study.json of a crate says; names are checked. graded_by: commits. evaluated_besides: models that were left out."""

    models: list[str]
    protocols: list[str]
    benchmarks: list[str]
    primary: str
    graded_by: list[str]
    evaluated_besides: NotRequired[int]


class WithheldItem(Item):
    """An item whose problem is empty. problem_sha256: of its text, in hex."""

    problem_sha256: NotRequired[str]


class GradingSettings(TypedDict):
    """How the samples of a cell are graded (`grading.grade_samples`). contaminated: methods that matched an item, by its id."""

    grader: str
    extraction: str
    workers: int
    contaminated: Mapping[str, frozenset[str]]
    benchmark: str


class VerdictColumns(TypedDict):
    """The part of `statistics.records.Columns` that holds verdicts."""

    id: list[str]
    verdicts: list[str]
    greedy: list[int | None]


class CutSample(Sample):
    """A sample without what it repeats of its problem. cut: [place in what is left, first, end in the problem], in characters."""

    cut: NotRequired[list[list[int]]]
