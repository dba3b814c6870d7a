"""Pages looked at in a real browser; the tests that use it are skipped where there is no Chromium."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
# What scripts of pages of cards use: choosing in a field, the cards in view, the texts in view.
ON_CARDS = """
  var find = function (id) { return document.getElementById(id); };
  var choose = function (id, value) { find(id).value = value; find(id).dispatchEvent(new Event("change")); };
  var rows = function () {
    return Array.from(find("cards").children).filter(function (card) { return card.offsetParent !== null; })
      .map(function (card) { return card.querySelector("strong").textContent; });
  };
  var texts = function () {
    return Array.from(document.querySelectorAll(".said")).filter(function (one) { return !one.hidden; }).length;
  };
"""
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def looked_at(page: Path, script: str, folder: Path) -> Any:
    """Return what a script saw in a page.

    Parameters
    ----------
    page : Path
    script : str
        JavaScript that runs at the end of the page and fills the object `seen`.
    folder : Path
        For the copy of the page and the browser's profile.
    """
    probe = (
        f"<script>(function () {{ var seen = {{}};\n{script}\n"
        'var probe = document.createElement("pre"); probe.id = "probe";\n'
        "probe.textContent = JSON.stringify(seen); document.body.appendChild(probe); })();</script>\n</body>"
    )
    copy = folder / "probed.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
               "--dump-dom", copy.as_uri()]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
    text = re.search(r'<pre id="probe">(.*?)</pre>', found, re.DOTALL)
    assert text is not None, "the script of the page stopped"
    return json.loads(html.unescape(text[1]))
