(function () {
  "use strict";
  var PAGE = 50, limit = PAGE;
  var table = document.getElementById("post-table"), bodies = Array.from(table.tBodies);
  var find = function (id) { return document.getElementById(id); };
  var outcome = find("filter-outcome"), gold = find("filter-gold"), prediction = find("filter-prediction");
  var wanted = find("filter-id"), more = find("more"), shown = find("shown");
  var showAll = find("show-texts"), mask = find("mask-texts");
  var has = function (places, place) { return place === "" || places.split(" ").indexOf(place) >= 0; };

  function refresh() {
    var text = wanted.value.trim().toLowerCase(), count = 0;
    bodies.forEach(function (body) {
      var fits = (outcome.value === "" || body.dataset.outcome === outcome.value) &&
        has(body.dataset.gold, gold.value) && has(body.dataset.prediction, prediction.value) &&
        body.rows[0].cells[0].textContent.toLowerCase().indexOf(text) >= 0;
      count += fits ? 1 : 0;
      body.hidden = !fits || count > limit;
    });
    shown.textContent = Math.min(count, limit) + " of " + count + " matching posts shown.";
    more.hidden = count <= limit;
  }

  function sortBy(column, header) {
    var down = header.getAttribute("aria-sort") === "ascending";
    Array.from(table.tHead.rows[0].cells).forEach(function (cell) { cell.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    var order = new Intl.Collator(undefined, { numeric: true });
    bodies.sort(function (a, b) {
      var first = a.rows[0].cells[column].textContent, second = b.rows[0].cells[column].textContent;
      return (down ? -1 : 1) * order.compare(first, second);
    });
    bodies.forEach(function (body) { table.appendChild(body); });
    refresh();
  }

  Array.from(table.tHead.rows[0].cells).forEach(function (header, column) {
    if (header.classList.contains("screen")) { return; }
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", function () { sortBy(column, header); });
    header.replaceChildren(button);
  });

  function setText(button, open) {
    find(button.getAttribute("aria-controls")).hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Hide" : "Show";
  }

  table.addEventListener("click", function (event) {
    var button = event.target.closest("button.show-text");
    if (button) { setText(button, button.getAttribute("aria-expanded") !== "true"); }
  });
  if (showAll) {
    showAll.addEventListener("click", function () {
      var open = showAll.getAttribute("aria-pressed") !== "true";
      showAll.setAttribute("aria-pressed", String(open));
      showAll.textContent = open ? "Hide texts" : "Show texts";
      table.querySelectorAll("button.show-text").forEach(function (button) { setText(button, open); });
    });
    var originals = new Map();
    mask.addEventListener("change", function () {
      table.querySelectorAll(".post").forEach(function (post) {
        if (!originals.has(post)) { originals.set(post, post.textContent); }
        var text = originals.get(post);
        post.textContent = mask.checked ? text.replace(/[\p{L}\p{M}\p{N}]/gu, "\u2022") : text;
      });
    });
    mask.checked = false;
  }
  [outcome, gold, prediction].forEach(function (choice) {
    choice.addEventListener("change", function () { limit = PAGE; refresh(); });
  });
  wanted.addEventListener("input", function () { limit = PAGE; refresh(); });
  more.addEventListener("click", function () { limit += PAGE; refresh(); });
  find("controls").hidden = false;
  refresh();
})();
