"""The contract of every attribution method: one signed score a word, with offsets, target, settings, convergence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.data.spans import Span
from mhclf.registry import Registry

_PAGE = jinja2.Environment(autoescape=True).from_string(
    """<figure style="font-family:sans-serif;line-height:2;margin:0 0 1em">
<figcaption><b>{{ a.target }}</b> ({{ "%.2f"|format(a.probability) }}), {{ a.method.replace("_", " ") }}
{% if a.converged is sameas false %}, <em>not converged</em>{% endif %}</figcaption>
<p>{% for piece, score, color in pieces %}{% if color %}<span title="{{ "%+.3f"|format(score) }}"
style="background:{{ color }};border-radius:3px;padding:0 1px;color:#111">{{ piece }}</span>
{%- else %}{{ piece }}{% endif %}{% endfor %}</p>
<small>orange speaks for the label, blue against it; darker is stronger</small></figure>"""
)


@dataclass(frozen=True)
class Attribution:
    """What each word of a post adds to the explained quantity.

    Attributes
    ----------
    text : str
        The post.
    words : tuple of (start, end)
        Character offsets of the words, in order.
    scores : tuple of float
        One signed score a word; words that the model does not read have 0.
    target : str
        The label whose logit is explained, or `a rather than b` for a difference of two.
    probability : float
        The model's probability of that label.
    method : str
    settings : dict
        Everything that the method's result depends on.
    completeness_gap : float or None
        Difference between the sum of all scores (special tokens included) and the change of the quantity, relative
        to that change; None where the method promises no sum.
    converged : bool or None
        Whether the gap is small enough; None where there is none.
    seen : tuple of bool
        Which words the model reads; empty where it reads all.
    """

    text: str
    words: tuple[Span, ...]
    scores: tuple[float, ...]
    target: str
    probability: float
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    completeness_gap: float | None = None
    converged: bool | None = None
    seen: tuple[bool, ...] = ()

    @property
    def unread(self) -> int:
        """Words that the model does not read: behind `max_length`, or signs that its tokenizer drops."""
        return self.seen.count(False)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the `count` words that speak most for the target, strongest first."""
        order = sorted(range(len(self.words)), key=lambda index: -self.scores[index])[:count]
        return [(self.text[slice(*self.words[index])], self.scores[index]) for index in order]

    def __repr__(self) -> str:
        """Name what is explained, without the post: it may stand in a log."""
        return f"Attribution({self.target!r} ({self.probability:.2f}), {self.method}, {len(self.words)} words)"

    def _repr_html_(self) -> str:
        """Return the post with its words shaded, for notebooks; everything is escaped."""
        largest = max((abs(score) for score in self.scores), default=0.0) or 1.0
        pieces: list[tuple[str, float, str]] = []
        position = 0
        for (start, end), score in zip(self.words, self.scores, strict=True):
            pieces.append((self.text[position:start], 0.0, ""))
            strength = abs(score) / largest
            # Okabe-Ito orange and blue: told apart by colour-blind readers.
            color = f"rgba({'230,159,0' if score > 0 else '86,180,233'},{strength:.2f})" if strength > 0.05 else ""
            pieces.append((self.text[start:end], score, color))
            position = end
        pieces.append((self.text[position:], 0.0, ""))
        return _PAGE.render(a=self, pieces=pieces)


@dataclass(frozen=True)
class WordScores:
    """What a method finds for one post: a signed score a word, what it depends on, and whether it converged."""

    scores: npt.NDArray[np.float64]
    settings: dict[str, Any] = field(default_factory=dict)
    completeness_gap: float | None = None
    converged: bool | None = None


Method = Callable[[ExplainedModel, Sequence[ReadPost], Sequence[Target], int], list[WordScores]]
"""Explain posts, each for its target: model, posts, targets, seed (for methods that draw)."""

METHODS: Registry[Method] = Registry("attribution method")
