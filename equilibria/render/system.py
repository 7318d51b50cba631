"""The report on a system file: JSON and terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equilibria.render.json import SCHEMA, component_json
from equilibria.render.text import STYLES, format_number, known, plain
from equilibria.results import Algebraic, Component, Entry
from equilibria.userreport import SystemReport

if TYPE_CHECKING:
    from rich.console import Console

NOT_GIVEN = "not given in the file"


def system_report_json(report: SystemReport) -> dict[str, Any]:
    """Return the schema of `equilibria` with what a system file has: no moments, no collapse."""
    system = report.system
    return {
        "schema": SCHEMA,
        "procedure": report.user.name,
        "parameters": {name: str(value) for name, value in report.user.parameters.items()},
        "moments": None,
        "system": {
            "variables": list(system.variables),
            "flow": {name: entry.text() for name, entry in system.flow.items()} or None,
            "map": {name: entry.text() for name, entry in system.map.items()},
            "degree": max(entry.degree for entry in (*system.flow.values(), *system.map.values())),
            "symmetry": system.symmetry,
            "matrix_form": list(system.matrix_form),
        },
        "components": [_component(c, flow=bool(system.flow)) for c in report.components],
        "strata_total": report.variety.total,
        "stable_total": report.variety.stable_total,
        "complete": {"value": report.variety.complete, "why": report.variety.why},
        "description": report.variety.description or None,
        "gradient_field": report.gradient.to_json() if report.gradient is not None else None,
        "verdict": {
            "avoids_collapse": None,
            "stable_components": list(report.summary.stable),
            "undecided_components": list(report.summary.undecided),
            "text": report.summary.text,
        },
    }


def _component(component: Component, *, flow: bool) -> dict[str, Any]:
    data = component_json(component, full=True, detailed=True)
    if not flow:
        data["flow"] = None
    return data


def print_system_report(
    report: SystemReport, console: Console, *, ascii_only: bool, equations: bool
) -> None:
    """Print equations, verdicts, the point or the conditions of every component."""

    def say(text: str = "", style: str | None = None) -> None:
        console.print(
            plain(text) if ascii_only else text, style=style, markup=False, highlight=False
        )

    system = report.system
    say(
        f"{report.user.name} · {len(system.variables)} variables, degree "
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
    say(report.summary.text, "bold")
    say()
    _print_table(report, console)
    say()
    for component in report.components:
        say(f"  {component.id}   {_where(component)}")
        for line in _conditions(component):
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


def _print_table(report: SystemReport, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("  component", "dim", "flow", "abscissa", "map", "radius", "largest h", "known"):
        table.add_column(name, no_wrap=True)
    for component in report.components:
        given = component.flow.note != NOT_GIVEN
        flow = Text(component.flow.verdict.value, style=STYLES[component.flow.verdict])
        table.add_row(
            "  " + component.id,
            str(component.dimension),
            flow if given else Text("-"),
            format_number(component.flow.extent, "+.4f") if given else "-",
            Text(component.map.verdict.value, style=STYLES[component.map.verdict]),
            format_number(component.map.extent, ".5f"),
            format_number(component.map.largest_step, ".5g"),
            known(component) if given else component.map.how.value,
        )
    console.print(table)


def _where(component: Component) -> str:
    """Return the equations of a family, the coordinates of a point."""
    if component.dimension:
        return ",  ".join(
            equation if "=" in equation else f"{equation} = 0" for equation in component.equations
        )
    values = [f"{name} = {_shown(rows[0][0])}" for name, rows in component.representative.items()]
    return ",  ".join(values)


def _shown(entry: Entry) -> str:
    if isinstance(entry, Algebraic):
        return (
            f"{entry.value:.8g}" if len(entry.exact) > 30 else f"{entry.exact} = {entry.value:.6g}"
        )
    return str(entry)


def _conditions(component: Component) -> list[str]:
    lines = []
    if component.stable_where is not None:
        if component.stable_where.flow:
            lines.append("flow stable where " + " and ".join(component.stable_where.flow))
        if component.stable_where.map:
            lines.append("map stable where " + " and ".join(component.stable_where.map))
    if component.note:
        lines.append(component.note)
    return lines
