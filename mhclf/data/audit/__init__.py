"""What is wrong with a data set, found before training: leaks, overlaps, conflicts, shortcuts, damage."""

from mhclf.data.audit.leaks import Finding, audit, findings_as_json, text_key

__all__ = ["Finding", "audit", "findings_as_json", "text_key"]
