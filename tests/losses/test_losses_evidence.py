"""Learning from marked words: the losses by hand, their gradients, marks of tokens."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from mhclf.config.loss import ContrastiveConfig, EvidenceConfig, LossConfig
from mhclf.data.tokens import token_marks
from mhclf.losses.classification import Targets
from mhclf.losses.evidence import attention_evidence, mean_over_processes, token_evidence
from mhclf.losses.objective import Objective, TrainFacts
from mhclf.models.aggregation import Aggregated
from mhclf.models.network import NetworkOutput

MARKS = torch.tensor([[-1, 1, 0, 1, -1], [-1, 0, 0, -1, -1], [-1, -1, -1, -1, -1]])
ATTENTION = torch.tensor([[0.5, 0.1, 0.1, 0.2, 0.1], [0.2, 0.4, 0.4, 0.0, 0.0], [0.2] * 5])


def test_attention_by_hand():
    # Over the post's own tokens: 1/4, 1/4, 2/4; marked are the first and the last.
    losses = attention_evidence(ATTENTION, MARKS)
    assert losses.tolist() == [pytest.approx(-(math.log(0.25) + math.log(0.5)) / 2, rel=1e-5)]


def test_attention_that_follows_the_experts_costs_least():
    attention = ATTENTION[:1].clone().requires_grad_()
    attention_evidence(attention, MARKS[:1]).sum().backward()
    assert attention.grad[0, 1] < 0 < attention.grad[0, 2]
    assert attention.grad[0, 1] < attention.grad[0, 3] < attention.grad[0, 2]
    assert attention.grad[0, 0] == 0, "special tokens have no say"
    even = torch.tensor([[0.9, 0.05, 0.0, 0.05, 0.0]])
    assert float(attention_evidence(even, MARKS[:1])) == pytest.approx(math.log(2), rel=1e-5)


def test_tokens_by_hand():
    logits = torch.tensor([[9.0, 1.0, -1.0, 2.0, 9.0], [9.0, 0.0, 1.0, 9.0, 9.0], [1.0] * 5])
    losses = token_evidence(logits, MARKS)
    first = functional.binary_cross_entropy_with_logits(torch.tensor([1.0, -1, 2]), torch.tensor([1.0, 0, 1]))
    second = functional.binary_cross_entropy_with_logits(torch.tensor([0.0, 1]), torch.tensor([0.0, 0]))
    assert losses.tolist() == [pytest.approx(float(first)), pytest.approx(float(second))]


def test_no_evidence_costs_nothing_and_leaves_a_zero_gradient():
    logits = torch.ones(1, 5, requires_grad=True)
    loss = mean_over_processes(token_evidence(logits, MARKS[2:]), logits)
    loss.backward()
    assert float(loss) == 0 and logits.grad.abs().sum() == 0


@pytest.mark.parametrize("value", [0.0, 1e-30])
def test_attention_on_nothing_stays_finite(value):
    attention = torch.full((1, 5), value, requires_grad=True)
    loss = attention_evidence(attention, MARKS[:1]).sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(attention.grad).all()


def test_the_objective_adds_both_terms_by_their_ramp():
    facts = TrainFacts("multiclass", torch.tensor([1, 1]), 2)
    evidence = EvidenceConfig(attention_weight=0.5, head_weight=2.0, ramp="linear", ramp_share=0.5)
    objective = Objective(facts, LossConfig(), ContrastiveConfig(weight=0), evidence)
    logits, tokens = torch.zeros(2, 2), torch.ones(2, 5)
    output = NetworkOutput(logits, Aggregated(logits), evidence=tokens, attention=ATTENTION[:2])
    parts = objective(output, Targets(torch.tensor([0, 1])), 0.25, MARKS[:2])
    expected = 0.5 * attention_evidence(ATTENTION[:2], MARKS[:2]).mean() + 2 * token_evidence(tokens, MARKS[:2]).mean()
    assert float(parts.evidence) == pytest.approx(float(expected))
    assert parts.evidence_weight == pytest.approx(0.5)
    assert float(parts.total) == pytest.approx(math.log(2) + 0.5 * float(expected), rel=1e-5)
    without = objective(output, Targets(torch.tensor([0, 1])), 0.25)
    assert without.evidence is None and float(without.total) == pytest.approx(math.log(2))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=8), st.integers(0, 20), st.integers(1, 9))
def test_a_token_is_marked_where_it_overlaps(tokens, start, length):
    places = [(0, 0), *((at, at + size) for at, size in tokens), (0, 0)]
    marks = token_marks(places, [(start, start + length)])
    assert marks[0] == marks[-1] == -1
    for (a, b), mark in zip(places[1:-1], marks[1:-1], strict=True):
        assert mark == int(a < start + length and start < b)
    assert token_marks(places, []) == [-1] * len(places)
