"""Mutation: every one-line change of a source that a rule can make, and a choice among them that is always the same."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[int, int, int]
"""Line from 1, first column, column after the last."""


@dataclass(frozen=True)
class Change:
    """A changed source: which rule, at which line, what was there and what is there now."""

    rule: str
    line: int
    old: str
    new: str
    source: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.rule}:{self.line}:{self.new}".encode()).hexdigest()


Edit = tuple[str, Span, str]
"""Rule, what to replace, and by what."""

_OPERATORS: dict[type, tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.Pow: ("**", "*"),
}
_COMPARISONS: dict[type, tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_METHODS = {
    "add_": "sub_",
    "sub_": "add_",
    "mul_": "div_",
    "div_": "mul_",
    "addcmul_": "addcdiv_",
    "addcdiv_": "addcmul_",
    "add": "sub",
    "div": "mul",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
}
_IN_PLACE = (
    "add",
    "sub",
    "mul",
    "div",
    "addcmul",
    "addcdiv",
    "lerp",
    "sqrt",
    "rsqrt",
    "sign",
    "clamp",
    "copy",
    "addmm",
)
_DROPPED = ("sqrt", "sqrt_", "rsqrt_", "sign_", "square", "item")
_SWAPPED_NAMES = {"beta1": "beta2", "beta2": "beta1", "eps1": "eps2", "eps2": "eps1"}


def changes(source: str) -> list[Change]:
    """Every change that a rule makes of the source and that compiles, without repetitions, in order."""
    tree = ast.parse(source)
    found: dict[str, Change] = {}
    for rule, span, text in _edits(tree, source):
        changed = _replaced(source, span, text)
        _keep(found, rule, span[0], source, changed)
    for rule, line, changed in [*_swapped(tree, source), *_dedented(tree, source)]:
        _keep(found, rule, line, source, changed)
    return sorted(found.values(), key=lambda change: (change.line, change.rule, change.new))


def chosen(source: str, count: int, *, viable: Callable[[Change], bool] = lambda change: True) -> list[Change]:
    """So many of the changes: the rules take turns, and each gives its changes in the order of their digests.

    What is not `viable` is passed over.
    """
    waiting: dict[str, list[Change]] = {}
    for change in sorted(changes(source), key=lambda change: change.digest):
        waiting.setdefault(change.rule, []).append(change)
    turns = sorted(waiting, key=lambda rule: hashlib.sha256(f"{rule}:{source}".encode()).hexdigest())
    taken: list[Change] = []
    while any(waiting.values()) and len(taken) < count:
        for rule in turns:
            while waiting[rule] and len(taken) < count:
                if viable(change := waiting[rule].pop(0)):
                    taken.append(change)
                    break
    return sorted(taken, key=lambda change: (change.line, change.rule, change.new))


def _keep(found: dict[str, Change], rule: str, line: int, source: str, changed: str) -> None:
    if changed == source or changed in found:
        return
    try:
        compile(changed, "<mutant>", "exec")
    except SyntaxError:
        return
    before, after = source.splitlines(), changed.splitlines()
    old = [a.strip() for a, b in zip(before, after, strict=True) if a != b]
    new = [b.strip() for a, b in zip(before, after, strict=True) if a != b]
    if rule == "dedent":
        new = [f"(out of its block) {new[0]}"]
    found[changed] = Change(rule, line, " ; ".join(old), " ; ".join(new), changed)


def _replaced(source: str, span: Span, text: str) -> str:
    lines = source.splitlines(keepends=True)
    number, start, end = span
    line = lines[number - 1]
    lines[number - 1] = line[:start] + text + line[end:]
    return "".join(lines)


def _span(node: ast.expr | ast.stmt | ast.keyword) -> Span | None:
    """The place of a node on a single line."""
    if node.end_lineno != node.lineno or node.end_col_offset is None:
        return None
    return node.lineno, node.col_offset, node.end_col_offset


def _edits(tree: ast.Module, source: str) -> Iterator[Edit]:
    lines = source.splitlines()
    for node in _walk(tree):
        if isinstance(node, ast.expr) and (span := _span(node)):
            text = lines[span[0] - 1][span[1] : span[2]]
            yield from _of_expression(node, span, text, lines)
        elif isinstance(node, ast.stmt) and (span := _span(node)):
            yield from _of_statement(node, span)
        if isinstance(node, (ast.If, ast.IfExp)) and (span := _span(node.test)):
            text = lines[span[0] - 1][span[1] : span[2]]
            yield "condition", span, f"not ({text})"


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of docstrings and of the text of exceptions."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            continue
        yield child
        if not isinstance(child, ast.Raise):
            yield from _walk(child)


def _of_expression(node: ast.expr, span: Span, text: str, lines: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.Constant):
        yield from _of_constant(node.value, span)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield from _between("operator", node.left, node.right, *_OPERATORS[type(node.op)], lines)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            yield "root", span, lines[span[0] - 1][span[1] : _end(node.left)]
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield from _between("comparison", node.left, node.comparators[0], *_COMPARISONS[type(node.ops[0])], lines)
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        yield from _between("condition", node.values[0], node.values[1], *words, lines)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", span, text[1:]
        if isinstance(node.operand, ast.Attribute):
            yield "aliasing", span, f"{text[1:]}.neg_()"
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _of_name(node.id, span)
    elif isinstance(node, ast.Call):
        yield from _of_call(node, span, lines)


def _of_constant(value: object, span: Span) -> Iterator[Edit]:
    if isinstance(value, bool):
        yield "constant", span, str(not value)
    elif isinstance(value, int):
        yield "constant", span, str(value + 1)
        if value == 1:
            yield "constant", span, "0"
    elif isinstance(value, float):
        if 0.5 < abs(value) < 1:
            yield "constant", span, repr(round(1 - (1 - value) * 1.1, 10))
        else:
            yield "constant", span, repr(round(value * 1.1, 15)) if value else "1.0"


def _of_name(name: str, span: Span) -> Iterator[Edit]:
    if name in _SWAPPED_NAMES:
        yield "betas", span, _SWAPPED_NAMES[name]
    elif name == "group":
        yield "group", span, "self.param_groups[0]"
        yield "group", span, "self.defaults"
    elif name == "grad":
        yield "gradient", span, "p.grad"
    elif name == "exp_avg":
        yield "state", span, "exp_avg_sq"
    elif name == "exp_avg_sq":
        yield "state", span, "exp_avg"


def _of_call(node: ast.Call, span: Span, lines: list[str]) -> Iterator[Edit]:
    plain = [place for place in map(_span, node.args) if place]
    if len(plain) > 1 and len(plain) == len(node.args):
        (number, a, b), (_, c, d) = plain[:2]
        line = lines[number - 1]
        yield "arguments", (number, a, d), line[c:d] + line[b:c] + line[a:b]
    for keyword in node.keywords:
        if (place := _span(keyword)) and keyword.arg not in (None, "dim", "keepdim", "strict"):
            line = lines[place[0] - 1]
            start = line.rfind(",", 0, place[1])
            if start > 0 and not line[start + 1 : place[1]].strip():
                yield "argument", (place[0], start, place[2]), ""
    if isinstance(node.func, ast.Attribute) and node.func.end_lineno == span[0]:
        yield from _of_method(node, node.func, span, lines)


def _of_method(node: ast.Call, method: ast.Attribute, span: Span, lines: list[str]) -> Iterator[Edit]:
    name, end = method.attr, _end(method)
    place = (span[0], end - len(name), end)
    text = lines[span[0] - 1][span[1] : span[2]]
    base = lines[span[0] - 1][span[1] : _end(method.value)]
    if name in _METHODS:
        yield "operator", place, _METHODS[name]
    if name.rstrip("_") in _IN_PLACE:
        yield "in_place", place, name[:-1] if name.endswith("_") else f"{name}_"
    if name in _DROPPED and not node.args:
        yield "root", span, base
    if name == "clone":
        yield "aliasing", span, base
    if name in ("zeros_like", "full_like", "eye"):
        for dtype in ("torch.float32", "torch.bfloat16"):
            if "dtype" in text:
                yield "dtype", span, text.replace("dtype=p.dtype", f"dtype={dtype}")
            else:
                yield "dtype", (span[0], span[2] - 1, span[2]), f", dtype={dtype})"


def _of_statement(node: ast.stmt, span: Span) -> Iterator[Edit]:
    if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign)):
        yield "deleted", span, "pass"
    if isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        old, new = _OPERATORS[type(node.op)]
        target = _end(node.target)
        yield "operator", (span[0], target, target + len(old) + 2), f" {new}="
    if isinstance(node, ast.Continue):
        yield "flow", span, "break"
        yield "flow", span, "return loss"
    if isinstance(node, ast.Return) and node.value is not None:
        yield "flow", span, "return None"


def _between(rule: str, left: ast.expr, right: ast.expr, old: str, new: str, lines: list[str]) -> Iterator[Edit]:
    """The operator between two operands, on one line."""
    if left.end_lineno != right.lineno or left.end_col_offset is None:
        return
    start, end = left.end_col_offset, right.col_offset
    gap = lines[right.lineno - 1][start:end]
    if old in gap:
        yield rule, (right.lineno, start, end), gap.replace(old, new)


def _end(node: ast.expr) -> int:
    assert node.end_col_offset is not None
    return node.end_col_offset


def _blocks(tree: ast.AST) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield node, block


def _swapped(tree: ast.Module, source: str) -> Iterator[tuple[str, int, str]]:
    """Two adjacent statements of one line each, in the other order."""
    simple = (ast.Expr, ast.Assign, ast.AugAssign)
    for _, block in _blocks(tree):
        for first, second in pairwise(block):
            if isinstance(first, simple) and isinstance(second, simple) and _span(first) and _span(second):
                lines = source.splitlines(keepends=True)
                a, b = first.lineno - 1, second.lineno - 1
                lines[a], lines[b] = lines[b], lines[a]
                yield "order", first.lineno, "".join(lines)


def _dedented(tree: ast.Module, source: str) -> Iterator[tuple[str, int, str]]:
    """The last statement of a loop or a branch, after it."""
    for owner, block in _blocks(tree):
        last = block[-1]
        if isinstance(owner, (ast.For, ast.If)) and block is owner.body and len(block) > 1 and _span(last):
            if owner.orelse or not isinstance(last, (ast.Expr, ast.Assign, ast.AugAssign)):
                continue
            lines = source.splitlines(keepends=True)
            lines[last.lineno - 1] = lines[last.lineno - 1][4:]
            yield "dedent", last.lineno, "".join(lines)
