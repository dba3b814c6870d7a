"""What is wrong with a data set, found before training: leaks, overlaps, conflicts, shortcuts, damage."""

from mhclf.data.audit.finding import Finding, findings_as_json
from mhclf.data.audit.leaks import audit, drop_shared, leaks_of
from mhclf.data.audit.survey import Survey, findings_of, survey

__all__ = [
    "Finding",
    "Survey",
    "audit",
    "drop_shared",
    "findings_as_json",
    "findings_of",
    "leaks_of",
    "survey",
]
