"""What is installed: the only module that talks to pluggy's manager.

Plugins are asked one by one, so that a fault always names the plugin that made it. A broken plugin is
kept with its reason and matters only to a recipe that needs it.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, Generic, TypeVar

import pluggy
from pydantic import BaseModel

from fdakit.plugin.component import BuildContext, Component
from fdakit.plugin.contract_checks import contract_fault, declaration_fault
from fdakit.plugin.vector_stores import StoreContext

from . import builtin
from .errors import PartError, PluginError, attribute_errors, nearest
from .plugin import hookspecs
from .version import __version__

KINDS = (
    "sampler",
    "reader",
    "mask",
    "fusion",
    "encoder",
    "aggregator",
    "matcher",
    "objective",
    "batcher",
    "dataset",
    "rescorer",
    "optimiser",
    "observer",
    "metric",
    "vector_store",
)
P_co = TypeVar("P_co", covariant=True)

GROUP = "fdakit"
ALLOW = "FDAKIT_PLUGINS"


@dataclass(frozen=True)
class Provider:
    """A distribution that offers parts."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Offer:
    """A component, its kind, and who offers it."""

    kind: str
    component: Component[Any, Any, Any]
    provider: Provider

    def __str__(self) -> str:
        return f"{self.kind} {self.component.name!r} ({self.provider})"


@dataclass(frozen=True)
class Broken:
    """A plugin, or one hook of it, that cannot be used, and why."""

    provider: Provider
    entry: str
    reason: str


@dataclass(frozen=True)
class Part(Generic[P_co]):
    """A component with its validated options: what a recipe's table becomes. `P_co` is the protocol of its kind."""

    offer: Offer
    options: BaseModel

    @property
    def name(self) -> str:
        return self.offer.component.name

    def build(self, shapes: BuildContext | StoreContext) -> P_co:
        """Return the part itself; a vector store is built with a `StoreContext`.

        Raises `PartError`, naming part and provider, where that fails or is none of its kind.
        """
        with attribute_errors(str(self.offer), "while it was built"):
            part: P_co = self.offer.component.build(self.options, shapes)
            fault = contract_fault(self.offer.kind, part) or declaration_fault(self.offer.component.declares, part)
        if fault:
            raise PartError(f"{self.offer} failed while it was built: {fault}")
        return part


@dataclass(frozen=True)
class Catalog:
    """All offers and all broken plugins, in the order of kind, name and provider."""

    offers: tuple[Offer, ...]
    broken: tuple[Broken, ...]

    def of_kind(self, kind: str) -> tuple[Offer, ...]:
        """Return the offers of one kind. Raises `PluginError` if fdakit knows no such kind."""
        if kind not in KINDS:
            raise PluginError(f"kind {kind!r}: unknown; {nearest(kind, KINDS)}")
        return tuple(offer for offer in self.offers if offer.kind == kind)

    def ambiguous(self) -> tuple[tuple[str, str], ...]:
        """(kind, name) pairs that more than one provider offers."""
        seen: dict[tuple[str, str], int] = {}
        for offer in self.offers:
            key = (offer.kind, offer.component.name)
            seen[key] = seen.get(key, 0) + 1
        return tuple(key for key, count in seen.items() if count > 1)

    def find(self, kind: str, use: str) -> Offer:
        """Return the offer that `use` means: a bare name, or `provider:name`. Raises `PluginError`."""
        provider, colon, name = use.rpartition(":")
        named = [o for o in self.of_kind(kind) if o.component.name == name]
        found = [o for o in named if not colon or _plain(o.provider.name) == _plain(provider)]
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(f"{o.provider.name}:{name}" for o in found)
            raise PluginError(f"{kind} {use!r} is offered more than once; choose one: {choices}")
        absent = _plain(provider) not in {_plain(known.name) for known in self._providers()}
        if provider and absent and not named:
            raise PluginError(f"unknown {kind} {use!r}; {_absent_package(provider)}")
        raise PluginError(self._unknown(kind, use, name))

    def _providers(self) -> tuple[Provider, ...]:
        return (*(offer.provider for offer in self.offers), *(broken.provider for broken in self.broken))

    def _unknown(self, kind: str, use: str, name: str) -> str:
        names = [o.component.name for o in self.of_kind(kind)]
        listed = ", ".join(f"{o.component.name} ({o.provider})" for o in self.of_kind(kind))
        hint = nearest(name, names)
        text = f"unknown {kind} {use!r}; {hint}" + (f" installed: {listed}" if hint.startswith("did") else "")
        if self.broken:
            broken = "; ".join(f"{b.provider.name} ({b.reason})" for b in self.broken)
            text += f"; plugins that could not be loaded: {broken}"
        return text


def _absent_package(name: str) -> str:
    """Return what is wrong with a package that offers nothing, and how to get it."""
    plain, limited = _plain(name), ALLOW in os.environ
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", plain):
        return f"{name!r} is no name of a package; correct it"
    if limited and plain in {_plain(entry.dist.name) for entry in entry_points(group=GROUP) if entry.dist}:
        return f"package {name!r} is installed, and {ALLOW} leaves it out: add it there"
    line = f"no package {name!r} is installed: pip install {shlex.quote(_installable(plain))}"
    return f"{line}, and add it to {ALLOW}" if limited else line


def _installable(package: str) -> str:
    """Return what pip takes for a package: its folder in a checkout of the project that has it, else its name."""
    folder = Path(__file__).parents[1] / "plugins" / package
    if not (folder / "pyproject.toml").is_file():
        return package
    return f"./{folder.relative_to(Path.cwd())}" if folder.is_relative_to(Path.cwd()) else str(folder)


def _plain(package: str) -> str:
    """Return a package's name in one way of writing: hyphens, underscores, dots and case make no difference there."""
    return re.sub(r"[-_.]+", "-", package).lower()


def load_catalog(extra: Iterable[ModuleType] = ()) -> Catalog:
    """Ask fdakit's own modules, every installed plugin that `FDAKIT_PLUGINS` allows, and `extra` modules."""
    loader = _Loader()
    own = Provider("fdakit", __version__)
    for name in _builtin_modules():
        loader.add(own, name, partial(import_module, name))
    for provider, entry in _installed():
        loader.add(provider, entry.name, entry.load)
    for module in extra:
        loader.register(Provider(module.__name__, "local"), module.__name__, module)
    return loader.catalog()


def _builtin_modules() -> list[str]:
    walk = pkgutil.walk_packages(builtin.__path__, builtin.__name__ + ".")
    return sorted(m.name for m in walk if not m.ispkg and not m.name.rpartition(".")[2].startswith("_"))


def _installed() -> list[tuple[Provider, EntryPoint]]:
    allowed = os.environ.get(ALLOW)
    names = None if allowed is None else {name.strip() for name in allowed.split(",")}
    found = []
    for entry in entry_points(group=GROUP):
        name, version = (entry.dist.name, entry.dist.version) if entry.dist else (None, None)
        provider = Provider(name or entry.name, version or "unknown")  # a damaged installation knows neither
        if names is None or provider.name in names:
            found.append((provider, entry))
    return sorted(found, key=lambda pair: (pair[0].name, pair[1].name))


class _Loader:
    """Registers plugins one at a time and asks each of their hooks apart."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._offers: list[Offer] = []
        self._broken: list[Broken] = []

    def add(self, provider: Provider, entry: str, load: Callable[[], object]) -> None:
        """Load, register and ask one plugin; whatever its import raises becomes the reason it is broken."""
        try:
            plugin = load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's import may raise anything; kept as reason
            self._broken.append(Broken(provider, entry, _reason(error)))
            return
        self.register(provider, entry, plugin)

    def register(self, provider: Provider, entry: str, plugin: object) -> None:
        """Register and ask one loaded plugin; misspelt hooks and wrong arguments make it broken."""
        name = f"{provider.name}/{entry}"
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            self._broken.append(Broken(provider, entry, _reason(error)))
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        reasons = list(_unmarked(plugin))
        if not (reasons or provider.name == GROUP or self._manager.get_hookcallers(plugin)):
            reasons = [f"defines no hook; write one, as {GROUP}_masks(), and @fdakit.plugin.hookimpl above it"]
        self._broken += [Broken(provider, entry, reason) for reason in reasons]
        self._ask(provider, entry, plugin)

    def _ask(self, provider: Provider, entry: str, plugin: object) -> None:
        for kind in KINDS:
            hook = getattr(self._manager.hook, f"fdakit_{kind}s")
            for implementation in hook.get_hookimpls():
                if implementation.plugin is plugin:
                    self._take(provider, entry, kind, implementation.function)

    def _take(self, provider: Provider, entry: str, kind: str, function: Any) -> None:
        hook = f"fdakit_{kind}s"
        try:
            offered = list(function())  # drained here: a generator raises only now
        except Exception as error:  # noqa: BLE001 - as above
            self._broken.append(Broken(provider, entry, f"{hook}: {_reason(error)}"))
            return
        for component in offered:
            if not isinstance(component, Component):
                reason = f"{hook} offered {component!r}; each item must be a fdakit.plugin.Component"
                self._broken.append(Broken(provider, entry, reason))
            elif any(
                (o.kind, o.provider, o.component.name) == (kind, provider, component.name) for o in self._offers
            ):
                reason = f"{hook} offered {component.name!r} twice; give each a name of its own"
                self._broken.append(Broken(provider, entry, reason))
            else:
                self._offers.append(Offer(kind, component, provider))

    def catalog(self) -> Catalog:
        order = {kind: place for place, kind in enumerate(KINDS)}
        offers = sorted(self._offers, key=lambda o: (order[o.kind], o.component.name, o.provider.name))
        return Catalog(tuple(offers), tuple(self._broken))


def _unmarked(plugin: object) -> Iterator[str]:
    """Functions that are named like a hook and would never be asked, as pluggy passes over what bears no mark."""
    hooks = [f"{GROUP}_{kind}s" for kind in KINDS]
    for name in dir(plugin):
        function = getattr(plugin, name, None)
        if not isinstance(function, FunctionType | MethodType) or hasattr(function, f"{GROUP}_impl"):
            continue
        if name in hooks:
            yield f"defines {name} but does not mark it; write @fdakit.plugin.hookimpl above it"
        elif name.startswith(f"{GROUP}_") and get_close_matches(name, hooks, n=1, cutoff=0.8):
            yield f"defines {name}, which is no hook and bears no mark; {nearest(name, hooks)}"


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())  # one line, whatever it says
