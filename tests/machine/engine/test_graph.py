"""A traced function: the bits of the original from fewer operations, or no trace at all."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad, vmap

from pytest_optbench.machine.engine.graph import recorded, simplified, traced, without_first


def chain_of_views(x):
    return [x.unsqueeze(0).transpose(0, 1).squeeze(1).view(4, 3).unsqueeze(1).expand(4, 5, 3) * 2]


def view_of_nothing_new(x):
    return [x.view(2, 6).view(4, 3).transpose(0, 1).transpose(0, 1) + 1]


def transposed(x):
    return [x.t().t().t() @ x]


def one_row(x):
    return [x[1] + x[2].unsqueeze(0) + x[1]]


def constants(x):
    return [x * torch.ones_like(x) + torch.zeros_like(x) + torch.full_like(x, 3.0) + torch.ones_like(x)]


def arithmetic_of_constants(x):
    return [x + (torch.ones_like(x) * 3).sum(0).exp()]


def repeated_operations(x):
    return [x.exp() + x.exp() * x.exp(), x.exp()]


def alike_but_for_a_number(x):
    return [x * 1, x * 1.0, x * 1.5, x * 2, x + True, x.exp(), x.tanh(), x.sum(0), x.sum(1), x.sum(1, keepdim=True)]


def alike_but_for_a_view(x):
    return [x.exp() + x.t().exp().t(), x[0].exp() - x[1].exp()]


def input_as_output(x):
    return [x, x.view(12).view(4, 3)]


def view_of_an_intermediate(x):
    return [x.exp().t().t().sum(0)]


def a_gradient(x):
    return [vmap(grad(lambda row: (row.tanh() @ row.unsqueeze(0).t()).square().sum()))(x)]


SIMPLER = [chain_of_views, view_of_nothing_new, transposed, constants, arithmetic_of_constants, repeated_operations]
SAME = [one_row, alike_but_for_a_number, alike_but_for_a_view, input_as_output, view_of_an_intermediate, a_gradient]


def writes_in_place(x):
    y = x.clone()
    y.add_(1)
    first = y.exp()
    y.add_(1)
    return [first, y.exp(), y.view(12).view(4, 3)]


def writes_what_changes_nothing_at_first(x, factor):
    y = x.clone()
    first = y.exp()
    y.mul_(factor)
    return [first, y.exp()]


def draws_what_is_certain_at_first(x, chance):
    return [x + torch.bernoulli(chance.expand(4, 3)), x + torch.bernoulli(chance.expand(4, 3))]


def draws_at_random(x):
    return [x + torch.rand_like(x), x + torch.rand_like(x)]


def looks_at_a_value(x):
    return [x * 2 if x.sum().item() > 0 else x * 3]


def random_inputs(seed=0):
    return [torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))]


def operations(module):
    return sum(node.op == "call_function" for node in module.graph.nodes)


def equal(left, right):
    return all(
        a.shape == b.shape and a.stride() == b.stride() and torch.equal(a, b) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("function", [*SIMPLER, *SAME, writes_in_place])
def test_other_inputs_give_the_bits_of_the_function(function):
    trace = traced(function, random_inputs(0))
    assert trace is not None
    given = random_inputs(1)
    assert equal(trace(*given), function(*given))


@pytest.mark.parametrize("function", [*SIMPLER, a_gradient])
def test_operations_without_arithmetic_are_taken_out(function):
    module = recorded(function, random_inputs())
    assert operations(simplified(module, random_inputs())) < operations(module)


@pytest.mark.parametrize(
    ("function", "count"),
    [(chain_of_views, 2), (view_of_nothing_new, 1), (arithmetic_of_constants, 1), (repeated_operations, 3)],
)
def test_nothing_is_left_but_arithmetic_and_one_view(function, count):
    assert operations(simplified(recorded(function, random_inputs()), random_inputs())) == count


@pytest.mark.parametrize("function", [alike_but_for_a_number, alike_but_for_a_view])
def test_operations_that_differ_are_kept_apart(function):
    given = random_inputs()
    assert equal(simplified(recorded(function, given), given)(*given), function(*given))


def test_an_input_that_is_a_view_into_another_tensor_gives_the_same_bits():
    trace = traced(one_row, random_inputs())
    block = torch.randn(5, 4, 3)
    assert equal(trace(block[3]), one_row(block[3]))


def test_writing_twice_is_not_writing_once():
    given = random_inputs()
    trace = traced(writes_in_place, given)
    assert trace is not None
    assert equal(trace(*given), writes_in_place(*given))
    assert equal(trace(*given), writes_in_place(*given))


def test_writing_is_kept_though_the_first_inputs_do_not_show_it():
    trace = traced(writes_what_changes_nothing_at_first, [*random_inputs(), torch.tensor(1.0)])
    assert trace is not None
    given = [*random_inputs(), torch.tensor(2.0)]
    assert equal(trace(*given), writes_what_changes_nothing_at_first(*given))


def test_drawing_is_noticed_though_the_first_inputs_do_not_show_it():
    assert traced(draws_what_is_certain_at_first, [*random_inputs(), torch.tensor(0.0)]) is None


@pytest.mark.parametrize("function", [looks_at_a_value, draws_at_random])
def test_a_function_that_a_trace_cannot_reproduce_is_not_traced(function):
    assert traced(function, random_inputs()) is None


def test_nan_and_infinity_are_kept():
    given = torch.tensor([[math.nan, math.inf, -math.inf]])
    trace = traced(repeated_operations, [given])
    assert trace is not None
    assert str(trace(given)) == str(repeated_operations(given))


def takes_the_first_value_it_saw_for_a_constant(x):
    first = torch.tensor(x[0, 0].numpy().item())
    return [x * first]


def test_a_trace_is_not_used_where_other_inputs_show_a_constant_that_is_none():
    assert recorded(takes_the_first_value_it_saw_for_a_constant, random_inputs()) is not None
    assert traced(takes_the_first_value_it_saw_for_a_constant, random_inputs()) is None


def test_a_function_that_is_undefined_elsewhere_is_traced_all_the_same():
    (start,) = random_inputs()

    def near(x):
        return [torch.linalg.cholesky(torch.eye(3) * (1e-3 - (x - start).square().sum())) + x[:3]]

    with pytest.raises(torch.linalg.LinAlgError):
        near(start + 1)
    assert traced(near, [start]) is not None


def test_one_tensor_given_twice_is_two_inputs():
    def difference(x, y):
        return [x.exp() - y]

    (given,) = random_inputs()
    trace = traced(difference, [given, given])
    assert trace is not None
    assert equal(trace(given, 2 * given), difference(given, 2 * given))


def test_shared_inputs_are_expanded_and_stay_so():
    given = [torch.randn(3).expand(4, 3)]
    trace = traced(repeated_operations, given)
    assert trace is not None
    assert equal(trace(*given), repeated_operations(*given))


def test_without_its_first_output_a_trace_leaves_out_what_only_that_needed():
    def both(x):
        shared = x.exp()
        return [shared.sum().log(), shared * 2]

    module = recorded(both, random_inputs())
    rest = without_first(module)
    assert equal(rest(*random_inputs(1)), both(*random_inputs(1))[1:])
    assert operations(rest) == operations(module) - 2


def test_what_writes_keeps_all_its_operations_without_its_first_output():
    def both(x):
        y = x.clone()
        return [y.add_(1), y * 2]

    assert equal(without_first(recorded(both, random_inputs()))(*random_inputs(1)), both(*random_inputs(1))[1:])
