"""Analysis -> HTML: a fragment for notebooks, and a page that is one file and needs no network.

No scripts and no links; every text from outside is escaped. Words carry every fact, colour repeats
it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

from equilibria.files import escaping
from equilibria.report.analysis import Analysis
from equilibria.report.numbers import decimal, extent
from equilibria.report.text import gradient_lines, header, known, notes
from equilibria.varieties.component import Component, Stability, Verdict

SHOWN_ROWS = 200
ID_WIDTH = 48
COLOURS = {Verdict.STABLE: "#00694d", Verdict.UNSTABLE: "#a84300", Verdict.UNDECIDED: "#8a4a72"}
HEADS = (
    "component",
    "collapse",
    "dim",
    "flow",
    "abscissa",
    "map",
    "radius",
    "largest h",
    "known",
)
NUMBERS = ("dim", "abscissa", "radius", "largest h")

PAGE_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 66rem; margin: 2rem auto;
       padding: 0 1rem; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; }
table { border-collapse: collapse; } td, th { padding: .15rem .7rem .15rem 0; }
"""


def report_html(report: Analysis) -> str:
    """Return a self-contained fragment: what was analysed, the answer, the table, the grounds."""
    title, *others = header(report)
    return "\n".join(
        (
            '<div class="equilibria">',
            f'<p style="white-space:pre-wrap"><b>{escape(title)}</b>',
            escape("\n".join(others), lines=True) + "</p>",
            f"<p><b>{escape(report.summary.text)}</b></p>",
            *_table(report),
            *_list(line for line in notes(report) if line),
            *_list(gradient_lines(report)),
            "</div>\n",
        )
    )


def html_page(report: Analysis) -> str:
    """Return a whole page: the fragment of `report_html` under the figure as inline SVG."""
    title = escape(header(report)[0])
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{title}</title><style>{PAGE_STYLE}</style></head>',
            "<body>",
            f'<figure role="img" aria-label="{title}">',
            _inline_svg(report),
            "</figure>",
            report_html(report),
            "</body>",
            "</html>\n",
        )
    )


def _inline_svg(report: Analysis) -> str:
    """Return the figure without the XML declaration, which has no place inside HTML."""
    from equilibria.report.figures import draw_report

    stream = io.BytesIO()
    draw_report(report, stream, "svg")
    text = stream.getvalue().decode("utf-8")
    return text[text.index("<svg") :].rstrip()


def _table(report: Analysis) -> list[str]:
    heads = "".join(
        f'<th style="text-align:{"right" if head in NUMBERS else "left"}">{head}</th>'
        for head in HEADS
    )
    rows = [_row(component) for component in report.components[:SHOWN_ROWS]]
    hidden = len(report.components) - SHOWN_ROWS
    if hidden > 0:
        rows.append(f'<tr><td colspan="{len(HEADS)}">{hidden} more rows in the JSON</td></tr>')
    return ["<table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>", *rows, "</tbody>", "</table>"]


def _row(component: Component) -> str:
    name = component.id
    shown = name if len(name) <= ID_WIDTH else name[: ID_WIDTH - 3] + "..."
    cells = [
        f'<td style="text-align:left"><code>{escape(shown)}</code></td>',
        _cell(component.collapse or "-"),
        _cell(str(component.dimension), right=True),
        _verdict(component.flow),
        _cell(extent(component.flow, "flow"), right=True),
        _verdict(component.map),
        _cell(extent(component.map, "map"), right=True),
        _cell(decimal(component.map.largest_step, ".5g"), right=True),
        _cell(known(component)),
    ]
    row = f"<tr>{''.join(cells)}</tr>"
    if component.stable_where is None:
        return row
    where = component.stable_where.map or component.stable_where.flow
    text = f"stable where (map): {' and '.join(where) or 'everywhere'}"
    span = (
        f'<td style="text-align:left" colspan="{len(HEADS) - 1}"><small>{escape(text)}</small></td>'
    )
    return f"{row}\n<tr><td></td>{span}</tr>"


def _cell(text: str, *, right: bool = False) -> str:
    return f'<td style="text-align:{"right" if right else "left"}">{escape(text)}</td>'


def _verdict(stability: Stability) -> str:
    colour = COLOURS[stability.settled]
    return f'<td style="text-align:left;color:{colour}">{stability.words}</td>'


def _list(lines: Iterable[str]) -> list[str]:
    items = [f"<li>{escape(line)}</li>" for line in lines]
    return ["<ul>", *items, "</ul>"] if items else []


def escape(text: str, *, lines: bool = False) -> str:
    """Return text for elements and attributes of the page."""
    return escaping.escape(text, "html", lines=lines)
