"""A verifier of the configuration, made: the one place where a kind becomes code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import Settings
from mathrl.config.verifiers import settings as settings_of
from mathrl.core import users_code
from mathrl.core.code_files import SCRIPTS, module_file
from mathrl.core.files import UserError
from mathrl.verifiers.arithmetic import Arithmetic
from mathrl.verifiers.interface import Verifier, code_sha256
from mathrl.verifiers.kept import Kept
from mathrl.verifiers.records import Identity


class Function:
    """The user's own, by name: (problems, responses as lists of steps, **options) → one list of scores per response.

    Raises:
        UserError: it cannot be loaded.
    """

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self._function = users_code.load(name, f"verifier '{name}' cannot be loaded")
        self._options = dict(options)
        kind = Path(name).name if users_code.is_file(name) else name  # its code counts, not its folder
        self.identity: Identity = {"kind": kind, "options": self._options, "code": _code_of(name)}

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> Sequence[Sequence[float]]:
        """See `mathrl.verifiers.interface.Verifier`."""
        return self._function(list(problems), [list(steps) for steps in responses], **self._options)


def _code_of(name: str) -> str:
    """Hash of the file of a function and of all beside it that it imports."""
    if users_code.is_file(name):
        path = users_code.path_of(name)
        return code_sha256(path, path.parent, SCRIPTS)
    module = sys.modules[name.rpartition(":")[0]]
    file = Path(getattr(module, "__file__", None) or "")
    if not file.is_file():
        return ""
    root = file.resolve().parents[module.__name__.count(".")]
    own = module_file(module.__name__, root) or file
    return code_sha256(own, root, SCRIPTS)


def make(
    settings: Settings,
    *,
    root: Path,
    timeout: float,
    retries: int,
    batch_size: int,
    accelerator: str = "cpu",
    model: Path | None = None,
    gpu_memory_utilization: float = 0.9,
    remembered: int | None = None,
) -> Kept:
    """A verifier that keeps its scores below `root`.

    Args:
        settings: of the configuration; an ensemble is none: its members are.
        root, timeout, retries, batch_size: see `Kept`.
        accelerator: `cuda` or `cpu`, where a model of ours scores.
        model: its directory.
        gpu_memory_utilization: share of a GPU for its engine.

    Raises:
        UserError: it cannot be had: no model, no prompt, no such function.
    """
    inner = _inner(settings, root, timeout, accelerator, model, gpu_memory_utilization)
    if settings.kind == "judge":  # a request per response, several of them at a time
        batch_size, parallel = 1, settings.own.get("parallel", 8)
    else:
        parallel = 1
    return Kept(
        settings.name,
        inner,
        root,
        threshold=settings.threshold,
        timeout=timeout,
        retries=retries,
        batch_size=batch_size,
        parallel=parallel,
        remembered=remembered,
    )


def _inner(settings: Settings, root: Path, timeout: float, accelerator: str, model: Path | None, gpu_memory_utilization: float) -> Verifier:
    """What scores, by the kind of a verifier. Kinds that need heavy packages import them here, so that the others start quickly."""
    own = settings.own.copy()
    if settings.needs_gpu:
        dtype = own.pop("dtype", "float32" if accelerator == "cpu" else "bfloat16")
        own.pop("model", None)
    if settings.kind == "arithmetic":
        return Arithmetic()
    if settings.kind == "prm":
        from mathrl.verifiers.prm import ProcessRewardModel

        return ProcessRewardModel(_directory(settings, model), accelerator, dtype, gpu_memory_utilization)
    if settings.kind == "likelihood":
        from mathrl.verifiers.likelihood import StepLikelihood

        return StepLikelihood(_directory(settings, model), accelerator, dtype, gpu_memory_utilization, own.get("separator", " "))
    if settings.kind == "hf-prm":
        from mathrl.verifiers.hf_prm import PublishedRewardModel

        place = _directory(settings, model)
        texts = {key: str(value) for key, value in own.items()}  # separator and system
        return PublishedRewardModel(place, accelerator, dtype, gpu_memory_utilization=gpu_memory_utilization, **texts)
    if settings.kind == "judge":
        return _judge(settings, root, timeout)
    if ":" in settings.kind:
        return Function(settings.kind, own.get("options", {}))
    raise UserError(f"verifier {settings.name}: kind {settings.kind} does not score by itself")


def _directory(settings: Settings, model: Path | None) -> Path:
    """The directory of a verifier's model; `UserError` without one."""
    if model is None:
        raise UserError(f"verifier {settings.name}: kind {settings.kind} needs the directory of its model (--model)")
    return model


def of_section(
    section: Verifiers, name: str, store: Path, accelerator: str, model: Path | None = None, gpu_memory_utilization: float = 0.9
) -> Kept:
    """The verifier `name` of the configuration's section `verifiers`; `UserError` for an unknown name."""
    known = settings_of(section)
    if name not in known:
        raise UserError(f"verifier {name}: unknown; known: {', '.join(known) or 'none'}")
    limits = {key: getattr(section, key) for key in ("timeout", "retries", "batch_size")}
    return make(known[name], root=store, accelerator=accelerator, model=model, gpu_memory_utilization=gpu_memory_utilization, **limits)


def _judge(settings: Settings, root: Path, timeout: float) -> Verifier:
    from mathrl.config.entry import Limits, Prices
    from mathrl.models.spending import Account
    from mathrl.verifiers import judge

    own = settings.own
    prompt_price, reply_price = own.get("usd_per_million", (0.0, 0.0))
    return judge.Judge(
        settings.name,
        url=own["url"],
        model=own["model"],
        account=Account(root / "spending" / settings.name, settings.name),
        limits=Limits(tokens=own.get("max_total_tokens"), money=own.get("max_usd")),
        prices=Prices(input=prompt_price, output=reply_price),
        timeout=timeout,
        key_env=own.get("key_env", "OPENAI_API_KEY"),
        prompt=Path(own["prompt"]) if own.get("prompt") else judge.PROMPT,
        max_tokens=own.get("max_tokens", judge.REPLY_TOKENS),
    )
