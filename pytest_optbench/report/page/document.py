"""The document: a page's HTML with style, script and data inside, and a policy that forbids everything else."""

from __future__ import annotations

import hashlib
import html
import json
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from pytest_optbench.analysis.cases import CaseSummary
from pytest_optbench.report.inert import one_line
from pytest_optbench.report.page.detail import detail
from pytest_optbench.report.page.index import NO_WORD, Index, References
from pytest_optbench.report.page.level import LEVELS, Level

CHUNK = 128
"""Cases whose details are parsed together, once one of them is opened."""
SCRIPTS = ("values.js", "table.js", "charts.js", "figures.js", "examples.js", "case.js", "main.js")
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}

Read = Callable[[], Iterable[CaseSummary]]


def page(
    read: Read,
    *,
    references: Iterable[CaseSummary] = (),
    tags: Mapping[str, Collection[str]] | None = None,
    verdict: str = "",
    counts: str = "",
    command: str = "",
) -> str:
    """The page of the cases that `read` gives, which is called again where they turn out to be too many for the detail.

    `tags` are those of tasks by name, as far as known; `verdict` and `counts` are sentences of whoever knows more than
    the table does, and follow from the table otherwise; `command` has made the page. One case is in memory at a time,
    beside the page itself, the size of which is bounded by the level of detail.
    """
    known = References(references)
    for level in LEVELS:
        index = Index(known, tags or {})
        chunks = _chunks(read(), index, level)
        if chunks is not None:  # as it is at the last level at least
            break
    told = {"note": level.note, "command": one_line(command), "chunk": CHUNK, **index.data()}
    return _document(
        [*(chunks or ()), _block("index", told)],
        verdict=_begun(one_line(verdict)) or _verdict(index),
        counts=one_line(counts) or _counts(index),
    )


def embedded(value: Any) -> str:
    """JSON that is nothing but text to HTML: no tag, comment or line end of JavaScript can begin in it.

    >>> embedded({"</script>": "<!--\\u2028"})
    '{"\\\\u003c/script\\\\u003e":"\\\\u003c!--\\\\u2028"}'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _chunks(cases: Iterable[CaseSummary], index: Index, level: Level) -> list[str] | None:
    """Blocks of details; None once there are more cases than the level is for."""
    blocks: list[str] = []
    pending: list[str] = []
    for case in cases:
        if len(index) >= level.most:
            return None
        index.add(case)
        pending.append(embedded(detail(case, level)))
        if len(pending) == CHUNK:
            blocks.append(_joined(len(blocks), pending))
            pending = []
    return [*blocks, _joined(len(blocks), pending)] if pending else blocks


def _joined(number: int, details: list[str]) -> str:
    return f'<script type="application/json" id="details-{number}">[{",".join(details)}]</script>\n'


def _block(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{embedded(value)}</script>\n'


def _verdict(index: Index) -> str:
    found = index.counted("verdict")
    cases = f"{len(index):,} case{'' if len(index) == 1 else 's'}"
    if not len(index):
        return "Nothing was measured"
    if found.get("failed"):
        return f"Failed: {found['failed']:,} of {cases}"
    judged = len(index) - found.get(NO_WORD, 0) - found.get("reported", 0)
    if not judged:
        return f"Reported: {cases}, on which nothing hangs"
    return f"Passed: {cases}" if judged == len(index) else f"Passed: {judged:,} of {cases}; nothing hangs on the others"


def _begun(sentence: str) -> str:
    """With a capital, as a heading."""
    return sentence[:1].upper() + sentence[1:]


def _counts(index: Index) -> str:
    parts = [
        f"{', '.join(f'{count:,} {word}' for word, count in found.items() if word != NO_WORD)}"
        for found in (index.counted("outcome"), index.counted("change"))
    ]
    return "; ".join(filter(None, parts))


def _document(blocks: list[str], *, verdict: str, counts: str) -> str:
    style, script = _text("page.css"), "\n".join(_scripts())
    before, _, after = _text("page.html").partition("<!-- data -->\n")
    filled = {
        "policy": "; ".join(
            [
                "default-src 'none'",
                f"script-src {_source(script)}",
                f"style-src {_source(style)}",
                "img-src data:",  # the empty icon
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
        "style": style,
        "verdict": html.escape(verdict),
        "state": "failed" if verdict.lower().startswith(("failed", "nothing")) else "passed",
        "counts": html.escape(counts),
    }
    for name, text in filled.items():
        before = before.replace(f"{{{{{name}}}}}", text)
    return "".join([before, *blocks, after.replace("{{script}}", script)])


def _source(text: str) -> str:
    """What the policy calls an inline element of exactly this text."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _scripts() -> Iterator[str]:
    yield '(() => {\n"use strict";'
    for name in SCRIPTS:
        yield _text(name)
    yield "})();"


def _text(name: str) -> str:
    return resources.files("pytest_optbench.report.page").joinpath(name).read_text(encoding="utf-8")
