"""The experiments on Chen and He 2021 and Li, Efros, Pathak 2022: name to module and function."""

from __future__ import annotations

NAMES: dict[str, tuple[str, str]] = {
    "simsiam-stop-gradient": ("chen_he_2021", "stop_gradient"),
    "simsiam-no-predictor": ("chen_he_2021", "no_predictor"),
    "simsiam-predictor": ("chen_he_2021", "predictor"),
    "simsiam-batch-norm": ("chen_he_2021", "batch_norm"),
    "simsiam-batch-size": ("chen_he_2021", "batch_size"),
    "simsiam-similarity": ("chen_he_2021", "similarity"),
    "simsiam-symmetrisation": ("chen_he_2021", "symmetrisation"),
    "simsiam-alternation": ("chen_he_2021", "alternation"),
    "simsiam-memory": ("chen_he_2021", "memory"),
    "li2022-width": ("li_2022", "width_result"),
    "li2022-linear-rank": ("li_2022_rank", "rank_result"),
    "li2022-probe": ("li_2022", "probe_result"),
    "li2022-continual": ("li_2022", "continual_result"),
}
