"""Claims: a closed vocabulary, checked word by word."""

from __future__ import annotations

import pytest

from pytest_optbench.words.claims import CHECKS, CLAIMS, FAMILIES, validate_claims
from pytest_optbench.words.errors import OptbenchError


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"needs_closure": True, "no_ndim": [0, 1], "slots": 2, "step_bound": 1.5},
        {"weight_decay": "decoupled", "scale": "invariant"},
        {"adaptive_keys": ("lr",)},
        {"const_step": 1.5},
        {"const_step": [1, 1.9, 10]},
    ],
)
def test_claims_of_the_vocabulary_are_accepted(claims):
    validate_claims(claims, where="here")


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"need_closure": True}, "here: unknown claim 'need_closure'; did you mean 'needs_closure'?"),
        (
            {"needs_closure": "yes"},
            "here: claim 'needs_closure' (step() requires a closure) is 'yes'; expected bool",
        ),
        ({"needs_closure": 1}, "here: claim 'needs_closure' (step() requires a closure) is 1; expected bool"),
        ({"slots": True}, "here: claim 'slots' (state tensors per parameter, at most) is True; expected int or float"),
        ({"grad_scales": [0, 1.0]}, "here: claim 'grad_scales' is [0, 1.0]; expected positive numbers"),
        ({"no_ndim": 2}, "here: claim 'no_ndim' (numbers of dimensions that the constructor refuses) is 2; expected"),
        (
            {"weight_decay": "L2"},
            "here: unknown value of claim 'weight_decay': 'L2'; valid are decoupled, decoupled_after, "
            "decoupled_lr_free, l2, none, other",
        ),
        ({"const_step": [1, 2]}, "here: claim 'const_step' is [1, 2]; expected a number or a list of three"),
        ({"const_step": [1, "2", 3]}, "here: claim 'const_step' is [1, '2', 3]; expected a number or a list of three"),
        ({"scale": "none"}, "here: unknown value of claim 'scale': 'none'"),
    ],
)
def test_other_claims_are_refused_in_a_sentence(claims, sentence):
    with pytest.raises(OptbenchError) as error:
        validate_claims(claims, where="here")
    assert str(error.value).startswith(sentence)


def test_every_claim_says_what_it_means():
    assert all(types and meaning for types, meaning in CLAIMS.values())


@pytest.mark.parametrize("names", [FAMILIES, CHECKS])
def test_no_name_is_listed_twice(names):
    assert len(set(names)) == len(names)
