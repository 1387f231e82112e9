"""The pages in a real browser: nothing clipped, nothing asked for, nothing complained about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import chromium
import reports
from pipeline.report.comparison import render_comparison_html
from pipeline.report.html import render_html

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium.PROGRAM is None, reason="no chromium: get it with tools/setup.sh browser"
    ),
]

# Elements that reach out of the window, or of the drawing they belong to. What lies in a box that
# scrolls is reached by scrolling.
CLIPPED = """
(() => {
  const scrolls = (e) => {
    for (; e; e = e.parentElement) {
      if (['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) return true;
    }
    return false;
  };
  const clipped = [];
  for (const e of document.body.querySelectorAll('*:not(.hidden)')) {
    const box = e.getBoundingClientRect();
    if (!box.width) continue;
    const svg = e.ownerSVGElement;
    if (svg) {
      const frame = svg.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1) clipped.push(e.outerHTML.slice(0, 120));
    } else if ((box.left < 0 || box.right > innerWidth + 0.5) && !scrolls(e)) {
      clipped.push(e.outerHTML.slice(0, 120));
    }
  }
  for (const label of document.querySelectorAll('.arena .label')) {
    const [x, y] = label.dataset.box.split(' ');
    const rect = document.querySelector(`.arena rect[x="${x}"][y="${y}"]`).getBoundingClientRect();
    const text = label.getBoundingClientRect();
    if (text.right > rect.right + 1 || text.top < rect.top - 1) clipped.push(label.textContent);
  }
  const labels = [...document.querySelectorAll('.arena .label')];
  for (const [i, label] of labels.entries()) {
    const a = label.getBoundingClientRect();
    for (const other of labels.slice(i + 1)) {
      const b = other.getBoundingClientRect();
      const beside = a.right <= b.left || b.right <= a.left;
      if (!beside && a.bottom > b.top && b.bottom > a.top) {
        clipped.push(`${label.textContent} under ${other.textContent}`);
      }
    }
  }
  return clipped;
})()
"""
PAGE_WIDTH = "[document.documentElement.scrollWidth, innerWidth]"

# Ratio of WCAG 2 between text and what lies behind it, of every element with text of its own.
LOW_CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    if (e.matches('.label')) {
      const [x, y] = e.dataset.box.split(' ');
      const rect = document.querySelector(`.arena rect[x="${x}"][y="${y}"]`);
      return rgba(getComputedStyle(rect).fill);
    }
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  for (const e of document.body.querySelectorAll('*')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['title', 'desc'].includes(e.tagName)) continue;
    const style = getComputedStyle(e);
    const text = luminance(rgba(e.ownerSVGElement ? style.fill : style.color));
    const [light, dark] = [text, luminance(behind(e))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push([e.outerHTML.slice(0, 80), ratio]);
  }
  return low;
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    with chromium.open_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


PAGES = {
    **{case: lambda case=case: render_html(*reports.CASES[case]()) for case in reports.CASES},
    "comparison": lambda: render_comparison_html(reports.comparison_rows()),
    "comparison of one": lambda: render_comparison_html(reports.comparison_rows()[:1]),
    "sweep": reports.sweep_page,
}


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("case", PAGES)
def test_the_page_is_whole_and_readable(
    page: chromium.Page, tmp_path: Path, case: str, scheme: str, width: int
) -> None:
    html = tmp_path / "page.html"
    html.write_text(PAGES[case]())
    page.problems.clear()
    page.requests.clear()
    page.show(html, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    scroll_width, inner_width = page.evaluate(PAGE_WIDTH)
    assert (scroll_width, inner_width) == (width, width)
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(LOW_CONTRAST) == []
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith("data:")] == [html.as_uri()]


def test_what_the_checks_look_for_is_found(page: chromium.Page, tmp_path: Path) -> None:
    html = tmp_path / "bad.html"
    html.write_text(
        "<meta name=viewport content='width=device-width'><img src='https://example.invalid/x'>"
        "<p style='width:2000px;color:#ccc;background:#fff'>wide</p>"
        "<script>console.error('broken'); missing();</script>"
    )
    page.show(html, 375)
    assert page.evaluate(PAGE_WIDTH)[0] > 375
    assert any("wide" in element for element in page.evaluate(CLIPPED))
    assert page.evaluate(LOW_CONTRAST)
    assert any("broken" in problem for problem in page.problems)
    assert any("Uncaught" in problem for problem in page.problems)
    assert "https://example.invalid/x" in page.requests
