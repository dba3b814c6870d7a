"""Evaluation: pure functions on arrays. They know no model, no file and no tokenizer."""

from mhclf.evaluation.agreement import Estimate, exact_agreement, icc, spearman, weighted_kappa
from mhclf.evaluation.averages import Average, average
from mhclf.evaluation.bootstrap import (
    SeedInterval,
    bootstrap_interval,
    classification_intervals,
    hierarchical_interval,
)
from mhclf.evaluation.calibration import brier_score, expected_calibration_error, negative_log_likelihood
from mhclf.evaluation.classification import (
    HIGHER_IS_BETTER,
    confusion_matrix,
    higher_is_better,
    metric_names,
    scores,
    support,
)
from mhclf.evaluation.comparison import Comparison
from mhclf.evaluation.correctness import mcnemar, paired_correctness, paired_means
from mhclf.evaluation.coverage import CoverageScores, coverage_scores
from mhclf.evaluation.evidence_agreement import attribution_agreement, mask_agreement
from mhclf.evaluation.grounding import grounded_share, quote_counts
from mhclf.evaluation.risk import RiskLabels, RiskTable, risk_labels, risk_metrics, risk_table
from mhclf.evaluation.selective import RiskCoverage, aurc, excess_aurc, risk_coverage
from mhclf.evaluation.significance import holm, paired_bootstrap, paired_permutation
from mhclf.evaluation.slices import Slice, SliceScores, category_slices, numeric_slices, slice_scores
from mhclf.evaluation.temperature import Temperature, fit_temperature, scale_by_temperature
from mhclf.evaluation.text_overlap import bleu, chrf, corpus_bleu, corpus_chrf, corpus_distinct, distinct, rouge
from mhclf.evaluation.thresholds import (
    LabelThreshold,
    decide_by_thresholds,
    fit_threshold,
    fit_thresholds,
)
from mhclf.evaluation.validation import NO_ANSWER

__all__ = [
    "HIGHER_IS_BETTER",
    "NO_ANSWER",
    "Average",
    "Comparison",
    "CoverageScores",
    "Estimate",
    "LabelThreshold",
    "RiskCoverage",
    "RiskLabels",
    "RiskTable",
    "SeedInterval",
    "Slice",
    "SliceScores",
    "Temperature",
    "attribution_agreement",
    "aurc",
    "average",
    "bleu",
    "bootstrap_interval",
    "brier_score",
    "category_slices",
    "chrf",
    "classification_intervals",
    "confusion_matrix",
    "corpus_bleu",
    "corpus_chrf",
    "corpus_distinct",
    "coverage_scores",
    "decide_by_thresholds",
    "distinct",
    "exact_agreement",
    "excess_aurc",
    "expected_calibration_error",
    "fit_temperature",
    "fit_threshold",
    "fit_thresholds",
    "grounded_share",
    "hierarchical_interval",
    "higher_is_better",
    "holm",
    "icc",
    "mask_agreement",
    "mcnemar",
    "metric_names",
    "negative_log_likelihood",
    "numeric_slices",
    "paired_bootstrap",
    "paired_correctness",
    "paired_means",
    "paired_permutation",
    "quote_counts",
    "risk_coverage",
    "risk_labels",
    "risk_metrics",
    "risk_table",
    "rouge",
    "scale_by_temperature",
    "scores",
    "slice_scores",
    "spearman",
    "support",
    "weighted_kappa",
]
