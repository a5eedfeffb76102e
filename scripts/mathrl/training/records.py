"""Records of a training: its fingerprint, who trained what, flags, the manifest, forecasts."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from pydantic import JsonValue

from mathrl.config.reading import Raw
from mathrl.core.provenance import Provenance
from mathrl.verl.keys import Overrides


class FingerprintReward(TypedDict):
    """The reward that counts. terms: by the code of each, its weight or what of its settings decides. process: `process_content`."""

    terms: dict[str, JsonValue]
    process: NotRequired[dict[str, object]]


class Fingerprint(TypedDict):
    """Everything that determines what is learnt (`fingerprints.fingerprint`); its hash names the directory of checkpoints.

    verl: its keys. code: hash of what all files of `code_files` do. length, micro_batches, grader_protocols: where they count.
    Those of earlier schemes lack keys.
    """

    scheme: int
    algorithm: str
    verl: Overrides
    train_file_sha256: str
    model_sha256: str
    versions: dict[str, str]
    length: NotRequired[Length]
    solutions_sha256: NotRequired[str]
    grader_protocols: NotRequired[dict[str, str]]
    micro_batches: NotRequired[dict[str, int]]
    reward: NotRequired[FingerprintReward]
    code: str
    code_files: dict[str, str]


class Length(TypedDict):
    """How long a stage trains."""

    epochs: int
    steps: int | None


class Resharded(TypedDict):
    """From which step on another number of GPUs trains."""

    step: int
    from_gpus: int
    to_gpus: int
    optimizer: str


class Trainer(TypedDict):
    """Who trained. harmless: what differed from the fingerprint. why: nothing else is known."""

    git_commit: str
    image: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    inputs: NotRequired[dict[str, str]]
    code: NotRequired[str]
    fingerprint: NotRequired[str]
    harmless: NotRequired[list[str] | None]
    resharded: NotRequired[Resharded]
    why: NotRequired[str]


class TrainedBy(Trainer):
    """Who trained the steps first_step to last_step."""

    first_step: int
    last_step: int


class FileMark(TypedDict):
    """A file of a checkpoint: its size, and its hash, which marks of earlier commits lack."""

    bytes: int
    sha256: NotRequired[str]


class Flag(TypedDict):
    """A limit of the monitor that a series broke at a step. value: text where it is no finite number. bound: None there."""

    limit: str
    metric: str
    step: int
    value: float | str
    bound: float | None


class Finished(TypedDict):
    """How a stage ended: at which step, why, and under which budget, limits or length."""

    schema_version: int
    steps: int
    stopped_by: str | None
    budget: NotRequired[dict[str, object]]
    monitor: NotRequired[dict[str, object]]
    length: NotRequired[Length]


class StageOfRun(TypedDict):
    """What a run's manifest says of a stage."""

    stage: str
    steps: int
    stopped_by: str | None
    chosen_step: int
    chosen_why: str
    fingerprint: str


class Manifest(StageOfRun):
    """`results/{run}/{stage}/manifest.json`. steps: trained. seconds, gpu_hours: of steps and validations.

    chosen_step, chosen_why: the checkpoint that is exported. start_model: its directory. tokens, generated_tokens: trained on, and sampled.
    validation: accuracy (0–1) by data source and step. checkpoints, tensorboard, rollouts: folders. config: the stage's settings.
    """

    schema_version: int
    run: str
    config: Raw
    start_model: NotRequired[str]
    checkpoints: str
    tensorboard: str
    rollouts: NotRequired[str | None]
    validation: dict[str, dict[str, float]]
    collapse: list[Flag]
    max_probability_gap: float | None
    seconds: float
    gpu_hours: float
    tokens: NotRequired[int | None]
    generated_tokens: NotRequired[int | None]
    trained_by: NotRequired[list[TrainedBy]]
    provenance: Provenance


class RunManifest(TypedDict):
    """`results/{run}/manifest.json`: its stages in order, and the steps of all of them."""

    schema_version: int
    run: str
    steps: int
    stages: list[StageOfRun]
    provenance: Provenance


class Costed(TypedDict):
    """What a budget reads of a manifest or forecast. seconds: of steps and validations."""

    config: Raw
    generated_tokens: int
    seconds: float


class Exchanged(TypedDict, total=False):
    """GB that a GPU receives per step."""

    exchanged_gb: float


class ServedVerifier(TypedDict):
    """A verifier that is a model, beside a training.

    weights_gb: of its model; share: of a GPU, 0–1 (0 on a CPU); own_gpu: none trains on it.
    """

    weights_gb: float
    share: float
    own_gpu: bool


class Forecast(Exchanged):
    """Expected cost of a stage (`forecast.forecast`). seconds: of steps and validations; hours: with the start.

    checkpoints: at most at once; disk_gb: of them. verifiers: by name, those that are served beside it; gpu_hours holds their own GPUs'.
    """

    steps: int
    configured_steps: int
    ended_by: str
    seconds: float
    generated_tokens: int
    start_seconds: NotRequired[float]
    step_seconds: NotRequired[float]
    validation_seconds: NotRequired[float]
    save_seconds: NotRequired[float]
    hours: float
    gpu_hours: float
    checkpoints: int
    disk_gb: float
    verifiers: NotRequired[dict[str, ServedVerifier]]
