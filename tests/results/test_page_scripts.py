"""The tables of the pages in a real browser: filter, sort, texts hidden until asked for. Skipped without Chromium."""

import pandas as pd
from browser import looked_at, needs_browser

from mhclf.results.compare import write_comparison
from mhclf.results.report import write_report

pytestmark = needs_browser

PROBE = """
  var find = function (id) { return document.getElementById(id); };
  var bodies = function () {
    return Array.from(find("post-table").tBodies).filter(function (body) { return !body.hidden; });
  };
  var column = function (k) { return bodies().map(function (body) { return body.rows[0].cells[k].textContent; }); };
  var choose = function (id, value) { find(id).value = value; find(id).dispatchEvent(new Event("change")); };
  var texts = function () {
    return Array.from(document.querySelectorAll("tr.text")).filter(function (row) { return !row.hidden; }).length;
  };
  seen.start = column(0);
  seen.shown = find("shown").textContent;
  seen.texts_at_start = texts();
  choose("filter-outcome", "");
  seen.all = bodies().length;
  choose("filter-gold", "1");
  seen.gold = column(1);
  choose("filter-gold", "");
  var head = find("post-table").tHead.rows[0].cells[0];
  head.querySelector("button").click();
  seen.rising = column(0);
  seen.direction = head.getAttribute("aria-sort");
  head.querySelector("button").click();
  seen.falling = column(0);
  document.querySelector("button.show-text").click();
  seen.texts_after_one = texts();
  find("mask-texts").checked = true;
  find("mask-texts").dispatchEvent(new Event("change"));
  seen.masked = Array.from(document.querySelectorAll(".post")).every(function (post) {
    return !/[a-z0-9]/i.test(post.textContent);
  });
  find("show-texts").click();
  seen.texts_after_all = texts();
  seen.buttons_in_head = find("post-table").tHead.querySelectorAll("button").length;
"""


def test_the_report_filters_sorts_and_hides_texts(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    frame = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    texts = {name: f"text of {name}" for name in frame["id"]}
    seen = looked_at(write_report(folder, texts), PROBE, tmp_path)
    wrong = frame[frame["gold"] != frame["prediction"]]
    assert set(seen["start"]) == set(wrong["id"])
    assert seen["shown"] == f"{len(wrong)} of {len(wrong)} matching posts shown."
    assert (seen["texts_at_start"], seen["texts_after_one"], seen["texts_after_all"]) == (0, 1, 60)
    assert seen["all"] == 50  # a page of them
    assert set(seen["gold"]) == {"Depression"}
    assert seen["direction"] == "ascending"
    assert seen["rising"] == sorted(seen["rising"]) and seen["falling"] == sorted(seen["falling"], reverse=True)
    assert seen["rising"][0] == "post-0000" and seen["falling"][0] == "post-0059"
    assert seen["masked"] and seen["buttons_in_head"] == 6


def test_the_comparison_filters_sorts_and_hides_texts(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    second = make_run(tmp_path / "second", method="other")
    frame = pd.read_parquet(first / "predictions.parquet")
    changed = frame.assign(prediction=["Anxiety"] * len(frame))
    changed.to_parquet(second / "predictions.parquet")
    texts = {name: f"text of {name}" for name in frame["id"]}
    seen = looked_at(write_comparison([first, second], tmp_path / "page.html", texts), PROBE, tmp_path)
    differ = frame.query("split == 'test' and prediction != 'Anxiety'")
    assert set(seen["start"]) == set(differ["id"])
    assert (seen["texts_at_start"], seen["texts_after_one"], seen["texts_after_all"]) == (0, 1, len(differ))
    assert seen["rising"] == sorted(differ["id"]) and seen["falling"] == sorted(differ["id"], reverse=True)
    assert set(seen["gold"]) == {"Depression"}
    assert seen["masked"] and seen["buttons_in_head"] == 4
