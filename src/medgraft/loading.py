"""Reading params.yaml: overrides, and every mistake at once, each with what is allowed and the nearest spelling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from medgraft.catalog import nearest
from medgraft.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but a key that stands twice is an error, where YAML's own would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = [key for index, key in enumerate(keys) if key in keys[:index]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"the key '{twice[0]}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The mapping in a YAML file with `key.sub=value` overrides applied; raises `UserError` when it is none."""
    if not path.is_file():
        raise UserError(f"the params file {path} does not exist; write one, or start from a file in recipes/")
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}); save it as such") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path} holds no mapping; it needs keys like dataset, initializations, candidates")
    for override in overrides:
        _override(raw, override)
    return raw


def validate(model: type[Model], raw: object, where: str = "") -> tuple[Model | None, list[str]]:
    """The validated model, or None and one sentence for each mistake in `raw`."""
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, [_sentence(model, raw, dict(problem), where) for problem in error.errors()]


def _override(raw: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found or not key:
        raise UserError(f"--set {override}: write it as key.sub=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML") from error
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise UserError(f"--set {override}: '{parent}' holds a value, not settings")
    place[last] = value


def _sentence(model: type[BaseModel], raw: object, problem: dict[str, Any], where: str) -> str:
    location = [str(part) for part in problem["loc"] if part != "[key]"]
    name = ".".join([*([where] if where else []), *location])
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(model, problem["loc"][:-1])
        allowed = f"; allowed: {', '.join(fields)}" if fields else ""
        return f"{name}: unknown key{nearest(location[-1], fields)}{allowed}"
    if problem["type"] == "missing":
        return f"{name}: missing ({_description(model, problem['loc'])})"
    value = problem["input"]
    hint = ""
    if problem["type"] == "literal_error":
        options = [option.strip(" '") for option in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
        hint = nearest(str(value), options)
    return f"{name}: {_lower(problem['msg'].removeprefix('Value error, '))}, got {value!r}{hint}"


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    found = _model_at(model, location)
    return list(found.model_fields) if found else []


def _description(model: type[BaseModel], location: Sequence[str | int]) -> str:
    parent = _model_at(model, location[:-1])
    field = parent.model_fields.get(str(location[-1])) if parent else None
    return field.description or "required" if field else "required"


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    current: type[BaseModel] = model
    for part in location:
        field = current.model_fields.get(str(part))
        options = [field.annotation, *get_args(field.annotation)] if field else []
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        if not models:
            return None
        current = models[0]
    return current


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def choice(settings: Mapping[str, Any], key: str) -> str:
    """The value of the key that names an entry of a catalog, as text ("" when it is missing)."""
    return str(settings.get(key, ""))
