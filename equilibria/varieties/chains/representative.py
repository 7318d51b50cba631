"""Matrices and equations of an aligned stratum of a chain (T22.1, T31.1).

In the frames of the units every layer is diagonal: layer l of unit i is sqrt(alpha_l/eta_l) u_i, the
last one times the sign of m_i, or times the rotation of a pair. Its orbit is cut out by

    A_1^T A_1 = sum over i of (alpha_1/eta_1) u_i^2 v_i v_i^T,   P W = W (sum of p_i v_i v_i^T),
    (eta_l/alpha_l) A_l A_l^T = (eta_(l+1)/alpha_(l+1)) A_(l+1)^T A_(l+1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from equilibria.exact.enclosed import Enclosed
from equilibria.systems.model import Model
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.representative import Rows, entry_float
from equilibria.varieties.component import Algebraic, Detail, Entry

ZERO = Fraction(0)


class ChainLifter:
    """Equations and representatives of the aligned strata of one model."""

    def __init__(self, model: Model) -> None:
        self.model, self.chain = model, model.chain

    def detail(self, stratum: Sequence[Rest]) -> Detail:
        """Return the equations and one point, active units first."""
        return Detail(self._equations(stratum), self.point(stratum))

    def point(self, stratum: Sequence[Rest]) -> dict[str, Rows]:
        """Return W, P and T, or W1, ..., P1, ..., T1, ... with hidden layers."""
        layers = {name: self._layer(place, stratum) for place, name in enumerate(self.chain.names)}
        if self.model.traits.has_target:
            encoder = self.chain.names[: self.chain.encoder]
            layers.update({f"T{name[1:]}": layers[name] for name in encoder})
        if self.chain.is_deep:
            return layers
        return {name[0]: rows for name, rows in layers.items()}

    def _layer(self, place: int, stratum: Sequence[Rest]) -> Rows:
        rows, columns = self.chain.widths[place + 1], self.chain.widths[place]
        found: list[list[Entry]] = [[ZERO] * columns for _ in range(rows)]
        at = 0
        for rest in stratum:
            targets = self._columns(place, at, rest)
            block = self._block(place, rest)
            for i in range(rest.unit.size):
                for j, vector in enumerate(targets):
                    _place(found[at + i], vector, block[i][j])
            at += rest.unit.size
        return tuple(map(tuple, found))

    def _columns(self, place: int, at: int, rest: Rest) -> list[int | Sequence[float]]:
        """Return where a unit's block stands: columns, or vectors of the first layer's input."""
        if place:
            return list(range(at, at + rest.unit.size))
        columns = [column - 1 for column in rest.unit.columns]
        moments = self.model.moments
        if moments.is_diagonal or moments.units is not None:
            return list(columns)
        return [moments.eigenbasis[2][:, column].tolist() for column in columns]

    def _block(self, place: int, rest: Rest) -> list[list[Entry]]:
        size = (rest.square * self.chain.sizes[place]).root(2)
        last = place == self.chain.depth - 1
        if not rest.unit.im:
            sign = rest.sign if last else 1
            return [[self._entry(place, rest, size * sign, Fraction(sign))]]
        unit = rest.unit
        cosine, sine = (unit.re, unit.im) if last else (Fraction(1), ZERO)
        length = rest.m if last else Enclosed.of(1)
        parts = ((cosine, -sine), (sine, cosine))
        return [
            [self._entry(place, rest, size * length.inverse() * c, c, turned=last) for c in row]
            for row in parts
        ]

    def _entry(
        self, place: int, rest: Rest, value: Enclosed, factor: Fraction, *, turned: bool = False
    ) -> Entry:
        return entry(value, lambda: self._text(place, rest, factor, turned))

    def _text(self, place: int, rest: Rest, factor: Fraction, turned: bool) -> str:
        """Return factor times (c p^2)^(1/(2 K)), c rational, over the size of a turned unit."""
        chain = self.chain
        k, p = chain.predictor, rest.place.text()
        scale = Fraction(1)
        for size in chain.sizes[chain.encoder :]:
            scale *= chain.sizes[place] / size
        if scale == 1:
            body = f"({p})" + (f"**(1/{k})" if k > 1 else "")
        else:
            body = f"({scale}*({p})**2)**(1/{2 * k})"
        head = "" if factor == 1 else ("-" if factor == -1 else f"{factor}*")
        return f"{head}{body}" + (f"/sqrt({rest.unit.square})" if turned else "")

    def _equations(self, stratum: Sequence[Rest]) -> tuple[str, ...]:
        chain, names = self.chain, self._names()
        gram = [(number_text(rest.square * chain.sizes[0]), rest) for rest in stratum]
        lines = [f"{names[0]}^T*{names[0]} = {self._sum(gram)}"]
        for place in range(chain.depth - 1):
            left, right = names[place], names[place + 1]
            ratio = chain.sizes[place + 1] / chain.sizes[place]
            factor = "" if ratio == 1 else f"{ratio}*"
            lines.append(f"{right}^T*{right} = {factor}{left}*{left}^T")
        encoder = "*".join(names[: chain.encoder][::-1])
        link = [(_signed(rest), rest) for rest in stratum]
        lines.append(f"{'*'.join(names[::-1])} = {encoder}*({self._sum(link, turned=True)})")
        if self.model.traits.has_target:
            lines += [f"T{name[1:]} = {name}" for name in names[: chain.encoder]]
        return tuple(lines)

    def _names(self) -> tuple[str, ...]:
        names = self.chain.names
        return names if self.chain.is_deep else tuple(name[0] for name in names)

    def _sum(self, terms: Sequence[tuple[str, Rest]], *, turned: bool = False) -> str:
        """Return a sum of projections on the units, those of pairs turned by their angle."""
        exact = self.model.moments.is_diagonal or self.model.moments.units is not None
        letter = "e" if exact else "v"
        pieces = []
        for factor, rest in terms:
            vectors = [f"{letter}_{column}" for column in rest.unit.columns]
            body = " + ".join(f"{v}*{v}^T" for v in vectors)
            if rest.unit.im and turned:
                a, b = vectors
                body = f"c*({body}) + d*({b}*{a}^T - {a}*{b}^T)"
                body += f" with c = {rest.unit.re}/|m|, d = {rest.unit.im}/|m|"
            pieces.append(f"({factor})*({body})" if rest.unit.im else f"({factor})*{body}")
        return " + ".join(pieces) or "0"


def _place(row: list[Entry], where: int | Sequence[float], value: Entry) -> None:
    if isinstance(where, int):
        row[where] = value
        return
    for column, part in enumerate(where):
        row[column] = entry_float(row[column]) + entry_float(value) * part


def _signed(rest: Rest) -> str:
    text = rest.place.text()
    return text if rest.sign > 0 else f"-({text})"


def number_text(value: Enclosed) -> str:
    """Return a rational number as it is, another to 17 digits."""
    return str(value.rational) if value.rational is not None else repr(float(value))


def entry(value: Enclosed, text: Callable[[], str]) -> Entry:
    """Return an entry of a representative; `text` is called where the number is not rational."""
    if value.rational is not None:
        return value.rational
    return Algebraic(float(value), text())
