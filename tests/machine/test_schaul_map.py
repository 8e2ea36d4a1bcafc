"""Maps: what is planned, what is run, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pytest_optbench.machine.schaul_map import plan_map, run_map
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError

CONVEX = "1d.line.noiseless.normal or 1d.quad_bowl.noiseless.normal"


class Coupled(torch.optim.Optimizer):
    """Steps along the gradient, divided by its norm over the whole tensor."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(parameter.grad / (parameter.grad.norm() + 1e-12), alpha=group["lr"])


class Failing(torch.optim.SGD):
    """Raises an error at a large learning rate."""

    def step(self, closure=None):
        if self.param_groups[0]["lr"] > 1:
            raise RuntimeError("too fast")
        return super().step(closure)


def declared(optimizer, **given):
    return OptimizerDeclaration(name="Mine", where="here", optimizer=optimizer, **given)


def mapped(optimizer, jobs=1, **given):
    return run_map(plan_map(declared(optimizer), root=Path.cwd(), **given), jobs=jobs)


def by_name(rows):
    return {(row.variant, row.lr): row for row in rows}


def test_sgd_at_the_rate_of_the_best_sgd_scores_one():
    best = 10.0 ** (-10 * 4 / 33)
    rows = by_name(mapped(torch.optim.SGD, rates=[1.0], expression="1d.line.noiseless.normal"))
    assert rows["1d.line.noiseless.normal", 1.0].score == pytest.approx(1)
    (row,) = mapped(torch.optim.SGD, rates=[best], expression="1d.quad_bowl.noiseless.normal")
    assert (row.sgd_lr, row.score) == (pytest.approx(best), pytest.approx(1))
    assert row.sgd_progress == pytest.approx(-0.25)
    assert row.colour == "green"


def test_what_diverges_is_red_and_what_does_not_move_is_orange():
    rows = by_name(mapped(torch.optim.SGD, rates=[1e-6, 10.0], expression="1d.quad_bowl.noiseless.normal"))
    name = "1d.quad_bowl.noiseless.normal"
    assert rows[name, 1e-6].colour == "orange"
    assert (rows[name, 10.0].colour, rows[name, 10.0].diverged, rows[name, 10.0].score) == ("red", 10, None)


def test_where_sgd_makes_no_progress_there_is_no_score():
    (row,) = mapped(torch.optim.SGD, rates=[0.1], expression="1d.bend.noiseless.normal")
    assert (row.colour, row.score, row.sgd_lr, row.sgd_progress) == ("grey", None, None, None)


def test_an_error_of_the_optimizer_counts_as_divergence():
    rows = mapped(Failing, rates=[0.1, 2.0], expression="1d.line.noiseless.normal")
    assert [row.colour for row in rows] == ["green", "red"]


def test_rows_are_in_the_order_of_the_grid_and_the_learning_rates():
    rows = mapped(torch.optim.SGD, rates=[0.1, 0.01, 0.1], expression="2d or 1d.line.noiseless.*", sample=5)
    assert [row.lr for row in rows] == [0.01, 0.1] * 5
    plan = plan_map(declared(torch.optim.SGD), root=Path.cwd(), expression="2d or 1d.line.noiseless.*", sample=5)
    assert [row.variant for row in rows[::2]] == [variant.name for variant in plan.variants]


def test_a_larger_sample_holds_a_smaller_one():
    small, large = ({*plan_map(declared(torch.optim.SGD), root=Path.cwd(), sample=count).variants} for count in (5, 50))
    assert len(small) == 5
    assert len(large) == 50
    assert small < large
    assert len({variant.family for variant in large}) > 20


def test_what_is_not_elementwise_gets_instances_of_its_own_and_a_sample():
    plan = plan_map(declared(Coupled), root=Path.cwd())
    assert not plan.stacked
    assert len(plan.variants) == 40
    assert "probe" in plan.reason
    assert plan_map(declared(torch.optim.AdamW), root=Path.cwd(), sample=3).stacked


def test_instances_of_their_own_go_where_they_would_go_alone():
    rows = mapped(Coupled, rates=[0.01], expression=CONVEX)
    # The norm of one entry is its size: steps of the learning rate, 100 of them on the line, fewer in the bowl.
    assert {row.variant.split(".")[1]: row.score for row in rows} == {
        "line": pytest.approx(0.01, rel=1e-3),
        "quad_bowl": pytest.approx(1, abs=1e-3),
    }


def test_an_optimizer_without_a_learning_rate_has_one_column():
    class Fixed(torch.optim.SGD):
        def __init__(self, params, momentum=0.0):
            super().__init__(params, lr=0.1, momentum=momentum)

    (row,) = mapped(Fixed, expression="1d.line.noiseless.normal")
    assert (row.lr, row.hyperparameters) == (None, "{}")


@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [(torch.optim.LBFGS, "needs a closure"), (torch.optim.Muon, "takes no vectors")],
    ids=["closure", "matrices"],
)
def test_an_optimizer_that_the_map_cannot_feed_is_refused(optimizer, sentence):
    with pytest.raises(OptbenchError, match=sentence):
        plan_map(declared(optimizer), root=Path.cwd())


def test_an_unknown_variant_is_named_with_the_nearest():
    with pytest.raises(OptbenchError, match=r"optbench map --variants: .*'quad_bowll'.*quad_bowl"):
        plan_map(declared(torch.optim.SGD), root=Path.cwd(), expression="quad_bowll")


def test_other_processes_find_what_this_one_does():
    declaration = OptimizerDeclaration(name="SGD", where="here", optimizer="torch.optim:SGD")
    plan = plan_map(declaration, root=Path.cwd(), rates=[0.1], expression="10d", sample=4)
    assert run_map(plan, jobs=2) == run_map(plan, jobs=1)
