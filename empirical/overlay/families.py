from __future__ import annotations


def family_targets(model, components):
    return []
