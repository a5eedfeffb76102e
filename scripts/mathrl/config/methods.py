"""Which settings a policy loss and an advantage estimator of verl 0.9.1 read: what would change nothing is refused, by name.

A function of the user's gets verl's whole configuration and may read any of them.
"""

from __future__ import annotations

from mathrl.config.stage import NOT_IN_VERL, Stage
from mathrl.core import users_code
from mathrl.core.files import UserError

# Settings that some policy losses read alone.
READ_BY = {
    "dual_clip": ("vanilla", "dppo_tv", "dppo_kl"),
    "gate_positive": ("sapo",),
    "gate_negative": ("sapo",),
    "clip_cov_share": ("clip_cov",),
    "clip_cov_low": ("clip_cov",),
    "clip_cov_high": ("clip_cov",),
    "kl_cov_share": ("kl_cov",),
    "kl_cov_coefficient": ("kl_cov",),
}
# Losses that verl aggregates in one way, whatever it is told.
AGGREGATED = {"sapo": "seq-mean-token-mean", "geo_mean": "seq-mean-token-mean"}
NORMALIZED = ("grpo", "grpo_passk")  # estimators that read normalize_advantage
OF_MICRO_BATCHES = ("geo_mean", "clip_cov", "kl_cov")
"""Losses that verl centres, ranks or averages within a micro-batch: its size changes their gradient, not by rounding alone."""
OF_TOKENS = ("rloo", "reinforce_plus_plus")
"""Estimators that can credit a token with what comes after it; the others add up the rewards of a response first."""
OF_RESPONSES = ("geo_mean",)
"""Losses that average the advantages of a response."""


def check_method(stage: Stage, where: str) -> None:
    """Refuse a setting that the stage's method never reads, and an estimator that verl's trainer cannot compute.

    Raises:
        UserError: the first that is found, or a file of the user's without the function; the line begins with `where`.
    """
    raw = next((value for key, value in stage.verl.items() if key.lstrip("+") == "algorithm.adv_estimator"), None)
    if raw in NOT_IN_VERL:
        raise UserError(f"{where}: verl: algorithm.adv_estimator: '{raw}' {NOT_IN_VERL[raw]}")
    for key in ("policy_loss", "advantage"):
        users_code.check(getattr(stage, key), f"{where}: {key}")
    correction = stage.correction
    if correction and correction.low is not None and correction.low >= correction.high:
        raise UserError(f"{where}: rollout_correction: low {correction.low} is not below high {correction.high}; exchange them")
    for name, losses in READ_BY.items():
        value, default = getattr(stage, name), Stage.model_fields[name].default
        if value != default and stage.policy_loss not in losses and not users_code.is_file(stage.policy_loss):
            raise UserError(
                f"{where}: {name} {value} changes nothing under policy_loss {stage.policy_loss}, only under {', '.join(losses)}; remove it"
            )
    wanted = AGGREGATED.get(stage.policy_loss, stage.loss_aggregation)
    if stage.loss_aggregation != wanted:
        raise UserError(f"{where}: policy_loss {stage.policy_loss} has one aggregation in verl; write loss_aggregation: {wanted}")
    if stage.clip_cov_low >= stage.clip_cov_high:
        raise UserError(f"{where}: clip_cov_low {stage.clip_cov_low} is not below clip_cov_high {stage.clip_cov_high}; exchange them")
    if not stage.normalize_advantage and stage.advantage not in NORMALIZED and not users_code.is_file(stage.advantage):
        raise UserError(
            f"{where}: normalize_advantage false changes nothing under advantage {stage.advantage}, only under {', '.join(NORMALIZED)}; "
            "remove it"
        )


def check_process(stage: Stage, where: str) -> None:
    """Refuse a process reward that the stage's groups are too small for, or whose credit its method would lose.

    Raises:
        UserError: the line begins with `where`.
    """
    process = stage.reward.process if stage.reward else None
    if process is None:
        return
    if stage.trained_n < 2:
        n, left = stage.rollout_n, max(0, stage.trained_n)
        remedy = f"write drop: {n - 2} or less" if n > 2 else "raise rollout_n"
        raise UserError(
            f"{where}: reward.process.drop: a filter that drops {process.dropped(n)} of rollout_n {n} leaves {left}, and a response needs "
            f"another one to be compared with; {remedy}"
        )
    if process.mode != "min":
        return
    raw = next((value for key, value in stage.verl.items() if key.lstrip("+") == "algorithm.adv_estimator"), stage.advantage)
    if raw not in OF_TOKENS and not users_code.is_file(str(raw)):
        raise UserError(
            f"{where}: reward.process.mode min rewards single steps, and advantage {raw} adds up the rewards of a response; write "
            f"advantage: {' or '.join(OF_TOKENS)}"
        )
    if stage.policy_loss in OF_RESPONSES:
        raise UserError(
            f"{where}: reward.process.mode min rewards single steps, and policy_loss {stage.policy_loss} averages the advantages of a "
            "response; write policy_loss: vanilla"
        )
