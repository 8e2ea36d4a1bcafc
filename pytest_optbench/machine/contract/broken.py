"""A broken property: how a check fails, and the comparisons that find out. One sentence with the numbers, always."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-fA-F]+")


class ContractBroken(Exception):
    """A property does not hold. The text says which tensor, which step, what was expected and what was found.

    Addresses of objects are taken out of it: a failure has the same text in every run.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(_ADDRESS.sub("", sentence))


class NotAvailable(Exception):
    """A check cannot be made here, such as without a compiler; the text says what is missing."""


def require(holds: bool, sentence: str) -> None:
    """Raise ContractBroken with the sentence unless the property holds."""
    if not holds:
        raise ContractBroken(sentence)


def require_equal(
    found: Sequence[Tensor], expected: Sequence[Tensor], *, when: str, indices: Sequence[int] | None = None
) -> None:
    """Every tensor must equal its counterpart to the bit; `when` begins the sentence, as in "after step 3".

    `indices` are the numbers that the sentence calls them by, where these are not all the tensors there are.
    """
    for place, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        if not same(mine, theirs):
            index = place if indices is None else indices[place]
            raise ContractBroken(f"{when}, {difference(mine, theirs, index)}; they must be equal to the bit")


def require_close(
    found: Sequence[Tensor],
    expected: Sequence[Tensor],
    *,
    rtol: float,
    atol: float = 0.0,
    when: str,
    indices: Sequence[int] | None = None,
) -> None:
    """Every tensor must be close to its counterpart, entry by entry: |found - expected| <= atol + rtol |expected|.

    Where NaN or an infinity is expected it must be found; it is equal to nothing else. `indices` as in require_equal.
    """
    for place, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        a, b = mine.detach(), theirs.detach()
        dtype = torch.promote_types(a.dtype, b.dtype)
        if not torch.allclose(a.to(dtype), b.to(dtype), rtol=rtol, atol=atol, equal_nan=True):
            index = place if indices is None else indices[place]
            allowed = f"rtol {rtol:g}" + (f", atol {atol:g}" if atol else "")
            raise ContractBroken(f"{when}, {difference(mine, theirs, index)}; {allowed} is allowed")


def require_finite(tensors: Sequence[Tensor], *, when: str, what: str = "tensor") -> None:
    """No entry may be NaN or infinite."""
    for index, tensor in enumerate(tensors):
        bad = ~torch.isfinite(tensor.detach())
        if bool(bad.any()):
            place = tuple(bad.nonzero()[0].tolist())
            raise ContractBroken(
                f"{when}, {what} {index} {_shape(tensor)} has "
                f"{number_of(int(bad.sum()), 'entry that is', 'entries that are')} not finite; "
                f"at {list(place)} it is {tensor.detach()[place].item()}"
            )


UNCLEAR = (ArithmeticError, AttributeError, LookupError, NameError, RecursionError)
"""What says that something was not thought of, such as ZeroDivisionError and IndexError, rather than not supported."""


def refused(attempt: Callable[[], object], what: str) -> bool:
    """Does the attempt raise a clear error: one that has a message, and is of a type that somebody raises on purpose?

    False where it raises nothing. Raises ContractBroken for an error that is not clear.
    """
    try:
        attempt()
    except (ContractBroken, NotAvailable):
        raise
    except UNCLEAR as error:
        sentence = f"{what} raised {type(error).__name__}: {error}; expected a clear error, such as ValueError"
        raise ContractBroken(sentence) from error
    except Exception as error:
        require(bool(str(error)), f"{what} raised {type(error).__name__} without a message; expected a clear error")
        return True
    return False


def require_refusal(attempt: Callable[[], object], what: str, *, claim: str) -> None:
    """What the optimizer claims not to support must raise a clear error. Where it works, the claim is out of date."""
    if not refused(attempt, what):
        raise ContractBroken(f"{what} raised nothing, and the claim {claim} says that it does: it is out of date")


def same(found: Tensor, expected: Tensor) -> bool:
    """Equal to the bit, NaN included; of one shape and dtype."""
    a, b = found.detach(), expected.detach()
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if torch.equal(a, b):
        return True
    if not a.is_floating_point() and not a.is_complex():
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def difference(found: Tensor, expected: Tensor, index: int) -> str:
    """Where two tensors differ most, in words: "tensor 1 (4x3) is 0.5 at [1, 2], expected 0.25"."""
    a, b = found.detach(), expected.detach()
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"tensor {index} is {_kind(a)}, expected {_kind(b)}"
    gap = (a.to(torch.complex128) - b.to(torch.complex128)).abs()
    gap = torch.where(a.isnan() & b.isnan(), 0.0, gap).nan_to_num(nan=torch.inf)
    place = tuple(int(k) for k in torch.unravel_index(gap.flatten().argmax(), gap.shape)) if gap.ndim else ()
    count = int((gap > 0).sum())
    where = f" at {list(place)}" if place else ""
    others = f" ({count} of {gap.numel()} entries differ)" if gap.numel() > 1 else ""
    return f"tensor {index} {_shape(a)} is {_number(a[place])}{where}, expected {_number(b[place])}{others}"


def number_of(count: int, one: str, more: str = "") -> str:
    """A count with its noun: "1 step", "3 steps"."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def _kind(tensor: Tensor) -> str:
    return f"{_shape(tensor)} of {str(tensor.dtype).removeprefix('torch.')}"


def _shape(tensor: Tensor) -> str:
    return f"({'x'.join(map(str, tensor.shape)) or 'a scalar'})"


def _number(value: Tensor) -> str:
    item = value.item()
    return f"{item:.9g}" if isinstance(item, float) else str(item)
