"""How an equilibrium looks: filling and dashes carry the verdict, Okabe-Ito colours repeat it.

Solid and filled is stable, dashed and hollow unstable, dotted or hollow with a dot undecided,
dash-dotted or half filled stable for the flow but not for the map at this step size, and filled in
the lower half stable at some points of a family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equilibria.files.escaping import escape
from equilibria.report.portrait import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType

COLOURS = {
    Standing.STABLE: "#009E73",
    Standing.PART: "#009E73",
    Standing.FLOW_ONLY: "#0072B2",
    Standing.UNSTABLE: "#D55E00",
    Standing.UNDECIDED: "#CC79A7",
}
DASHES: dict[Standing, LineStyleType] = {
    Standing.STABLE: "-",
    Standing.PART: (0, (6, 1, 1, 1, 1, 1)),
    Standing.FLOW_ONLY: "-.",
    Standing.UNSTABLE: "--",
    Standing.UNDECIDED: ":",
}
NULLCLINE_P, NULLCLINE_W = "#56B4E9", "#E69F00"
FIELD, FAINT, INK = "0.78", "0.6", "0.15"
BELOW: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.12), "borderpad": 0.2}


def drawable(text: str, width: int = 40) -> str:
    """Return text on one line, at most `width` characters, that the font can draw."""
    shown = "".join(c if ord(c) < 0x500 or c in "²√≥≤→×·" else "?" for c in escape(text))
    return shown if len(shown) <= width else shown[: width - 3] + "..."


def note(
    axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], ha: str, va: str
) -> None:
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=ha,
        va=va,
        fontsize=8.5,
        color=INK,
        zorder=7,
        bbox={
            "boxstyle": "round,pad=0.15",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.8,
        },
    )


def marker(
    axes: Axes, x: float, y: float, kind: Standing, *, gid: str | None = None, size: float = 9.0
) -> None:
    """Draw one equilibrium: filled, half filled, hollow, or hollow with a dot."""
    axes.plot([x], [y], **marker_style(kind, size), zorder=6, clip_on=False, gid=gid)
    if kind is Standing.UNDECIDED:
        axes.plot([x], [y], marker=".", markersize=size / 3, color=COLOURS[kind], zorder=6.1)


def marker_style(kind: Standing, size: float = 9.0) -> dict[str, Any]:
    filled = kind in (Standing.STABLE, Standing.PART, Standing.FLOW_ONLY)
    halves = {Standing.FLOW_ONLY: "left", Standing.PART: "bottom"}
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": size,
        "fillstyle": halves.get(kind, "full"),
        "markerfacecolor": COLOURS[kind] if filled else "white",
        "markerfacecoloralt": "white",
        "markeredgecolor": COLOURS[kind],
        "markeredgewidth": 1.7,
    }
