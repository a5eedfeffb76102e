"""What every section of the configuration is made of: frozen models, one field per key, and the types of their values.

A number stays what the file says: `2` is not turned into `2.0`, because both spellings are hashed where training is fingerprinted.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
STATED, SILENT = "stated", "not stated"
T = TypeVar("T")


class Section(BaseModel):
    """A part of the configuration; it cannot be changed, and knows no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def changed(self, **values: Any) -> Self:
        """The same with other values, which are checked; a mapping takes the place of a whole section.

        Raises:
            pydantic.ValidationError: an unknown key, or a value that may not be.
        """
        return type(self).model_validate({**self.model_dump(), **values})

    def plain(self) -> dict[str, JsonValue]:
        """The keys that were given, as JSON writes them."""
        return json.loads(json.dumps(self.model_dump(exclude_unset=True)))


def key(default: Any, meaning: str, unit: str | None = None, verl: tuple[str, ...] = (), finalist: str | None = None) -> Any:
    """A key of the configuration.

    Args:
        default: what config.yaml says.
        meaning: in a few words; messages and docs/reference/configuration.md show it.
        unit: of the value.
        verl: names of verl's keys that this one sets (mathrl.verl.grpo_config).
        finalist: STATED where the finalist's report says the default, SILENT where it says nothing, or what else it says.
    """
    more: JsonDict = {"unit": unit, "verl": list(verl), "finalist": finalist}
    return Field(default, description=meaning, json_schema_extra={name: value for name, value in more.items() if value})


def required(meaning: str, unit: str | None = None) -> Any:
    """A key that has no default."""
    return Field(description=meaning, json_schema_extra={"unit": unit} if unit else None)


def _number(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """YAML 1.1 reads 1e-6, without a point, as text: it is taken for the number that it says."""
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        return check(float(value))
    check(value)
    return value


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise PydanticCustomError("twice", "holds {value} twice", {"value": repr(twice[0])})
    return values


Number = Annotated[float, WrapValidator(_number)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
PositiveShare = Annotated[Number, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
WholeNumber = Annotated[int, Field(ge=0)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
UsersFile = Annotated[str, StringConstraints(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")]
"""FILE.py:function, a function in a file of the user's (mathrl.core.users_code)."""
Several = Annotated[tuple[T, ...], Strict(False)]
Distinct = Annotated[tuple[T, ...], Strict(False), AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True})]
Dtype = Literal["bfloat16", "float32"]
