"""A graph: a function traced to a flat list of tensor operations, relieved of those that do no arithmetic.

Differentiating a batched function leaves many operations behind that only re-describe a tensor (views of views) or
make the same constant at every call; in a small task they cost more than the arithmetic. What is taken out here never
changes a bit: the operations that remain see tensors of the same values, shapes and strides.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

FlatFunction = Callable[..., Sequence[Tensor]]
_aten = torch.ops.aten
_VIEWS = frozenset(
    {
        _aten.alias.default,
        _aten.detach.default,
        _aten.expand.default,
        _aten.permute.default,
        _aten.select.int,
        _aten.squeeze.dim,
        _aten.squeeze.dims,
        _aten.t.default,
        _aten.transpose.int,
        _aten.unsqueeze.default,
        _aten.view.default,
        _aten._unsafe_view.default,
    }
)
_SHAPE_ONLY = frozenset(
    {_aten.ones_like.default, _aten.zeros_like.default, _aten.full_like.default, _aten.new_zeros.default}
)
"""Operations whose result depends on the shape of their input, not on its values."""


def traced(function: FlatFunction, inputs: Sequence[Tensor]) -> fx.GraphModule | None:
    """The function for inputs of exactly these shapes and strides, faster; None if it cannot be traced to the bit, on
    these inputs and on others."""
    expected = [(inputs, function(*inputs)), *_elsewhere(function, inputs)]
    try:
        module = recorded(function, inputs)
        candidates = [simplified(module, inputs), module] if _pure(module.graph) else [module]
        for candidate in candidates:
            if all(_same(candidate(*given), outputs) for given, outputs in expected):
                return candidate
    except Exception:  # a function that cannot be traced still runs untraced
        return None
    return None


def recorded(function: FlatFunction, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """The tensor operations of one call, in their order; raises ValueError where Python looks at a value.

    `make_fx` would do the same, and a fake tensor with a stack trace for every operation, which takes longer than the
    case that is to be run.
    """
    given = [tensor.detach() for tensor in inputs]  # one object for each, even where two are the same
    recorder = _Recorder(given)
    with recorder:
        outputs = function(*given)
    recorder.graph.output([recorder.node_of(tensor) for tensor in outputs])
    return fx.GraphModule(recorder.attributes, recorder.graph)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operation that is done on plain tensors, below `vmap` and differentiation."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.attributes: dict[str, Tensor] = {}
        self._nodes: dict[int, fx.Node] = {}
        self._kept: list[Tensor] = []  # an id belongs to one tensor for as long as that lives
        for k, tensor in enumerate(inputs):
            self._note(tensor, self.graph.placeholder(f"input_{k}"))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.data_dependent_output in func.tags:
            raise ValueError(f"{func} looks at a value")
        mapped = tree_map_only(Tensor, self.node_of, (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        node = self.graph.call_function(func, *mapped)
        if isinstance(result, Tensor):
            self._note(result, node)
        elif isinstance(result, (tuple, list)):
            for k, tensor in enumerate(result):
                if isinstance(tensor, Tensor):
                    self._note(tensor, self.graph.call_function(operator.getitem, (node, k)))
        return result

    def node_of(self, tensor: Tensor) -> fx.Node:
        """Where the tensor came from; one that no recorded operation has made is a constant."""
        if id(tensor) not in self._nodes:
            name = f"given_{len(self.attributes)}"
            self.attributes[name] = tensor
            self._note(tensor, self.graph.get_attr(name))
        return self._nodes[id(tensor)]

    def _note(self, tensor: Tensor, node: fx.Node) -> None:
        self._nodes[id(tensor)] = node
        self._kept.append(tensor)


def _elsewhere(function: FlatFunction, inputs: Sequence[Tensor]) -> list[tuple[list[Tensor], Sequence[Tensor]]]:
    """Other inputs, laid out alike, and the outputs for them: what a trace wrongly took for constant shows there."""
    others = [_moved(tensor) for tensor in inputs]
    try:
        return [(others, function(*others))]
    except Exception:  # it may not be defined there
        return []


def _moved(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    once = tensor.as_strided(
        [1 if step == 0 else size for size, step in zip(tensor.shape, tensor.stride(), strict=True)], tensor.stride()
    )
    moved = torch.empty_strided(once.shape, once.stride(), dtype=tensor.dtype, device=tensor.device)
    return moved.copy_(once * 1.125 + 0.03125).as_strided(tensor.shape, tensor.stride())


def simplified(module: fx.GraphModule, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """The same module without repeated constants, repeated operations and chains of views."""
    graph = fx.Graph()
    values = _Values(module).values_of(inputs)
    attributes: dict[str, Tensor] = {}
    new: dict[fx.Node, fx.Node] = {}
    constant: set[fx.Node] = set()
    seen: dict[Any, fx.Node] = {}
    roots: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        value: Any = values.get(node)
        roots[node] = node
        fixed = node.op == "get_attr" or (
            node.op == "call_function"
            and isinstance(value, Tensor)
            and (node.target in _SHAPE_ONLY or all(argument in constant for argument in node.all_input_nodes))
        )
        if fixed:
            constant.add(node)
            name = f"constant_{len(attributes)}"
            attributes[name] = value
            new[node] = graph.get_attr(name)
            continue
        key: Any = None
        if node.target in _VIEWS:
            root = roots[node.args[0]]
            roots[node] = root
            offset = value.storage_offset() - values[root].storage_offset()
            key = ("view", root, offset, tuple(value.shape), value.stride())
            if offset == 0 and _is_whole(value, values[root]):
                new[node] = new[root]
                continue
            if key not in seen:
                # One step from the root to where the chain leads. An offset is absolute in as_strided, and an input's
                # own offset may move from call to call: then the chain stays as it is.
                seen[key] = (
                    graph.call_function(_aten.as_strided.default, (new[root], list(value.shape), list(value.stride())))
                    if offset == 0
                    else graph.node_copy(node, lambda argument: new[argument])
                )
        elif node.op == "call_function":
            key = ("call", node.target, *_hashable((node.args, node.kwargs), new))
            if key not in seen:
                seen[key] = graph.node_copy(node, lambda argument: new[argument])
        if key is None:
            new[node] = graph.node_copy(node, lambda argument: new[argument])
        else:
            new[node] = seen[key]
    graph.eliminate_dead_code()
    return fx.GraphModule(attributes, graph)


def without_first(module: fx.GraphModule) -> fx.GraphModule:
    """The same module without its first output, and without what only that needed."""
    graph = fx.Graph()
    outputs: Any = graph.graph_copy(module.graph, {})
    graph.output(list(outputs)[1:])
    if _pure(graph):
        graph.eliminate_dead_code()
    return fx.GraphModule(module, graph)


class _Values(fx.Interpreter):
    """Runs a module once and remembers what every node gave."""

    def values_of(self, inputs: Sequence[Tensor]) -> dict[fx.Node, Any]:
        self._values: dict[fx.Node, Any] = {}
        with torch.no_grad():
            self.run(*inputs)
        return self._values

    def run_node(self, n: fx.Node) -> Any:
        self._values[n] = value = super().run_node(n)
        return value


def _is_whole(view: Tensor, root: Tensor) -> bool:
    return view.shape == root.shape and view.stride() == root.stride() and view.dtype == root.dtype


def _hashable(value: Any, new: dict[fx.Node, fx.Node]) -> tuple[Any, ...]:
    """A structure of arguments as a key, in terms of the new graph's nodes; types tell 1 from 1.0 and True."""
    if isinstance(value, fx.Node):
        return ("node", new[value])
    if isinstance(value, dict):
        return ("dict", *((name, _hashable(item, new)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return ("list", *(_hashable(item, new) for item in value))
    return (type(value), repr(value))


def _pure(graph: fx.Graph) -> bool:
    """No operation of the graph writes into a tensor or draws random numbers."""
    overloads = [node.target for node in graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    return not any(one._schema.is_mutable or torch.Tag.nondeterministic_seeded in one.tags for one in overloads)


def _same(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    """Equal to the bit: the sign of a zero counts, and a NaN equals itself."""
    return all(a.dtype == b.dtype and torch.equal(_bits(a), _bits(b)) for a, b in zip(left, right, strict=True))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.detach().reshape(-1).view(torch.uint8)
