"""The table of named choices and its errors."""

import pytest

from mhclf.errors import (
    AuditError,
    ConfigError,
    DataError,
    MhclfError,
    MhclfWarning,
    MissingDependencyError,
    RunError,
)
from mhclf.registry import Registry, nearest


@pytest.fixture
def poolings():
    registry = Registry("pooling")
    for name in ("mean", "cls", "attention"):
        registry.register(name)(name.upper())
    return registry


def test_entries_are_found_by_name_and_listed_sorted(poolings):
    assert poolings.get("cls") == "CLS"
    assert list(poolings) == ["attention", "cls", "mean"]
    assert "mean" in poolings and "MEAN" not in poolings


def test_register_returns_the_entry_unchanged(poolings):
    @poolings.register("max")
    def maximum():
        return 7

    assert maximum() == 7 and poolings.get("max") is maximum


def test_unknown_name_lists_what_exists_and_the_nearest(poolings):
    with pytest.raises(ConfigError) as error:
        poolings.get("attenton")
    assert str(error.value) == ("Unknown pooling 'attenton'. Did you mean 'attention'? Known: attention, cls, mean.")
    with pytest.raises(ConfigError) as error:
        poolings.get("zzz")
    assert str(error.value) == "Unknown pooling 'zzz'. Known: attention, cls, mean."


def test_a_name_is_taken_once(poolings):
    with pytest.raises(ConfigError) as error:
        poolings.register("mean")(str)
    assert str(error.value) == "The pooling 'mean' is registered already; choose another name."
    assert poolings.get("mean") == "MEAN"


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("finetun", ["finetune", "supcon"], " Did you mean 'finetune'?"),
        ("xyz", ["finetune", "supcon"], ""),
        ("", ["finetune"], ""),
        ("demo", [], ""),
    ],
)
def test_nearest(name, choices, expected):
    assert nearest(name, choices) == expected


def test_exit_codes_of_the_front_doors():
    codes = {kind: kind.exit_code for kind in (ConfigError, DataError, MissingDependencyError, AuditError, RunError)}
    assert codes == {ConfigError: 2, DataError: 2, MissingDependencyError: 2, AuditError: 3, RunError: 1}
    assert all(issubclass(kind, MhclfError) for kind in codes)
    assert not issubclass(MhclfWarning, MhclfError)
