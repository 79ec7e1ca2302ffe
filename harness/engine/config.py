"""The grid file: its schema, loading (YAML and --set) and validation, before anything heavy loads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from prsbench.datasets.prepare.phantoms import PhantomsConfig
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.engine.grid_files import GRIDS, packaged_grids
from prsbench.harness.engine.marked_yaml import line_of, read_mapping
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phantoms(PhantomsConfig):
    """Synthetic images, drawn into the run folder."""

    source: Literal["phantoms"] = "phantoms"

    @field_validator("modalities", mode="wrap")
    @classmethod
    def _said_with_its_place(cls, value: Any, check: Callable[[Any], tuple[str, ...]]) -> tuple[str, ...]:
        try:
            return check(value)
        except ConfigError as error:  # pydantic would not catch it, and file and line would be lost
            raise ValueError(str(error)) from None

    def drawing(self) -> PhantomsConfig:
        return PhantomsConfig.model_validate(self.model_dump(exclude={"source"}))


class PrsMedFolder(_Strict):
    """A folder in the official PRS-Med/MMRS layout; root may come from the command line's `--data`."""

    source: Literal["prs_med"] = "prs_med"
    root: Path | None = None


class MethodChoice(_Strict):
    """One method of the grid; overrides replace its catalog entry's defaults. row is its name in tables and folders."""

    name: str
    overrides: Mapping[str, Any] = {}
    variant: str = ""  # of a sweep or ablation, such as "epochs=12"

    @property
    def row(self) -> str:
        return f"{self.name}{VARIANT_MARK}{self.variant}" if self.variant else self.name


class Sweep(_Strict):
    """A method of the grid with every combination of these values: a row for each, in place of the plain row."""

    method: str
    over: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        combinations = [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]
        return [
            MethodChoice(name=choice.name, overrides={**choice.overrides, **values}, variant=_variant(values))
            for values in combinations
        ]


class Ablation(_Strict):
    """A method of the grid whose plain row stays as the parent, and a row for each value that changes only this value."""

    method: str
    change: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        sweeps = [Sweep(method=self.method, over={key: values}) for key, values in self.change.items()]
        return [variant for sweep in sweeps for variant in sweep.variants(choice)]


class CellFilter(_Strict):
    """Selects cells by row, data set and seed; names may contain * and ?. A key left out selects all."""

    method: str = "*"
    dataset: str = "*"
    seed: int | None = None

    def matches(self, row: str, dataset: str, seed: int) -> bool:
        return self.speaks_of(row) and fnmatchcase(dataset, self.dataset) and self.seed in (None, seed)

    def speaks_of(self, row: str) -> bool:
        return fnmatchcase(row, self.method) or base_name(row) == self.method


class Resources(_Strict):
    """What one job of a method requires of its machine, in Ray's units; the serial executor ignores it."""

    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat | None = None  # fractions share a GPU; None: an equal share of the GPUs
    memory_gib: PositiveFloat | None = None
    custom: Mapping[str, PositiveFloat] = {}  # such as {a100: 1}: custom resources of the cluster's nodes


class Execution(_Strict):
    """How the work is executed; it does not enter a cell's identity, but is recorded."""

    workers: PositiveInt | Literal["auto"] = "auto"  # auto: cores / threads_per_worker
    threads_per_worker: PositiveInt = 1  # more than one spin at barriers on a busy machine
    device: Literal["auto", "cpu", "cuda"] = "auto"
    timeout_s: PositiveFloat | None = None  # per training or cell; None: no limit
    retries: NonNegativeInt = 1  # of a node whose worker process died: a preempted spot machine, a crash outside Python
    resources: Mapping[str, Resources] = {}  # by method or part; the others take one core and an equal share of the GPUs

    @field_validator("workers", mode="wrap")
    @classmethod
    def _said_once(cls, value: Any, check: Callable[[Any], int | str]) -> int | str:
        try:
            return check(value)
        except ValidationError:  # pydantic has a message for each of the two types
            raise ValueError("expected 'auto' or a whole number of 1 or more") from None


class GridConfig(_Strict):
    """One comparison: every method on every data set with every seed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")  # becomes a folder's name
    data: tuple[Annotated[Phantoms | PrsMedFolder, Field(discriminator="source")], ...] = Field(min_length=1)
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    split: Literal["test"] = "test"
    sweeps: tuple[Sweep, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    include: tuple[CellFilter, ...] = ()  # empty: every cell
    exclude: tuple[CellFilter, ...] = ()
    execution: Execution = Execution()

    _source: tuple[str, str] = PrivateAttr(("", ""))  # its name or path, and its text; for error messages

    @property
    def rows(self) -> tuple[MethodChoice, ...]:
        """The rows of the results table: the methods with their sweeps and ablations expanded."""
        rows: list[MethodChoice] = []
        for choice in self.methods:
            variants = [variant for sweep in self.sweeps if sweep.method == choice.name for variant in sweep.variants(choice)]
            rows += variants or [choice]
            rows += [v for ablation in self.ablations if ablation.method == choice.name for v in ablation.variants(choice)]
        return tuple(rows)

    def place_of(self, method: str, key: str = "") -> str:
        """Where a method, or a key of its overrides, is in the file, as in "my.yaml line 7: "; "" if there is no file."""
        where, text = self._source
        index = next((i for i, choice in enumerate(self.methods) if choice.name == method), 0)
        line = line_of(text, ("methods", index, method, key))
        return f"{where} line {line}: " if line else ""

    @field_validator("split", mode="before")
    @classmethod
    def _was_not_trained_on(cls, split: Any) -> Any:
        if split == "val":
            raise ValueError("val trains the text judge and may choose a method's epoch, so it cannot be scored. Use test")
        return split

    @field_validator("methods", mode="before")
    @classmethod
    def _short_forms(cls, methods: Any) -> Any:
        """Accept `name` and `name: {key: value}`, as YAML files write them."""
        return [_method_choice(item) for item in methods] if isinstance(methods, list | tuple) else methods

    @model_validator(mode="after")
    def _sweeps_fit(self) -> GridConfig:
        swept = {sweep.method for sweep in self.sweeps}
        for kind, items in (("sweeps", self.sweeps), ("ablations", self.ablations)):
            for item in items:
                if item.method not in [choice.name for choice in self.methods]:
                    raise ValueError(f"{kind}: '{item.method}' is not among the methods of this grid; list it there")
                if kind == "ablations" and item.method in swept:
                    raise ValueError(f"ablations: '{item.method}' is swept too, so no plain row is left to compare variants with")
        names = [choice.row for choice in self.rows]
        repeated = sorted(name for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(f"sweeps: these rows could not be told apart: {', '.join(repeated)}")
        return self

    @field_validator("methods", "seeds")
    @classmethod
    def _no_repeats(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [getattr(item, "name", item) for item in items]
        repeated = sorted(str(name) for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(f"listed twice: {', '.join(repeated)}; rows could not be told apart")
        return items


def _method_choice(item: Any) -> Any:
    if isinstance(item, str):
        return {"name": item}
    if isinstance(item, dict) and len(item) == 1:
        ((name, overrides),) = item.items()
        if isinstance(overrides, dict | None):
            return {"name": name, "overrides": overrides or {}}
    return item


def load_grid(name_or_path: str, changes: Iterable[str] = (), data_root: Path | None = None) -> GridConfig:
    """Read and check a grid.

    Args:
        name_or_path: the name of a packaged grid, or the path of a YAML file.
        changes: overrides `a.b=value`, the value in YAML; list items are counted from 0, as in `data.0.train=20`.
        data_root: the folder for every `prs_med` source that names none.

    Raises:
        ConfigError: a key or value is wrong; it names file, line and the nearest known key.
    """
    where, text = _read(name_or_path)
    content = _apart(read_mapping(text, where))
    for change in changes:
        _apply(content, change)
    for source in content["data"] if isinstance(content.get("data"), list) else ():
        if isinstance(source, dict) and source.get("source") == "prs_med" and data_root is not None:
            source.setdefault("root", str(data_root.resolve()))
    grid = validated(GridConfig, content, lambda path: f"{where}{_in_line(text, path)}: ")
    grid._source = (where, text)
    return grid


def validated(model: type[Model], content: Any, place_of: Callable[[Sequence[str | int]], str]) -> Model:
    """The content as this model, or one ConfigError with all problems, each after the prefix place_of gives for its path."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(place_of(item["loc"]) + _problem(model, item) for item in error.errors())) from None


def changed(grid: GridConfig, changes: Iterable[str]) -> GridConfig:
    """The grid with changes applied, as in `load_grid`."""
    content = grid.model_dump(mode="json")
    for change in changes:
        _apply(content, change)
    return validated(GridConfig, content, lambda path: "--set: ")


def base_name(row: str) -> str:
    """The method of a row, without the variant of a sweep or ablation."""
    return row.partition(VARIANT_MARK)[0]


def _variant(values: Mapping[str, Any]) -> str:
    """The values in a form that fits a folder's name."""
    return ",".join(f"{key}={re.sub(r'[^A-Za-z0-9._+-]+', '_', str(value))}" for key, value in values.items())


def _in_line(text: str, path: Sequence[str | int]) -> str:
    line = line_of(text, path)
    return f" line {line}" if line else ""


def _read(name_or_path: str) -> tuple[str, str]:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return str(path), path.read_text()
        except OSError as error:
            raise ConfigError(f"{path}: the grid file cannot be read ({error.strerror}).") from None
    if name_or_path not in packaged_grids():
        raise unknown_name("grid", name_or_path, packaged_grids())
    return f"grid '{name_or_path}'", (GRIDS / f"{name_or_path}.yaml").read_text()


def _apart(value: Any) -> Any:
    """A copy without YAML's aliases, which are one object in several places: changing one row would change the others."""
    if isinstance(value, dict):
        return {key: _apart(item) for key, item in value.items()}
    return [_apart(item) for item in value] if isinstance(value, list) else value


def _apply(content: dict[str, Any], change: str) -> None:
    path, equals, value = change.partition("=")
    if not equals:
        raise ConfigError(f"--set {change}: expected a.b=value, got no '='.")
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = content
    try:
        for step in parents:
            place = _child(place, step)
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"--set {change}: the value is not plain YAML ({problem}).") from None
    except (IndexError, StopIteration, TypeError, AttributeError):
        near = get_close_matches(path, _paths_of_methods(content), n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ConfigError(
            f"--set {change}: the grid has no key '{path}'.{hint} "
            "Give a method by its name, as in methods.cg_reasoner.epochs=12; items of other lists are counted from 0."
        ) from None


def _paths_of_methods(content: Mapping[str, Any]) -> list[str]:
    names = [next(iter(item), "") if isinstance(item, dict) else item for item in content.get("methods") or ()]
    return [f"methods.{name}" for name in names]


def _child(place: Any, step: str | int) -> Any:
    """The value under `step`. A method in the list is found by its name; a bare name becomes a mapping that can take changes."""
    if isinstance(place, dict):
        return place.setdefault(step, {})
    if isinstance(step, int):
        return place[step]
    index = next(i for i, item in enumerate(place) if item == step or isinstance(item, dict) and step in item)
    if not isinstance(place[index], dict):
        place[index] = {step: {}}
    return place[index][step]


def _problem(model: type[BaseModel], item: Any) -> str:
    *place, last = item["loc"] or ("",)
    name = ".".join(map(str, (*place, last)))
    if item["type"] != "extra_forbidden":
        return f"{name}: {item['msg']}, got {item['input']!r}." if name else f"{item['msg']}."
    known = _fields_at(model, place)
    near = get_close_matches(str(last), known, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown key '{name}'.{hint} Known: {', '.join(sorted(known))}"


def _fields_at(model: type[BaseModel], place: list[Any]) -> list[str]:
    """The keys a model knows at this place; a step that is a list position narrows nothing, a union's tag selects its member."""
    models = [model]
    for step in place:
        inner = [m for known in models if step in known.model_fields for m in _models_in(known.model_fields[step].annotation)]
        tagged = [known for known in models if "source" in known.model_fields and known.model_fields["source"].default == step]
        models = inner or tagged or models
    return [field for known in models for field in known.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
