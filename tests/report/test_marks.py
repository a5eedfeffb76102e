"""What the pages mark and claim: net of control where a control arm ran."""

import pytest
from mathrl.report.page import _claims, _marks


def cell(value, half):
    return {"value": value, "low": value - half, "high": value + half, "n": 3, "smallest": 0.01}


def row(model, effect, net=None, control=None, p=0.001):
    found = {"model": model, "against": "base", "control": control, "mean": cell(effect, 0.02), "p_adjusted": p}
    return found | {"net": None if net is None else {**cell(net, 0.02), "model": "control-format", "kind": "format", "level": "seeds"}}


ARM = row("control-format", 0.2, control="format")


@pytest.mark.parametrize(
    ("rows", "marks", "why"),
    [
        ([row("grpo", 0.3)], {"grpo": "▲"}, "no control arm ran"),
        ([row("grpo", -0.3)], {"grpo": "▼"}, "a loss"),
        ([row("grpo", 0.3, p=0.2)], {}, "not after the correction"),
        ([row("grpo", 0.3, p=None)], {}, "one seed"),
        ([row("grpo", 0.5, 0.3), ARM], {"grpo": "▲"}, "a gain beyond the control"),
        ([row("grpo", 0.21, 0.01), ARM], {}, "net of control the interval holds 0"),
        ([row("grpo", -0.1, -0.3), ARM], {"grpo": "▼"}, "a loss, and a larger one than the control's"),
        ([row("grpo", 0.1, -0.1), ARM], {}, "a gain that is smaller than the control's: neither sign says it"),
        ([row("grpo", -0.3, 0.1), ARM], {}, "a loss that is smaller than the control's"),
        ([ARM], {}, "of a control arm nothing is claimed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_marks(rows, marks, why):
    assert _marks(rows) == marks, why


def test_claims_are_said_where_a_control_arm_ran():
    assert _claims([row("grpo", 0.3)]) == []
    assert _claims([row("grpo", 0.5, 0.3), row("dapo", 0.21, 0.01), ARM]) == [
        "grpo gains +30.0 points [+28.0, +32.0] beyond control-format, the control that gained most.",
        "dapo: no claim. Net of control-format, its interval holds 0: +1.0 points [-1.0, +3.0].",
    ]
