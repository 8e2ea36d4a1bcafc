"""What every built-in task promises to the engine."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from catalogue import sampled
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks import CATALOGUE, TAGS
from pytest_optbench.machine.tasks.task import Task

NAMES = (
    "schaul_line",
    "schaul_quad_bowl",
    "schaul_abs",
    "schaul_bend",
    "schaul_relu",
    "schaul_gauss_bowl",
    "schaul_cliff",
    "schaul_ridge",
    "schaul_exponential",
    "schaul_quad_convex_line",
    "schaul_gauss_nonconvex_line",
    "schaul_gauss_convex_line",
    "schaul_laplace_nonconvex_line",
    "schaul_laplace_convex_line",
    "schaul_laplace_basin",
    "schaul_gauss_basin",
    "schaul_convex_cliff_bowl",
    "schaul_relu_bend_bowl",
    "schaul_abs_bowl2",
    "schaul_saddle_bowl2",
    "schaul_cliff_bowl10",
    "schaul_laplace_valley10",
    "sphere10",
    "ellipsoid20",
    "ellipsoid20_rotated",
    "bent_cigar10",
    "discus10",
    "different_powers10",
    "rosenbrock2",
    "rosenbrock10",
    "beale",
    "booth_matyas",
    "l2l_random_quadratic",
    "himmelblau",
    "three_hump_camel",
    "six_hump_camel",
    "mccormick",
    "branin",
    "styblinski_tang2",
    "log_goldstein_price",
    "log_sum_exp2",
    "powell_singular4",
    "zakharov5",
    "trid6",
    "ackley2",
    "rastrigin2",
    "quartic_saddle",
    "degenerate_powers",
    "plateau_gauss",
    "dependency_chain10",
    "min_max_well10",
    "gradient_cliff",
    "noisy_quadratic100",
    "noisy_rosenbrock2",
    "noisy_beale2",
    "noisy_branin2",
    "heavy_tail_bowl10",
    "mult_noise_bowl10",
    "maskout_bowl10",
    "outlier_spikes",
    "sparse_rows200",
    "scale_tiny",
    "scale_huge",
    "block_scale15",
    "reparam_scale",
    "log_objective",
    "gradient_burst",
    "drifting_min10",
    "delayed_grad4",
    "delayed_grad16",
    "bilinear_game",
    "dirac_gan",
    "rayleigh_scale_inv",
    "bf16_quadratic20",
    "digits_logreg",
    "breast_cancer_logreg",
    "wine_logreg",
    "iris_logreg",
    "diabetes_ols",
    "digits_mlp20_sigmoid",
    "digits_mlp32_relu",
    "digits_mlp_bn",
    "digits_mlp_ln",
    "digits_conv2c",
    "digits_deep20_tanh",
    "linear_ae",
    "tied_ae",
    "matrix_factor",
    "matrix_completion",
    "zipf_embedding",
    "markov_transformer",
    "markov_lstm",
    "adding20",
    "copy20",
    "xor_flip",
    "gmm2",
    "imbalanced_gmm",
    "two_moons",
    "spiral",
    "plasticity",
    "batch_scaling32",
    "batch_scaling128",
    "batch_scaling512",
    "ppca_vae",
    "gauss_gan",
    "realnvp_gmm2d",
    "ddpm_gmm2d",
    "bandit_pg",
    "lqr_pg",
    "gridworld_a2c",
    "sinusoid_reptile",
    "pinn_poisson",
    "gcn_sbm",
    "semisup_digits",
    "contrastive_digits",
    "federated_digits",
    "domain_adversarial_digits",
    "two_view_alignment",
    "super_resolution_digits",
    "denoise_digits",
)
SOLVABLE = [task for task in CATALOGUE if type(task).solution is not Task.solution]
SCHEDULED = {"minimum", "factor"}
"""Data that follows from the step alone, and is not drawn."""
EXACT = torch.float64

DOCUMENTED = ("f", "Source:", "Shapes:", "Optimum:")

every_task = pytest.mark.parametrize("task", CATALOGUE, ids=lambda task: task.name)
solvable_task = pytest.mark.parametrize("task", sampled(SOLVABLE, every=3))


def stacked(instances, attribute):
    parts = [getattr(one, attribute) for one in instances]
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def lanes(instances, step=0):
    """The arguments of the batched loss of several instances."""
    block = stacked(instances, "block")
    batch = {name: tensor[:, step] for name, tensor in block.items()}
    return stacked(instances, "parameters"), stacked(instances, "constants"), batch


def moved(tensors, directions, length):
    return {name: tensor + length * directions[name] for name, tensor in tensors.items()}


def random_directions(tensors, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) for name, tensor in tensors.items()
    }


def scale(task):
    """Of the task's values, where tolerances are absolute."""
    return getattr(task, "scale", 1.0)


def test_the_catalogue_is_complete_and_in_order():
    assert tuple(task.name for task in CATALOGUE) == NAMES


@every_task
def test_name_is_the_class_in_snake_case(task):
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", type(task).__name__).lower() == task.name


@every_task
def test_docstring_states_formula_source_shapes_and_optimum(task):
    lines = [line.strip() for line in type(task).__doc__.splitlines()]
    openings = [next((k for k, line in enumerate(lines) if line.startswith(word)), None) for word in DOCUMENTED]
    assert openings[0] == 0
    assert openings == sorted(openings)


@every_task
def test_tags_are_documented(task):
    assert task.tags <= TAGS.keys()


def test_no_tag_is_documented_in_vain():
    assert TAGS.keys() == frozenset().union(*(task.tags for task in CATALOGUE))


@pytest.mark.parametrize("pair", [("convex", "nonconvex"), ("deterministic", "noisy")], ids=lambda pair: pair[0])
@every_task
def test_exactly_one_tag_of_a_pair_of_opposites(task, pair):
    assert len(task.tags & {*pair}) == 1


@every_task
def test_tagged_deterministic_exactly_when_nothing_is_drawn_per_step(task, instance):
    streams = Streams(task.name, task.version, seed=0)
    task.batches(streams, 0, 64, instance(task).constants)
    assert ("deterministic" in task.tags) == (used(streams) == set())


@every_task
def test_tagged_matrix_exactly_when_every_parameter_has_two_dimensions(task, instance):
    assert ("matrix" in task.tags) == all(tensor.ndim == 2 for tensor in instance(task).parameters.values())


@every_task
def test_tensors_are_float32_or_indices(task, instance):
    assert {tensor.dtype for tensor in instance(task).tensors.values()} <= {torch.float32, torch.int64}


@every_task
def test_every_step_of_a_block_has_data(task, instance):
    assert all(len(tensor) == 64 for tensor in instance(task).block.values())


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=0))
def test_seeds_start_from_different_values(task, instance):
    seeds = [instance(task, seed) for seed in range(8)]
    values = {task.evaluate(one.parameters, one.constants, torch.tensor(0.0)).item() for one in seeds}
    assert len(values) == 8


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=1))
def test_a_seed_has_the_same_bits_whatever_the_global_generators(task, instance):
    torch.manual_seed(1)
    first = instance(task, seed=3, block=2).tensors
    torch.manual_seed(2)
    second = instance(task, seed=3, block=2).tensors
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=2))
def test_drawing_leaves_the_global_generators_alone(task, instance):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    instance(task)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


@every_task
def test_each_draw_has_its_own_stream(task):
    setup, start, data = (Streams(task.name, task.version, seed=0) for _ in range(3))
    constants = {**task.shared(), **task.private(setup)}
    task.initial(start, constants)
    batch = task.batches(data, 0, 64, constants)
    assert used(setup) <= {"data"}
    assert used(start) == {"init"}
    assert used(data) == {"noise" if name == "noise" else "data" for name in batch if name not in SCHEDULED}


def used(streams):
    """The generators that have been asked for: `Streams` makes each at its first use."""
    return vars(streams).keys() & {"init", "data", "noise"}


@pytest.mark.parametrize("task", [task for task in CATALOGUE if "noisy" in task.tags], ids=lambda task: task.name)
@pytest.mark.parametrize("other", [{"seed": 1}, {"block": 1}], ids=["seed", "block"])
def test_no_two_seeds_and_no_two_blocks_share_their_data(task, other, instance):
    first, second = instance(task).block, instance(task, **other).block
    assert not any(torch.equal(first[name][1], second[name][1]) for name in first)


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=0))
def test_gradient_agrees_with_finite_differences(task, instance):
    one = instance(task, dtype=EXACT)
    _, gradient = task.gradient(one.parameters, one.constants, one.batch())
    for seed in range(5):
        for name, direction in random_directions(one.parameters, seed).items():
            ahead, behind = (
                task.objective(
                    name,
                    {**one.parameters, name: one.parameters[name] + length * direction},
                    one.parameters,
                    one.constants,
                    one.batch(),
                )
                for length in (1e-6, -1e-6)
            )
            # Beside a steep block the loss has no digits for a flat one.
            rounding = 4 * torch.finfo(EXACT).eps * ahead.abs().item() / 1e-6
            torch.testing.assert_close(
                (gradient[name] * direction).sum(),
                (ahead - behind) / 2e-6,
                rtol=1e-5,
                atol=1e-8 * scale(task) + rounding,
            )


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=1))
def test_every_parameter_gets_a_gradient(task, instance):
    one = instance(task)
    _, gradient = task.gradient(one.parameters, one.constants, one.batch())
    assert list(gradient) == list(one.parameters)
    assert all(tensor.abs().max() > 0 for tensor in gradient.values())


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=0))
def test_the_gradient_of_a_gradient_step_agrees_with_finite_differences(task, instance):
    one = instance(task, dtype=EXACT)

    def loss_after_three_steps(lr):
        parameters = one.parameters
        for step in range(3):
            _, gradient = task.gradient(parameters, one.constants, one.batch(step) if one.block else {})
            parameters = {name: tensor - lr * gradient[name] for name, tensor in parameters.items()}
        return task.evaluate(parameters, one.constants, torch.tensor(3.0, dtype=EXACT))

    lr, nudge = torch.tensor([1e-4, 1e-7], dtype=EXACT) / scale(task)
    ahead, behind = (loss_after_three_steps(lr + change) for change in (nudge, -nudge))
    rounding = (torch.finfo(EXACT).eps * ahead.abs() / nudge).item()
    expected = (ahead - behind) / (2 * nudge)
    torch.testing.assert_close(grad(loss_after_three_steps)(lr), expected, rtol=1e-4, atol=rounding)


@pytest.mark.parametrize("function", ["loss", "gradient", "evaluate", "metrics"])
@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=0))
def test_batched_over_lanes_equals_one_by_one(task, function, instance):
    instances = [instance(task, seed, dtype=EXACT) for seed in range(3)]
    parameters, constants, batch = lanes(instances)
    last = {"evaluate": (torch.tensor([7.0] * 3, dtype=EXACT),), "metrics": ()}.get(function, (batch,))
    together = vmap(getattr(task, function))(parameters, constants, *last)
    for lane, one in enumerate(instances):
        own = {"evaluate": (torch.tensor(7.0, dtype=EXACT),), "metrics": ()}.get(function, (one.batch(),))
        alone = getattr(task, function)(one.parameters, one.constants, *own)
        torch.testing.assert_close(picked(together, lane), alone, rtol=1e-9, atol=1e-12)


def picked(tree, lane):
    return torch.utils._pytree.tree_map(lambda tensor: tensor[lane], tree)


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=1))
def test_the_bits_of_a_lane_do_not_depend_on_the_number_of_lanes(task, instance):
    instances = [instance(task, seed) for seed in range(5)]
    many, two = (vmap(task.gradient)(*lanes(instances[:count])) for count in (5, 2))
    torch.testing.assert_close(picked(many, 1), picked(two, 1), rtol=0, atol=0)


@pytest.mark.parametrize("function", ["gradient", "evaluate"])
@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=2))
def test_can_be_traced_over_lanes(task, function, instance):
    parameters, constants, batch = lanes([instance(task, seed) for seed in range(2)])
    last = batch if function == "gradient" else torch.zeros(2)

    # Not the method itself: make_fx looks for the signature of what `vmap` wraps, and counts `self`.
    def batched(parameters, constants, last):
        return vmap(getattr(task, function))(parameters, constants, last)

    trace = make_fx(batched)(parameters, constants, last)
    torch.testing.assert_close(trace(parameters, constants, last), batched(parameters, constants, last), rtol=0, atol=0)


@pytest.mark.parametrize("function", ["loss", "evaluate"])
@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=2))
def test_value_is_a_scalar_of_the_dtype_of_the_parameters(task, function, instance):
    one = instance(task, dtype=EXACT)
    last = one.batch() if function == "loss" else torch.tensor(0.0, dtype=EXACT)
    value = getattr(task, function)(one.parameters, one.constants, last)
    assert (value.dtype, value.shape) == (EXACT, ())


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=0))
def test_no_function_writes_to_its_inputs(task, instance):
    one = instance(task)
    before = {name: tensor.clone() for name, tensor in one.tensors.items()}
    task.gradient(one.parameters, one.constants, one.batch())
    task.evaluate(one.parameters, one.constants, torch.tensor(0.0))
    task.metrics(one.parameters, one.constants)
    assert all(torch.equal(before[name], tensor) for name, tensor in one.tensors.items())


@pytest.mark.parametrize("step", [0, 100])
@solvable_task
def test_the_solution_attains_the_optimum(task, step, instance):
    one = instance(task)
    solution = task.solution(one.constants, step)
    value = task.evaluate(solution, one.constants, torch.tensor(float(step)))
    torch.testing.assert_close(value, torch.tensor(task.optimum or 0.0), rtol=0, atol=1e-6 * scale(task))


@solvable_task
def test_the_solution_has_the_shapes_of_the_start(task, instance):
    one = instance(task)
    solution = task.solution(one.constants, 0)
    assert {name: t.shape for name, t in solution.items()} == {name: t.shape for name, t in one.parameters.items()}


@pytest.mark.parametrize("length", [1e-3, 1.0])
@solvable_task
def test_nothing_around_the_solution_is_better(task, length, instance):
    one = instance(task, dtype=EXACT)
    solution = {name: tensor.to(EXACT) for name, tensor in task.solution(one.constants, 5).items()}
    at = torch.tensor(5.0, dtype=EXACT)
    best = task.evaluate(solution, one.constants, at)
    around = [moved(solution, random_directions(solution, seed), length) for seed in range(20)]
    assert all(task.evaluate(point, one.constants, at) > best - 1e-12 * scale(task) for point in around)


@pytest.mark.parametrize("task", sampled(CATALOGUE, every=3, first=1))
def test_the_start_is_far_from_the_optimum(task, instance):
    starts = [instance(task, seed) for seed in range(8)]
    values = [task.evaluate(one.parameters, one.constants, torch.tensor(0.0)).item() for one in starts]
    assert min(values) > (task.optimum or 0.0) + 0.2 * scale(task)
