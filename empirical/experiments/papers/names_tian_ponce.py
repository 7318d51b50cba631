"""The experiments on Tian, Chen, Ganguli 2021 and Ponce et al. 2025: name to module and function."""

from __future__ import annotations

NAMES: dict[str, tuple[str, str]] = {
    "tian2021-alignment-linear": ("tian_2021", "alignment_linear"),
    "tian2021-alignment-network": ("tian_2021", "alignment_network"),
    "tian2021-balance-linear": ("tian_2021", "balance_linear"),
    "tian2021-balance-network": ("tian_2021", "balance_network"),
    "tian2021-collapse-linear": ("tian_2021", "collapse_linear"),
    "tian2021-collapse-network": ("tian_2021", "collapse_network"),
    "tian2021-rates": ("tian_2021", "rates"),
    "tian2021-directpred": ("tian_2021", "directpred"),
    "ponce2025-spheres": ("ponce_2025", "spheres"),
    "ponce2025-objective-linear": ("ponce_2025", "objective_linear"),
    "ponce2025-objective-cifar": ("ponce_2025", "objective_cifar"),
    "ponce2025-objective-network": ("ponce_2025", "objective_network"),
    "ponce2025-objective-resnet": ("ponce_2025", "objective_resnet"),
    "ponce2025-objective-cosine": ("ponce_2025", "objective_cosine"),
    "ponce2025-variety": ("ponce_2025", "variety"),
}
