"""The picture of a post's shaded words."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from explain.attribution import Attribution
from explain.attribution_figure import attribution_figure
from mhclf.errors import DataError
from mhclf.results.style import BLUE, ORANGE
from mhclf.results.tables import format_number

TEXT = "My knee hurts,\nbut work $is$ fine."
WORDS = ((0, 2), (3, 7), (8, 13), (15, 18), (19, 23), (25, 27), (29, 33))
SCORES = (0.0, 1.0, 0.5, 0.01, -0.8, 0.0, -0.2)


def made(**changes):
    return Attribution(**({"text": TEXT, "words": WORDS, "scores": SCORES, "target": "body", "probability": 0.9,
                           "method": "occlusion"} | changes))  # fmt: skip


def test_words_are_shaded_by_sign_and_share_of_the_largest_score():
    (axes,) = attribution_figure([made()]).axes
    found = [(to_hex(box.get_facecolor()).upper(), format_number(box.get_alpha(), 3)) for box in axes.patches]
    # |0.01| is under a twentieth of the largest: no shade.
    assert found == [(ORANGE, "0.850"), (ORANGE, "0.425"), (BLUE, "0.680"), (BLUE, "0.170")]


def test_the_whole_post_stands_there_on_lines_that_fit():
    text = " ".join(f"word{number}" for number in range(80))
    spans = tuple((match, match + len(f"word{n}")) for n, match in enumerate(_starts(text)))
    figure = attribution_figure([made(text=text, words=spans, scores=(1.0,) * 80)])
    (axes,) = figure.axes
    shown = [item for item in axes.texts if item.get_text().startswith("word")]
    assert "".join(item.get_text() for item in shown) == text
    renderer = FigureCanvasAgg(figure).get_renderer()
    ends = [item.get_window_extent(renderer).x1 for item in shown]
    assert max(ends) <= figure.bbox.width
    assert len({item.get_position()[1] for item in shown}) > 3


def _starts(text):
    return np.cumsum([0, *(len(word) + 1 for word in text.split(" "))])[:-1].tolist()


def test_marked_words_are_underlined_and_nothing_is_read_as_mathematics():
    figure = attribution_figure([made(), made(method="random", target="work")], marked=[(3, 13)])
    (axes,) = figure.axes
    assert len(axes.lines) == 4
    assert [item.get_text() for item in axes.texts if item.get_fontweight() == "bold"] == [
        "body (0.90), occlusion",
        "work (0.90), random",
    ]
    assert any("underlined" in item.get_text() for item in axes.texts)
    assert "is$ " in "".join(item.get_text() for item in axes.texts)


def test_attributions_of_two_posts_are_refused():
    with pytest.raises(DataError, match="all of one post"):
        attribution_figure([made(), made(text=TEXT + "!")])
    with pytest.raises(DataError, match="one or more"):
        attribution_figure([])


def test_the_name_of_an_attribution_holds_no_post():
    assert repr(made()) == "Attribution('body' (0.90), occlusion, 7 words)"
