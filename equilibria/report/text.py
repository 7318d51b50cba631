"""Analysis -> the terminal: the answer first, then the table, then how it is known.

Words carry every fact and colour repeats it. Lines fit in 100 columns and read at 80.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from equilibria.files.escaping import escape
from equilibria.files.terminal import plain
from equilibria.report.analysis import Analysis
from equilibria.report.json import of_chains
from equilibria.report.numbers import decimal, extent, significant
from equilibria.systems.model import Model
from equilibria.systems.model_text import moments_line, sizes_text
from equilibria.systems.procedures import Family
from equilibria.varieties.component import Component, How, Stability, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from equilibria.report.roots import RootLabel

STYLES = {Verdict.STABLE: "green", Verdict.UNSTABLE: "red", Verdict.UNDECIDED: "yellow"}
SHOWN_MODES = 6
SHOWN_ROWS = 200
WIDE = 92


def line_printer(console: Console, *, ascii_only: bool) -> Callable[..., None]:
    """Return what prints a line as it stands, in a style where one is given."""

    def say(text: str = "", style: str | None = None) -> None:
        console.print(
            plain(escape(text)) if ascii_only else escape(text),
            style=style,
            markup=False,
            highlight=False,
            soft_wrap=False,
        )

    return say


def print_report(
    report: Analysis, console: Console, *, ascii_only: bool = False, equations: bool = False
) -> None:
    """Print the report."""

    say = line_printer(console, ascii_only=ascii_only)
    for line in header(report):
        say(line)
    say()
    if equations:
        for line in equation_lines(report):
            say("  " + line)
        say()
    say(report.summary.text, "bold")
    say()
    console.print(_table(report, console.width))
    hidden = len(report.components) - SHOWN_ROWS
    if hidden > 0:
        say(f"  ... {hidden} more rows in --json")
    say()
    conditions = condition_lines(report)
    for line in [*conditions, ""] if conditions else []:
        say(line)
    for line in notes(report):
        say("  " + line)
    for line in gradient_lines(report):
        say(line)


def header(report: Analysis) -> list[str]:
    """Return what was analysed: procedure, sizes, rates, moments."""
    model = report.model
    title = model.traits.title
    letters = model.traits.letters
    rates = []
    if model.traits.has_target:
        rates.append(f"μ = {model.mu}")
    rates.append(f"h = {model.h}")
    rates += [] if model.layer_weight_decays else [f"η = {model.eta}"]
    if "P" in letters:
        rates.append(f"α = {model.alpha}")
    if model.layer_weight_decays:
        rates.append(f"η_l = {', '.join(map(str, model.chain.decays))}")
    elif model.eta_p != model.eta:
        rates.append(f"η_P = {model.eta_p}")
    if model.nu:
        rates.append(f"ν = {model.nu}")
    return [
        f"{title} · {sizes_text(model)}",
        "   ".join(rates) + "     " + moments_line(model),
    ]


def equation_lines(report: Analysis) -> Iterable[str]:
    """Return the matrix form, then every polynomial of the flow and the map."""
    system = report.system
    yield from system.matrix_form
    yield ""
    for name, entry in system.flow.items():
        yield f"d{name} = {entry.text()}"
    for name, entry in system.map.items():
        yield f"{name}+ = {entry.text()}"
    for entry in system.constraints:
        yield f"0 = {entry.text()}"


def _table(report: Analysis, width: int) -> Table:
    """Return the table of components; a narrow terminal gets fewer columns, never cut numbers."""
    from rich.table import Table
    from rich.text import Text

    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0), header_style="dim")
    table.add_column("  component", overflow="fold", min_width=13)
    if wide:
        table.add_column("collapse", no_wrap=True)
    table.add_column("dim", justify="right", no_wrap=True)
    table.add_column("flow", no_wrap=True)
    table.add_column("abscissa", justify="right", no_wrap=True)
    table.add_column("map", no_wrap=True)
    table.add_column("radius", justify="right", no_wrap=True)
    table.add_column("largest h" if wide else "max h", justify="right", no_wrap=True)
    table.add_column("known", no_wrap=True)
    for component in report.components[:SHOWN_ROWS]:
        cells: list[str | Text] = [Text("  " + escape(_shortened(component.id)))]
        if wide:
            cells.append(component.collapse or "-")
        cells += [
            str(component.dimension),
            Text(component.flow.words, style=STYLES[component.flow.settled]),
            extent(component.flow, "flow"),
            Text(component.map.words, style=STYLES[component.map.settled]),
            extent(component.map, "map"),
            decimal(component.map.largest_step, ".5g"),
            known(component),
        ]
        table.add_row(*cells)
    return table


def condition_lines(report: Analysis) -> list[str]:
    """Return where components are stable that are stable on a part of themselves."""
    import textwrap

    lines: list[str] = []
    for component in report.components[:SHOWN_ROWS]:
        if component.stable_where is None:
            continue
        text = " and ".join(_conditions(component))
        indent = " " * (len(component.id) + 5)
        lines += textwrap.wrap(
            f"  {component.id}   {text}", width=98, subsequent_indent=indent, break_on_hyphens=False
        )
    if lines:
        scope = next(c.stable_where.scope for c in report.components if c.stable_where)
        lines.insert(0, f"stable where (map), at {scope}:")
    return lines


def _conditions(component: Component) -> list[str]:
    assert component.stable_where is not None
    return list(component.stable_where.map or component.stable_where.flow)


def _shortened(name: str, width: int = 26) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."


def known(component: Component) -> str:
    """Return how the verdicts are known that were asked for: the weaker of the two."""
    order = [How.PROVED, How.CERTIFIED, How.NUMERIC]
    asked = [part.how for part in (component.flow, component.map) if part.judged]
    return max(asked, key=order.index).value


def notes(report: Analysis) -> list[str]:
    """Return the legend: roots, dimension, completeness, degenerate cases."""
    lines = list(_roots(report))
    if any(component.dimension for component in report.components):
        lines.append(
            "dim  directions along the component; as many eigenvalues are neutral, the others decide"
        )
    lines += decay_lines(report.model)
    variety = report.variety
    if variety.complete:
        lines.append(f"the list is complete: {variety.why}")
    elif variety.why:
        lines.append(f"not a complete list: {variety.why}")
    if variety.total is not None and variety.total > len(report.components):
        shown = len(report.components)
        lines.append(
            f"{shown} listed of {_count(variety.total)} strata (--max-components N lists more)"
        )
    if variety.description:
        lines.append(variety.description)
    for component in report.components[:SHOWN_ROWS]:
        for text in dict.fromkeys((component.note, *_windows(component), *_reasons(component))):
            if text:
                lines.append(f"{component.id}   {text}")
    return [*lines, ""] if lines else []


def decay_lines(model: Model) -> list[str]:
    """Return how much weight decay the modes of a deep model bear."""
    if not of_chains(model):
        return []
    from equilibria.varieties.chains import thresholds

    return thresholds.decay_lines(model)


def _windows(component: Component) -> Iterable[str]:
    """Say at which target rates EMA breaks what stop-gradient keeps (T31.4)."""
    for low, high in component.ema_windows:
        yield (
            f"EMA destabilises what stop-gradient keeps for β from {significant(low, 6)} to "
            f"{significant(high, 6)} (T31.4)"
        )


def _reasons(component: Component) -> list[str]:
    parts: list[Stability] = [component.flow, component.map]
    return [part.note for part in parts if part.is_open and part.note]


def _count(total: int) -> str:
    text = str(total) if total.bit_length() < 64 else ""
    return text or f"about 10^{int(total.bit_length() * 0.30103)}"


def _roots(report: Analysis) -> Iterable[str]:
    """Explain the mode labels by the values of p."""
    from equilibria.report.roots import root_labels, used_labels

    model = report.model
    if model.traits.family not in (Family.BOOTSTRAP, Family.DIRECT) or not model.eta:
        return
    if not model.moments.has_modes or not model.eta_p:
        return
    used = used_labels(report.components)
    parts: dict[str, list[str]] = {}
    for label in root_labels(model):
        if (label.mode, label.root) in used and int(label.mode.split("&")[0]) <= SHOWN_MODES:
            parts.setdefault(label.mode, []).append(_root_words(label))
    for words in parts.values():
        line = "   ".join(words)
        yield from [line] if len(line) <= 96 else words


def _root_words(label: RootLabel) -> str:
    where = "upper" if label.root == "+" else "lower"
    short = len(label.text) <= 34
    shown = f"{label.text} = {significant(label.value, 4)}"
    shown = shown if short else significant(label.value, 6)
    kind, size = ("modes", "|p|") if "&" in label.mode else ("mode", "p")
    return f"{label.mode}{label.root}  {kind} {label.mode} at its {where} root {size} = {shown}"


def gradient_lines(report: Analysis) -> list[str]:
    """Return what is known of the gradient question, a sentence each."""
    lines = []
    for sentence, how in report.gradient.sentences:
        lines.append(f"{sentence} [{how.value}]" if how is not None else sentence)
    return lines
