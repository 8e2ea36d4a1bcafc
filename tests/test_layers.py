"""Layers: imports run downwards only, and heavy packages are imported only where they belong."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pytest_optbench

ROOT = Path(pytest_optbench.__file__).parent
PACKAGE = ROOT.name
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
ALLOWED = {
    "": set(),
    "data": {"data", "torch", "pytorch_optimizer", "heavyball"},
    "words": {"words"},
    "machine": {"", "words", "machine", "torch", "numpy", "sklearn"},
    "analysis": {"words", "analysis", "numpy"},
    "report": {"words", "analysis", "report", "numpy", "matplotlib"},
    "integration": {"", "words", "machine", "analysis", "report", "integration", "torch", "pytest", "_pytest"},
    "plugin": {"integration", "machine", "pytest"},
    "commands": {"", "words", "machine", "analysis", "report", "commands"},
    "cli": {"", "words", "machine", "report", "commands"},
    "tasks": {"words", "machine"},
}
"""What a layer may import besides the standard library; "" is the package itself, which holds its version. Of the data,
the modules beside the leaderboard's table import optimizers, as a user's own would; nothing imports them."""
AT_ONCE = {
    "plugin": {"integration", "pytest"},
    "cli": {"", "words", "commands"},
    "commands": {"", "words", "commands"},
    "words": {"words"},
}
"""What may be imported with the module itself; the rest waits until it is needed."""

every_module = pytest.mark.parametrize("module", MODULES)


def layer(module):
    """The layer of a module of this package, or the package that another one belongs to."""
    first, *rest = module.split(".")
    return (rest[0] if rest else "") if first == PACKAGE else first


def imports(module, *, nested):
    """The modules that a module imports; with those in functions and type-checking blocks, if `nested`."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            }
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def test_every_layer_is_listed():
    assert {layer(module) for module in MODULES} == ALLOWED.keys()


@every_module
def test_imports_run_downwards(module):
    assert {layer(name) for name in imports(module, nested=True)} <= ALLOWED[layer(module)]


@pytest.mark.parametrize("module", [module for module in MODULES if layer(module) in AT_ONCE])
def test_heavy_imports_wait(module):
    assert {layer(name) for name in imports(module, nested=False)} <= AT_ONCE[layer(module)]


def test_options_are_light_since_every_session_imports_them():
    assert imports(f"{PACKAGE}.integration.options", nested=True) == set()


def test_there_are_no_cycles():
    graph = {module: imports(module, nested=True) & MODULES.keys() for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)
