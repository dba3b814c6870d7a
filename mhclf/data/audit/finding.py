"""What the audit says: one finding a line, without post text."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing the audit found; `message` holds no post text."""

    check: str
    severity: Literal["note", "warning", "stop"]
    count: int
    message: str


def findings_as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """Return the findings as plain mappings for the manifest."""
    return [asdict(finding) for finding in findings]
