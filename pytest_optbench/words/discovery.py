"""Discovery: the optimizer classes of a repository, found by reading its files; nothing is imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SKIPPED_FOLDERS = frozenset({"build", "dist", "node_modules", "site-packages", "venv", "env", "__pycache__"})
_TESTS = re.compile(r"tests?|testing|test_.*\.py|.*_test\.py|conftest\.py")
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_TORCH = re.compile(r"torch\.optim\.(?!lr_scheduler|swa_utils)(?:\w+\.)*(?P<name>[A-Z]\w*)")
"""A class of torch.optim, by whichever module it was imported from."""
_GIVEN = frozenset({"lr"})
"""What a recipe need not be told though the constructor has no value for it: it is tuned."""
_WRAPPED = frozenset({"optimizer", "base_optimizer", "base", "inner", "opt"})
"""Names of a first argument that is another optimizer, not parameters."""

Qualified = tuple[str, str]
"""A module and the name of a class in it."""


@dataclass(frozen=True)
class FoundOptimizer:
    """A class that derives from `torch.optim.Optimizer` and has a step of its own or an inherited one."""

    module: str
    """From where it is best imported: the outermost package that offers it."""
    name: str
    file: Path
    required: tuple[str, ...] = ()
    """Arguments of the constructor that a table must give, since they have no default and are not tuned."""

    @property
    def path(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True)
class _Class:
    bases: tuple[str, ...]
    steps: bool
    """Does the body define `step`, not as an abstract method?"""
    abstract: bool
    required: tuple[str, ...] | None
    """None where the class leaves the constructor to its bases."""


@dataclass
class _Module:
    name: str
    file: Path
    package: bool
    classes: dict[str, _Class] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """What a name stands for, dotted from the top."""
    stars: list[str] = field(default_factory=list)


def find_optimizers(root: Path) -> list[FoundOptimizer]:
    """The optimizers of the project in `root`, sorted by path; those of its tests and of projects inside it are not.

    A class counts when its bases lead to a class of `torch.optim`, or to one outside of the repository that is called
    `...Optimizer`; across files as far as names of imports tell. Left out are private and abstract classes.
    """
    modules = {module.name: module for module in map(_read, *_paths_and_names(root)) if module is not None}
    return sorted(_found(modules), key=lambda one: (one.path.lower(), one.path))


def _paths_and_names(root: Path) -> tuple[list[Path], list[str]]:
    files = [file for file in python_files(root, tests=False) if module_name(file, root)]
    return files, [module_name(file, root) for file in files]


def python_files(root: Path, *, tests: bool = True) -> Iterator[Path]:
    """The Python files below `root`, or `root` itself; not those of builds, environments and hidden folders.

    Without `tests` neither test files nor projects inside the project.
    """
    if root.is_file():
        yield root
        return
    for path in _entries(root):
        if path.name.startswith(".") or path.name in _SKIPPED_FOLDERS or path.is_symlink():
            continue
        if not tests and _TESTS.fullmatch(path.name):
            continue
        if path.is_dir():
            if not (path / "pyvenv.cfg").exists() and (tests or not is_project(path)):
                yield from python_files(path, tests=tests)
        elif path.suffix == ".py":
            yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def is_project(folder: Path) -> bool:
    """Does the folder have packaging of its own?"""
    return any((folder / name).exists() for name in _PROJECT_FILES)


def module_name(path: Path, root: Path) -> str:
    """The name by which a file is imported, where `root` or `root/src` is on the path; empty where it has none."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    parts = parts[:-1] if parts and parts[-1] == "__init__" else parts
    return ".".join(parts) if all(map(str.isidentifier, parts)) else ""


def _read(path: Path, name: str) -> _Module | None:
    """What a file defines and imports; None for one that cannot be parsed."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of the file's author: a backslash that escapes nothing
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return None
    module = _Module(name, path, package=path.name == "__init__.py")
    for node in _statements(tree.body):
        if isinstance(node, ast.ClassDef):
            module.classes[node.name] = _class(node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                module.imports[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module)
            module.stars += [source for alias in node.names if alias.name == "*"]
            module.imports |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names}
    return module


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, with those that hang on a condition or on an import that may fail."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
            for handler in node.handlers if isinstance(node, ast.Try) else ():
                yield from _statements(handler.body)


def _source(node: ast.ImportFrom, module: _Module) -> str:
    """The module that a `from ... import` names, dotted from the top."""
    if node.level == 0:
        return node.module or ""
    package = module.name.split(".") if module.package else module.name.split(".")[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *([node.module] if node.module else [])])


def _class(node: ast.ClassDef) -> _Class:
    methods = {child.name: child for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)}
    abstract = {name for name, method in methods.items() if _is_abstract(method)}
    init = methods.get("__init__")
    return _Class(
        bases=tuple(filter(None, (_dotted(base) for base in node.bases))),
        steps="step" in methods and "step" not in abstract,
        abstract=bool(abstract),
        required=None if init is None else _required(init.args),
    )


def _is_abstract(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_dotted(decorator).endswith("abstractmethod") for decorator in method.decorator_list)


def _dotted(node: ast.expr) -> str:
    """The dotted name that an expression is, without the parameters of a generic class; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _required(arguments: ast.arguments) -> tuple[str, ...]:
    """Names of the arguments without a default, but for the parameters, which come first, and what is tuned."""
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][1:]
    required = positional[: max(len(positional) - len(arguments.defaults), 0)]
    if required and required[0] not in _WRAPPED:
        required = required[1:]
    required += [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return tuple(name for name in required if name not in _GIVEN)


def _found(modules: Mapping[str, _Module]) -> Iterator[FoundOptimizer]:
    lines = _Lineage(modules)
    for module in modules.values():
        for name, cls in module.classes.items():
            if name.startswith("_") or cls.abstract or not lines.steps((module.name, name)):
                continue
            yield FoundOptimizer(
                lines.offered_by((module.name, name)), name, module.file, lines.required((module.name, name))
            )


class _Lineage:
    """Where the classes of a repository come from."""

    def __init__(self, modules: Mapping[str, _Module]) -> None:
        self.modules = modules

    def resolve(self, module: str, dotted: str, seen: Sequence[Qualified] = ()) -> Qualified | str:
        """The class of the repository that a dotted name stands for in a module, else its full name outside of it."""
        here = self.modules[module]
        if dotted in here.classes:
            return module, dotted
        first, _, rest = dotted.partition(".")
        if (module, dotted) in seen:
            return dotted
        seen = [*seen, (module, dotted)]
        if first not in here.imports:
            return self._by_star(here, dotted, seen)
        full = ".".join(filter(None, (here.imports[first], rest)))
        owner = full
        while "." in owner:
            owner = owner.rpartition(".")[0]
            if owner in self.modules:
                return self.resolve(owner, full.removeprefix(f"{owner}."), seen)
        return full

    def _by_star(self, here: _Module, dotted: str, seen: Sequence[Qualified]) -> Qualified | str:
        """What a name stands for that only an `import *` can have brought."""
        for star in here.stars:
            if star not in self.modules:
                if star == "torch.optim":
                    return f"{star}.{dotted}"
            elif isinstance(found := self.resolve(star, dotted, seen), tuple) or found.startswith("torch."):
                return found
        return dotted

    def bases(self, cls: Qualified) -> list[Qualified | str]:
        module, name = cls
        found = [self.resolve(module, base) for base in self.modules[module].classes[name].bases]
        return [base for base in found if base != cls]

    def is_optimizer(self, cls: Qualified | str, seen: tuple[Qualified, ...] = ()) -> bool:
        if isinstance(cls, str):
            return _TORCH.fullmatch(cls) is not None or cls.endswith("Optimizer")
        return cls not in seen and any(self.is_optimizer(base, (*seen, cls)) for base in self.bases(cls))

    def steps(self, cls: Qualified | str, seen: tuple[Qualified, ...] = ()) -> bool:
        """Is it an optimizer with a step: its own, or that of a base, inside the repository or not?"""
        if isinstance(cls, str):
            # Of an unknown base one assumes that it steps, but for the root of them all.
            return self.is_optimizer(cls) and not re.fullmatch(r"torch\.optim\.(\w+\.)?Optimizer|Optimizer", cls)
        if cls in seen or not self.is_optimizer(cls):
            return False
        own = self.modules[cls[0]].classes[cls[1]]
        return own.steps or any(self._lends_step(base, (*seen, cls)) for base in self.bases(cls))

    def _lends_step(self, base: Qualified | str, seen: tuple[Qualified, ...]) -> bool:
        """A mixin that is no optimizer may bring the step, too."""
        if isinstance(base, str) or self.is_optimizer(base):
            return self.steps(base, seen)
        return base not in seen and self.modules[base[0]].classes[base[1]].steps

    def required(self, cls: Qualified, seen: tuple[Qualified, ...] = ()) -> tuple[str, ...]:
        """Arguments without a default of the constructor that the class has or inherits."""
        own = self.modules[cls[0]].classes[cls[1]].required
        if own is not None:
            return own
        for base in self.bases(cls):
            if isinstance(base, tuple) and base not in seen:
                return self.required(base, (*seen, cls))
        return ()

    def offered_by(self, cls: Qualified) -> str:
        """The outermost package from which the class can be imported by its own name."""
        parts = cls[0].split(".")
        for count in range(1, len(parts)):
            package = ".".join(parts[:count])
            if package in self.modules and self.resolve(package, cls[1]) == cls:
                return package
        return cls[0]
