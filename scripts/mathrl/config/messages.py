"""What is wrong with a configuration, in one line: which key, which value, what it may be."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mathrl.config.section import Section
from mathrl.core.files import UserError

S = TypeVar("S", bound=Section)
Place = tuple[str | int, ...]
FEW = 20  # keys that a line can name
KINDS = {
    "int_type": "integer",
    "float_type": "number",
    "string_type": "string",
    "bool_type": "boolean",
    "tuple_type": "list",
    "dict_type": "mapping",
    "model_type": "mapping",
}
BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def parse(model: type[S], value: Any, where: str) -> S:
    """The section that a mapping stands for.

    Raises:
        UserError: an unknown key, or a value that may not be; the line begins with `where`.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error, model, value)}") from None


def check_all_there(section: Section, where: str, optional: Sequence[str] = ()) -> None:
    """Refuse a section in which a key is missing: its default would hold unseen.

    A section that is null in config.yaml may be given short: there is no default beside it that a reader could take for the whole.

    Raises:
        UserError: the first one.
    """
    for name, field in type(section).model_fields.items():
        if name not in section.model_fields_set and name not in optional:
            raise UserError(f"config: {where or 'the file'} lacks the key '{name}'")
        value = getattr(section, name)
        if isinstance(value, Section) and (field.default is not None or name in optional):
            check_all_there(value, f"{where}.{name}" if where else name)


def explain(error: ValidationError, model: type[BaseModel], value: Any) -> str:
    """The first of pydantic's errors, which is the one of the shortest key."""
    found: dict[Place, list[Any]] = {}
    for one in error.errors(include_url=False):
        loc = one["loc"]
        of_key = one["type"] in ("missing", "extra_forbidden")
        place = (*_in_file(loc[:-1], value), loc[-1]) if of_key else _in_file(loc, value)
        found.setdefault(place, []).append(one)
    for place in list(found):  # where a value may be a word or a mapping and is a mapping, what is wrong in it counts
        if any(len(other) > len(place) and other[: len(place)] == place for other in found) and _is_of_other_type(found[place]):
            del found[place]
    place, errors = min(found.items(), key=lambda item: (len(item[0]) - (item[1][0]["type"] == "extra_forbidden"), str(item[0])))
    return _line(place, errors, model)


def _is_of_other_type(errors: list[Any]) -> bool:
    """Whether these errors say only that a value is not of another of its types."""
    return all(error["type"] in KINDS or error["type"] == "literal_error" for error in errors)


def _line(place: Place, errors: list[Any], model: type[BaseModel]) -> str:
    first = errors[0]
    kind, dotted, parent = first["type"], ".".join(map(str, place)) or "the file", ".".join(map(str, place[:-1]))
    if kind == "extra_forbidden":
        section = section_of(_annotation(model, place[:-1])[0]) or model
        return _unknown_key(dotted, sorted(section.model_fields))
    if kind == "missing":
        return f"{parent or 'the file'} lacks the key '{place[-1]}'"
    annotation, field = _annotation(model, place)
    hint = f" ({field.description})" if field and field.description else ""
    if first["loc"] and first["loc"][-1] == "[key]":
        dot = "'.', " if ".-]" in (first.get("ctx") or {}).get("pattern", "") else ""
        return f"{parent}: {place[-1]!r} is no name; use letters, digits, {dot}'_' and '-', a letter or digit first"
    return f"{dotted} {_problem(errors, _is_nullable(annotation))}{hint}"


def _unknown_key(dotted: str, known: list[str]) -> str:
    """What a slip of the pen may have meant; a long list of keys would hide it."""
    line = f"unknown key '{dotted}'"
    name = dotted.rpartition(".")[2]
    if name == "training" and "train_batch_size" in known:
        return f"{line}; a run and a stage take the keys of training without that word: write what is in it one level higher"
    if len(known) <= FEW:
        return f"{line}; known here: {', '.join(known)}"
    meant = " or ".join(f"'{key}'" for key in difflib.get_close_matches(name, known, 3, 0.75))
    return f"{line}; {f'did you mean {meant}? ' if meant else ''}every key is in docs/reference/configuration.md"


def _problem(errors: list[Any], nullable: bool) -> str:
    """What is wrong with one value, whose type may be one of several."""
    first = errors[0]
    kind, given, more = first["type"], repr(first["input"]), first.get("ctx") or {}
    expected = dict.fromkeys(KINDS[error["type"]] for error in errors if error["type"] in KINDS)
    literals = [error["ctx"]["expected"].replace("'", "").replace(" or ", ", ") for error in errors if error["type"] == "literal_error"]
    if literals and not expected:
        return f"is {given}; it may be {', '.join(literals)}"
    if expected:
        words = [*literals, *expected, *(["null"] if nullable else [])]
        return f"is {given}; it must be {' or '.join(words)}"
    if kind in BOUNDS:
        than, bound = BOUNDS[kind]
        return f"is {given}; it must be {than} {more[bound]:g}"
    if kind == "too_short":
        return f"is {given}; it must hold at least {more['min_length']}"
    if kind == "too_long":
        return f"is {given}; it must hold at most {more['max_length']}"
    if kind == "string_pattern_mismatch":
        return f"is {given}; it must be of the form {more['pattern']}"
    return f"is {given}; it {first['msg']}" if kind == "twice" else f"is {given}: {first['msg']}"


def _in_file(place: Place, value: Any) -> Place:
    """Of pydantic's place of an error the part that the file has; names of types and functions follow it."""
    found = []
    for part in place:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(part, int) and isinstance(value, list | tuple) and part < len(value):
            value = value[part]
        elif isinstance(value, BaseModel) and isinstance(part, str) and part in type(value).model_fields:
            value = getattr(value, part)
        elif isinstance(part, str) and (_names_a_type(part) or (isinstance(value, Mapping) and part[:1].isupper() and part.isidentifier())):
            continue
        else:
            break
        found.append(part)
    return tuple(found)


def _names_a_type(part: str) -> bool:
    return part.startswith(("tuple[", "list[", "dict[", "function-", "literal[", "constrained", "lax-or-strict")) or part in (
        "int",
        "float",
    )


def _annotation(model: type[BaseModel], place: Place) -> tuple[Any, FieldInfo | None]:
    """The type that stands at a place, and the field that it belongs to."""
    annotation: Any = model
    field: FieldInfo | None = None
    for part in place:
        section = section_of(annotation)
        if section and isinstance(part, str) and part in section.model_fields:
            field = section.model_fields[part]
            annotation = field.annotation
        else:
            annotation = _item(annotation)
    return annotation, field


def _alternatives(annotation: Any) -> list[Any]:
    """The types of a union, without what Annotated says of them."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _alternatives(part)]
    return [annotation]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section among the types of a key, if there is one."""
    kinds = _alternatives(annotation)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _item(annotation: Any) -> Any:
    """The type of what a list or a mapping holds."""
    for kind in _alternatives(annotation):
        if get_origin(kind) is dict:
            return get_args(kind)[1]
        if get_origin(kind) is tuple:
            return get_args(kind)[0]
    return Any


def _is_nullable(annotation: Any) -> bool:
    return type(None) in _alternatives(annotation)
