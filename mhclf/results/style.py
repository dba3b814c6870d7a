"""What all pictures share: colours, type, names that fit, and files that are the same byte for byte."""

import io
import textwrap
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from mhclf.results.escape import plain
from mhclf.results.files import write_bytes

# Okabe and Ito, https://jfly.uni-koeln.de/color/; yellow last, it is faint on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
BLUE, ORANGE, GREEN, RED = PALETTE[:4]
DARK, GREY, FAINT = "#374151", "#6b7280", "#d1d5db"
_BLACK = "#111827"
_STYLE: dict[str, Any] = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "text.usetex": False, "text.parse_math": True,
    "font.size": 9.0, "axes.titlesize": 10.0, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.titlepad": 8.0, "axes.labelsize": 9.0, "axes.labelcolor": "#374151", "text.color": _BLACK,
    "axes.edgecolor": "#9ca3af", "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False,
    "xtick.color": "#4b5563", "ytick.color": "#4b5563", "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "axes.grid": False, "grid.color": "#e5e7eb", "grid.linewidth": 0.7, "axes.axisbelow": True,
    "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.6, "image.cmap": "Blues",
}  # fmt: skip
_OTHER_SCRIPTS = ("Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC",
                  "Hiragino Sans GB", "SimHei", "Arial Unicode MS")  # fmt: skip
Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Run a drawing function in our style and leave the caller's settings as they are."""

    @wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.rc_context(_settings()):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()
        return figure

    return drawn


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG at 150 dots per inch, atomically; no time and no version stands in the file."""
    stream = io.BytesIO()
    with matplotlib.rc_context(_settings()):
        figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return write_bytes(Path(path), stream.getvalue())


def title(figure: Figure, heading: str, sentence: str = "") -> None:
    """Write a heading and, in plain type below it, a sentence wrapped to the figure's width."""
    wide, high = figure.get_size_inches()
    lines = textwrap.wrap(text_only(sentence), max(30, int(wide * 13.5)))
    reserved = 0.36 + 0.165 * len(lines)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - reserved / high))
    left, top = 0.1 / wide, 1 - 0.1 / high
    figure.text(left, top, text_only(heading), ha="left", va="top", fontsize=11.5, fontweight="bold")
    figure.text(left, 1 - 0.33 / high, "\n".join(lines), ha="left", va="top", color=GREY, linespacing=1.25)


def bare(axes: Axes, *, grid: str = "y") -> None:
    """Give axes a faint grid in one direction and no tick marks."""
    axes.grid(visible=True, axis="both" if grid == "both" else "x" if grid == "x" else "y")
    axes.tick_params(length=0)


def tick_names(axes: Axes, names: Sequence[str], *, turned: bool) -> None:
    """Write names below the places 0, 1, ..., slanted where they would not fit side by side."""
    if turned:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(range(len(names)), names)


def cell_text(image: AxesImage, row: int, column: int, text: str, *, size: float = 8.0) -> None:
    """Write a text onto one cell of a heat map, in black or white, whichever contrasts more with the cell's colour."""
    colour = image.to_rgba(np.ma.asarray(image.get_array())[row, column])
    ink = max(("white", _BLACK), key=lambda name: _contrast(to_rgb(name), tuple(colour[:3])))
    image.axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def _contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the contrast of two sRGB colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    parts = np.asarray(colour, dtype=np.float64)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def text_only(text: str) -> str:
    """Return `text` on one line so that matplotlib never reads mathematics into it."""
    return plain(text).replace("$", r"\$")


def display_names(labels: Sequence[str], width: int = 26) -> list[str]:
    """Return names that fit and can be drawn: shortened, still distinct, numbered where the font lacks signs.

    A label with characters that no installed font of ours has (Chinese, for instance) becomes `label 3`,
    counted from 1 in the order of `labels`.
    """
    whole = [plain(label) if _drawable(plain(label)) else f"label {number}" for number, label in enumerate(labels, 1)]
    names = [_shorten(name, width, 0) for name in whole]
    names = [
        _shorten(full, width, width // 3) if names.count(name) > 1 else name
        for full, name in zip(whole, names, strict=True)
    ]
    names = [f"{name} ({k})" if names.count(name) > 1 else name for k, name in enumerate(names, 1)]
    return [name.replace("$", r"\$") for name in names]


def _shorten(name: str, width: int, tail: int) -> str:
    """Return a name of at most `width` characters; what is cut stands before the last `tail` ones."""
    if len(name) <= width:
        return name
    return f"{name[: width - 1 - tail].rstrip()}\u2026{name[len(name) - tail :].lstrip()}"


def percent(value: float, _place: float | None = None) -> str:
    """Return a share as per cent, for the ticks of an axis."""
    return f"{100 * value:.3g} %"


def ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """Return part / whole, NaN for an empty whole."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _settings() -> Any:
    """Return our settings with the font families that are installed."""
    return {**_STYLE, "font.family": list(_families())}


@cache
def _families() -> tuple[str, ...]:
    """Return DejaVu Sans and, where installed, a family with other scripts."""
    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *[name for name in _OTHER_SCRIPTS if name in installed][:1])


@cache
def _drawable(text: str) -> bool:
    """Return whether our families have a glyph for every character."""
    known: set[int] = set()
    for family in _families():
        known.update(FT2Font(font_manager.findfont(family)).get_charmap())
    return all(ord(sign) in known or sign.isspace() for sign in text)
