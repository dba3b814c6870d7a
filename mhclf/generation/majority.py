"""A backend that reads nothing: the most frequent label of train, the least that a model has to beat."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.generation.requests import Answer, Chances, Choose, Request


class MajorityBackend:
    """Gives each label the log of its share among the train rows, whatever the post.

    Parameters
    ----------
    table : PostTable
        With one label a post.

    Raises
    ------
    ConfigError
        If posts have several labels, or there is no train row.
    """

    def __init__(self, table: PostTable) -> None:
        train = table.part("train")
        if train.targets.ndim == 2 or not len(train):
            raise ConfigError(f"majority: {table.config.name} needs train rows with one label a post. Leave it out.")
        counts = np.bincount(train.targets, minlength=len(table.labels))
        # One row more of each label: the logarithm of a label without train rows is finite, the order stays.
        self._chances = tuple(np.log((counts + 1) / (counts + 1).sum()).tolist())

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the answers depend on."""
        return {"backend": "majority", "model": "majority", "chances": list(self._chances)}

    def shorten(self, text: str, tokens: int) -> str:
        """Return the text: nothing is read."""
        return text

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield the same scores for every post.

        Raises
        ------
        ConfigError
            If text is asked for.
        """
        for number, request in enumerate(requests):
            if not isinstance(request, Choose) or len(request.choices) != len(self._chances):
                raise ConfigError("majority: gives scores of labels only.")
            yield number, Chances(self._chances, (1,) * len(self._chances))
