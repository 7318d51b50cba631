"""From a model to a report: which components there are, and what follows from them.

The routes return a `Variety`; the sentence that heads the report is derived from it here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from equilibria.exact.rationals import to_float
from equilibria.report.analysis import Summary
from equilibria.report.report import Report
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.component import Component, Variety
from equilibria.varieties.listing import shortened
from equilibria.varieties.routes import DEFAULT_COMPONENTS, variety_of


def analyze(model: Model, *, max_components: int = DEFAULT_COMPONENTS) -> Report:
    """Return every equilibrium component of a model with its stability, as a `Report`.

    Raises `ScopeError` where a closed form does not apply and no other route exists, and
    `FormatError` for input that is not what it says.
    """
    start = time.perf_counter()
    variety = variety_of(model, max_components)
    return Report(
        model=model,
        variety=variety,
        summary=summarise(model, variety),
        seconds=time.perf_counter() - start,
    )


def summarise(model: Model, variety: Variety) -> Summary:
    """Return the verdict on the whole model: does training avoid collapse, and where does it end?"""
    components = variety.components
    stable = [c for c in components if c.map.is_stable]
    alive = [c for c in stable if c.collapse in ("none", "partial")]
    waves = [c for c in components if c.rotates and c.flow.is_stable]
    undecided = tuple(c.id for c in components if c.flow.is_open or c.map.is_open)
    return Summary(
        avoids_collapse=bool(alive or waves),
        stable=tuple(c.id for c in stable),
        undecided=undecided,
        text=_text(model, variety, stable, alive) + _open_ones(undecided),
        in_part=tuple(c.id for c in stable if c.map.part),
    )


def _text(
    model: Model, variety: Variety, stable: Sequence[Component], alive: Sequence[Component]
) -> str:
    """Return the sentence on what rests, and on the waves that attract: they never rest (T32)."""
    waves = [c for c in variety.components if c.rotates]
    if model.moments.lopsided:
        text = _sentence(model, variety, stable, alive)
        return f"Of the equilibria that were found: {text[0].lower()}{text[1:]}"
    if not waves:
        return _sentence(model, variety, stable, alive)
    attracting = [c for c in waves if c.flow.is_stable]
    resting = replace(
        variety,
        components=tuple(c for c in variety.components if not c.rotates),
        total=None if variety.total is None else variety.total - len(waves),
        stable_total=len(stable),
    )
    text = _sentence(model, resting, stable, alive)
    if not attracting:
        return text
    first = attracting[0]
    turns = f"{first.id} turns for ever at frequency {first.frequency:.4g}"
    others = len(attracting) - 1
    turns += f", and {others} more {'does' if others == 1 else 'do'} too" if others else ""
    if alive:
        return f"{text} Beside what rests, {turns}: a stable wave."
    resting_text = text[0].lower() + text[1:]
    return f"Learning does not come to rest: {turns}. Of what rests, {resting_text}"


def _open_ones(names: Sequence[str]) -> str:
    """Return the sentence that names what is undecided: a count says nothing of those."""
    if not names:
        return ""
    return f" Undecided: {shortened(names)}."


def _sentence(
    model: Model, variety: Variety, stable: Sequence[Component], alive: Sequence[Component]
) -> str:
    collapse = next((c for c in variety.components if c.rank == 0), None)
    tally = _tally(variety, stable)
    collapsed = collapse is not None and collapse.map.is_stable
    if alive and collapsed:
        return f"Learning is stable, and so is collapse: {tally}. The start decides."
    if alive and collapse is not None and collapse.map.is_open:
        return f"Learning is stable; whether collapse is, is undecided: {tally}."
    if alive:
        return f"Learning is stable and collapse is not: {tally}."
    unclear = any(c.map.is_open for c in variety.components)
    where = ", at part of its points" if collapse is not None and collapse.map.part else ""
    if collapsed and unclear:
        return f"Only full collapse is known to be stable{where}."
    if collapsed:
        return f"Only full collapse is stable{where}{_why_collapse(model, variety)}."
    if any(c.flow.is_stable for c in variety.components):
        step = _largest_step(variety.components)
        advice = "a smaller --lr may help" if step is None else f"lower --lr below {step}"
        known = "known to be " if unclear else ""
        return (
            f"Nothing is {known}stable at this step size: {advice}. "
            "The flow does have stable equilibria."
        )
    return "No component is known to be stable."


def _tally(variety: Variety, stable: Sequence[Component]) -> str:
    """Return how many of all components are stable, and whether in part of themselves."""
    total = variety.total if variety.total is not None else len(variety.components)
    count = variety.stable_total if _map_follows_flow(variety) else len(stable)
    shown = len(stable) if count is None else count
    part = sum(c.map.part for c in stable)
    words = " in part" if part and part == len(stable) else ""
    extra = f", {part} of them in part" if part and not words else ""
    return (
        f"{shown} of {_big(total)} components {'is' if shown == 1 else 'are'} stable{words}{extra}"
    )


def _map_follows_flow(variety: Variety) -> bool:
    return all(c.map.is_stable for c in variety.components if c.flow.is_stable)


def _largest_step(components: Iterable[Component]) -> str | None:
    """Return the largest step of any component as text; None where none is known."""
    steps = [c.map.largest_step for c in components if c.map.largest_step is not None]
    if not steps:
        return None
    # Rounded down: the number is advice, and one digit up would already be too large.
    digits = 4 - math.floor(math.log10(max(steps)))
    return f"{math.floor(max(steps) * 10**digits) / 10**digits:.5g}"


def _why_collapse(model: Model, variety: Variety) -> str:
    if model.traits.family is Family.JOINT:
        return ": without stop-gradient there is no other equilibrium"
    alive = [c for c in variety.components if c.rank]
    if any(c.flow.is_stable for c in alive):
        step = _largest_step(alive)
        return " at this step size" + (f": learning needs --lr below {step}" if step else "")
    if model.moments.lopsided:
        return ""
    if model.is_deep or not model.moments.symmetric:
        return _why_deep_collapse(model)
    threshold = decay_threshold(model)
    if threshold is not None and model.eta > threshold:
        return (
            f": weight decay {model.eta} is above max m^2/(4 s) = {threshold}, beyond which "
            "no mode can be learned"
        )
    return ""


def _why_deep_collapse(model: Model) -> str:
    from equilibria.varieties.chains.thresholds import effective_decay, lost_everywhere

    lost = lost_everywhere(model)
    if lost is None:
        return ""
    value, _, _ = effective_decay(model)
    name = "weight decay" if model.chain.equal_decays and model.alpha == 1 else "effective decay"
    bound = lost.text if lost.exact and len(lost.text) <= 14 else f"{lost.weight_decay:.6g}"
    return (
        f": the {name} {value:.6g} is above {bound}, the most that any mode bears at this depth "
        "(T22.3)"
    )


def decay_threshold(model: Model) -> Fraction | None:
    """Return max m^2/(4 s), the weight decay above which every mode collapses (T2.4, T6.3)."""
    if not model.moments.is_diagonal or model.traits.family not in (
        Family.BOOTSTRAP,
        Family.DIRECT,
    ):
        return None
    assert model.moments.total is not None
    assert model.moments.signal is not None
    return max(
        m * m / (4 * s) for s, m in zip(model.moments.total, model.moments.signal, strict=True)
    )


def _big(total: int) -> str:
    """Return an integer, in scientific notation where the digits would fill the line."""
    return str(total) if total < 10**12 else f"about {_scientific(total)}"


def _scientific(value: int) -> str:
    digits = (
        len(str(value)) if value.bit_length() < 10_000 else int(value.bit_length() * 0.30103) + 1
    )
    leading = to_float(Fraction(value, 10 ** (digits - 1)))
    return f"{leading:.2f}e{digits - 1}"
