"""Benchmarks of our own assertions, beside the standard suite that the table in pyproject.toml asks for."""

import pytest
import torch

from acme_optim import AcmeAdam


@pytest.mark.optbench(optimizer=AcmeAdam, hyperparameters={"lr": 0.1}, tasks="sphere10 or scale_* or ellipsoid20*")
def test_solves_the_convex_unit_tasks(optbench):
    """`check` gives the verdict of the standard suite; the test runs once per task."""
    optbench.check()


@pytest.mark.optbench(optimizer=AcmeAdam, hyperparameters={"lr": 0.1}, tasks="rosenbrock2", seeds=24)
def test_is_faster_than_plain_sgd(optbench):
    """An exact paired test over the seeds, not a comparison of two medians."""
    assert optbench.run().faster_than(optbench.run(torch.optim.SGD, lr=1e-3))


@pytest.mark.optbench(optimizer=AcmeAdam, hyperparameters={"lr": 0.1}, tasks="rosenbrock2", seeds=8)
def test_needs_as_many_steps_as_torch(optbench, optbench_task):
    """Anything can be asserted on the rows: here the median number of steps."""
    ours, theirs = optbench.run(), optbench.run(torch.optim.AdamW, lr=0.1, weight_decay=0.0)
    assert optbench_task.name == "rosenbrock2"
    assert ours.median_steps == pytest.approx(theirs.median_steps, rel=0.1)


def test_refuses_a_negative_learning_rate():
    """An ordinary test: `pytest` runs it, `pytest --optbench` leaves it out."""
    with pytest.raises(ValueError, match="negative"):
        AcmeAdam([torch.nn.Parameter(torch.ones(2))], lr=-1)
