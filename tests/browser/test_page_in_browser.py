"""The page in a browser: what a reader does, by mouse, by keyboard and by ear, and what hostile data does not do."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from pages import HOSTILE, IMAGES, few, runs, written

CASE = f"#case={quote('Adam on bowl@1')}"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"), few())


def shown(window):
    """Recipe and task of the rows, in their order."""
    return window.locator("#body tr").evaluate_all(
        "rows => rows.map(row => [...row.children].slice(0, 2).map(cell => cell.textContent).join(' '))"
    )


def status(window):
    return window.locator("#status").text_content()


def heading(window):
    return window.locator("#case-heading").text_content()


def wait(window, selector, text):
    window.locator(f"{selector}:text-is('{text}')").wait_for()


def focused(window):
    return window.evaluate("document.activeElement.id || document.activeElement.textContent")


def press_until(window, wanted, key="Tab", most=60):
    for _ in range(most):
        window.keyboard.press(key)
        if wanted in focused(window):
            return
    raise AssertionError(f"no {wanted} by {key}")


def test_it_opens_with_the_verdict_and_every_case(visit, page):
    window = visit(page)
    assert window.title() == "optbench: Failed: 1 of 4 cases"
    assert window.locator("h1").text_content() == "Failed: 1 of 4 cases"
    assert shown(window) == ["Adam bowl@1", "Adam valley@1", "Lion bowl@1", "Lion valley@1"]
    assert status(window) == "4 cases."


def test_it_asks_for_nothing_but_itself(visit, page):
    visit(page)
    assert [url for url in visit.asked if url.startswith("file:")] == [page.as_uri()]


@pytest.mark.parametrize(
    ("key", "word", "left"),
    [
        ("outcome", "missed", ["Adam valley@1"]),
        ("recipe", "Lion", ["Lion bowl@1", "Lion valley@1"]),
        ("tier", "small", ["Adam valley@1", "Lion valley@1"]),
        ("change", "faster", ["Lion bowl@1"]),
        ("verdict", "failed", ["Adam valley@1"]),
        ("tag", "convex", ["Adam bowl@1", "Lion bowl@1"]),
    ],
)
def test_a_filter_leaves_what_it_names_and_says_how_much(visit, page, key, word, left):
    window = visit(page)
    window.select_option(f"#filter-{key}", word)
    assert shown(window) == left
    assert status(window) == f"{len(left)} of 4 cases."
    assert f"{key}={word}" in window.url


def test_words_are_looked_for_in_recipes_and_tasks(visit, page):
    window = visit(page)
    window.fill("#q", "lion VALL")
    wait(window, "#status", "1 of 4 cases.")
    assert shown(window) == ["Lion valley@1"]
    window.click("#clear")
    assert status(window) == "4 cases."


def test_a_header_sorts_by_numbers_with_what_has_none_at_the_end(visit, page):
    window = visit(page)
    orders, button = [], window.get_by_role("button", name="Steps")
    for _ in range(3):
        button.click()
        orders.append((window.locator("th:has([data-key=steps])").get_attribute("aria-sort"), shown(window)))
    assert orders == [
        ("ascending", ["Lion bowl@1", "Adam bowl@1", "Lion valley@1", "Adam valley@1"]),
        ("descending", ["Lion valley@1", "Adam bowl@1", "Lion bowl@1", "Adam valley@1"]),
        ("none", ["Adam bowl@1", "Adam valley@1", "Lion bowl@1", "Lion valley@1"]),
    ]


def test_a_case_opens_and_the_focus_follows_the_reader(visit, page):
    window = visit(page)
    window.get_by_role("link", name="bowl@1, by Lion").click()
    assert (heading(window), focused(window)) == ("Lion on bowl@1", "case-heading")
    assert window.title().startswith("Lion on bowl@1")
    assert not window.locator("#cases").is_visible()
    window.go_back()
    window.wait_for_selector("#cases")
    assert window.evaluate("document.activeElement.getAttribute('aria-label')") == "bowl@1, by Lion"


def test_a_case_shows_all_its_parts(visit, page):
    window = visit(page, CASE)
    assert window.locator("#case h3").all_text_contents() == [
        *("Evaluation over steps", "Seeds", "Trajectory", "Figures of merit", "Health", "Environment and cost"),
        "How to make it again",
    ]
    curves = window.locator("#case section").first.locator("svg[role=img] path")
    assert curves.evaluate_all("all => all.map(one => one.getAttribute('class'))") == ["band", "seed", "seed", "mine"]
    assert window.locator("text.aim").all_text_contents() == ["target 0.1", "budget 100"]
    commands = window.locator("#case pre").all_text_contents()
    end = "--optbench-tasks=bowl --optbench-seeds=2"
    assert commands == [
        f"pytest --optbench --optbench-layer=tasks {end}",
        f"pytest --optbench --optbench-layer=tasks --optbench-optimizer='Adam=acme:Adam(lr = 0.1)' {end}",
    ]


def test_a_comparison_is_told_with_its_interval(visit, page):
    window = visit(page, f"#case={quote('Lion on bowl@1')}")
    text = window.locator("section:has(h3:text('Against the baseline'))").inner_text()
    assert "0.3, with 95 % certainty from 0.2 to 0.4" in text


def test_numbers_of_a_figure_unfold_as_a_table(visit, page):
    window = visit(page, CASE)
    window.get_by_text("Numbers of this figure").click()
    rows = window.locator("details[open] tbody tr")
    assert rows.first.inner_text().split() == ["0", "2", "2.5", "3"]


def test_outputs_are_drawn_by_their_shape(visit, page):
    window = visit(page, CASE)
    assert window.locator("section:has(h3:text('Trajectory')) svg circle.dot").count() == 4
    window.goto(f"{page.as_uri()}#case={quote('Adam on valley@1')}")
    window.wait_for_selector("canvas")
    assert window.locator("canvas").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))") == [
        f"{name}, image {k}" for name in ("inputs", "restored") for k in (1, 2)
    ]
    pixel = "one => [...one.getContext('2d').getImageData(7, 7, 1, 1).data]"
    assert window.locator("canvas").nth(1).evaluate(pixel) == [255, 255, 255, 255]
    window.goto(f"{page.as_uri()}#case={quote('Lion on valley@1')}")
    window.wait_for_selector("table.tokens")
    assert window.locator(".off").all_text_contents() == ["4 differs"]
    assert "2 of 3 agree between tokens and likely" in window.locator("#case").inner_text()


def test_an_address_brings_back_filters_order_and_case(visit, page):
    window = visit(page, f"#tier=unit&sort=steps&dir=asc&case={quote('Lion on bowl@1')}")
    assert heading(window) == "Lion on bowl@1"
    assert window.locator("#before").is_disabled()
    window.click("#after")
    wait(window, "#case-heading", "Adam on bowl@1")
    window.click("#close")
    window.wait_for_selector("#cases")
    assert shown(window) == ["Lion bowl@1", "Adam bowl@1"]
    assert window.input_value("#filter-tier") == "unit"


def test_an_address_of_a_case_that_is_not_there_says_so(visit, page):
    assert "There is no case Nobody" in status(visit(page, "#case=Nobody&page=-7&sort=__proto__&tier=%E0%A4%A"))


def test_everything_can_be_done_with_keys(visit, page):
    window = visit(page)
    window.keyboard.press("Tab")
    assert focused(window) == "skip"
    assert window.locator("#skip").bounding_box()["x"] >= 0
    window.keyboard.press("Enter")
    assert focused(window) == "main"
    press_until(window, "q")
    window.keyboard.type("lion")
    wait(window, "#status", "2 of 4 cases.")
    press_until(window, "Steps")
    window.keyboard.press("Enter")
    assert focused(window) == "Steps"
    press_until(window, "valley@1")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert window.evaluate(outline) == "solid"
    window.keyboard.press("Enter")
    window.wait_for_selector("#case-heading")
    assert heading(window) == "Lion on valley@1"
    press_until(window, "Previous case")
    window.keyboard.press("Escape")
    window.wait_for_selector("#cases")
    assert focused(window) == "valley@1"


def test_long_tables_are_turned_page_by_page(visit, tmp_path):
    rows = [run for k in range(401) for run in runs(f"Adam{k:03d}", "bowl", [k + 1])]
    window = visit(written(tmp_path, rows))
    assert (len(shown(window)), status(window)) == (200, "401 cases. Rows 1 to 200 are shown.")
    window.click("#forward")
    window.click("#forward")
    assert (len(shown(window)), status(window)) == (1, "401 cases. Rows 401 to 401 are shown.")
    assert window.locator("#forward").is_disabled()


def test_hostile_names_are_text(visit, tmp_path):
    rows = []
    for name in HOSTILE:
        outputs = json.dumps({name: [1, 2], f"{name} ": "text", "images": IMAGES, "list": {name: name}})
        texts = dict.fromkeys(
            ("optimizer", "tier", "regime", "level", "change", "verdict", "platform", "unhealthy"), name
        )
        metrics = {"hyperparameters": json.dumps({name: name}), "metrics": json.dumps({name: 1.0, f"{name}_1": 2.0})}
        named = json.dumps({name: [[0, 1.0], [1, 0.5]]})
        rows += runs(name, name, [1, 2], examples=outputs, diagnostics=named, **texts, **metrics)
    window = visit(written(tmp_path, rows), width=360)
    kinds = "img, iframe, object, embed, script:not([type]), [onerror], [href^=javascript]"
    elements = f"document.querySelectorAll('{kinds}').length"
    assert "<img src=x onerror=alert(1)> <img src=x onerror=alert(1)>@1" in shown(window)
    assert window.evaluate("document.documentElement.scrollWidth") <= 360
    addresses = window.locator("#body a").evaluate_all("all => all.map(one => one.href)")
    assert len(set(addresses)) == len(HOSTILE)
    for address in addresses:
        window.goto(address)
        window.wait_for_selector("#case-heading")
        assert window.evaluate(elements) == 1  # the page's own script
        assert window.evaluate("document.documentElement.scrollWidth") <= 360
        window.evaluate("document.querySelectorAll('#case details').forEach(one => one.open = true)")
        assert window.evaluate(elements) == 1
    assert not any("\u202e" in text for text in shown(window))


def test_the_policy_stops_what_is_put_into_the_page(visit, page, tmp_path):
    path = tmp_path / "changed.html"
    path.write_text(page.read_text().replace("<footer>", "<script>document.title = 'taken'</script><footer>"))
    window = visit(path)
    assert window.title().startswith("optbench")
    assert "Content Security Policy" in visit.said.pop()


@pytest.mark.parametrize(
    "address", ["", CASE, f"#case={quote('Adam on valley@1')}", f"#case={quote('Lion on valley@1')}"]
)
def test_a_phone_scrolls_down_only(visit, page, address):
    window = visit(page, address, width=360)
    assert window.evaluate("document.documentElement.scrollWidth") <= 360


CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const found = parse(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return parse(getComputedStyle(document.body).backgroundColor);
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.getClientRects().length || node.closest("script, canvas")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (!(contrast >= 4.5)) poor.push(`${node.tagName} ${node.textContent.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["", CASE, f"#case={quote('Lion on valley@1')}"])
def test_texts_stand_out_from_what_is_behind_them(visit, page, scheme, address):
    assert visit(page, address, scheme=scheme).evaluate(CONTRASTS) == []


def test_dark_is_dark_and_can_be_changed(visit, page):
    window = visit(page, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = window.evaluate(background)
    assert sum(map(int, dark[4:-1].split(","))) < 150
    window.click("#theme")
    assert window.locator("#theme").text_content() == "Theme: light"
    assert window.evaluate(background) == "rgb(255, 255, 255)"
    window.click("#theme")
    assert window.evaluate(background) == dark


UNNAMED = """() => {
  const kinds = "a, button, input, select, summary, canvas, svg[role=img], [tabindex='0'], nav, article, section, form";
  const nameOf = (node) => {
    const by = (node.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id));
    const label = node.labels && node.labels.length ? node.labels[0].textContent : "";
    const own = node.matches("a, button, summary") ? node.textContent : "";
    const heading = node.matches("section") ? (node.querySelector("h2, h3") || { textContent: "" }).textContent : "";
    const pointed = by.filter(Boolean).map((one) => one.textContent).join("");
    return node.getAttribute("aria-label") || pointed || label || own || heading;
  };
  const found = [...document.querySelectorAll(kinds)].filter((node) => !node.hidden && !nameOf(node).trim());
  return found.map((node) => node.outerHTML);
}"""


@pytest.mark.parametrize("address", ["", CASE])
def test_every_control_region_and_picture_has_a_name(visit, page, address):
    window = visit(page, address)
    assert window.evaluate(UNNAMED) == []
    ids = window.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(set(ids)) == len(ids)


def test_the_outline_is_what_a_screen_reader_hears(visit, page):
    window = visit(page)
    for role, count in {"banner": 1, "main": 1, "contentinfo": 1, "search": 1, "status": 1, "table": 1}.items():
        assert window.get_by_role(role).count() == count, role
    assert window.get_by_role("heading", level=1).count() == 1
    assert window.get_by_role("columnheader").count() == window.locator("#head th").count()
    assert window.get_by_role("rowheader").all_text_contents() == ["bowl@1", "valley@1", "bowl@1", "valley@1"]


def test_paper_has_no_controls(visit, page):
    window = visit(page, scheme="dark")
    window.emulate_media(media="print")
    assert not window.locator("#filters").is_visible()
    assert not window.locator("#theme").is_visible()
    assert window.locator("#cases").is_visible()
    assert window.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
