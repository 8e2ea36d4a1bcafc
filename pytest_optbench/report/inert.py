"""Inert text: what came out of a file, as Markdown that says it and does nothing."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300
"""Characters of a sentence that are shown."""
LONGEST_NAME = 80
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?:[_.+-][A-Za-z0-9]+)*")
_SPECIAL = {
    **{character: f"&#{ord(character)};" for character in "`*_[]|\\~"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
}
"""What Markdown, its tables or HTML read; as an entity it is nothing but itself."""
_ACTED_ON = re.compile(r"@|//|\$|#(?=\d)|:(?=[\w+-]+:)|(?<=www)\.", re.IGNORECASE)
"""What GitHub acts on after the Markdown is read, so that entities are too late: mentions, links, formulas, issues,
emoji. It leaves alone what is code."""
_BLOCK = re.compile(r"(?:[-+=#>]|\d+[.)])")
"""What starts a list, a heading or a quotation at the beginning of a line."""


def harmless(text: str) -> str:
    """The text with a blank for each character that steers: line ends, escapes, reversed writing, zero widths."""
    return "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)


def one_line(text: str, *, longest: int = LONGEST) -> str:
    """The harmless text on one line; what is too long is cut."""
    shown = " ".join(harmless(text[: 4 * longest]).split())
    return f"{shown[: longest - 1]}…" if len(shown) > longest or len(text) > 4 * longest else shown


def inert(text: str, *, longest: int = LONGEST) -> str:
    """The text on one line, without effect as Markdown or in a table of it, as HTML, or to what GitHub does after."""
    shown = one_line(text, longest=longest)
    out, last = [], 0
    for match in _ACTED_ON.finditer(shown):
        out += [_entities(shown[last : match.start()]), f"<code>{match.group()}</code>"]
        last = match.end()
    out.append(_entities(shown[last:]))
    return _unblocked("".join(out))


def inert_name(text: str) -> str:
    """A name, as code where that is safe."""
    plain = len(text) <= LONGEST_NAME and _PLAIN_NAME.fullmatch(text)
    return f"`{text}`" if plain else inert(text, longest=LONGEST_NAME)


def _entities(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _unblocked(text: str) -> str:
    match = _BLOCK.match(text)
    if match is None:
        return text
    return f"{text[: match.end() - 1]}&#{ord(text[match.end() - 1])};{text[match.end() :]}"
