"""Tasks from a `torch.nn.Module`: the promises of every task, and a sentence for what a pure function cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks import samples
from pytest_optbench.machine.tasks.modules import ModuleTask
from pytest_optbench.tasks import classification_metrics
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.table import from_csv, to_csv
from pytest_optbench.words.threshold import Threshold

INPUTS = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS.sum(1) > 0).long()


class Small(ModuleTask):
    """Two layers, on a loader that shuffles."""

    name = "small_net"
    horizon = 40

    def module(self):
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))

    def data(self):
        return DataLoader(TensorDataset(INPUTS, LABELS), batch_size=16, shuffle=True)

    def criterion(self, outputs, targets):
        return cross_entropy(outputs, targets)


def made_of(*layers, **others):
    """The same task with other layers, which are made anew for every seed, and other attributes."""
    members = {"module": lambda self: nn.Sequential(*(make() for make in layers)), **others}
    return type("Made", (Small,), members if layers else others)()


def rows_of(task, engine="auto", seeds=(0, 1, 2)):
    recipe = Recipe(name="SGD", optimizer=torch.optim.SGD, where="tests", hyperparameters={"lr": 0.1})
    case = CaseRun(
        Case(
            recipe=recipe,
            capabilities=validate(recipe),
            task=task,
            threshold=Threshold(target=0.0, budget=10),
            seeds=seeds,
            engine=engine,
        )
    )
    case.run()
    assert case.crash is None
    return case.rows()


def test_a_seed_has_the_same_bits_whatever_the_global_generators(instance):
    torch.manual_seed(1)
    first = instance(made_of(), seed=3).tensors
    torch.manual_seed(2)
    second = instance(made_of(), seed=3).tensors
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_drawing_leaves_the_global_generators_alone(instance):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    instance(made_of())
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


def test_seeds_differ_in_start_and_minibatches(instance):
    first, second = (instance(Small(), seed) for seed in (0, 1))
    assert not torch.equal(first.parameters["0.weight"], second.parameters["0.weight"])
    assert not torch.equal(first.block["rows"], second.block["rows"])
    assert torch.equal(first.constants["inputs"], second.constants["inputs"])


def test_each_draw_has_its_own_stream():
    setup, start, data = (Streams("small_net", 1, seed=0) for _ in range(3))
    constants = {**Small().shared(), **Small().private(setup)}
    Small().initial(start, constants)
    Small().batches(data, 0, 64, constants)
    assert [vars(one).keys() & {"init", "data", "noise"} for one in (setup, start, data)] == [set(), {"init"}, {"data"}]


def test_the_loss_and_gradient_are_those_of_an_ordinary_training_loop(instance):
    one = instance(Small())
    module = Small().module()
    module.load_state_dict(one.parameters)
    rows = one.batch()["rows"]
    expected = cross_entropy(module(one.constants["inputs"][rows]), one.constants["targets"][rows])
    expected.backward()
    value, gradient = Small().gradient(one.parameters, one.constants, one.batch())
    torch.testing.assert_close(value, expected)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(gradient[name], parameter.grad)


def test_all_samples_of_the_loader_are_there_once(instance):
    constants = instance(Small()).constants
    assert sorted(constants["inputs"][:, 0].tolist()) == sorted(INPUTS[:, 0].tolist())
    assert torch.equal((constants["inputs"].sum(1) > 0).long(), constants["targets"])
    assert instance(Small()).batch()["rows"].shape == (16,)


def test_names_with_dots_pass_the_engine_and_the_runs_table():
    rows = rows_of(made_of(metrics=lambda self, *given: classification_metrics(*self.judged(*given))))
    assert {row.outcome for row in rows} == {"missed"}
    assert all(row.best < row.initial for row in rows)
    assert '"accuracy"' in rows[0].metrics
    assert from_csv(to_csv(rows), where="here") == rows


def test_tied_parameters_are_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
            self.second.weight = self.first.weight

        def forward(self, inputs):
            return self.last(self.second(self.first(inputs).tanh()))

    (row, *_) = rows_of(made_of(Tied))
    assert row.best < row.initial
    assert "0.second.weight" not in made_of(Tied).initial(Streams("small_net", 1, 0), {})


def test_frozen_parameters_and_buffers_are_constants_of_the_seed(instance):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.fixed, self.last = nn.Linear(6, 4), nn.Linear(4, 2)
            self.fixed.requires_grad_(False)
            self.register_buffer("mask", torch.tensor([True, False, True, True]))

        def forward(self, inputs):
            return self.last(self.fixed(inputs) * self.mask)

    first, second = (instance(made_of(Frozen), seed) for seed in (0, 1))
    assert set(first.parameters) == {"0.last.weight", "0.last.bias"}
    assert first.constants["module.0.mask"].dtype == torch.bool
    assert not torch.equal(first.constants["module.0.fixed.weight"], second.constants["module.0.fixed.weight"])
    assert rows_of(made_of(Frozen))[0].engine == "lockstep"


class Branches(nn.Module):
    """Control flow on values."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 2)

    def forward(self, inputs):
        outputs = self.last(inputs)
        return 2 * outputs if outputs.sum().item() > 0 else outputs


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, inputs):
        return self.last(self.cell(inputs.reshape(-1, 2, 3))[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(2, 1, 4, dropout=0.0, batch_first=True)
        self.last = nn.Linear(2, 2)

    def forward(self, inputs):
        return self.last(self.layer(inputs.reshape(-1, 3, 2)).mean(1))


def normalization():
    return nn.BatchNorm1d(6, track_running_stats=False)


def last():
    return nn.Linear(6, 2)


@pytest.mark.parametrize("layers", [(normalization, last), (lambda: nn.LayerNorm(6), last), (Attention,)])
def test_layers_without_state_are_batched(layers):
    assert made_of(*layers).unbatched == ""
    assert made_of(*layers).batchable


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Branches, "vmap refuses it: RuntimeError: vmap: It looks like you're either (1) calling .item() on"),
        (Recurrent, "vmap refuses it: there is no batching rule for aten::"),
    ],
)
def test_what_vmap_cannot_batch_runs_one_seed_after_another(layer, reason):
    task = made_of(layer)
    assert task.unbatched.startswith(reason)
    assert len(task.unbatched) < 200
    rows = rows_of(task, seeds=(0, 1))
    assert {row.engine for row in rows} == {"sequential"}
    assert all(row.best < row.initial for row in rows)


class Running(nn.Module):
    """Replaces its buffer, which a functional call would lose in silence."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 2)
        self.register_buffer("mean", torch.zeros(6), persistent=False)

    def forward(self, inputs):
        self.mean = 0.9 * self.mean + 0.1 * inputs.mean(0)
        return self.last(inputs - self.mean)


class Counts(nn.Module):
    """Remembers in Python how often it was called."""

    def __init__(self):
        super().__init__()
        self.last, self.calls = nn.Linear(6, 2), 0

    def forward(self, inputs):
        self.calls += 1
        return self.last(inputs) * self.calls


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (
            made_of(lambda: nn.BatchNorm1d(6), last),
            r"'0\.running_mean' \('0': BatchNorm1d\).* track_running_stats=False",
        ),
        (made_of(last, nn.Dropout), r"draws random numbers \('1': Dropout\), .*set the dropout to 0"),
        (made_of(lambda: nn.LazyLinear(2)), r"'0\.weight' is of a lazy layer; give its sizes"),
        (made_of(nn.Tanh), r"module\(\) has no parameter that is trained"),
        (made_of(Running), r"forward\(\) changes '0\.mean', and a task is a pure function; keep it as it is"),
        (made_of(Counts), r"criterion\(\) gives .*, then .*, at the same parameters"),
        (made_of(module=lambda self: len), r"module\(\) gives <built-in .*; expected a torch.nn.Module"),
        (made_of(criterion=lambda self, o, t: o.sum(1)), r"criterion\(\) gives \(16,\); expected a 0-dim tensor"),
        (made_of(lambda: nn.Linear(7, 2)), r"no loss of a batch: RuntimeError: mat1 and mat2 shapes"),
        (made_of(criterion=lambda self, o, t: o.detach().sum()), None),
        (made_of(data=ModuleTask.data), r"Made does not define data\(\) or sample\(generator, count\)"),
        (made_of(criterion=ModuleTask.criterion), r"Made does not define criterion\(outputs, targets\)"),
        (made_of(module=ModuleTask.module), r"Made does not define module\(\)"),
        (made_of(sample=lambda self, generator, count: 0), r"sample\(\) is given, but no batch_size"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_what_is_no_pure_function_is_refused_in_a_sentence(task, sentence):
    if sentence is None:  # a loss without a slope is a function all the same
        assert task.unbatched == ""
        return
    with pytest.raises(OptbenchError, match=f"^task small_net: .*{sentence}"):
        task.shared()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (lambda: [], r"data\(\) gives no batch"),
        (lambda: [3], r"data\(\) gives int; expected pairs of tensors"),
        (lambda: [(INPUTS, LABELS, LABELS)], r"gives \['Tensor', 'Tensor', 'Tensor'\]; expected pairs of tensors"),
        (lambda: [(INPUTS, LABELS[:5])], r"gives inputs \(60, 6\) and targets \(5,\); expected one sample for each"),
        (lambda: iter(lambda: (INPUTS, LABELS), None), r"gives more than .* GiB; expected a finite source"),
    ],
    ids=["empty", "number", "triple", "lengths", "endless"],
)
def test_a_source_of_something_else_is_refused_in_a_sentence(source, sentence, monkeypatch):
    monkeypatch.setattr(samples, "MOST_BYTES", 10_000)
    with pytest.raises(OptbenchError, match=sentence):
        made_of(data=lambda self: source()).shared()


def test_two_arrays_are_all_of_the_data_and_the_gradient_is_exact(instance):
    targets = INPUTS[:, :1].double().numpy()
    task = made_of(
        lambda: nn.Linear(6, 1),
        data=lambda self: (INPUTS.double().numpy(), targets),
        criterion=lambda self, outputs, targets: mse_loss(outputs, targets),
    )
    one = instance(task)
    assert one.block == {}
    assert {tensor.dtype for tensor in one.tensors.values()} == {torch.float32}
    torch.testing.assert_close(
        task.loss(one.parameters, one.constants, {}), task.evaluate(one.parameters, one.constants, torch.zeros(()))
    )


def test_what_is_held_out_is_judged_and_no_more_than_so_many(instance):
    task = made_of(held_out=lambda self: (INPUTS[:20] + 5, LABELS[:20]), judged_samples=12)
    constants = instance(task).constants
    assert constants["judged_inputs"].shape == (12, 6)
    assert constants["judged_inputs"].mean() > 4
    assert constants["inputs"].shape == (60, 6)
    assert len({*constants["judged_inputs"][:, 0].tolist()}) == 12


def test_a_sampler_draws_new_samples_for_every_step(instance):
    def sample(self, generator, count):
        inputs = torch.randn(count, 6, generator=generator)
        return inputs, (inputs.sum(1) > 0).long()

    task = made_of(sample=sample, batch_size=8)
    one, other = instance(task), instance(task, seed=1)
    assert one.block["inputs"].shape == (64, 8, 6)
    assert not torch.equal(one.block["inputs"][0], one.block["inputs"][1])
    assert not torch.equal(one.block["inputs"], other.block["inputs"])
    assert torch.equal(one.constants["judged_inputs"], other.constants["judged_inputs"])
    assert rows_of(task)[0].best < rows_of(task)[0].initial


def test_a_metric_can_be_the_target(instance):
    def error(self, parameters, constants, step):
        return 1 - classification_metrics(*self.judged(parameters, constants))["accuracy"]

    task = made_of(evaluate=error)
    one = instance(task)
    outputs, targets = task.judged(one.parameters, one.constants)
    expected = (outputs.argmax(1) != targets).float().mean()
    torch.testing.assert_close(task.evaluate(one.parameters, one.constants, torch.zeros(())), expected)
    assert task.unbatched == ""


def test_modes_and_kernels_are_as_before():
    before = torch.backends.mha.get_fastpath_enabled()
    assert made_of(Attention).batchable
    assert torch.backends.mha.get_fastpath_enabled() == before
