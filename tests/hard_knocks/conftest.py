"""Warm doors for the whole session, and tiny runs to harm."""

from collections.abc import Iterator

import pytest
from warm_doors import WarmDoors


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmDoors]:
    """Return the doors, warm."""
    warm = WarmDoors(tmp_path_factory.mktemp("doors"))
    yield warm
    warm.close()
