"""Inert text: whatever a file says is shown, and nothing of it happens. Markdown is read by a reader of its own."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from pytest_optbench.report.inert import LONGEST_NAME, harmless, inert, inert_name, one_line

READER = MarkdownIt("gfm-like", {"linkify": False})
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</summary></details><h1>passed</h1>",
    "<!-- hidden",
    "| a | b |",
    "\\| a",
    "a\\",
    "`code`",
    "```",
    "[passed](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<https://evil.example>",
    "https://evil.example",
    "www.evil.example",
    "mail@evil.example",
    "@octocat",
    "#1",
    "octo/cat#12",
    ":tada:",
    "$x^2$",
    "**bold** _it_ ~~gone~~",
    "# heading",
    "- list",
    "1. list",
    "2) list",
    "+ list",
    "> quote",
    "===",
    "---",
    "[x] done",
    "[^1]",
    "&lt;b&gt;",
    "&amp;",
    "=1+1",
    "::error::x",
    "a_b_c",
    "test_acme/SGD",
    "acme.optim:Adam",
]
STEERING = {
    "a\nb": "a b",
    "a\r\n\n# b": "a # b",
    "a\x1b[31mb": "a [31mb",
    "a\u202eb": "a b",
    "a\u200bb": "a b",
    "a\u2028b": "a b",
    "a\x00b": "a b",
}


def tokens(markdown):
    """What the reader makes of it, flattened."""
    return [one for token in READER.parse(markdown) for one in (token, *(token.children or ()))]


def text_of(markdown):
    """What is read, and that it is nothing but text on one line, and code where GitHub would act on it."""
    found = tokens(markdown)
    html = {token.content for token in found if token.type.startswith("html")}
    assert html <= {"<code>", "</code>"}
    plain = {"paragraph_open", "paragraph_close", "inline", "text", "html_inline", "code_inline"}
    assert {token.type for token in found} <= plain
    return "".join(token.content for token in found if token.type in ("text", "code_inline"))


@pytest.mark.parametrize("show", [inert, inert_name])
@pytest.mark.parametrize("text", HOSTILE)
def test_it_says_what_was_said_and_does_nothing(text, show):
    assert text_of(show(text)) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_one_cell_of_a_table(text):
    header, rule = "| a | b |", "| --- | --- |"
    cells = [one for one in tokens(f"{header}\n{rule}\n| {inert(text)} | last |") if one.type == "td_open"]
    assert len(cells) == 2
    # GitHub's own reader may take a backslash before a bar for an escape or not: there is neither.
    assert not set("|\\") & set(inert(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_left_for_github_to_act_on(text):
    """What GitHub acts on after reading is found in texts outside of code; entities are read by then."""
    read = "".join(one.content for one in tokens(re.sub("<code>.*?</code>", "\x00", inert(text))) if one.type == "text")
    assert not re.search(r"@\w|://|//\w|#\d|:\w+:|\$|www\.", read)


@pytest.mark.parametrize(("text", "shown"), STEERING.items())
def test_characters_that_steer_are_blanks(text, shown):
    assert one_line(text) == shown
    assert text_of(inert(text)) == shown


def test_harmless_text_keeps_its_columns():
    assert harmless("a   b\x1b[2J") == "a   b [2J"


def test_plain_names_are_code():
    assert inert_name("digits_mlp32_relu") == "`digits_mlp32_relu`"


@pytest.mark.parametrize("text", ["x" * 10**6, "@" * 10**6, "\n" * 10**6 + "x"])
def test_what_is_too_long_is_cut(text):
    assert len(one_line(text, longest=50)) <= 50
    assert len(text_of(inert_name(text))) <= LONGEST_NAME
