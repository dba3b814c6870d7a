"""The committed audit: its table is made of its records, and neither holds a word of a post."""

import json
from pathlib import Path

from mhclf.results.audit_page import audit_markdown, audit_tables, read_audit_records, write_audit_page
from mhclf.results.tables import Strong

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
RECORDS = EXPERIMENTS / "results" / "audit.json"


def test_the_committed_table_is_made_of_the_committed_records():
    records, shared = read_audit_records(RECORDS)
    made = audit_markdown(records, shared, "python experiments/audit.py --all")
    assert made == (EXPERIMENTS / "tables" / "audit.md").read_text(encoding="utf-8")


def test_a_suspicious_shortcut_is_bold_and_a_single_set_is_a_list():
    records, _ = read_audit_records(RECORDS)
    therapist = next(record for record in records if record["name"] == "annomi_therapist")
    sizes, damage = audit_tables([therapist], [])
    cells = dict(sizes.rows)
    assert isinstance(cells["length alone"], Strong) and not isinstance(cells["label words alone"], Strong)
    assert cells["train / validation / test"] == "3,508 / 387 / 987" and cells["groups"] == "133"
    assert dict(damage.rows)["evidence found"] is None


def test_records_hold_numbers_and_names_only():
    content = json.loads(RECORDS.read_text(encoding="utf-8"))
    texts = []

    def walk(value):
        if isinstance(value, str):
            texts.append(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    walk(content)
    assert len(texts) > 100 and max(map(len, texts)) < 120


def test_the_page_of_one_set(tmp_path):
    records, shared = read_audit_records(RECORDS)
    findings = [{"severity": "note", "check": "left_out", "count": 1, "message": "1 row <b>was</b> left out."}]
    page = write_audit_page(tmp_path, records[:1], [], findings).read_text(encoding="utf-8")
    assert "&lt;b&gt;was" in page and "<b>was" not in page
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["classes.png", "length_of_the_posts.png"]
    assert "posts_that_sets_share.png" in {
        path.name for path in (write_audit_page(tmp_path / "all", records, shared).parent / "figures").iterdir()
    }
