(function () {
  "use strict";
  var find = function (id) { return document.getElementById(id); };
  var home = find("cards"), cards = Array.from(home.children), original = cards.slice();
  var method = find("method"), target = find("filter-target"), outcome = find("filter-outcome");
  var order = find("order"), showAll = find("show-texts"), shown = find("shown");

  function paint(card) {
    var scores = JSON.parse(card.dataset.scores)[method.value] || [];
    card.querySelectorAll("[data-word]").forEach(function (word) {
      var score = scores[Number(word.dataset.word)] || 0, strength = Math.abs(score) / 100;
      var seen = strength > 0.05;
      word.style.background = !seen ? "" : "rgba(" + (score > 0 ? "230,159,0," : "86,180,233,") + (0.15 + 0.75 * strength) + ")";
      word.style.color = seen && strength > 0.4 ? "#111" : "";
      word.title = (score > 0 ? "+" : "") + (score / 100).toFixed(2);
    });
  }

  function open(card, wanted) {
    var text = card.querySelector(".said"), button = card.querySelector(".show-text");
    if (wanted) { paint(card); }
    text.hidden = !wanted;
    button.setAttribute("aria-expanded", String(wanted));
    button.textContent = wanted ? "Hide" : "Show";
  }

  function refresh() {
    var sign = order.value === "most" ? -1 : 1;
    var wanted = order.value === "as" ? original : original.slice().sort(function (a, b) {
      return sign * (Number(a.dataset.plausible) - Number(b.dataset.plausible));
    });
    var count = 0;
    wanted.forEach(function (card) {
      var fits = (target.value === "" || card.dataset.target === target.value) &&
        (outcome.value === "" || card.dataset.outcome === outcome.value);
      card.hidden = !fits;
      count += fits ? 1 : 0;
      home.appendChild(card);
    });
    shown.textContent = count + " of " + cards.length + " posts shown.";
  }

  home.addEventListener("click", function (event) {
    var button = event.target.closest(".show-text");
    if (button) { open(button.closest(".card"), button.getAttribute("aria-expanded") !== "true"); }
  });
  showAll.addEventListener("click", function () {
    var wanted = showAll.getAttribute("aria-pressed") !== "true";
    showAll.setAttribute("aria-pressed", String(wanted));
    showAll.textContent = wanted ? "Hide texts" : "Show texts";
    cards.forEach(function (card) { open(card, wanted); });
  });
  method.addEventListener("change", function () {
    cards.forEach(function (card) { if (!card.querySelector(".said").hidden) { paint(card); } });
  });
  [target, outcome, order].forEach(function (choice) { choice.addEventListener("change", refresh); });
  find("controls").hidden = false;
  refresh();
})();
