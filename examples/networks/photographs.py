"""Does a network collapse on photographs? Four methods on 5,000 CIFAR-10 images, minutes on one core.

    python examples/networks/photographs.py cifar10_small.npz

A narrow ResNet-8 at 16 x 16 pixels. Any .npz with x_train, y_train, x_test, y_test (uint8) will do.
Draws the runs and prints each one's verdict, with the precision it was computed in.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from empirical.experiments.papers.script import check_places, guarded
from empirical.networks.session import train_as_typed
from empirical.runs.folder import RunFolder
from equilibria.files.write import atomic

RUNS = {
    "SimSiam": {"method": "simsiam"},
    "without stop-gradient": {"method": "joint"},
    "BYOL, 0.99": {"method": "byol", "ema": "0.99"},
    "DirectPred": {"method": "direct-pred"},
}
COMMON = {
    "backbone": "resnet8", "head": "256,128", "predictor_dim": "32", "image_size": "16",
    "min_crop": "0.35", "weight_decay": "1e-3", "lr": "0.3", "log_every": "76",
}  # fmt: skip


def main(data: str, epochs: str, precision: str, plot: str) -> int:
    """Train all four and draw what metrics.jsonl holds."""
    check_places(plot, None)
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    panels = [
        ("std", "std of z/|z| times √d"),
        ("effective_rank", "effective rank"),
        ("knn", "kNN"),
    ]
    with tempfile.TemporaryDirectory() as place:
        for name, given in RUNS.items():
            folder = Path(place) / name
            result = train_as_typed(
                **COMMON, **given, dataset=data, epochs=epochs, precision=precision,
                out=str(folder), progress=True,
            )  # fmt: skip
            print(f"--- {name}", *result.lines[:-1], f"{result.data['seconds']:.0f} s", sep="\n")
            metrics = RunFolder.open(folder).metrics()
            for axis, (key, _) in zip(axes, panels, strict=True):
                (line,) = axis.plot([m["step"] for m in metrics], [m[key] for m in metrics])
                line.set_label(name)
                if key == "knn":  # online it has a part of the images; at the end all of them
                    end, last = metrics[-1]["step"], result.data["knn"]
                    axis.plot([end], [last], "o", color=line.get_color())
    for axis, (key, title) in zip(axes, panels, strict=True):
        if key == "knn":
            axis.axhline(result.data["initial"]["knn_pixels"], color="grey", ls=":", label="pixels")
        axis.set(title=title, xlabel="step", ylim=(0, None))
    axes[2].legend(fontsize=7)
    with atomic(plot, "--plot", binary=True) as stream:
        figure.savefig(stream, format=Path(plot).suffix[1:], dpi=110)
    return 0


if __name__ == "__main__":
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("data", metavar="DATA.npz", help="the images")
    words.add_argument("--epochs", default="42", help="of each of the four (42)")
    words.add_argument(
        "--precision", default="auto", help="fp32, bf16, or what this machine is fast in (auto)"
    )
    words.add_argument(
        "--plot", metavar="F.png", default=str(Path(__file__).with_name("photographs.png")),
        help="the figure (photographs.png beside this file)",
    )  # fmt: skip
    given = words.parse_args()
    sys.exit(guarded(lambda: main(given.data, given.epochs, given.precision, given.plot)))
