"""Which sets are kept out of learning, and that these are all that share posts by experts with a set."""

import pytest

from mhclf.data.audit.survey import shared_rows
from mhclf.data.load import load_table
from mhclf.data.locate import dataset_names, find_dataset
from mhclf.generation.keeping_out import sets_kept_out


def kept_out(name: str, *names: str) -> set[str]:
    return set(sets_kept_out(find_dataset(name).config, names))


def test_either_of_two_sets_may_name_the_other() -> None:
    assert kept_out("imhi_dr", "experts") == {"imhi_dr_expert"}
    # imhi_irf_expert names imhi_multiwd, which does not name it.
    assert "imhi_irf_expert" not in find_dataset("imhi_multiwd").config.shares_text_with
    assert "imhi_irf_expert" in kept_out("imhi_multiwd", "experts")
    assert kept_out("demo", "experts") == set()


def test_names_are_taken_as_they_are_and_a_set_is_not_kept_out_of_itself() -> None:
    assert kept_out("imhi_dr", "imhi_sad", "imhi_dr", "imhi_sad") == {"imhi_sad"}
    assert "imhi_irf_expert" not in kept_out("imhi_irf_expert", "experts")


@pytest.mark.parametrize("name", ["imhi_irf", "imhi_multiwd", "wellxplain"])
def test_no_post_of_an_expert_is_learnt(name: str, data_root: str) -> None:
    table = load_table(name, data_root=data_root)
    learnt = table.select((table.frame["split"] != "test").to_numpy())
    experts = [other for other in dataset_names() if find_dataset(other).config.explanations == "expert"]
    meeting = {
        other
        for other in experts
        if not other.startswith("imhi_swmh") and shared_rows(learnt, load_table(other, data_root=data_root))
    }
    assert meeting
    assert meeting <= kept_out(name, "experts")
