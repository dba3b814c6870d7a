"""Put three figures of a run beside each other: the picture in the README.

python docs/first_run_picture.py runs/demo/<run> docs/img/first_run.png
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import imread

NAMES = ("layer_weights", "confusion_matrix", "representation_map")


def main(run: Path, target: Path) -> None:
    """Draw `figures/*.png` of `run` in one row."""
    images = [imread(run / "figures" / f"{name}.png") for name in NAMES]
    widths = [image.shape[1] / image.shape[0] for image in images]
    figure = Figure(figsize=(4 * sum(widths), 4))
    axes = figure.subplots(1, len(images), width_ratios=widths)
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image, interpolation="lanczos")
        axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.02)
    figure.savefig(target, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
