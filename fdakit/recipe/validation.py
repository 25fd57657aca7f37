"""Recipes validated: TOML and `--set` become parts and settings, with all faults told at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fdakit.catalog import Catalog, Offer, Part
from fdakit.errors import PluginError, RecipeError, nearest
from fdakit.plugin.component import Options

from .document import Document, apply_settings, cause_of, find_recipe, read_document, setting_causes
from .messages import fault_words, fixed_length, no_table, text_fault
from .part_fit import declared_faults
from .paths import anchor_paths
from .recipe import Recipe
from .tables import LISTS, SETTINGS, SINGLE, TOP, NoKeys, own_keys

R = TypeVar("R")
S = TypeVar("S", bound=BaseModel)

_DEFAULT = object()  # of a list that a document leaves out
MIN_SEED, MAX_SEED = -(2**63), 2**63 - 1
LONGEST_NAME = 255  # bytes, on all common file systems


def read_recipe(
    source: str | Path, *, catalog: Catalog, settings: Iterable[str] = (), seed: int | None = None
) -> Recipe:
    """Return the recipe at a path, or the shipped one of that name. Raises `RecipeError` with every fault at once."""
    path = find_recipe(source)
    written, given = read_document(path), tuple(settings)
    for table, (names, _) in {**SINGLE, **LISTS}.items():
        if names and any(setting.startswith(f"{table}.") for setting in given):  # a default that it changes
            default = {"use": names} if isinstance(names, str) else [{"use": name} for name in names]
            written.setdefault(table, default)
    document = apply_settings(written, given)
    if seed is not None:
        document["seed"] = seed
    return validate(document, where=str(path), catalog=catalog, causes=setting_causes(written, given))


def read_all(readers: Iterable[Callable[[], R]]) -> list[R]:
    """Return what all of them read. Raises one `RecipeError` with the faults of all, each once."""
    found, faults = [], list[str]()
    for read in readers:
        try:
            found.append(read())
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(dict.fromkeys(faults))
    return found


def validate(
    document: Mapping[str, Any], *, where: str, catalog: Catalog, causes: Mapping[str, str] | None = None
) -> Recipe:
    """Check every table of a document; raises `RecipeError` with all faults of all tables.

    `causes` are settings by the keys that they account for; other faults are blamed on `where`.
    """
    return _Validator(dict(document), where, catalog, causes or {}).recipe()


def validate_part(kind: str, table: Mapping[str, Any], *, where: str, catalog: Catalog) -> Part[Any]:
    """Return the part of a kind that a table alone names. Raises `RecipeError` with all of its faults."""
    validator = _Validator({}, where, catalog, {})
    part, _ = validator._part(kind, kind, table, own_keys(kind))
    if part is None or validator._faults:
        raise RecipeError(validator._faults)
    return part


class _Validator:
    """Collects faults while it reads one document."""

    def __init__(self, document: Document, where: str, catalog: Catalog, causes: Mapping[str, str]) -> None:
        self._document, self._catalog = document, catalog
        self._where, self._causes = where, causes
        self._faults: list[str] = []

    def recipe(self) -> Recipe:
        for key in self._document:
            if key not in TOP:
                self._fault(key, f"unknown table or key; {nearest(key, TOP)}")
        name = self._plain("name", str, Path(self._where).stem)
        if not name.strip(". ") or {"/", "\\"} & set(name) or len(os.fsencode(name)) > LONGEST_NAME:
            self._fault("name", f"found {name!r}; wanted a name that a folder can have")
        seed = self._plain("seed", int, 24)
        if not MIN_SEED <= seed <= MAX_SEED:
            self._fault("seed", f"found {seed}; wanted a whole number of 64 bits, from {MIN_SEED} to {MAX_SEED}")
        singles = {table: self._single(table) for table in SINGLE}
        lists = {
            table: self._several(table, table, self._document.get(table, _DEFAULT), *LISTS[table]) for table in LISTS
        }
        evaluation = dict(self._as_table("eval", self._document.get("eval", {})))
        rescoring = self._several("eval.rescoring", "rescorer", evaluation.pop("rescoring", _DEFAULT), (), NoKeys)
        settings = {
            table: self._settings(table, evaluation if table == "eval" else self._document.get(table, {}), kind)
            for table, kind in SETTINGS.items()
        }
        if self._document.get("objective") == [] and settings["train"] and settings["train"].epochs > 0:
            self._fault("objective", "found none; training needs an [[objective]], or train.epochs = 0")
        if not self._faults:
            self._compare({table: part for table, (part, _) in singles.items() if part is not None})
        if self._faults:
            raise RecipeError(self._faults)
        keys = {table: keys for table, (_, keys) in singles.items()}
        return Recipe(
            name=name,
            seed=seed,
            where=self._where,
            causes=self._causes,
            parts={table: part for table, (part, _) in singles.items() if part is not None},
            objectives=tuple((part, keys.weight) for part, keys in lists["objective"]),
            observers=tuple(part for part, _ in lists["observer"]),
            rescoring=tuple(part for part, _ in rescoring),
            metrics=tuple(part for part, _ in lists["metric"]),
            allow_missing=keys["dataset"].allow_missing,
            control=keys["mask"].control,
            **settings,
        )

    def _compare(self, parts: Mapping[str, Part[Any]]) -> None:
        for fault in declared_faults(parts):
            self._fault(*fault.split(": ", 1))

    def _fault(self, key: str, text: str) -> None:
        self._faults.append(f"{cause_of(key, self._causes) or self._where}: {key}: {text}")

    def _plain(self, key: str, kind: type[Any], default: Any) -> Any:
        value = self._document.get(key, default)
        if type(value) is kind:
            return value
        self._fault(key, f"found {value!r}; wanted {'a string' if kind is str else 'a whole number'}")
        return default

    def _as_table(self, key: str, value: Any) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self._fault(key, no_table(key, value, chosen=key not in SETTINGS, several=False))
        return {}

    def _settings(self, table: str, value: Any, model: type[Options]) -> Any:
        values = self._as_table(table, value)
        return self._model(table, values, model, f"[{table}] of fdakit", ())

    def _single(self, table: str) -> tuple[Part[Any] | None, Any]:
        default, keys = SINGLE[table]
        value = self._document.get(table, {"use": default} if default else {})
        if not isinstance(value, Mapping):
            self._as_table(table, value)
            return None, None
        return self._part(table, table, value, keys)

    def _several(
        self, key: str, kind: str, value: Any, defaults: tuple[str, ...], keys: type[Options]
    ) -> list[tuple[Part[Any], Any]]:
        tables = [{"use": name} for name in defaults] if value is _DEFAULT else value
        if not isinstance(tables, list):
            self._fault(key, no_table(key, tables, chosen=True, several=True))
            return []
        found = []
        for place, table in enumerate(tables):
            part, extra = self._part(f"{key}.{place}", kind, self._as_table(f"{key}.{place}", table), keys)
            if part is not None:
                found.append((part, extra))
        return found

    def _part(
        self, key: str, kind: str, table: Mapping[str, Any], keys: type[Options]
    ) -> tuple[Part[Any] | None, Any]:
        """Return one part table: fdakit's own keys are taken out, the rest is the component's options."""
        own = {name: value for name, value in table.items() if name in keys.model_fields}
        rest = {name: value for name, value in table.items() if name not in own and name != "use"}
        extra = self._model(key, own, keys, f"[{kind}] of fdakit", ())
        offer = self._offer(key, kind, table)
        if offer is None:
            return None, extra
        shadowed = sorted({"use", *keys.model_fields} & set(offer.component.options.model_fields))
        if shadowed:
            self._fault(key, f"{offer} has options that are fdakit's own keys: {', '.join(shadowed)}; rename them")
            return None, extra
        options = self._model(
            key,
            rest,
            offer.component.options,
            f"{offer.component.name!r} ({offer.provider})",
            keys.model_fields,
        )
        return (Part(offer, options) if options is not None else None), extra

    def _offer(self, key: str, kind: str, table: Mapping[str, Any]) -> Offer | None:
        use = table.get("use")
        if not isinstance(use, str):
            names = ", ".join(offer.component.name for offer in self._catalog.of_kind(kind))
            found = "missing" if use is None else f"found {use!r}"
            self._fault(f"{key}.use", f"{found}; name one {kind} of: {names}")
            return None
        try:
            return self._catalog.find(kind, use)
        except PluginError as error:
            self._fault(f"{key}.use", str(error))
            return None

    def _model(
        self, key: str, values: Mapping[str, Any], model: type[S], owner: str, more: Iterable[str]
    ) -> S | None:
        text = json.dumps(dict(values), default=str)  # a TOML date is text to every option
        for name, value in values.items():
            if odd := text_fault(value):
                self._fault(f"{key}.{name}", odd)
                return None
        try:
            return anchor_paths(model.model_validate_json(text))
        except ValidationError as error:
            known = [*model.model_fields, *more]
            for fault in error.errors():
                length = _length(model, fault)
                steps = fault["loc"][:1] if length and fault["type"] == "missing" else fault["loc"]
                path = ".".join([key, *map(str, steps)])
                self._fault(path, fault_words(fault, path, owner=owner, known=known, length=length))
            return None


def _length(model: type[BaseModel], fault: Mapping[str, Any]) -> int:
    """Return how many values the option of a fault takes, if the fault is about their number; else 0."""
    option, *inside = fault["loc"] or ("",)
    about = not inside or (fault["type"] == "missing" and len(inside) == 1)
    field = model.model_fields.get(str(option))
    return fixed_length(field.annotation) if about and field is not None else 0
