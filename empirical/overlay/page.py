"""overlay.html: one file that opens from disk, without a script and without the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from empirical.overlay.figures import Panel, headline, panel_svg, panels
from empirical.overlay.folder import FolderOverlay
from empirical.overlay.judge import RunOverlay
from empirical.overlay.text import text_lines_of
from equilibria.files import escaping
from equilibria.systems.model import Model

SHOWN_ROWS = 256
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
figure { margin: 1rem 0; padding: .5rem; background: #fff; border: 1px solid #ccc; border-radius: 6px; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .9rem; padding: .3rem .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .9rem .15rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } thead th { border-bottom: 1px solid #999; }
td.n, th.n { text-align: right; }
pre { overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #161616; } }
@media print { details > * { display: block; } }
"""
HEADS = ("run", "reached", "predicted", "status", "steps", "start", "end", "measured", "predicted rate",
         "saddles passed", "note")  # fmt: skip
NUMBERS = ("steps", "start", "end", "measured", "predicted rate")


def escape(text: str, *, lines: bool = False) -> str:
    """Return text for elements and attributes of a page."""
    return escaping.escape(text, "html", lines=lines)


def html_page(folder: FolderOverlay) -> str:
    """Return the page."""
    title = escape(headline(folder))
    figures = [_figure(folder, name, draw, words) for name, draw, words in panels()]
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{STYLE}</style></head>",
            f"<body><main><h1>{title}</h1>",
            f"<pre>{escape(chr(10).join(text_lines_of(folder)), lines=True)}</pre>",
            "<h2>Settings</h2>",
            *_settings(folder),
            "<h2>Figures</h2>",
            *figures,
            "<h2>Runs</h2>",
            *_runs(folder.runs),
            "</main></body></html>\n",
        )
    )


def _figure(folder: FolderOverlay, name: str, draw: Panel, words: str) -> str:
    label = escape(words)
    svg = panel_svg(folder, name, draw).replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    place = "figure-" + name.replace(" ", "-")
    return (
        f'<figure id="{place}" role="group" aria-label="{escape(name)}">{svg}'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _settings(folder: FolderOverlay) -> list[str]:
    source, model = folder.source, folder.source.model
    settings = source.settings
    rows = [
        ("procedure", model.procedure),
        *_rates(model),
        ("sizes", f"encoder W {model.n} x {model.d}, predictor P {model.n} x {model.n}"),
        ("moments", _moments(model)),
        ("starts", f"{settings.init} times {settings.scale:g}, seed {settings.seed}"),
        ("batches", f"of {settings.batch_size}" if settings.batch_size else "full batch"),
        ("arithmetic", settings.dtype),
        ("data", settings.data or "moments"),
        ("rates that vary", ", ".join(settings.vary) if settings.vary else "none"),
        ("compared with", folder.prediction.listed),
    ]
    cells = (f'<tr><th scope="row">{escape(a)}</th><td>{escape(str(b))}</td></tr>' for a, b in rows)
    return ['<div class="wide"><table>', *cells, "</table></div>"]


def _rates(model: Model) -> list[tuple[str, str]]:
    rows = [
        ("learning rate h", str(model.lr)),
        ("weight decay η", str(model.weight_decay)),
        ("predictor learning rate α", str(model.predictor_lr)),
        ("predictor weight decay η_P", str(model.predictor_weight_decay)),
        ("momentum ν", str(model.momentum)),
    ]
    return [*rows, ("moving average μ", str(model.ema))] if model.ema is not None else rows


def _moments(model: Model) -> str:
    moments = model.moments
    if moments.signal is None or moments.total is None:
        kind = "commuting" if moments.commute else "not commuting"
        return f"Sigma and M {model.d} x {model.d}, {kind}"
    m = ", ".join(f"{float(value):.4g}" for value in moments.signal[:12])
    s = ", ".join(f"{float(value):.4g}" for value in moments.total[:12])
    return f"M = diag({m}), Sigma = diag({s})" + (" ..." if model.d > 12 else "")


def _runs(runs: Sequence[RunOverlay]) -> list[str]:
    heads = "".join(f'<th scope="col"{_align(head)}>{head}</th>' for head in HEADS)
    rows = [_row(run) for run in runs[:SHOWN_ROWS]]
    if len(runs) > SHOWN_ROWS:
        words = f"{len(runs) - SHOWN_ROWS} more in overlay.json"
        rows.append(f'<tr><td colspan="{len(HEADS)}">{words}</td></tr>')
    table = ['<div class="wide"><table>', f"<thead><tr>{heads}</tr></thead><tbody>", *rows]
    table += ["</tbody></table></div>"]
    if len(runs) <= 16:
        return table
    return [f"<details><summary>{len(runs)} runs, one by one</summary>", *table, "</details>"]


def _row(run: RunOverlay) -> str:
    rate, passed = run.contraction, ", ".join(s.id for s in run.saddles) or "-"
    cells: Iterable[str] = (
        run.run,
        run.stratum_reached or "-",
        "yes" if run.predicted else "no",
        run.status,
        str(run.steps),
        _number(run.distance_initial),
        _number(run.distance_final),
        _rate(rate.measured),
        _rate(rate.predicted),
        passed,
        run.note or "-",
    )
    pairs = zip(HEADS, cells, strict=True)
    return "<tr>" + "".join(f"<td{_align(h)}>{escape(c)}</td>" for h, c in pairs) + "</tr>"


def _align(head: str) -> str:
    return ' class="n"' if head in NUMBERS else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"
