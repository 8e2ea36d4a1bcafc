"""Workflow commands: which failures, in what order, where, and with what escaped."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_optbench.report.annotations import Failure, error_commands


def failure(word: str = "missed", path: str = "", line: int = 0, title: str = "Lion on beale", text: str = "it fails"):
    return Failure(path=path, line=line, title=title, text=text, word=word)


def test_the_worst_ten_come_worst_first() -> None:
    words = ["", "slower", "missed", "diverged", "contract", "timeout", "crashed"] * 2
    commands = error_commands([failure(word, text=f"{word}{k}") for k, word in enumerate(words)], root=Path())
    assert [command.rpartition("::")[2] for command in commands] == [
        *("crashed6", "crashed13", "timeout5", "timeout12", "contract4", "contract11"),
        *("diverged3", "diverged10", "missed2", "missed9"),
    ]


@pytest.mark.parametrize(
    ("path", "line", "place"),
    [
        ("src/zoo.py", 3, "file=src/zoo.py,line=3,"),
        ("src/zoo.py", 0, "file=src/zoo.py,"),
        ("../elsewhere.py", 3, ""),
        ("", 3, ""),
    ],
)
def test_the_place_is_relative_to_the_checkout(tmp_path: Path, path: str, line: int, place: str) -> None:
    (command,) = error_commands([failure(path=str(tmp_path / path) if path else "", line=line)], root=tmp_path)
    assert command == f"::error {place}title=Lion on beale::it fails"


@pytest.mark.parametrize(
    ("text", "title", "data"),
    [
        ("100 %\r\nnext", "100 %25%0D%0Anext", "100 %25%0D%0Anext"),
        ("a::b, c", "a%3A%3Ab%2C c", "a::b, c"),
        ("%0A::error::x", "%250A%3A%3Aerror%3A%3Ax", "%250A::error::x"),
        ("x\n::set-env name=a::b", "x%0A%3A%3Aset-env name=a%3A%3Ab", "x%0A::set-env name=a::b"),
    ],
)
def test_what_would_end_a_command_is_escaped(text: str, title: str, data: str) -> None:
    assert error_commands([failure(title=text, text=text)], root=Path()) == [f"::error title={title}::{data}"]


def test_without_failures_there_are_none() -> None:
    assert error_commands([], root=Path()) == []
