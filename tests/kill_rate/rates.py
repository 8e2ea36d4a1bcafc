"""Learning rates of the clean classes on a few tasks of the standard suite, tuned over a grid of halves of decades.

Every clean class reaches the target on at least 30 of 32 seeds with them.
"""

from __future__ import annotations

from collections.abc import Mapping

RATES: Mapping[str, Mapping[str, float]] = {
    "SGD": {"sphere10": 0.3, "mult_noise_bowl10": 0.3, "quartic_saddle": 0.3},
    "Adam": {"sphere10": 0.3, "ellipsoid20_rotated": 0.3, "mult_noise_bowl10": 0.1, "quartic_saddle": 0.1},
    "AdamW": {"sphere10": 0.3, "ellipsoid20_rotated": 0.3, "mult_noise_bowl10": 0.1, "quartic_saddle": 0.1},
    "RMSprop": {"plateau_gauss": 0.1, "mult_noise_bowl10": 0.1, "quartic_saddle": 0.1},
    "Adagrad": {"sphere10": 1.0, "mult_noise_bowl10": 1.0, "quartic_saddle": 1.0},
    "Lion": {"beale": 0.01, "drifting_min10": 0.01},
    "RAdam": {"sphere10": 0.3, "mult_noise_bowl10": 0.3, "quartic_saddle": 0.3},
    "NAdam": {"sphere10": 0.1, "mult_noise_bowl10": 0.3, "quartic_saddle": 0.3},
    "Adafactor": {"sphere10": 0.03, "mult_noise_bowl10": 0.3, "quartic_saddle": 0.1},
    "LAMB": {"rayleigh_scale_inv": 0.1},
    "Muon": {},
    "Shampoo": {"ellipsoid20_rotated": 1.0, "mult_noise_bowl10": 1.0, "quartic_saddle": 1.0},
    "ScheduleFreeSGD": {"sphere10": 0.3, "mult_noise_bowl10": 1.0, "quartic_saddle": 1.0},
    "ScheduleFreeAdamW": {"ellipsoid20_rotated": 1.0, "mult_noise_bowl10": 1.0, "quartic_saddle": 1.0},
}
