"""The order of the data: multi-epoch, single-pass, cumulative and hybrid (Li, Efros, Pathak 2022).

    python examples/li2022_continual.py [--seed N] [--plot F] [--out F]
    python examples/li2022_continual.py --full --data-root DIR   # a GPU

ResNet-8 of half width on 5,000 photographs of CIFAR-10, six seeds each, twenty minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers.li_2022 import continual
from empirical.experiments.papers.script import COLOURS, data_root, run_script

PANELS = (
    ("excess", 1.0, "collapse: 0 flat, 1 rank one"),
    ("rank", 1.0, "effective rank of 64"),
    ("probe", 100.0, "linear probe (%)"),
)


def draw(figure, answers):
    """Three numbers for each order; seeds are joined by thin lines."""
    rows = answers[0].numbers.get("rows", {})
    for axes, (key, scale, label) in zip(figure.subplots(1, 3), PANELS, strict=True):
        table = [[scale * run[key] for run in row["runs"]] for row in rows.values()]
        for seed in zip(*table, strict=True):
            axes.plot(range(len(rows)), seed, "-", color="0.8", lw=0.8, zorder=0)
        for k, each in enumerate(table):
            axes.plot([k] * len(each), each, "o", color=COLOURS[k], alpha=0.6, ms=5, mew=0)
            axes.plot([k], [sum(each) / len(each)], "_", color="black", ms=16, mew=2)
        axes.set_xticks(range(len(rows)), rows, rotation=20)
        axes.set_ylabel(label)


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (continual,), draw, size=(9.6, 3.4), more=data_root()))
