"""Partial collapse against model width and data-set size, and what it costs (Li, Efros, Pathak 2022).

    python examples/li2022_width.py [--seed N] [--plot F] [--out F]
    python examples/li2022_width.py --full --data-root DIR   # a GPU

ResNet-8 in three widths, and one width on shares of 5,000 photographs of CIFAR-10, four seeds each, a
quarter of an hour on one core; the same networks' linear probes; and linear networks, whose rank is
predicted exactly.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers.li_2022 import probe, width
from empirical.experiments.papers.li_2022_rank import rank
from empirical.experiments.papers.script import COLOURS, data_root, run_script


def draw(figure, answers):
    """The metric over width and over data, the probe over the metric, ranks against prediction."""
    grid = figure.subplots(2, 2)
    cells, told = answers[0].numbers.get("cells", []), answers[1].numbers
    sides = {"width": [c for c in cells if c["share"] == 1]}
    one = [c["width"] for c in cells if c["share"] < 1]
    sides["share"] = [c for c in cells if one and c["width"] == one[0]]
    labels = {
        "width": "width of ResNet-8 (all data)",
        "share": f"share of the data (width {one[:1]})",
    }
    for axes, (key, some) in zip(grid[0], sides.items(), strict=True):
        for cell in some:
            each = [run["excess"] for run in cell["runs"]]
            axes.plot([cell[key]] * len(each), each, "o", color=COLOURS[0], alpha=0.4, ms=4, mew=0)
        order = sorted(some, key=lambda cell: cell[key])
        at = [c[key] for c in order]
        axes.plot(at, [c["excess"] for c in order], color=COLOURS[0], label="trained")
        first = [answers[0].numbers["untrained"][f"{c['width']:g}"] for c in order]
        axes.plot(at, first, "--", color="0.5", label="after one step")
        axes.set(xscale="log", xlabel=labels[key].replace("[", "").replace("]", ""))
        axes.set_xticks(at, [f"{x:g}" for x in at], minor=False)
        axes.minorticks_off()
        axes.set_ylabel("collapse: 0 flat, 1 rank one")
    if cells:
        grid[0, 0].legend(loc="upper right")
    scatter(grid[1, 0], cells, told)
    ranks(grid[1, 1], answers[2].numbers["cells"])


def scatter(axes, cells, told):
    """A mark for every network."""
    for k, cell in enumerate(cells):
        points = np.array([(run["excess"], 100 * run["probe"]) for run in cell["runs"]])
        label = f"width {cell['width']:g}, {100 * cell['share']:g} % of the data"
        axes.plot(*points.T, "os^Dv"[k % 5], color=COLOURS[k % len(COLOURS)], ms=5, label=label)
    if told:
        axes.legend(fontsize=7)
        rho = told["correlations"]["all runs"]["Spearman"]
        axes.set_title(f"Spearman {rho['value']:+.2f} ({rho['low']:+.2f} to {rho['high']:+.2f})")
    else:
        axes.text(0.5, 0.5, "not tried: no images", ha="center", transform=axes.transAxes)
    axes.set(xlabel="collapse", ylabel="linear probe (%)")


def ranks(axes, cells):
    """Predicted steps and measured marks, a colour a width."""
    for k, n in enumerate(sorted({cell["width"] for cell in cells})):
        some = [cell for cell in cells if cell["width"] == n]
        at = list(range(len(some)))
        axes.step(at, [c["predicted"] for c in some], where="mid", color=COLOURS[k], alpha=0.5)
        for x, cell in zip(at, some, strict=True):
            axes.plot([x] * len(cell["measured"]), cell["measured"], "o", color=COLOURS[k], ms=5)
        axes.plot([], [], "o-", color=COLOURS[k], label=f"n = {n}")
        axes.set_xticks(at, [cell["decay"] for cell in some])
    axes.set(xlabel="weight decay", ylabel="rank of W", ylim=(0, None))
    axes.set_title("linear networks: predicted (line), measured (dot)")
    axes.legend()


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (width, probe, rank), draw, size=(9.6, 7.0), more=data_root()))
