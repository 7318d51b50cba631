"""Is the list of components everything? Where a theorem says so, its list is made again here.

`covering` finds the theorem that covers a model, `total` counts the components made of modes at their
roots and `belongs` knows their ids; a list without a theorem says how many of them it lacks. What a
theorem needs at the size at hand is checked: the balance law and its trace, Euler's identity, or
the memberships of T6.5. The proofs for all sizes are in docs/proofs.md.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from . import polynomials as poly
from .components import Setting, Tally
from .laws import along, check_balance, grid
from .mixing import check_mixing
from .points import Evaluator, Point
from .polynomials import Polynomial
from .potentials import block_form, check_euler, check_gradient_of, decays, joint_energy
from .reading import Entry, fields, integer, word
from .refusal import Refusal, at
from .systems import Model, System, definite

Mode = tuple[int, Fraction, Fraction]
"""Number, s and m."""


def check_completeness(
    value: Entry, setting: Setting, points: dict[str, Point], others: list[str], tally: Tally
) -> str:
    """Check the claim about the list; return it in words.

    `points` are the exact points by id, `others` the ids of the components in cells.
    """
    model = setting.model
    claim, theorem, evidence, missing = fields(value, ("claim", "theorem", "evidence", "missing"))
    own = covering(model)
    if word(claim) not in ("open", "complete"):
        raise Refusal("expected complete or open", "claim")
    if "rank0" not in points:
        raise Refusal("rank0 is missing: collapse is an equilibrium of every model")
    listed = [key for key in points if belongs(model, key)]
    left_out = total(model) - len(listed)
    with at("missing"):
        if integer(missing) != left_out:
            raise Refusal(f"{left_out} of {total(model)} aligned components are not listed")
    if claim == "open":
        if theorem != "none" or evidence != {}:
            raise Refusal("an open list has no theorem and no evidence")
        return _standing(model, own, left_out)
    if own is None or theorem != own:
        raise Refusal(f"the theorem for this model is {own or 'not known'}", "theorem")
    if left_out:
        raise Refusal(f"{left_out} components of {own} are missing")
    mixed: list[str] = []
    if own == "T6.5":
        with at("evidence"):
            mixed = check_mixing(evidence, model)
            tally.identities += len(value["evidence"]["cofactors"])
        _check_mirror(mixed, points, setting)
    elif evidence != {}:
        raise Refusal("no evidence is needed", "evidence")
    strangers = {*points, *others} - {*listed, *mixed}
    if strangers:
        raise Refusal(f"{min(strangers)} does not belong: {own} excludes it")
    tally.identities += _check_hypotheses(own, model, setting.system)
    return f"the list is complete ({own})"


def _standing(model: Model, own: str | None, left_out: int) -> str:
    if own and not left_out:
        raise Refusal(f"the list is complete ({own})", "claim")
    count = total(model)
    if not model.diagonal:
        return "whether the list is complete is open"
    if left_out:
        return f"the list is NOT complete: {left_out} of {count} aligned components are missing"
    return f"all {count} aligned components are listed; whether there are others is open"


def _check_mirror(mixed: list[str], points: dict[str, Point], setting: Setting) -> None:
    """Check that the two mixed points differ by the sign of (W^T W)_12."""
    tower, signs = setting.tower, []
    for key in mixed:
        if key not in points:
            raise Refusal(f"{key} is missing")
        gram: Polynomial = {
            (f"W_{i}_1", f"W_{i}_2"): Fraction(1) for i in range(1, setting.model.n + 1)
        }
        signs.append(tower.sign(Evaluator(points[key], tower).value(gram)))
    if mixed and sorted(signs) != [-1, 1]:
        raise Refusal("the two mixed points are not mirror images")


def covering(model: Model) -> str | None:
    """Return the theorem by which a list of components is complete; None where there is none."""
    if model.traits.joint:
        return "T1.1" if _joint_collapses(model) else None
    if not model.diagonal:
        return None
    if not model.traits.predictor:
        return "low-rank"
    if model.traits.direct:
        return "T13.1" if _single(model) and not _shared_root(model) else None
    if model.eta == 0 or model.eta_p == 0:
        return _without_decay(model)
    if _shared_root(model):
        return None
    if model.isotropic:
        return "T6.4"
    if min(model.n, model.d) == 1:
        return "T6.6"
    if model.d == 2:
        return "T6.5" if model.m[0][0] and model.m[1][1] else "T6.1"
    return None


def _single(model: Model) -> bool:
    return model.isotropic or min(model.n, model.d) == 1


def _joint_collapses(model: Model) -> bool:
    if model.eta or model.eta_p:
        return True
    return definite(block_form(model))


def _without_decay(model: Model) -> str | None:
    signals = [m for _, _, m in _modes(model)]
    if model.eta:
        return "T2.1"
    if model.eta_p:
        return "T2.1" if all(m > 0 for m in signals) or all(m < 0 for m in signals) else None
    semidefinite = all(m >= 0 for m in signals) or all(m <= 0 for m in signals)
    return "T4.3" if semidefinite else None


def _modes(model: Model) -> list[Mode]:
    return [(j + 1, model.sigma[j][j], model.m[j][j]) for j in range(model.d)]


def _shared_root(model: Model) -> bool:
    """Return whether two different modes have a root p in common: then their rows mix freely."""
    for _, s, m in _modes(model):
        for _, r, k in _modes(model):
            if s != r and model.eta:
                p = (m - k) / (s - r)
                if s * p * p - m * p + model.eta == 0:
                    return True
            if s != r and not model.eta and m * r == k * s and m > 0:
                return True
    return False


def _only_collapse(model: Model) -> bool:
    """Return whether no component but collapse is known: moments or decays leave nothing aligned."""
    if model.traits.joint:
        return bool(model.eta or model.eta_p) or not model.diagonal
    one_sided = model.traits.learned and bool(model.eta) != bool(model.eta_p)
    return one_sided or not model.diagonal


def total(model: Model) -> int:
    """Return the number of components made of modes at their roots, collapse among them."""
    counts = [1] + [0] * model.n
    for group in _groups(model):
        grown = [0] * (model.n + 1)
        for plus, minus in _choices(model, group):
            for size in range(model.n + 1 - plus - minus):
                grown[size + plus + minus] += counts[size]
        counts = grown
    return sum(counts)


def belongs(model: Model, key: str) -> bool:
    """Return whether an id is that of such a component: equal modes are taken in order."""
    if key == "rank0":
        return True
    parts = [part for part in key.partition(":")[2].split(",") if part]
    labels = {(part[:-1], part[-1]) for part in parts}
    if not all(number.isdigit() and root in "+-" for number, root in labels):
        return False
    left = {(int(number), root) for number, root in labels}
    for group in _groups(model):
        numbers = {number for number, _, _ in group}
        mine = {label for label in left if label[0] in numbers}
        plus = sum(root == "+" for _, root in mine)
        choice = plus, len(mine) - plus
        if choice not in _choices(model, group) or mine != set(_members(group, *choice)):
            return False
        left -= mine
    return not left and len(labels) <= model.n


def _groups(model: Model) -> list[list[Mode]]:
    groups: dict[Any, list[Mode]] = {}
    for mode in [] if _only_collapse(model) else _modes(model):
        groups.setdefault(_class(model, mode), []).append(mode)
    return list(groups.values())


def _class(model: Model, mode: Mode) -> object:
    """Modes of one class are interchangeable: equal (s, m), growth, or m/s without decay."""
    _, s, m = mode
    if not model.traits.predictor:
        return (m - model.eta) / s
    free = model.traits.learned and not model.eta
    return m / s if free else (s, m)


def _choices(model: Model, group: list[Mode]) -> list[tuple[int, int]]:
    """Return how many members may rest at p+ and at p-."""
    _, s, m = group[0]
    size = len(group)
    plus, minus = True, False
    if model.traits.joint:
        plus = abs(m) == s
    elif not model.traits.predictor:
        plus = m > model.eta
    elif model.eta or model.traits.direct:
        gap = m * m - 4 * model.eta * s
        plus = gap >= 0 and m != 0 and not (model.traits.direct and m <= 0)
        minus = plus and gap > 0 and bool(model.eta)
    return [
        (a, b) for a in range(size + 1 if plus else 1) for b in range(size + 1 - a if minus else 1)
    ]


def _members(group: list[Mode], plus: int, minus: int) -> list[tuple[int, str]]:
    numbers = [number for number, _, _ in group]
    chosen = [(number, "+") for number in numbers[:plus]]
    return chosen + [(number, "-") for number in numbers[plus : plus + minus]]


def _check_hypotheses(theorem: str, model: Model, system: System) -> int:
    """Check the polynomial identities on which the proof rests, at this size."""
    if theorem == "T1.1":
        energy = poly.add(joint_energy(model), decays(model))
        return check_gradient_of(energy, model, system) + check_euler(model)
    if theorem in ("T2.1", "T6.1", "T6.4", "T6.5", "T6.6"):
        return check_balance(model, system) + check_trace(model, system)
    if theorem == "T4.3":
        return check_trace(model, system)
    return 0


def check_trace(model: Model, system: System) -> int:
    """Check <P, dP>/alpha - <W, dW> = eta |W|^2 - eta_P |P|^2/alpha."""
    squares = []
    for letter, width, decay in (("P", model.n, model.eta_p), ("W", model.d, model.eta)):
        total: Polynomial = {}
        for row in grid(letter, model.n, width):
            for x in row:
                total = poly.add(total, poly.times(x, x))
        squares.append(poly.add(poly.scale(along(total, system.flow), 1), total, 2 * decay))
    if squares[1] != poly.scale(squares[0], 1 / model.alpha):
        raise Refusal("the trace of the balance law fails")
    return 1
