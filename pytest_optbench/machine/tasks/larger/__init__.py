"""Larger tasks, to see what small ones tell: about ten times their cost, of tier `full`, and no part of the suite.

Nothing was ever chosen by them: no target, no budget, no default of this package. They have no target: a run goes to
the end of its steps, and what counts is the best value on held-out data. They are known where they are asked for:

    optbench study --tier full --tasks larger --seeds 5 --out DIR
    pytest --optbench --optbench-tier full --optbench-tasks larger    # with task_modules in the table, as in that list
"""

from __future__ import annotations

from pytest_optbench.machine.tasks.larger.graphs import LargerGcn
from pytest_optbench.machine.tasks.larger.images import LargerCnn, LargerMlp, LargerVae
from pytest_optbench.machine.tasks.larger.sequences import LargerLstm, LargerTransformer
from pytest_optbench.machine.tasks.task import Task

# What a module of tasks is asked for is instances among its names.
_MLP = LargerMlp()
_CNN = LargerCnn()
_VAE = LargerVae()
_TRANSFORMER = LargerTransformer()
_LSTM = LargerLstm()
_GCN = LargerGcn()

LARGER: tuple[Task, ...] = (_MLP, _CNN, _VAE, _TRANSFORMER, _LSTM, _GCN)
