"""The report on a system file: JSON and terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from equilibria.files.escaping import escape
from equilibria.report.numbers import Kind, decimal, extent
from equilibria.report.system_report import SystemReport
from equilibria.report.text import STYLES, known, line_printer
from equilibria.varieties.component import Algebraic, Component, Entry, Stability

if TYPE_CHECKING:
    from rich.console import Console


def print_system_report(
    report: SystemReport, console: Console, *, ascii_only: bool, equations: bool
) -> None:
    """Print equations, verdicts, the point or the conditions of every component."""

    say = line_printer(console, ascii_only=ascii_only)
    _print_system(report, say, equations=equations)
    say(report.summary.text, "bold")
    say()
    _print_table(report, console)
    say()
    for component in report.components:
        say(f"  {component.id}   {_where(component)}")
        for line in _notes(component):
            say(f"      {line}")
    say()
    label = "the list is complete" if report.variety.complete else "not a complete list"
    say(f"  {label}: {report.variety.why}")
    if report.variety.description:
        say(f"  {report.variety.description}")
    say()
    if report.gradient is not None:
        for sentence, how in report.gradient.sentences:
            say(f"{sentence} [{how.value}]" if how is not None else sentence)


def _print_system(report: SystemReport, say: Callable[..., None], *, equations: bool) -> None:
    """Print name, size, parameters, and the equations as written or multiplied out."""
    system = report.system
    say(
        f"{report.user.name} · {_count(len(system.variables))}, degree "
        f"{max(e.degree for e in (*system.flow.values(), *system.map.values()))}"
    )
    parameters = "   ".join(f"{name} = {value}" for name, value in report.user.parameters.items())
    if parameters:
        say(parameters)
    say()
    if equations:
        for name, entry in system.flow.items():
            say(f"  d{name} = {entry.text()}")
        for name, entry in system.map.items():
            say(f"  {name}+ = {entry.text()}")
    else:
        for line in report.user.equations:
            say("  " + line)
    say()


def _count(variables: int) -> str:
    return "1 variable" if variables == 1 else f"{variables} variables"


def _print_table(report: SystemReport, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    asked: tuple[Kind, ...] = ("flow", "map")
    kinds = [kind for kind in asked if getattr(report.system, kind)]
    heads = {"flow": ("flow", "abscissa"), "map": ("map", "radius", "largest h")}
    for name in ("  component", "dim", *(head for kind in kinds for head in heads[kind]), "known"):
        table.add_column(name, no_wrap=True)
    for component in report.components:
        cells: list[str | Text] = [Text("  " + escape(component.id)), str(component.dimension)]
        for kind in kinds:
            part: Stability = getattr(component, kind)
            cells.append(Text(part.words, style=STYLES[part.settled]))
            cells.append(extent(part, kind))
        if "map" in kinds:
            cells.append(decimal(component.map.largest_step, ".5g"))
        table.add_row(*cells, known(component))
    console.print(table)


def _where(component: Component) -> str:
    """Return the equations of a family, the coordinates of a point."""
    if component.dimension:
        return ",  ".join(
            equation if "=" in equation else f"{equation} = 0" for equation in component.equations
        )
    return _values(component)


def _values(component: Component) -> str:
    values = [f"{name} = {_shown(rows[0][0])}" for name, rows in component.representative.items()]
    return ",  ".join(values)


def _shown(entry: Entry) -> str:
    if isinstance(entry, Algebraic):
        return (
            f"{entry.value:.8g}" if len(entry.exact) > 30 else f"{entry.exact} = {entry.value:.6g}"
        )
    return str(entry)


def _notes(component: Component) -> list[str]:
    """Return where the component is stable, why a verdict is open, and what one point has."""
    reasons = [part.note for part in (component.flow, component.map) if part.is_open]
    texts = (component.note, *reasons, _at_one_point(component))
    return [text for text in dict.fromkeys(texts) if text]


def _at_one_point(component: Component) -> str:
    """Return the numbers of the representative where other points have others."""
    found = [
        f"{kind} {part.verdict.value}, {name} {part.extent:.6g}"
        for kind, name, part in (
            ("flow", "abscissa", component.flow),
            ("map", "radius", component.map),
        )
        if part.varies and part.extent is not None
    ]
    return f"at {_values(component)}: {'; '.join(found)}" if found else ""
