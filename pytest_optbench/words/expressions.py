"""Expressions: the small language that selects tasks by name and tag, as in `convex and not (noisy or digits_*)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from pytest_optbench.words.errors import OptbenchError, nearest

_TOKEN = re.compile(r"\s*(?:(?P<word>[\w*?.-]+)|(?P<sign>[()]))")
Matcher = Callable[[frozenset[str]], bool]


def select(expression: str, tasks: Mapping[str, Iterable[str]], *, where: str) -> list[str]:
    """The names of the tasks that the expression selects, in their given order.

    `tasks` maps each name to its tags. A word is a task, a tag, or a pattern with `*` and `?` over both; words are
    joined by `and`, `or`, `not` and parentheses. Raises OptbenchError for a syntax error, for a word that is neither
    (with the nearest that is), and for a selection that comes out empty; `where` begins the sentence.
    """
    labels = {name: frozenset({name, *tags}) for name, tags in tasks.items()}
    known = frozenset().union(*labels.values())
    matcher = _Parser(expression, known, where).parse()
    selected = [name for name in tasks if matcher(labels[name])]
    if not selected:
        raise OptbenchError(f"{where}: no task matches {expression!r}")
    return selected


class _Parser:
    """Recursive descent over `or` < `and` < `not` < word."""

    def __init__(self, expression: str, known: frozenset[str], where: str) -> None:
        self.expression = expression
        self.known = known
        self.where = where
        self.tokens = self._tokenize()

    def parse(self) -> Matcher:
        matcher = self._either()
        if self.tokens:
            raise self._error(f"unexpected {self.tokens[0]!r}")
        return matcher

    def _tokenize(self) -> list[str]:
        tokens, position = [], 0
        text = self.expression.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"unexpected {text[position:].strip()[0]!r}")
            tokens.append(match["word"] or match["sign"])
            position = match.end()
        return tokens

    def _either(self) -> Matcher:
        parts = [self._both()]
        while self._accept("or"):
            parts.append(self._both())
        return lambda labels: any(part(labels) for part in parts)

    def _both(self) -> Matcher:
        parts = [self._negated()]
        while self._accept("and"):
            parts.append(self._negated())
        return lambda labels: all(part(labels) for part in parts)

    def _negated(self) -> Matcher:
        if self._accept("not"):
            part = self._negated()
            return lambda labels: not part(labels)
        if self._accept("("):
            part = self._either()
            if not self._accept(")"):
                raise self._error("a parenthesis is not closed")
            return part
        return self._word()

    def _word(self) -> Matcher:
        word = self.tokens.pop(0) if self.tokens else ""
        if word in {"", "and", "or", "not", "(", ")"}:
            raise self._error(f"expected a task or a tag, found {word or 'the end'!r}")
        if not any(fnmatchcase(label, word) for label in self.known):
            raise OptbenchError(f"{self.where}: no task or tag is called {word!r}{nearest(word, self.known)}")
        return lambda labels: any(fnmatchcase(label, word) for label in labels)

    def _accept(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _error(self, problem: str) -> OptbenchError:
        return OptbenchError(f"{self.where}: {problem} in the expression {self.expression!r}")
