"""Analysis -> a LaTeX fragment without a preamble; it needs amsmath and nothing else.

Matrix equations and polynomials are typeset from the system itself, exact numbers as fractions and
roots; words and their escaping are in `latex_text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from equilibria.report import numbers
from equilibria.report.analysis import Analysis
from equilibria.report.json import is_large, of_chains, small_system
from equilibria.report.latex_text import (
    decimal,
    escape,
    formula,
    fraction,
    polynomial,
    sentence,
    surd,
    variable,
)
from equilibria.report.numbers import extent, significant
from equilibria.report.roots import root_labels, used_labels
from equilibria.report.text import known
from equilibria.systems.model import Model
from equilibria.systems.model_text import sizes_text
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.component import Component

ENTRYWISE_LIMIT = 12
SHOWN_MATRIX = 6
SHOWN_ROWS = 200
SHOWN_MODES = 8
PAGE_ROWS = 40
LINE_WIDTH = 70
ID_WIDTH = 30
HEADS = "component & rank & collapse & dim & flow & abscissa & map & radius & largest $h$ & known"


def report_latex(report: Analysis) -> str:
    """Return flow and map, moments, the table of components and what is known of the gradient."""
    parts = [
        "% needs \\usepackage{amsmath}; made by noncollapse",
        r"\begingroup\allowdisplaybreaks",
        *_heading(report),
        *_equations(report),
        *_moments(report.model),
        escape(report.summary.text) + "\n",
        *_table(report),
        *_roots(report),
        *_conditions(report),
        *_standing(report),
        *_gradient(report),
        *_entrywise(report),
    ]
    return "\n".join(parts).rstrip() + "\n\\endgroup\n"


def _heading(report: Analysis) -> list[str]:
    model = report.model
    sizes, _, symmetry = sizes_text(model).partition(" · ")
    symmetry = symmetry.partition("symmetry ")[2].replace(" x ", r" \times ")
    sizes = re.sub(r"(\d+)x(\d+)", r"$\1 \\times \2$", sizes)
    return [
        rf"\noindent\textbf{{{escape(model.traits.title)}}}: {sizes}, symmetry ${symmetry}$." + "\n"
    ]


def _rates(model: Model) -> str:
    letters = model.traits.letters
    pairs = [("h", model.h), (r"\eta", model.eta)]
    if model.layer_weight_decays:
        pairs = [("h", model.h)]
        pairs += [(rf"\eta_{{{i}}}", value) for i, value in enumerate(model.chain.decays, 1)]
        pairs.append((r"\alpha", model.alpha))
    elif "P" in letters:
        pairs += [(r"\eta_P", model.eta_p), (r"\alpha", model.alpha)]
    if model.traits.has_target:
        pairs += [(r"\mu", model.mu), (r"\beta = (1 - \mu)/h", model.flow_rate)]
    if model.nu:
        pairs.append((r"\nu", model.nu))
    return r",\quad ".join(f"{name} = {fraction(value)}" for name, value in pairs)


def _display(rows: Sequence[str]) -> list[str]:
    """Return an `align*` of rows that hold their own `&`."""
    if not rows:
        return []
    return [r"\begin{align*}", " \\\\\n".join(f"  {row}" for row in rows), r"\end{align*}"]


def _deep_rows(model: Model) -> list[str]:
    """Return the flow of a chain of layers A_1, ..., A_D = W_1, ..., W_L, P_1, ..., P_K."""
    target = "T" if model.traits.has_target else "W"
    L, K = model.encoder_layers, model.predictor_layers
    rows = [
        rf"W &= W_{{{L}}} \cdots W_1, \quad P = P_{{{K}}} \cdots P_1, \quad A = (W_1, \dots, P_{{{K}}})",
        rf"R &= {target} M - P W \Sigma",
    ]
    extra = ""
    if model.traits.potential is not None:
        rows.append(r"S &= P W M - W \Sigma")
        extra = rf" + W_{{>i}}^\top S W_{{<i}}^\top [i \le {L}]"
    rows.append(r"\dot A_i &= \alpha_i A_{>i}^\top R A_{<i}^\top" + extra + r" - \eta_i A_i")
    if model.traits.has_target:
        rows.append(rf"\dot T_l &= \beta (W_l - T_l), \quad T = T_{{{L}}} \cdots T_1")
    return rows


def _equations(report: Analysis) -> list[str]:
    if report.model.is_deep:
        rows = _deep_rows(report.model)
        step = list(_map_rows(report.model, ()))
        return ["Flow:", *_display(rows), "Update map:", *_display(step), _with_rates(report.model)]
    lines = _shape(report).matrix_form
    stated: list[str] = []
    for line in lines:
        left, _, right = line.partition("=")
        body, _, words = right.partition(", ")
        tail = rf", \quad \text{{{escape(words)}}}" if words else ""
        stated.append(f"{formula(left) or escape(left)} &= {formula(body) or escape(body)}{tail}")
    return [
        "Flow:",
        *_display(stated),
        "Update map:",
        *_display(list(_map_rows(report.model, lines))),
        _with_rates(report.model),
    ]


def _with_rates(model: Model) -> str:
    return rf"with ${_rates(model)}$." + "\n"


def _shape(report: Analysis) -> PolynomialSystem:
    """Return a system with the report's matrix form, small where the report's own is large."""
    model = report.model
    return small_system(model) if is_large(model) else report.system


def _map_rows(model: Model, lines: Iterable[str]) -> Iterator[str]:
    """Return one step of every matrix that moves: heavy ball, Euler, and the target last."""
    if model.is_deep:
        yield r"A^+ &= A + h \dot A \quad \text{for every layer" + (
            r", with heavy ball}" if model.nu else "}"
        )
        if model.traits.has_target:
            yield r"T_l^+ &= \mu T_l + (1 - \mu) W_l^+"
        return
    for line in lines:
        left = line.partition("=")[0].strip()
        if len(left) != 2 or left[0] != "d" or left == "dT":
            continue
        letter = left[1]
        if model.nu:
            yield rf"V_{letter}^+ &= \nu V_{letter} + \dot {letter}"
            yield rf"{letter}^+ &= {letter} + h V_{letter}^+"
        else:
            yield rf"{letter}^+ &= {letter} + h \dot {letter}"
    if model.traits.has_target:
        yield r"T^+ &= \mu T + (1 - \mu) W^+"


def _moments(model: Model) -> list[str]:
    moments = model.moments
    if moments.total is not None and moments.signal is not None:
        rows = [f"\\Sigma &= {_diagonal(moments.total)}", f"M &= {_diagonal(moments.signal)}"]
        return ["Moments:", *_display(rows)]
    kind = (
        "commute"
        if moments.commute
        else f"relative commutator ${decimal(moments.commutator, '.2g')}$"
    )
    named = moments.source not in ("", "moments")
    source = rf" from \texttt{{{escape(moments.source)}}}" if named else ""
    words = rf"Moments{source} ({kind}"
    if model.d > SHOWN_MATRIX:
        return [rf"{words}), $\Sigma$ and $M$ of size ${model.d} \times {model.d}$." + "\n"]
    if moments.is_exact:
        sigma, m = moments.rational_matrices()
        rows = [rf"\Sigma &= {_matrix(sigma)}", rf"M &= {_matrix(m)}"]
        return [words + "):", *_display(rows)]
    left, right = moments.matrices()
    rows = [rf"\Sigma &\approx {_decimals(left)}", rf"M &\approx {_decimals(right)}"]
    return [words + "):", *_display(rows)]


def _diagonal(values: Sequence[Fraction]) -> str:
    if len(values) > 1 and len(set(values)) == 1:
        return rf"{fraction(values[0])}\, I"
    shown = [fraction(value) for value in values[:SHOWN_MATRIX]]
    if len(values) > SHOWN_MATRIX:
        shown += [r"\ldots", fraction(values[-1])]
    return rf"\operatorname{{diag}}({', '.join(shown)})"


def _matrix(rows: Iterable[Iterable[Fraction]]) -> str:
    body = r" \\ ".join(" & ".join(fraction(value) for value in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def _decimals(rows: Iterable[Iterable[float]]) -> str:
    body = r" \\ ".join(" & ".join(decimal(float(x), ".5g") for x in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def _table(report: Analysis) -> list[str]:
    """Return the components in tables of at most `PAGE_ROWS`, since a tabular does not break."""
    rows = [_row(component) + r" \\" for component in report.components[:SHOWN_ROWS]]
    lines: list[str] = []
    for start in range(0, len(rows), PAGE_ROWS):
        lines += [
            r"\begin{center}",
            r"\begin{tabular}{lrlrlrlrrl}",
            r"\hline",
            f"{HEADS} \\\\",
            r"\hline",
            *rows[start : start + PAGE_ROWS],
            r"\hline",
            r"\end{tabular}",
            r"\end{center}",
        ]
    hidden = len(report.components) - SHOWN_ROWS
    return [*lines, f"{hidden} more components are left out.\n"] if hidden > 0 else lines


def _row(component: Component) -> str:
    cells = [
        _name(component),
        "--" if component.rank is None else str(component.rank),
        component.collapse or "--",
        str(component.dimension),
        component.flow.words,
        _cell(extent(component.flow, "flow", decimal)),
        component.map.words,
        _cell(extent(component.map, "map", decimal)),
        _cell(numbers.decimal(component.map.largest_step, ".5g", decimal)),
        known(component),
    ]
    return " & ".join(cells)


def _name(component: Component) -> str:
    """Return the id in typewriter; one of many modes is cut."""
    name = component.id
    return rf"\texttt{{{escape(name if len(name) <= ID_WIDTH else name[: ID_WIDTH - 3] + '...')}}}"


def _cell(number: str) -> str:
    return "--" if number == "-" else f"${number}$"


def _roots(report: Analysis) -> list[str]:
    """Return the exact values of p for every root that a listed component uses."""
    used = used_labels(report.components)
    rows = [
        rf"p_{{{escape(name)}}}^{{{root}}} &{_relation(exact)}"
        for name, root, exact in _root_values(report.model, {name for name, _ in used})
        if (name, root) in used
    ]
    if not rows:
        return []
    shown = rows[: 2 * SHOWN_MODES]
    more = "" if len(rows) == len(shown) else f" (the first {len(shown)} of {len(rows)})"
    return [f"An active mode $j$ rests at its predictor eigenvalue $p_j${more}:", *_display(shown)]


def _relation(value: str) -> str:
    return value if value.startswith(r"\approx") else f"= {value}"


def _root_values(model: Model, used: set[str]) -> Iterator[tuple[str, str, str]]:
    family = model.traits.family
    if family not in (Family.BOOTSTRAP, Family.DIRECT) or not used or not model.moments.commute:
        return
    if of_chains(model):
        for label in root_labels(model):
            yield label.mode, label.root, rf"\approx {significant(label.value, 6, decimal)}"
        return
    exact = model.moments.is_diagonal
    for mode in (mode for mode in modes_of(model.moments) if str(mode.number) in used):
        if not model.eta:
            yield str(mode.number), "+", fraction(mode.m / mode.s)
            continue
        for state in states_of(mode, model.eta):
            closed = surd(state.p) + r" \approx " if exact else r"\approx "
            yield str(mode.number), state.root, f"{closed}{significant(state.value, 6, decimal)}"


def _conditions(report: Analysis) -> list[str]:
    """Return where components are stable that are so on a part of themselves only."""
    lines: list[str] = []
    for component in report.components[:SHOWN_ROWS]:
        where = component.stable_where
        if where is None:
            continue
        shown = [_condition(text) for text in (where.map or where.flow)]
        conditions = ", ".join(shown) or "everywhere"
        lines.append(rf"  \item {_name(component)}: {conditions} ({sentence(where.scope)})")
    if not lines:
        return []
    return ["The map is stable where", r"\begin{itemize}", *lines, r"\end{itemize}"]


def _condition(text: str) -> str:
    body, sign, bound = text.rpartition(">")
    typeset = polynomial(body) if sign and bound.strip() == "0" else None
    return rf"\texttt{{{escape(text)}}}" if typeset is None else f"${typeset} > 0$"


def _standing(report: Analysis) -> list[str]:
    """Return whether the list is complete, and the notes of the components."""
    variety = report.variety
    lines: list[str] = []
    if variety.complete:
        lines.append(
            "The list is complete" + (f": {sentence(variety.why)}." if variety.why else ".")
        )
    elif variety.why:
        lines.append(f"The list is not known to be complete: {sentence(variety.why)}.")
    if variety.total is not None and variety.total > len(report.components):
        total = fraction(Fraction(variety.total))
        lines.append(f"{len(report.components)} components are listed of ${total}$.")
    if variety.description:
        lines.append(sentence(variety.description[:1].upper() + variety.description[1:]) + ".")
    for component in report.components[:SHOWN_ROWS]:
        parts = [component.note]
        parts += [s.note for s in (component.flow, component.map) if s.is_open]
        for note in dict.fromkeys(part for part in parts if part):
            lines.append(rf"{_name(component)}: {sentence(note)}.")
    return ["\n\n".join(lines) + "\n"] if lines else []


def _gradient(report: Analysis) -> list[str]:
    gradient = report.gradient
    lines = []
    for text, how in gradient.sentences:
        lines.append(rf"  \item {sentence(text)}" + (f" [{how.value}]" if how else ""))
    curl: list[str] = []
    witness = gradient.flow.witness
    typeset = None if witness is None else polynomial(witness.curl)
    if witness is not None and typeset is not None:
        a, b = (variable(name) for name in witness.variables)
        factor = "" if witness.times is None else f"{polynomial(witness.times) or ''}"
        left = f"{_partial(a, b)} - {_partial(b, a)}"
        left = rf"{factor} \left( {left} \right)" if factor else left
        at = r",\ ".join(f"{variable(n)} = {fraction(v)}" for n, v in witness.point.items())
        curl = [
            "The curl",
            *_display([f"{left} &= {typeset}"]),
            rf"is ${fraction(witness.value)}$ at ${at}$ ({sentence(witness.elsewhere)})." + "\n",
        ]
    body = [r"\begin{itemize}", *lines, r"\end{itemize}"] if lines else []
    return ["Is the flow a gradient field?", *body, *curl]


def _partial(over: str, under: str) -> str:
    return rf"\frac{{\partial f_{{{over}}}}}{{\partial {under}}}"


def _entrywise(report: Analysis) -> list[str]:
    model = report.model
    if model.is_deep or model.n * model.d + model.n**2 > ENTRYWISE_LIMIT:
        return []
    system = report.system
    rows = [*_polynomial_rows(system, "flow"), *_polynomial_rows(system, "map")]
    rows += [_broken(entry.latex(variable), "0") for entry in system.constraints]
    return ["The same, entry by entry:", *_display(rows)]


def _polynomial_rows(system: PolynomialSystem, kind: str) -> list[str]:
    equations = system.flow if kind == "flow" else system.map
    return [
        _broken(entry.latex(variable), _dotted(name) if kind == "flow" else _next(name))
        for name, entry in equations.items()
    ]


def _dotted(name: str) -> str:
    """Return the time derivative of a variable, the dot over its letter and not its index."""
    return re.sub(r"^(\\mathrm\{\w+\}|\w)", r"\\dot{\1}", variable(name))


def _next(name: str) -> str:
    return f"{{{variable(name)}}}^+"


def _broken(body: str, left: str) -> str:
    """Return `left &= body`, broken before a sign where the line would be too long."""
    lines, width = [""], 0
    for term in re.split(r"(?= [+-] )", body):
        size = len(re.sub(r"\\[a-zA-Z]+|[{}_^ ]", "", term))
        if width and width + size > LINE_WIDTH:
            lines.append("")
            width = 0
        lines[-1] += term
        width += size
    return f"{left} &= " + " \\\\\n    &\\quad ".join(line.strip() for line in lines)
