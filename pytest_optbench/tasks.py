"""What a task of your own is made of: the public names, wherever they are defined."""

from pytest_optbench.machine.streams import Streams
from pytest_optbench.machine.tasks.classification import classification_metrics
from pytest_optbench.machine.tasks.exact import ExactTask
from pytest_optbench.machine.tasks.knobs import knob
from pytest_optbench.machine.tasks.modules import ModuleTask
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.threshold import Threshold

__all__ = ["ExactTask", "ModuleTask", "Streams", "Task", "Tensors", "Threshold", "classification_metrics", "knob"]
