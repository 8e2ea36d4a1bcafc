"""The language that selects tasks."""

from __future__ import annotations

import pytest

from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.expressions import select

TASKS = {
    "sphere": ["convex"],
    "rosenbrock2": ["nonconvex"],
    "digits_logreg": ["convex", "linear", "noisy"],
    "digits_mlp": ["nonconvex", "noisy"],
}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("sphere", ["sphere"]),
        ("convex", ["sphere", "digits_logreg"]),
        ("digits_*", ["digits_logreg", "digits_mlp"]),
        ("*", list(TASKS)),
        ("rosenbrock?", ["rosenbrock2"]),
        ("*convex", list(TASKS)),
        ("not convex", ["rosenbrock2", "digits_mlp"]),
        ("not not convex", ["sphere", "digits_logreg"]),
        ("convex and noisy", ["digits_logreg"]),
        ("linear or nonconvex", ["rosenbrock2", "digits_logreg", "digits_mlp"]),
        # "and" binds tighter than "or", "not" tighter than both.
        ("sphere or nonconvex and noisy", ["sphere", "digits_mlp"]),
        ("(sphere or nonconvex) and noisy", ["digits_mlp"]),
        ("not convex and noisy", ["digits_mlp"]),
        ("not (convex and noisy)", ["sphere", "rosenbrock2", "digits_mlp"]),
        ("convex and not (noisy or digits_*)", ["sphere"]),
        ("  sphere  or\tdigits_mlp ", ["sphere", "digits_mlp"]),
        ("digits_mlp or sphere", ["sphere", "digits_mlp"]),
        ("not(sphere)", ["rosenbrock2", "digits_logreg", "digits_mlp"]),
    ],
)
def test_selection_in_the_order_of_the_tasks(expression, names):
    assert select(expression, TASKS, where="here") == names


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("rosenbrok2", "here: no task or tag is called 'rosenbrok2'; did you mean 'rosenbrock2'?"),
        ("convx", "here: no task or tag is called 'convx'; did you mean 'convex'?"),
        ("mnist_*", "here: no task or tag is called 'mnist_*'; valid are convex, digits_logreg"),
        ("sphere or quux", "here: no task or tag is called 'quux'; valid are"),
        ("Convex", "here: no task or tag is called 'Convex'; did you mean 'convex'?"),
        ("sphere and noisy", "here: no task matches 'sphere and noisy'"),
        ("", "here: expected a task or a tag, found 'the end' in the expression ''"),
        ("sphere and", "here: expected a task or a tag, found 'the end' in the expression 'sphere and'"),
        ("and sphere", "here: expected a task or a tag, found 'and' in the expression 'and sphere'"),
        ("sphere noisy", "here: unexpected 'noisy' in the expression 'sphere noisy'"),
        ("(sphere", "here: a parenthesis is not closed in the expression '(sphere'"),
        ("sphere)", "here: unexpected ')' in the expression 'sphere)'"),
        ("()", "here: expected a task or a tag, found ')' in the expression '()'"),
        ("sphere & noisy", "here: unexpected '&' in the expression 'sphere & noisy'"),
        ("__import__('os')", 'here: unexpected "\'" in the expression'),
    ],
)
def test_a_mistake_is_told_in_a_sentence(expression, sentence):
    with pytest.raises(OptbenchError) as error:
        select(expression, TASKS, where="here")
    assert str(error.value).startswith(sentence)


def test_brackets_are_literal():
    with pytest.raises(OptbenchError, match="unexpected"):
        select("[sd]*", TASKS, where="here")
