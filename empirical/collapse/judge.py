"""The verdict on outputs: which of four words, of which kind, with numbers and a sentence.

    complete collapse    one output takes over (constant), or nothing is left of them (zero, shrunk),
                         or two views of an image no longer agree (unrelated)
    dimensions lost      outputs vary in few directions, against the start or against their width
    no collapse          neither
    unclear              between; too few outputs; outputs that are not finite

A network's outputs never fill their width evenly, so a verdict is relative to the same network's
outputs at the start wherever they are given. Without them only what no healthy network shows counts:
a spectrum that ends within an eighth of the width, or nearly a single direction.

A loss of directions alone (cosine, infonce) does not mind how long outputs are; the squared loss and
the cross-entropy do, and outputs that have shrunk against the start and against the loss's own unit
are gone, however healthy their directions.

Bounds come from trained networks on the handwritten digits (healthy runs keep 0.24 to 0.62 of the
dimensions that they had at the start and lose none of what tells images apart), and are held by
`benchmarks/verdicts.py` on families whose truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from empirical.collapse.measure import Spread

NO, COMPLETE, LOST, UNCLEAR = "no collapse", "complete collapse", "dimensions lost", "unclear"
SCALE_FREE = ("cosine", "infonce")
FEW, ENOUGH = 1 / 8, 1 / 5
"""Shares of the dimensions at the start (or of the width) below which they are lost, above which not."""
MOSTLY, NEARLY_ALL = 0.5, 0.9
"""Constant shares from which a constant dominates, and takes over where no start is known."""
FIFTH, HALF = 0.2, 0.5
"""Shares of the varying part at the start below which a constant took over, above which it did not."""
GONE, SHRUNK, SMALL = 1e-6, 1e-3, 1e-1
"""Sizes: nothing by itself, nothing against the start, small in the loss's unit."""
UNRELATED = 0.05
THIN, BROAD = 2.0, 3.0
"""Dimensions below which outputs are nearly a line, above which they are not, in width 9 or more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judge looks at: the spread of directions, the size, the width, how many outputs."""

    spread: Spread
    size: float
    width: int
    count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A word, its kind, and the part of the sentence that says why."""

    verdict: str
    kind: str
    why: str


def judge(now: Seen, start: Seen | None, loss: str | None, unit: float) -> Finding:
    """Return the finding on outputs of at least `measure.FEWEST` rows.

    `loss` is None where nobody said; `unit` is the size of outputs that the loss itself asks about: 1
    for the squared loss, the temperature for the cross-entropy.
    """
    findings = [_size(now, start, loss, unit), _constant(now, start), _views(now, start)]
    for verdict in (COMPLETE, UNCLEAR):
        for found in findings:
            if found is not None and found.verdict == verdict:
                return found
    return _dimensions(now, start)


def _size(now: Seen, start: Seen | None, loss: str | None, unit: float) -> Finding | None:
    if loss in SCALE_FREE or now.size >= SMALL * unit:
        return None
    against = None if start is None or not start.size > 0 else now.size / start.size
    words = f"{now.size:.1g}, small for the {loss or 'unknown'} loss"
    if against is not None:
        words = f"{against:.1g} of their size at the start"
    gone = now.size < GONE * unit if against is None else against < SHRUNK
    if gone and loss is not None:
        return Finding(COMPLETE, "shrunk", f"the outputs have shrunk to {words}")
    if gone:
        return Finding(
            UNCLEAR, "shrunk", f"the outputs have shrunk to {words}: collapse unless the loss is "
            "one of directions alone"
        )  # fmt: skip
    if loss is not None and (against is None or against < SMALL) and now.size < SMALL**2 * unit:
        return Finding(UNCLEAR, "shrunk", f"the outputs have shrunk to {words}")
    return None


def _constant(now: Seen, start: Seen | None) -> Finding | None:
    share = now.spread.constant
    if share.value < MOSTLY:
        return None
    words = f"{_percent(share.value)} of every output"
    if start is None:
        if share.value >= NEARLY_ALL and share.low >= MOSTLY:
            return Finding(COMPLETE, "constant", f"a constant output takes over, {words}")
        return Finding(UNCLEAR, "constant", f"a constant is {words}")
    former = start.spread.constant
    words += f" ({_percent(former.value)} at the start)"
    varies, varied = 1 - share.value, max(1 - former.value, 1e-12)
    if varies < FIFTH * varied and 1 - share.high < HALF * varied:
        return Finding(COMPLETE, "constant", f"a constant output takes over, {words}")
    return (
        None if varies >= HALF * varied else Finding(UNCLEAR, "constant", f"a constant is {words}")
    )


def _views(now: Seen, start: Seen | None) -> Finding | None:
    agreement = now.spread.agreement
    if agreement is None:
        return None
    words = f"two views of an image share {_percent(max(0.0, agreement.value))} of what varies"
    before = None if start is None else start.spread.agreement
    if agreement.high < UNRELATED:
        if before is not None and before.low > UNRELATED:
            words += f" ({_percent(before.value)} at the start)"
            return Finding(COMPLETE, "unrelated", f"nothing of the images is left: {words}")
        if before is None:
            return Finding(
                UNCLEAR, "unrelated", f"{words}; are their rows those of the same images?"
            )
    return None


def _dimensions(now: Seen, start: Seen | None) -> Finding:
    if now.width == 1:
        return Finding(NO, "none", "the outputs are one number each, and it varies")
    if start is None:
        return _against_width(now)
    pairs = [(now.spread.dimensions, start.spread.dimensions, "")]
    if now.spread.shared and start.spread.shared:
        pairs.append((now.spread.shared, start.spread.shared, " that two views share"))
    for living, former, told in reversed(pairs):
        words = f"{_dims(living.value)}{told} ({_number(former.value)} at the start)"
        ratio = living.value / former.value
        if ratio < FEW and living.high / former.low < ENOUGH:
            return Finding(LOST, "dimensions", f"the outputs vary in {words}")
    ended = now.spread.ends_at or now.width
    if ended <= FEW * _reach(start) or (ratio < ENOUGH and _against_width(now).verdict == LOST):
        return Finding(LOST, "dimensions", f"the outputs vary in {words}")
    if ratio < ENOUGH or living.low / former.high <= FEW:
        return Finding(UNCLEAR, "dimensions", f"the outputs vary in {words}")
    if now.spread.dimensions.high < _bound(BROAD, now.width) and ratio < 1:
        return Finding(UNCLEAR, "dimensions", f"the outputs vary in {words}, nearly along a line")
    return Finding(NO, "none", f"the outputs vary in {words}")


def _reach(start: Seen) -> int:
    """Return in how many directions the start varied at least: all that could be seen, or its end."""
    return start.spread.ends_at or min(start.count - 1, start.width)


def _against_width(now: Seen) -> Finding:
    spread, width, seen = now.spread, now.width, min(now.count - 1, now.width)
    dimensions, end = spread.dimensions, spread.ends_at
    thin, broad = _bound(THIN, width), _bound(BROAD, width)
    words = f"the outputs vary in {_dims(dimensions.value)} of {width}"
    if end is not None:
        words += f", and in none beyond {end}"
    if dimensions.value < thin and dimensions.high < broad:
        return Finding(LOST, "dimensions", words)
    if end is not None and end <= FEW * width:
        return Finding(LOST, "dimensions", words)
    if dimensions.value < broad or dimensions.low < thin or (end or width) < ENOUGH * width:
        return Finding(UNCLEAR, "dimensions", f"{words}; how many were there at the start?")
    filled = dimensions.value >= ENOUGH * width and dimensions.low >= FEW * width
    if seen < ENOUGH * width and not filled and dimensions.high > seen / 4:
        return Finding(
            UNCLEAR, "few outputs", f"{words}, as far as {now.count} outputs of this width tell"
        )
    shared, agreement = spread.shared, spread.agreement
    unshared = agreement is not None and agreement.value < 3 * UNRELATED
    if shared and agreement and unshared and shared.high < dimensions.value / 4:
        words = f"two views share {_percent(agreement.value)} of what varies"
        return Finding(
            UNCLEAR, "dimensions", f"{words}, in {_dims(shared.value)}; how many at the start?"
        )
    return Finding(NO, "none", words)


def _bound(dimensions: float, width: int) -> float:
    """Return a bound on dimensions for this width: in proportion below 9, where none has room."""
    return 1 + (dimensions - 1) * min(1.0, (width - 1) / 8)


def _dims(value: float) -> str:
    return f"{_number(value)} dimension" + ("" if round(value, 1) == 1 else "s")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def _percent(share: float) -> str:
    if share >= 0.9995:
        return f"all but {1 - share:.0e}" if share < 1 else "100 %"
    return f"{100 * share:.1f} %" if share > 0.9 else f"{100 * share:.0f} %"
