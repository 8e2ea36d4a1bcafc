"""Which classes of a repository are found to be optimizers, and how they are to be imported."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pytest_optbench.words.discovery import FoundOptimizer, find_optimizers

LION = """
    from torch.optim import Optimizer

    class Lion(Optimizer):
        def step(self): ...
"""


def found(folder: Path, **files: str) -> list[FoundOptimizer]:
    """What is found in a folder with these files; `__` in a name stands for a slash, `zoo__` for `zoo/__init__.py`."""
    for name, text in files.items():
        parts = name.removesuffix("__").split("__")
        path = folder.joinpath(*parts, "__init__.py") if name.endswith("__") else folder.joinpath(*parts)
        path = path if path.suffix == ".py" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return find_optimizers(folder)


def paths(folder: Path, **files: str) -> list[str]:
    return [one.path for one in found(folder, **files)]


@pytest.mark.parametrize(
    ("imports", "base"),
    [
        ("import torch", "torch.optim.Optimizer"),
        ("import torch.optim as o", "o.Optimizer"),
        ("from torch import optim", "optim.AdamW"),
        ("from torch.optim import Adam as Base", "Base"),
        ("from torch.optim import *", "SGD"),
        ("from torch.optim.optimizer import Optimizer", "Optimizer"),
        ("try:\n    from torch.optim import Optimizer\nexcept ImportError:\n    pass", "Optimizer"),
        ("from their_library import BaseOptimizer", "BaseOptimizer"),
        ("from typing import Generic\nimport torch", "Generic[int], torch.optim.Optimizer"),
    ],
)
def test_a_base_is_followed_to_torch_optim(tmp_path: Path, imports: str, base: str) -> None:
    text = f"{imports}\n\nclass Lion({base}):\n    def step(self): ...\n"
    assert paths(tmp_path, zoo=text) == ["zoo:Lion"]


@pytest.mark.parametrize(
    "text",
    [
        "class Lion: ...",
        "from torch.optim.lr_scheduler import LRScheduler\nclass Cosine(LRScheduler):\n    def step(self): ...",
        "from torch.optim import Optimizer\nclass _Lion(Optimizer):\n    def step(self): ...",
        "from torch.optim import Optimizer\nclass Base(Optimizer):\n    def shared(self): ...",
        "from abc import abstractmethod\nfrom torch.optim import Adam\n"
        "class Base(Adam):\n    @abstractmethod\n    def precondition(self): ...",
        "class BaseOptimizer: ...\nclass Lion(BaseOptimizer):\n    def step(self): ...",
        "from torch.optim import Optimizer\nclass Lion(Optimizer:\n",
        "class Lion(Lion):\n    def step(self): ...",
        "from zoo import Lion",
    ],
    ids=["plain", "scheduler", "private", "no step", "abstract", "own base", "syntax", "itself", "own import"],
)
def test_what_is_no_optimizer_is_not_found(tmp_path: Path, text: str) -> None:
    assert paths(tmp_path, zoo=text) == []


def test_descent_is_followed_across_files(tmp_path: Path) -> None:
    assert paths(
        tmp_path,
        zoo__="",
        zoo__base="import torch\nclass Base(torch.optim.Optimizer):\n    def step(self): ...",
        zoo__cats="from .base import Base\nclass Cat(Base): ...",
        zoo__big__="from zoo.cats import Cat as Small",
        zoo__big__lion="from . import Small\nfrom .. import cats\nclass Lion(Small): ...\nclass Tiger(cats.Cat): ...",
    ) == ["zoo.base:Base", "zoo.big.lion:Lion", "zoo.big.lion:Tiger", "zoo.cats:Cat"]


def test_a_step_may_come_from_a_mixin(tmp_path: Path) -> None:
    text = """
        import torch

        class Steps:
            def step(self): ...

        class Lion(Steps, torch.optim.Optimizer): ...
    """
    assert paths(tmp_path, zoo=text) == ["zoo:Lion"]


@pytest.mark.parametrize("export", ["from .cats import Lion", "from zoo.cats import *"])
def test_a_class_is_imported_from_where_its_package_offers_it(tmp_path: Path, export: str) -> None:
    assert paths(tmp_path, src__zoo__=export, src__zoo__cats=LION) == ["zoo:Lion"]


def test_tests_builds_environments_and_inner_projects_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pyvenv.cfg").touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "pyproject.toml").touch()
    files = ["tests__helper", "test_lion", "lion_test", "conftest", "build__lib__lion", "mine__lion", "inner__lion"]
    assert paths(tmp_path, **dict.fromkeys([*files, "node_modules__lion", ".hidden__lion", "zoo"], LION)) == [
        "zoo:Lion"
    ]


def test_a_file_that_cannot_be_imported_by_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "two-words.py").write_text(dedent(LION))
    assert find_optimizers(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "required"),
    [
        ("self, params", ()),
        ("self, params, lr", ()),
        ("self, params, lr=1e-3, *, rho", ("rho",)),
        ("self, params, base_optimizer, rho=0.05", ("base_optimizer",)),
        ("self, optimizer, k=5", ("optimizer",)),
        ("self, params, model, lr=1e-3, **rest", ("model",)),
        ("self, *args, **keywords", ()),
    ],
)
def test_arguments_that_a_table_must_give(tmp_path: Path, arguments: str, required: tuple[str, ...]) -> None:
    text = f"import torch\nclass Lion(torch.optim.Adam):\n    def __init__({arguments}): ...\nclass Cub(Lion): ...\n"
    assert [one.required for one in found(tmp_path, zoo=text)] == [required, required]


def test_classes_that_derive_from_each_other_end_the_search(tmp_path: Path) -> None:
    assert paths(tmp_path, a="from b import B\nclass A(B): ...", b="from a import A\nclass B(A): ...") == []


def test_a_file_with_a_doubtful_escape_warns_nobody(tmp_path: Path) -> None:
    assert paths(tmp_path, zoo=dedent(LION) + 'PATTERN = "\\d"\n') == ["zoo:Lion"]


def test_nothing_is_imported(tmp_path: Path) -> None:
    assert paths(tmp_path, zoo_of_errors=dedent(LION) + "raise SystemExit\n") == ["zoo_of_errors:Lion"]
    assert "zoo_of_errors" not in sys.modules
