"""Imports: from a name in a table to the object, with errors that say what is missing and what is near."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pytest_optbench.words.errors import OptbenchError, nearest


class MissingError(OptbenchError):
    """What is named does not exist; whatever else is wrong with it is another mistake."""


def load_object(path: str, *, where: str, root: Path | None = None) -> object:
    """The object that `module:name` names; `name` may have dots. `where` begins the sentence of an error."""
    module_name, separator, qualified = path.partition(":")
    if not separator or not all(map(str.isidentifier, f"{module_name}.{qualified}".split("."))):
        raise OptbenchError(f"{where}: {path!r} names nothing; expected module:name, as in 'acme.optim:AcmeAdamW'")
    found: object = load_module(module_name, where=where, root=root)
    for part in qualified.split("."):
        if not hasattr(found, part):
            raise MissingError(f"{where}: module {module_name!r} has no {qualified!r}{_near(part, found)}")
        found = getattr(found, part)
    return found


def load_module(name: str, *, where: str, root: Path | None = None) -> ModuleType:
    """Import a module. One that is not installed is looked for in `root` and `root/src`, where a repository has it."""
    top = name.partition(".")[0]
    if root is not None and top not in sys.modules and importlib.util.find_spec(top) is None:
        folders = [folder for folder in (root, root / "src") if _provides(folder, top)]
        sys.path[:0] = [str(folder) for folder in folders]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            hint = "" if error.name != top else "; is its package installed?"
            raise MissingError(f"{where}: no module named {error.name!r}{hint}") from error
        raise OptbenchError(f"{where}: importing {name!r} failed: {error}") from error
    except (Exception, SystemExit) as error:
        raise OptbenchError(f"{where}: importing {name!r} failed: {type(error).__name__}: {error}") from error


def _provides(folder: Path, top: str) -> bool:
    return (folder / top).is_dir() or (folder / f"{top}.py").is_file()


def _near(part: str, owner: object) -> str:
    public = [name for name in dir(owner) if not name.startswith("_")]
    hint = nearest(part, public)
    return hint if hint.startswith("; did you mean") else ""
