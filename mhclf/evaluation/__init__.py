"""Evaluation: pure functions on arrays. They know no model, no file and no tokenizer."""

from mhclf.evaluation.bootstrap import (
    SeedInterval,
    bootstrap_interval,
    classification_intervals,
    hierarchical_interval,
)
from mhclf.evaluation.classification import (
    HIGHER_IS_BETTER,
    confusion_matrix,
    higher_is_better,
    metric_names,
    scores,
    support,
)
from mhclf.evaluation.comparison import Comparison
from mhclf.evaluation.correctness import mcnemar, paired_correctness
from mhclf.evaluation.significance import holm, paired_bootstrap, paired_permutation
from mhclf.evaluation.validation import NO_ANSWER

__all__ = [
    "HIGHER_IS_BETTER",
    "NO_ANSWER",
    "Comparison",
    "SeedInterval",
    "bootstrap_interval",
    "classification_intervals",
    "confusion_matrix",
    "hierarchical_interval",
    "higher_is_better",
    "holm",
    "mcnemar",
    "metric_names",
    "paired_bootstrap",
    "paired_correctness",
    "paired_permutation",
    "scores",
    "support",
]
