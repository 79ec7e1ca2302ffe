"""The grid file: what to compare, on what, how often. Everything is checked before anything heavy loads."""

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
    def _said_with_its_place(cls, given: Any, check: Callable[[Any], tuple[str, ...]]) -> tuple[str, ...]:
        try:
            return check(given)
        except ConfigError as error:  # which pydantic would let pass, and the file and line with it
            raise ValueError(str(error)) from None

    def drawing(self) -> PhantomsConfig:
        return PhantomsConfig.model_validate(self.model_dump(exclude={"source"}))


class PrsMedFolder(_Strict):
    """A folder in the official PRS-Med/MMRS layout; root may come from the command line's `--data`."""

    source: Literal["prs_med"] = "prs_med"
    root: Path | None = None


class MethodChoice(_Strict):
    """One method of the grid; overrides are laid over its catalog entry's defaults. row is its name in tables and folders."""

    name: str
    overrides: Mapping[str, Any] = {}
    variant: str = ""  # of a sweep, such as "epochs=12"

    @property
    def row(self) -> str:
        return f"{self.name}{VARIANT_MARK}{self.variant}" if self.variant else self.name


class Sweep(_Strict):
    """A method of the grid with every combination of these values, each a row of its own in place of the plain one."""

    method: str
    over: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        combinations = [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]
        return [
            MethodChoice(name=choice.name, overrides={**choice.overrides, **values}, variant=_variant(values))
            for values in combinations
        ]


class Ablation(_Strict):
    """A method of the grid, its plain row kept as the parent, and a row for each value: that one changed, the rest as there."""

    method: str
    change: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        alone = [Sweep(method=self.method, over={key: values}) for key, values in self.change.items()]
        return [variant for sweep in alone for variant in sweep.variants(choice)]


class CellFilter(_Strict):
    """Cells by row, data set and seed; names may hold * and ?. What is not said does not count."""

    method: str = "*"
    dataset: str = "*"
    seed: int | None = None

    def matches(self, row: str, dataset: str, seed: int) -> bool:
        return self.speaks_of(row) and fnmatchcase(dataset, self.dataset) and self.seed in (None, seed)

    def speaks_of(self, row: str) -> bool:
        return fnmatchcase(row, self.method) or base_name(row) == self.method


class Resources(_Strict):
    """What one job of a method asks of the machine it runs on, in Ray's units; the serial executor ignores it."""

    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat | None = None  # fractions share a GPU; None takes its share of the GPUs
    memory_gib: PositiveFloat | None = None
    custom: Mapping[str, PositiveFloat] = {}  # such as {a100: 1}, by the names the cluster gives its nodes' resources


class Execution(_Strict):
    """How the work is spread; none of it enters a cell's identity, all of it is recorded."""

    workers: PositiveInt | Literal["auto"] = "auto"  # auto: cores / threads_per_worker
    threads_per_worker: PositiveInt = 1  # more than one spins at barriers beside a busy neighbour
    device: Literal["auto", "cpu", "cuda"] = "auto"
    timeout_s: PositiveFloat | None = None  # of one training or one cell; None waits for ever
    retries: NonNegativeInt = 1  # of a node whose worker process died: a spot machine taken away, a crash outside Python
    resources: Mapping[str, Resources] = {}  # by method or part; the others take one core and their share of the GPUs

    @field_validator("workers", mode="wrap")
    @classmethod
    def _said_once(cls, given: Any, check: Callable[[Any], int | str]) -> int | str:
        try:
            return check(given)
        except ValidationError:  # a complaint for each of the two kinds
            raise ValueError("expected 'auto' or a whole number of 1 or more") from None


class GridConfig(_Strict):
    """One comparison: every method on every data set with every seed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")  # becomes a folder
    data: tuple[Annotated[Phantoms | PrsMedFolder, Field(discriminator="source")], ...] = Field(min_length=1)
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    split: Literal["test"] = "test"
    sweeps: tuple[Sweep, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    include: tuple[CellFilter, ...] = ()  # none: every cell
    exclude: tuple[CellFilter, ...] = ()
    execution: Execution = Execution()

    _source: tuple[str, str] = PrivateAttr(("", ""))  # where it was read and its text, for errors

    @property
    def rows(self) -> tuple[MethodChoice, ...]:
        """The methods with their sweeps and ablations laid out; a row each."""
        rows: list[MethodChoice] = []
        for choice in self.methods:
            variants = [variant for sweep in self.sweeps if sweep.method == choice.name for variant in sweep.variants(choice)]
            rows += variants or [choice]
            rows += [variant for each in self.ablations if each.method == choice.name for variant in each.variants(choice)]
        return tuple(rows)

    def place_of(self, method: str, key: str = "") -> str:
        """Where a method, or a key of its overrides, stands in the file, as in "my.yaml line 7: "; "" if there is no file."""
        where, text = self._source
        index = next((i for i, choice in enumerate(self.methods) if choice.name == method), 0)
        line = line_of(text, ("methods", index, method, key))
        return f"{where} line {line}: " if line else ""

    @field_validator("split", mode="before")
    @classmethod
    def _was_not_trained_on(cls, split: Any) -> Any:
        if split == "val":
            raise ValueError("val trains the judge of the text, and may choose an epoch: nothing can be scored on it. Use test")
        return split

    @field_validator("methods", mode="before")
    @classmethod
    def _short_forms(cls, methods: Any) -> Any:
        """`name` and `name: {key: value}` as they are written in YAML."""
        return [_method_choice(item) for item in methods] if isinstance(methods, list | tuple) else methods

    @model_validator(mode="after")
    def _sweeps_fit(self) -> GridConfig:
        swept = {sweep.method for sweep in self.sweeps}
        for kind, items in (("sweeps", self.sweeps), ("ablations", self.ablations)):
            for item in items:
                if item.method not in [choice.name for choice in self.methods]:
                    raise ValueError(f"{kind}: '{item.method}' is not among the methods of this grid; list it there")
                if kind == "ablations" and item.method in swept:
                    raise ValueError(f"ablations: '{item.method}' is swept too, so no plain row is left to hold variants against")
        names = [choice.row for choice in self.rows]
        twice = sorted(name for name, n in Counter(names).items() if n > 1)
        if twice:
            raise ValueError(f"sweeps: these rows could not be told apart: {', '.join(twice)}")
        return self

    @field_validator("methods", "seeds")
    @classmethod
    def _no_repeats(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [getattr(item, "name", item) for item in items]
        twice = sorted(str(name) for name, n in Counter(names).items() if n > 1)
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice)}; rows could not be told apart")
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
        changes: `a.b=value` each, the value in YAML; list items are counted from 0, as in `data.0.train=20`.
        data_root: the folder for every `prs_med` source that names none.

    Raises:
        ConfigError: which key, in which file and line, and the nearest known key.
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
    """The content as this model, or one ConfigError that says every problem, each behind what place_of says of its path."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(place_of(item["loc"]) + _problem(model, item) for item in error.errors())) from None


def changed(grid: GridConfig, changes: Iterable[str]) -> GridConfig:
    """A grid with changes laid over it, as in `load_grid`."""
    content = grid.model_dump(mode="json")
    for change in changes:
        _apply(content, change)
    return validated(GridConfig, content, lambda path: "--set: ")


def base_name(row: str) -> str:
    """The method behind a row: a variant of a sweep goes under its method's name."""
    return row.partition(VARIANT_MARK)[0]


def _variant(values: Mapping[str, Any]) -> str:
    """Values as part of a folder's name."""
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
    """Without YAML's aliases, which are one object in several places: a change of one row would change the others."""
    if isinstance(value, dict):
        return {key: _apart(each) for key, each in value.items()}
    return [_apart(each) for each in value] if isinstance(value, list) else value


def _apply(content: dict[str, Any], change: str) -> None:
    path, equals, value = change.partition("=")
    if not equals:
        raise ConfigError(f"--set {change}: expected a.b=value, got no '='.")
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = content
    try:
        for part in parents:
            place = _child(place, part)
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        said = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"--set {change}: the value is not plain YAML ({said}).") from None
    except (IndexError, StopIteration, TypeError, AttributeError):
        near = get_close_matches(path, _paths_of_methods(content), n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ConfigError(
            f"--set {change}: the grid has no place '{path}'.{hint} "
            "Methods go by name, as in methods.cg_reasoner.epochs=12; items of other lists are counted from 0."
        ) from None


def _paths_of_methods(content: Mapping[str, Any]) -> list[str]:
    names = [next(iter(item), "") if isinstance(item, dict) else item for item in content.get("methods") or ()]
    return [f"methods.{name}" for name in names]


def _child(place: Any, part: str | int) -> Any:
    """What lies under `part`. A method of the list is found by its name; one that is only a name opens to take changes."""
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(part, int):
        return place[part]
    index = next(i for i, item in enumerate(place) if item == part or isinstance(item, dict) and part in item)
    if not isinstance(place[index], dict):
        place[index] = {part: {}}
    return place[index][part]


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
    """The keys a model knows at this place; steps that are list positions or union tags narrow nothing."""
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
