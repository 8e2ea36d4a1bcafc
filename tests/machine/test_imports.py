"""Imports by name: what is found, where it is looked for, and what is said when it is missing."""

from __future__ import annotations

import sys

import pytest
import torch

from pytest_optbench.machine.imports import load_module, load_object
from pytest_optbench.words.errors import OptbenchError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with modules beside it and in src; the import path and the modules are put back."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "acme_flat.py").write_text("class Outer:\n    class Inner:\n        pass\n")
    (tmp_path / "src" / "acme_package").mkdir(parents=True)
    (tmp_path / "src" / "acme_package" / "__init__.py").write_text("")
    (tmp_path / "src" / "acme_package" / "optim.py").write_text("class AcmeAdam:\n    pass\n")
    (tmp_path / "acme_broken.py").write_text("1 / 0\n")
    (tmp_path / "acme_needs.py").write_text("import acme_absent\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("path", "found"), [("torch.optim:AdamW", torch.optim.AdamW), ("torch:optim.AdamW", torch.optim.AdamW)]
)
def test_an_installed_name_is_found(path, found):
    assert load_object(path, where="here") is found


@pytest.mark.parametrize(
    ("path", "name"),
    [("acme_flat:Outer", "Outer"), ("acme_flat:Outer.Inner", "Inner"), ("acme_package.optim:AcmeAdam", "AcmeAdam")],
)
def test_a_name_of_the_repository_is_found(path, name, root):
    assert load_object(path, where="here", root=root).__name__ == name


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("AdamW", "here: 'AdamW' names nothing; expected module:name, as in 'acme.optim:AcmeAdamW'"),
        (":AdamW", "here: ':AdamW' names nothing; expected module:name, as in 'acme.optim:AcmeAdamW'"),
        ("torch.optim:", "here: 'torch.optim:' names nothing; expected module:name, as in 'acme.optim:AcmeAdamW'"),
        ("torch.optim:AdamV", "here: module 'torch.optim' has no 'AdamV'; did you mean 'Adam'?"),
        ("torch.optim:Zzz", "here: module 'torch.optim' has no 'Zzz'"),
        ("acme_missing:A", "here: no module named 'acme_missing'; is its package installed?"),
        ("torch.optom:A", "here: no module named 'torch.optom'"),
        ("acme_needs:A", "here: importing 'acme_needs' failed: No module named 'acme_absent'"),
        ("acme_broken:A", "here: importing 'acme_broken' failed: ZeroDivisionError: division by zero"),
    ],
)
def test_a_name_that_cannot_be_loaded_is_told_in_a_sentence(path, sentence, root):
    with pytest.raises(OptbenchError) as error:
        load_object(path, where="here", root=root)
    assert str(error.value) == sentence


def test_the_import_path_is_left_alone_where_the_root_has_nothing(root):
    before = sys.path.copy()
    with pytest.raises(OptbenchError):
        load_module("acme_missing", where="here", root=root)
    load_module("json", where="here", root=root)
    assert sys.path == before
