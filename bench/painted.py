"""What one sees: from a click on a row to its message painted, and from a key to ten thousand messages moved, in real Chromium.

    POSTSTELLE_HOME=/a/folder/of/its/own python -m bench.painted [--messages 20000] [--clicks 60] [--bulk]

The office is that of `bench.lists`, built small where there is none. The web runs in a process of its own as `serve` runs it. Times
are taken in the page: *painted* is the second animation frame after the message stands in the document. `--bulk` archives everything
the list of the largest inbox holds (at most 10,000 at once) and waits until the page says so; it changes the office.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from bench.clicks import free_port, percentile, served, sessions

CHROMIUM = "/usr/bin/chromium"
_CLICK = """
async (number) => {
  const row = document.querySelectorAll("#rows > .row")[number];
  row.scrollIntoView({ block: "nearest" });
  await new Promise(requestAnimationFrame);
  const began = performance.now();
  row.querySelector("a").click();
  await new Promise((done) => {
    const look = () => (document.querySelector("#marks")?.dataset.placement === row.dataset.id ? done() : requestAnimationFrame(look));
    look();
  });
  await new Promise(requestAnimationFrame);
  return (performance.now() - began) / 1000;
}
"""
_BULK = """
async () => {
  const first = document.querySelector("#rows > .row").id;
  document.querySelector("[data-pick-all]").click();
  document.querySelector("[data-everything]").click();
  const began = performance.now();
  document.querySelector('#acts [value="archive"]').click();
  await new Promise((done) => {
    const look = () => {
      const top = document.querySelector("#rows > .row")?.id;
      const over = document.querySelector("#bulk").hidden && document.querySelector("#notes .note") && top !== first;
      return over ? done() : requestAnimationFrame(look);
    };
    look();
  });
  return (performance.now() - began) / 1000;
}
"""


def clicked(page: Any, clicks: int) -> list[float]:
    """Seconds of each click, after a few that warm up."""
    for number in range(5):
        page.evaluate(_CLICK, number + 1)
    return [page.evaluate(_CLICK, 6 + number % 40) for number in range(clicks)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--bulk", action="store_true")
    chosen = parser.parse_args()
    Path(os.environ["POSTSTELLE_HOME"]).mkdir(mode=0o700, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "poststelle.run.settings"
    import django

    django.setup()
    from django.conf import settings
    from playwright.sync_api import sync_playwright

    from bench import million
    from poststelle.store import models

    if not million.is_built():
        million.build(chosen.messages, index=False)
    (cookie,) = sessions(1)
    big = models.Folder.objects.get(account__label="Postfach 000", role="inbox")
    port = free_port()
    web = served(port)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context()
            address = f"http://127.0.0.1:{port}"
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": address}])
            page = context.new_page()
            page.goto(f"{address}/mail/f/{big.pk}/")
            page.locator("#rows a[data-htmx-powered]").nth(45).wait_for(state="attached")
            times = clicked(page, chosen.clicks)
            print(f"list → message, {len(times)} clicks: p50 {percentile(times, 0.5):.0f} ms, p95 {percentile(times, 0.95):.0f} ms to painted (goal 100)")  # fmt: skip
            if chosen.bulk:
                page.set_default_timeout(120_000)
                page.goto(f"{address}/mail/f/{big.pk}/")
                page.locator("#rows a[data-htmx-powered]").nth(45).wait_for(state="attached")
                seconds = page.evaluate(_BULK)
                said = page.locator("#notes .note").first.inner_text().split("\n")[0]
                print(f"everything in the list archived in {seconds:.2f} s to visible (goal 5): {said}")
            browser.close()
    finally:
        web.terminate()
        web.wait()


if __name__ == "__main__":
    main()
