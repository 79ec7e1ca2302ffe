"""Validation of user input against a pydantic model: one error that names every problem and its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from prsbench.harness.contract.errors import ConfigError
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
_MOST_PROBLEMS = 20


def validated(model: type[Model], content: Any, place_of: Callable[[Sequence[str | int]], str]) -> Model:
    """The content as this model, or one ConfigError with all problems, each after the prefix place_of gives for its path."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        problems = [item for item in found if item["type"] != "too_short" or not item["input"]]  # else its items are wrong
        lines = [place_of(item["loc"]) + _problem(model, item) for item in problems[:_MOST_PROBLEMS]]
        more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
        raise ConfigError("\n".join([*lines, *more])) from None


def shortened(text: str, most: int = 200) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def _problem(model: type[BaseModel], item: Any) -> str:
    *place, last = item["loc"] or ("",)
    name = ".".join(map(str, (*place, last)))
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ").replace("valid tuple", "list")  # pydantic marks our own validators
        return f"{name}: {message}, got {_shown(item['input'])}." if name else f"{message}."
    known = _fields_at(model, place)
    near = get_close_matches(str(last), known, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown key '{name}'.{hint} Known: {', '.join(sorted(known))}"


def _shown(value: Any) -> str:
    try:
        text = shortened(repr(value))
    except ValueError:  # of a number with thousands of digits
        return "a number with thousands of digits"
    is_surprise = isinstance(value, bool | date)  # to who meant a text
    return f"{text} (YAML reads yes, no, on, off and dates so; a text needs quotes)" if is_surprise else text


def _fields_at(model: type[BaseModel], place: list[Any]) -> list[str]:
    """The keys a model knows at this place; a step that is a list position narrows nothing, a union's tag selects its member."""
    models = [model]
    for step in place:
        inner = [m for known in models if step in known.model_fields for m in _models_in(known.model_fields[step].annotation)]
        tagged = [known for known in models if "source" in known.model_fields and known.model_fields["source"].default == step]
        models = inner or tagged or models
    return [field.alias or name for known in models for name, field in known.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
