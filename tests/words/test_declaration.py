"""Declarations: the table as its author wrote it, and every mistake in it."""

from __future__ import annotations

import pytest

from pytest_optbench.words.declaration import (
    OptimizerDeclaration,
    find_table,
    parse_option,
    parse_table,
    require_kind,
    require_positive,
)
from pytest_optbench.words.errors import OptbenchError

FULL = """
[tool.optbench]
tier = "small"
seeds = 8

[tool.optbench.optimizers.Acme]
class = "acme.optim:Acme"
hyperparameters = { betas = [0.9, 0.99] }
search = { lr = { low = 1e-5, high = 1e-1, log = true } }
configurations = { amsgrad = { amsgrad = true } }
family = "adam_like"
claims = { weight_decay = "decoupled" }
reference = "torch.optim:AdamW"
scheduler = "acme.schedules:cosine"
tasks = "convex"
expected_failures = { resume_bf16 = "issue 12" }

[tool.optbench.optimizers.Other]
class = "acme.optim:Other"
"""
WHERE = "pyproject.toml [tool.optbench.optimizers.A]"


def table_of(folder, text, name="pyproject.toml"):
    (folder / name).write_text(text, encoding="utf-8")
    return find_table([folder])


def test_a_full_table(tmp_path):
    table = table_of(tmp_path, FULL)
    assert table.path == tmp_path / "pyproject.toml"
    assert table.settings == {"tier": "small", "seeds": 8}
    assert [one.name for one in table.optimizers] == ["Acme", "Other"]
    assert table.optimizers[0] == OptimizerDeclaration(
        name="Acme",
        where="pyproject.toml [tool.optbench.optimizers.Acme]",
        optimizer="acme.optim:Acme",
        hyperparameters={"betas": [0.9, 0.99]},
        search={"lr": {"low": 1e-5, "high": 1e-1, "log": True}},
        configurations={"amsgrad": {"amsgrad": True}},
        family="adam_like",
        claims={"weight_decay": "decoupled"},
        reference="torch.optim:AdamW",
        scheduler="acme.schedules:cosine",
        tasks="convex",
        expected_failures={"resume_bf16": "issue 12"},
    )


def test_optbench_toml_leaves_the_prefix_out(tmp_path):
    table = table_of(tmp_path, FULL.replace("tool.optbench.", "").replace("[tool.optbench]", ""), "optbench.toml")
    assert table.settings == {"tier": "small", "seeds": 8}
    assert table.optimizers[1].where == "optbench.toml [optimizers.Other]"


@pytest.mark.parametrize("text", ["", "[project]\nname = 'acme'\n", "[tool.other]\na = 1\n", "tool = 5\n"])
def test_no_table_is_no_mistake(text, tmp_path):
    assert table_of(tmp_path, text) is None


def test_the_first_folder_with_a_table_counts(tmp_path):
    for name in ("none", "first", "second"):
        (tmp_path / name).mkdir()
    for name in ("first", "second"):
        (tmp_path / name / "optbench.toml").write_text(f"tier = '{name}'")
    table = find_table([tmp_path / "none", tmp_path / "first", tmp_path / "second"])
    assert table.settings == {"tier": "first"}


def test_two_tables_in_one_folder_are_a_mistake(tmp_path):
    (tmp_path / "optbench.toml").write_text("tier = 'unit'")
    with pytest.raises(OptbenchError, match=r"both optbench.toml and pyproject.toml hold an optbench table; keep one"):
        table_of(tmp_path, FULL)


@pytest.mark.parametrize("content", [b"[tool.optbench", b"a = \xff"])
def test_a_file_that_is_no_toml_is_told_with_its_name(content, tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(OptbenchError, match=r"^pyproject.toml: not valid TOML: "):
        find_table([tmp_path])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("hyperparameter = {}", f"{WHERE}: unknown key 'hyperparameter'; did you mean 'hyperparameters'?"),
        ("optimizer = 'x'", f"{WHERE}: unknown key 'optimizer'"),
        ("name = 'x'", f"{WHERE}: unknown key 'name'"),
        ("hyperparameters = 5", f"{WHERE}: hyperparameters is 5; expected a table"),
        ("hyperparameters = []", f"{WHERE}: hyperparameters is []; expected a table"),
        ("family = 1", f"{WHERE}: family is 1; expected a string"),
        ("family = 'adam'", f"{WHERE}: unknown family 'adam'"),
        ("tasks = ['convex']", f"{WHERE}: tasks is ['convex']; expected a string"),
        ("configurations = { a = 1 }", f"{WHERE}: configurations.a is 1; expected a table"),
        ("expected_failures = { resume = true }", f"{WHERE}: expected_failures.resume is True; expected a string"),
        ("claims = { closure = true }", f"{WHERE}: unknown claim 'closure'"),
        ("search = { lr = 1 }", f"{WHERE}: search.lr is 1; expected a table"),
        ("search = { lr = { lo = 1 } }", f"{WHERE}: search.lr: unknown key 'lo'; did you mean 'low'?"),
    ],
)
def test_a_mistake_is_told_with_file_table_and_key(keys, sentence, tmp_path):
    with pytest.raises(OptbenchError) as error:
        table_of(tmp_path, f"[tool.optbench.optimizers.A]\nclass = 'a:B'\n{keys}\n")
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[tool.optbench.optimizers.A]\n",
            f"{WHERE}: key 'class' is missing; expected class = \"module:name\"",
        ),
        ("[tool.optbench]\noptimizers = 5\n", "pyproject.toml [tool.optbench]: optimizers is 5; expected a table"),
        ("[tool.optbench]\noptimizers.A = 5\n", f"{WHERE} is 5; expected a table"),
        (
            "[tool.optbench.optimizers.'a[b]']\nclass = 'a:B'\n",
            "pyproject.toml [tool.optbench.optimizers.a[b]]: 'a[b]' is no name for an optimizer; "
            "expected letters, digits and any of _ . + -",
        ),
    ],
)
def test_a_table_of_the_wrong_shape_is_refused(text, sentence, tmp_path):
    with pytest.raises(OptbenchError) as error:
        table_of(tmp_path, text)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["Acme", "acme-2.0", "a+b", "A_B"])
def test_names(name, tmp_path):
    parsed = parse_table(tmp_path, {"optimizers": {name: {"class": "a:B"}}}, prefix="")
    assert parsed.optimizers[0].name == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a::b", "=1+1", "<b>"])
def test_what_is_no_name(name):
    with pytest.raises(OptbenchError, match="is no name for an optimizer"):
        OptimizerDeclaration(name=name, where="here", optimizer="a:B")


@pytest.mark.parametrize(
    ("text", "name", "optimizer", "hyperparameters"),
    [
        ("torch.optim:SGD", "SGD", "torch.optim:SGD", {}),
        ("Slow=torch.optim:SGD", "Slow", "torch.optim:SGD", {}),
        ("acme:Outer.Inner", "Inner", "acme:Outer.Inner", {}),
        ("torch.optim:SGD()", "SGD", "torch.optim:SGD", {}),
        ("torch.optim:SGD(lr=0.1)", "SGD", "torch.optim:SGD", {"lr": 0.1}),
        (
            "Slow=torch.optim:AdamW(lr=1e-3, betas=[0.9, 0.99], amsgrad=true)",
            "Slow",
            "torch.optim:AdamW",
            {"lr": 1e-3, "betas": [0.9, 0.99], "amsgrad": True},
        ),
        ("acme:A(name='a)b=c')", "A", "acme:A", {"name": "a)b=c"}),
        (" Slow = torch.optim:SGD ( lr = 0.1 ) ", "Slow", "torch.optim:SGD", {"lr": 0.1}),
    ],
)
def test_an_option(text, name, optimizer, hyperparameters):
    found = parse_option(text, option="--it")
    assert (found.name, found.optimizer, found.hyperparameters) == (name, optimizer, hyperparameters)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "--it '': expected [Name=]module:Class[(key=value, ...)]"),
        ("acme:A(lr=0.1", "--it 'acme:A(lr=0.1': expected [Name=]module:Class[(key=value, ...)]"),
        ("acme:A(0.1)", "--it 'acme:A(0.1)': the values are not TOML ("),
        ("acme:A(lr=print(1))", "--it 'acme:A(lr=print(1))': the values are not TOML ("),
        ("a b=acme:A", "--it 'a b=acme:A': 'a b' is no name for an optimizer"),
    ],
)
def test_a_mistake_in_an_option_is_told_with_the_option(text, sentence):
    with pytest.raises(OptbenchError) as error:
        parse_option(text, option="--it")
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(("value", "kind"), [(1, int), (1, float), (1.5, float), (True, bool), ("a", str), ({}, dict)])
def test_values_of_their_kind(value, kind):
    require_kind(value, kind, where="here")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, int, "a whole number"),
        (True, float, "a number"),
        (1.5, int, "a whole number"),
        ("1", int, "a whole number"),
        (1, bool, "true or false"),
        (1, str, "a string"),
        (["a"], dict, "a table"),
        ("a", list, "a list"),
    ],
)
def test_values_of_another_kind(value, kind, expected):
    with pytest.raises(OptbenchError) as error:
        require_kind(value, kind, where="here")
    assert str(error.value) == f"here is {value!r}; expected {expected}"


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "at least 1"), (-3, "at least 1"), (1.0, "a whole number"), (True, "a whole number")]
)
def test_what_is_not_positive(value, expected):
    with pytest.raises(OptbenchError) as error:
        require_positive(value, where="here")
    assert str(error.value) == f"here is {value!r}; expected {expected}"


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (3, "here: reference is 3; expected a string"),
        ({"names": {}}, "here: reference: key 'class' is missing; expected class = \"module:name\""),
        ({"class": "a:B", "name": {}}, "here: reference: unknown key 'name'; did you mean 'names'?"),
        ({"class": 3}, "here: reference: class is 3; expected a string"),
        ({"class": "a:B", "names": ["eps"]}, "here: reference: names is ['eps']; expected a table"),
        ({"class": "a:B", "names": {"eps": 1}}, "here: reference: names.eps is 1; expected a string"),
        ({"class": "a:B", "hyperparameters": 1}, "here: reference: hyperparameters is 1; expected a table"),
    ],
)
def test_a_reference_is_a_name_or_a_table_with_one(reference, sentence):
    with pytest.raises(OptbenchError) as error:
        OptimizerDeclaration(name="A", where="here", optimizer="a:A", reference=reference)
    assert str(error.value) == sentence


@pytest.mark.parametrize("reference", ["a:B", dict, {"class": "a:B", "names": {"eps": ""}}, {"class": dict}])
def test_a_reference_may_be_named_told_in_full_or_given(reference):
    assert OptimizerDeclaration(name="A", where="here", optimizer="a:A", reference=reference).reference == reference
