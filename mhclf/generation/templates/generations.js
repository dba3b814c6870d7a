(function () {
  "use strict";
  var find = function (id) { return document.getElementById(id); };
  var cards = Array.from(find("cards").children), showAll = find("show-texts"), mask = find("mask-texts");
  var outcome = find("filter-outcome"), gold = find("filter-gold"), predicted = find("filter-predicted");
  var parser = find("filter-parser"), marks = find("filter-marks"), shown = find("shown");
  var same = function (choice, value) { return choice.value === "" || choice.value === value; };
  var has = function (choice, values) { return choice.value === "" || values.split(" ").indexOf(choice.value) >= 0; };

  function refresh() {
    var count = 0;
    cards.forEach(function (card) {
      var data = card.dataset;
      var fits = same(outcome, data.outcome) && same(gold, data.gold) && same(predicted, data.predicted) &&
        has(parser, data.parsers) && has(marks, data.marks);
      card.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = count + " of " + cards.length + " answers shown.";
  }

  function open(card, wanted) {
    var button = card.querySelector(".show-text");
    card.querySelector(".said").hidden = !wanted;
    button.setAttribute("aria-expanded", String(wanted));
    button.textContent = wanted ? "Hide" : "Show";
  }

  find("cards").addEventListener("click", function (event) {
    var button = event.target.closest(".show-text");
    if (button) { open(button.closest(".row"), button.getAttribute("aria-expanded") !== "true"); }
  });
  showAll.addEventListener("click", function () {
    var wanted = showAll.getAttribute("aria-pressed") !== "true";
    showAll.setAttribute("aria-pressed", String(wanted));
    showAll.textContent = wanted ? "Hide texts" : "Show texts";
    cards.forEach(function (card) { open(card, wanted); });
  });
  var originals = new Map();
  mask.addEventListener("change", function () {
    document.querySelectorAll(".said .text").forEach(function (text) {
      var walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT), node;
      while ((node = walker.nextNode())) {
        if (!originals.has(node)) { originals.set(node, node.data); }
        node.data = mask.checked ? originals.get(node).replace(/[\p{L}\p{M}\p{N}]/gu, "\u2022") : originals.get(node);
      }
    });
  });
  mask.checked = false;
  [outcome, gold, predicted, parser, marks].forEach(function (choice) { choice.addEventListener("change", refresh); });
  find("controls").hidden = false;
  refresh();
})();
