"""Claims: the closed vocabulary in which a recipe declares what its optimizer can and cannot do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pytest_optbench.words.errors import OptbenchError, require_known

DEFAULT_CONFIGURATION = "default"
"""Name of the configuration with no options on top of the recipe's hyperparameters."""

FAMILIES = (
    "adam_like",
    "sgd_like",
    "sign_like",
    "lion_like",
    "adagrad_like",
    "rmsprop_like",
    "radam_like",
    "nadam_like",
    "adafactor_like",
    "matrix_orthogonal",
    "kronecker_preconditioned",
    "schedule_free",
    "scale_adaptive",
    "parameter_free",
)

EXTRAS = ("compile", "distributed", "process")
"""Kinds of checks that take seconds each and are run on request."""

FLAG: tuple[type, ...] = (bool,)
NAMES: tuple[type, ...] = (list, tuple)
NUMBER: tuple[type, ...] = (int, float)

CLAIMS: Mapping[str, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        "needs_closure": (FLAG, "step() requires a closure"),
        "multi_closure": (FLAG, "step() may call its closure several times"),
        "train_eval": (FLAG, "train() before steps, eval() before evaluations"),
        "no_ndim": (NAMES, "numbers of dimensions that the constructor refuses"),
        "stochastic": (FLAG, "draws random numbers from torch's global generator"),
        "sparse_only": (FLAG, "dense gradients raise"),
        "lazy_sparse": (FLAG, "only rows with a gradient move"),
        "one_group": (FLAG, "several parameter groups raise"),
        "no_complex": (FLAG, "complex parameters raise"),
        "no_empty": (FLAG, "parameters without elements raise"),
        "no_fp16": (FLAG, "does not work in float16"),
        "no_bf16": (FLAG, "bfloat16 parameters raise"),
        "no_fp64": (FLAG, "float64 parameters raise"),
        "first_step_init": (FLAG, "the first step only builds a preconditioner"),
        "couples_params": (FLAG, "a global norm or estimate ties parameters to each other"),
        "global_step": (FLAG, "one step counter for a whole group"),
        "lr_unused": (FLAG, "the learning rate has no effect after construction"),
        "lr_nonlinear": (FLAG, "the step is not proportional to the learning rate"),
        "moves_at_lr0": (FLAG, "moves at a learning rate of zero"),
        "moves_on_zero_grad": (FLAG, "moves although every gradient is zero"),
        "uses_param_values": (FLAG, "the step depends on the values of the parameters"),
        "not_per_group": (NAMES, "options honoured only in the constructor"),
        "dead_ok": (NAMES, "options without effect in this configuration"),
        "adaptive_keys": (NAMES, "entries of a group that step() may write"),
        "history": (FLAG, "state grows up to a horizon"),
        "low_precision_state": (FLAG, "state is kept in a lower precision"),
        "low_precision_step": (FLAG, "the step of a matrix is computed in a lower precision than the parameter's"),
        "slots": (NUMBER, "state tensors per parameter, at most"),
        "weight_decay": (
            (str,),
            "decoupled, decoupled_after (the step), decoupled_lr_free, l2, none or other",
        ),
        "not_odd": (FLAG, "negated parameters and gradients do not give negated steps"),
        "grad_scales": (NAMES, "scales of the gradients that it is made for; others are not tried"),
        "scale": ((str,), "invariant or linear in the scale of the gradients"),
        "step_bound": (NUMBER, "greatest step of an entry, in units of lr"),
        "const_step": (
            (*NUMBER, *NAMES),
            "size of step 1, 2 and 400 on a constant gradient, in units of lr: one or three",
        ),
        "elementwise": (FLAG, "entries do not influence each other"),
        "flatten": (FLAG, "convolutions are handled as matrices"),
        "orthogonal": (FLAG, "the update of a matrix is orthogonal"),
        "shape_factor": ((str,), "rule by which the size of an orthogonal update depends on rows and columns"),
        "rectified_above": (NUMBER, "length of the average above which RAdam divides by it; 5 if not claimed"),
        "eps_other": (FLAG, "eps does not damp the first step"),
        "family": ((str,), "family of this configuration, in place of the recipe's; empty for none"),
    }
)

PROPERTIES = frozenset(("slots", "scale", "step_bound", "const_step", "elementwise", "flatten", "orthogonal", "family"))
"""Claims of what is checked, and excuse nothing; any option may change them."""

_CHOICES = {
    "weight_decay": ("decoupled", "decoupled_after", "decoupled_lr_free", "l2", "none", "other"),
    "scale": ("invariant", "linear"),
    "shape_factor": (
        "none",
        "sqrt(max(1, rows / columns))",
        "sqrt(max(rows, columns))",
        "sqrt(rows / columns)",
        "max(rows, columns)",
        "max(1, rows / columns)",
    ),
}

CHECKS: tuple[str, ...] = (
    "moves_and_descends",
    "all_gradients_none",
    "one_gradient_none",
    "late_gradient",
    "gradient_untouched",
    "gradient_not_retained",
    "gradient_accumulation",
    "zero_grad",
    "in_place",
    "closure",
    "closure_equals_plain",
    "resume",
    "resume_bf16",
    "resume_in_float64",
    "resume_mid_schedule",
    "resume_after_add_param_group",
    "resume_in_new_process",
    "loaded_values_win",
    "old_checkpoint",
    "load_before_first_step",
    "load_rejects_mismatch",
    "deepcopy",
    "pickle",
    "groups_equal_separate",
    "hyperparameters_are_live",
    "add_param_group",
    "order_and_grouping",
    "named_parameters",
    "tensor_independence",
    "lr_read_each_step",
    "scheduler",
    "lr_proportional",
    "groups_not_rewritten",
    "lr_zero",
    "bad_values_rejected",
    "error_names_argument",
    "weight_decay",
    "weight_decay_form",
    "zero_gradients",
    "gradient_magnitudes",
    "zero_dim",
    "size_one",
    "empty_parameter",
    "matrix_and_conv",
    "memory_layout",
    "bf16",
    "fp16",
    "float64_kept",
    "mixed_dtypes",
    "complex",
    "sparse",
    "deterministic",
    "rng_untouched",
    "globals_untouched",
    "maximize",
    "sign_symmetry",
    "translation",
    "elementwise",
    "gradient_scale",
    "closed_form_step",
    "implementations_agree",
    "compiled_step",
    "device_agrees",
    "processes_agree",
    "state_bounded",
    "no_leak",
    "step_counters",
    "step_cost",
    "hooks",
    "state_dict_hooks",
    "gradient_scaler",
    "train_eval",
    "step_bounded",
    "eps_damps",
    "state_dict_is_pure",
    "conv_as_matrix",
    "orthogonal_update",
    "claim_is_needed",
    "parity",
    "parity_of_options",
    # the families
    "adam_first_step",
    "adam_constant_gradient",
    "adam_impulse_response",
    "adam_loss_scale",
    "adam_eps",
    "adam_forgets_at_beta2",
    "sgd_constant_gradient",
    "sgd_impulse_response",
    "sgd_superposition",
    "sgd_rotation",
    "sign_step_is_lr",
    "sign_constant_gradient",
    "sign_scale_invariance",
    "lion_momentum_after_step",
    "lion_momentum_fades",
    "adagrad_constant_gradient",
    "adagrad_never_forgets",
    "rmsprop_constant_gradient",
    "rmsprop_forgets_at_alpha",
    "rmsprop_eps",
    "radam_constant_gradient",
    "radam_impulse_response",
    "radam_eps",
    "nadam_constant_gradient",
    "nadam_impulse_response",
    "nadam_momentum_schedule",
    "nadam_eps",
    "adafactor_rank_one",
    "adafactor_second_moment",
    "adafactor_clipping",
    "orthogonal_shape_factor",
    "orthogonal_equivariance",
    "orthogonal_momentum",
    "orthogonal_precision",
    "kronecker_equivariance",
    "kronecker_full_matrix",
    "kronecker_whitens",
    "kronecker_refresh_interval",
    "kronecker_exponents",
    "kronecker_every_side",
    "schedule_free_average",
    "schedule_free_round_trip",
    "schedule_free_resume",
    "scale_reparametrization",
    "scale_of_zero",
    "estimate_never_decreases",
    "estimate_forgets_its_start",
    "estimate_ignores_loss_scale",
)
"""Names of the contract's checks; `expected_failures` may list them beside tasks."""


def check_of(key: str, configurations: Iterable[str]) -> str:
    """The check that a key of `expected_failures` is about: [configuration::]check[::part]; empty for a task's name.

    >>> check_of("amsgrad::resume::float64", ["amsgrad"]), check_of("amsgrad=True::resume", [])
    ('resume', 'resume')
    """
    first, *rest = key.split("::")
    if rest and (is_derived(first) or first in (DEFAULT_CONFIGURATION, *configurations)):
        first, *rest = rest
    return first if rest or first in CHECKS else ""


def is_derived(configuration: str) -> bool:
    """Is that the name of a configuration that the contract derives? None that is declared may look like it."""
    return "=" in configuration


def validate_claims(claims: Mapping[str, Any], *, where: str, configurations: Iterable[str] = ()) -> None:
    """Raise OptbenchError for a claim outside the vocabulary or of the wrong type.

    A table under the name of a configuration holds the claims that are different there.
    """
    tables = {DEFAULT_CONFIGURATION, *configurations}
    for key, value in claims.items():
        if (key in tables or is_derived(key)) and key not in CLAIMS and isinstance(value, Mapping):
            validate_claims(value, where=f"{where}: claims.{key}")
            continue
        require_known(key, [*CLAIMS, *tables], where=where, what="claim")
        if key not in CLAIMS:
            raise OptbenchError(
                f"{where}: claims.{key} is {value!r}; expected a table of claims for configuration {key!r}"
            )
        types, meaning = CLAIMS[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            expected = " or ".join(kind.__name__ for kind in types)
            raise OptbenchError(f"{where}: claim {key!r} ({meaning}) is {value!r}; expected {expected}")
        scales = claims.get("grad_scales", ())
        if key == "grad_scales" and not all(type(scale) in NUMBER and scale > 0 for scale in scales):
            raise OptbenchError(f"{where}: claim 'grad_scales' is {value!r}; expected positive numbers")
        dimensions = claims.get("no_ndim", ())
        if key == "no_ndim" and not set(map(repr, dimensions)) <= set("01234"):
            raise OptbenchError(f"{where}: claim 'no_ndim' is {value!r}; expected whole numbers from 0 to 4")
        if key == "const_step" and not _is_one_or_three(value):
            raise OptbenchError(f"{where}: claim 'const_step' is {value!r}; expected a number or a list of three")
        if key in _CHOICES and value:  # an empty word takes a claim back, for one configuration
            require_known(str(value), _CHOICES[key], where=where, what=f"value of claim {key!r}:")
        if key == "family" and value:
            require_known(str(value), FAMILIES, where=where, what="family")


def _is_one_or_three(value: Any) -> bool:
    numbers = value if isinstance(value, (list, tuple)) else [value] * 3
    return len(numbers) == 3 and all(isinstance(one, NUMBER) and not isinstance(one, bool) for one in numbers)
