"""The page of explanations in a real browser: filters, order, method, texts hidden until asked for."""

import json

import numpy as np
import pandas as pd
from browser import ON_CARDS, looked_at, needs_browser
from PIL import Image

from explain.items import Item
from explain.page import cards, write_explanations
from mhclf.results.tables import Column, Table

LABELS = ("calm", "<b>sad</b>")
NASTY = "</p><script>document.title='taken'</script><img src=x onerror=alert(1)>"
ITEMS = [
    Item("a", "g1", "so tired today", "", 0, True, ((3, 8),)),
    Item("b", "g2", f"nothing left {NASTY}", "", 1, True, ((0, 12),)),
    Item("<i>c</i>", "g3", "a walk by the sea", "", 0, False, ((2, 6),)),
]
AUPRC = (0.5, 0.9, 0.2)

PROBE = (
    ON_CARDS
    + """
  var colours = function () {
    return Array.from(find("cards").children[0].querySelectorAll("[data-word]")).map(function (word) {
      return word.style.background.indexOf("230") > 0 ? "for" : word.style.background ? "against" : "";
    });
  };
  seen.start = [rows(), find("shown").textContent, texts()];
  seen.method = find("method").value;
  choose("filter-outcome", "right"); seen.right = rows();
  choose("filter-outcome", "wrong"); seen.wrong = [rows(), find("shown").textContent];
  choose("filter-outcome", "");
  choose("filter-target", "<b>sad</b>"); seen.target = rows();
  choose("filter-target", "");
  choose("order", "most"); seen.most = rows();
  choose("order", "least"); seen.least = rows();
  choose("order", "as"); seen.as = rows();
  document.querySelector(".show-text").click(); seen.one = [texts(), colours()];
  choose("method", "saliency"); seen.other = colours();
  find("show-texts").click(); seen.all = texts();
  find("show-texts").click(); seen.none = texts();
  seen.underlined = Array.from(document.querySelectorAll("#cards .expert")).map(function (one) {
    return one.textContent;
  }).join("");
  seen.markup = document.querySelectorAll("#cards script, #cards img, #cards b, #cards i").length;
  seen.title = document.title;
"""
)


@needs_browser
def test_the_page_filters_orders_paints_and_hides(tmp_path):
    rows, numbers = [], []
    for item, value in zip(ITEMS, AUPRC, strict=True):
        scores = {"attention": [0.0, 1.0, -0.5], "saliency": [1.0, 0.0, 0.0]}
        for method, first in scores.items():
            words = 3 + 20 * (item.id != "a")
            identity = {"id": item.id, "target": LABELS[item.label], "method": method}
            rows.append(identity | {"scores": (first + [0.0] * words)[:words]})
            numbers.append(identity | {"auprc": value if method == "attention" else 0.1})
    gold = {item.id: LABELS[item.label] for item in ITEMS}
    found = cards(ITEMS, pd.DataFrame(rows), pd.DataFrame(numbers), LABELS, gold, "attention")
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "map.png")
    table = Table("numbers", (Column("method"),), (("attention",),))
    page = write_explanations(
        tmp_path / "explanations.html", "Explanations of a run", found, 5, [table], ["One sentence."],
        tmp_path / "map.png", "attention",
    )  # fmt: skip
    seen = looked_at(page, PROBE, tmp_path)
    assert seen["start"] == [["a", "b", "<i>c</i>"], "3 of 3 posts shown.", 0]
    assert seen["method"] == "attention"
    assert (seen["right"], seen["wrong"]) == (["a", "b"], [["<i>c</i>"], "1 of 3 posts shown."])
    assert seen["target"] == ["b"]
    assert (seen["most"], seen["least"]) == (["b", "a", "<i>c</i>"], ["<i>c</i>", "a", "b"])
    assert seen["as"] == seen["start"][0]
    assert seen["one"] == [1, ["", "for", "against"]]
    assert seen["other"] == ["for", "", ""]
    assert (seen["all"], seen["none"]) == (3, 0)
    assert seen["underlined"] == "tired" + "nothing left" + "walk"
    assert (seen["markup"], seen["title"]) == (0, "Explanations · Explanations of a run")
    assert json.loads(found[0].scores)["attention"] == [0, 100, -50]
