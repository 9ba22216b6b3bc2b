"""The site in headless Chromium, from the file system: no error, right counts, keyboard, accessibility, phone, themes.

The episodes are those of `site_files`; the counts here were worked out by hand from its list. Page text in them is
hostile: it must stay text.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_files import HOSTILE, profile

from webdancer.show import site

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need playwright: pip install -e '.[browser]' (make test does it)"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium on the path: apt-get install chromium (make test does it where it runs as root)",
)
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PAGES = ("index.html", "notebooks.html", "figures.html", "notebooks/07_evaluate.html", "explorer.html")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FILTERS = ("stage", "agent", "kind", "hops", "right", "outcome", "reason")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEBDANCER_ROOT", str(root))
        profile(root)
        return site.build("tiny")[0].as_uri()


@pytest.fixture(scope="module")
def browser():
    # Chromium's sandbox does not start for root, as in most containers; the pages here are our own.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def show(browser, address):
    """A function that opens a page of the site; afterwards there must have been no error and no request outside."""
    contexts, wrong = [], []

    def open_page(file: str, *, viewport=DESK, scheme="light"):
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)  # a busy machine
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
        page.goto(f"{address}/{file}")
        if file.startswith("explorer"):
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    hacked = [page.evaluate("window.hacked") for context in contexts for page in context.pages]
    for context in contexts:
        context.close()
    assert wrong == [] and not any(hacked)


def count(page) -> str:
    return page.inner_text("#count")


def opened(page, number: int = 1) -> None:
    """Wait until so many episodes are shown."""
    sync_api.expect(page.locator("#detail article")).to_have_count(number)


@pytest.mark.parametrize("file", [*PAGES, "explorer.html#open=4+0"])
def test_no_fault_is_found_by_axe_in_light_or_dark(show, file):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[browser]'").Axe()
    page = show(file)
    if "open" in file:
        opened(page, 2)
        page.click("text=Unfold observations")
    faults = axe.run(page, options={"runOnly": RULES, "preload": False}).response["violations"]
    page.emulate_media(color_scheme="dark")
    dark = axe.run(page, options={"runOnly": ["color-contrast"], "preload": False}).response
    assert [(v["id"], v["nodes"][0]["html"]) for v in faults + dark["violations"]] == []
    assert [v["id"] for v in dark["passes"]] == ["color-contrast"]


@pytest.mark.parametrize("file", [*PAGES, "explorer.html#open=4+0"])
def test_a_phone_shows_every_page_without_scrolling_sideways(show, file):
    page = show(file, viewport=PHONE)
    if "open" in file:
        opened(page, 2)
        assert page.locator("#detail").bounding_box()["width"] == PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_dark_and_light_differ(show):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (show("index.html", scheme=scheme).evaluate(ground) for scheme in ("light", "dark"))
    assert light == "rgb(251, 251, 250)" and dark == "rgb(20, 22, 24)"


def test_filters_count_what_they_would_leave(show):
    page = show("explorer.html")
    assert count(page) == "9 of 9 episodes, 67 % right"
    says = page.eval_on_selector_all("select option", "all => all.map(o => o.textContent)")
    for text in (
        "kept for SFT (4)",
        "dropped by the filter (2)",
        "evaluated (3)",
        "1 hop (2)",
        "2 hops (3)",
        "4 hops (3)",
    ):
        assert text in says
    page.select_option("#kind", "multihop")
    assert count(page) == "4 of 9 episodes, 75 % right"
    page.select_option("#right", "wrong")
    assert count(page) == "1 of 9 episodes, 0 % right"
    kinds = page.eval_on_selector_all("#kind option", "all => all.map(o => o.textContent)")
    assert kinds == ["any (3)", "multihop (1)", "count (0)", "e2hqa (2)"]
    page.select_option("#kind", "count")
    assert count(page) == "0 of 9 episodes" and page.is_visible("#empty") and not page.is_visible("#list")
    page.click("#reset")
    assert count(page) == "9 of 9 episodes, 67 % right" and page.locator("#list .row").count() == 9


def test_an_address_with_a_filter_shows_what_it_leaves(show):
    page = show("explorer.html")
    for name, value, left in (
        ("stage", "dropped by the filter", 2),
        ("agent", "dapo", 2),
        ("hops", "3 hops", 1),
        ("right", "right", 6),
        ("outcome", "cut off", 1),
        ("outcome", "seen, not chosen", 1),
        ("reason", "quality: repeated call", 1),
    ):
        page.evaluate("hash => { location.hash = hash; }", f"{name}={value.replace(' ', '+')}")
        sync_api.expect(page.locator("#count")).to_contain_text(f"{left} of 9 episodes")
        assert page.input_value(f"#{name}") == value and page.input_value("#kind") == ""


def test_search_wants_every_word_and_reads_question_answers_and_id(show):
    page = show("explorer.html")
    for words, left in (
        ("QUESTION 1", 2),
        ("ana wrong", 1),
        ("q6", 2),
        ("question e2hqa", 3),
        ("<b>", 9),
        ("nowhere", 0),
    ):
        page.fill("#search", words)
        assert count(page).startswith(f"{left} of 9"), words


def test_the_keyboard_is_enough(show):
    page = show("explorer.html")
    page.keyboard.press("/")
    page.keyboard.type("count")
    assert page.input_value("#search") == "count" and count(page).startswith("2 of 9")
    page.keyboard.press("Escape")
    assert page.input_value("#search") == "" and count(page).startswith("9 of 9")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "list"
    page.keyboard.press("End")
    assert page.get_attribute("#list", "aria-activedescendant") == "row8"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    opened(page)
    assert page.evaluate("document.activeElement.tagName") == "H2"
    assert page.inner_text("#detail h2") == "Question 7 <b>of</b> e2hqa?"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list" and page.locator("#detail article").count() == 0


def test_tab_leads_from_search_through_filters_to_list_and_episode(show):
    page = show("explorer.html#open=0")
    opened(page)
    page.focus("#search")
    order = []
    for _ in range(13):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert [x for x in order if x in FILTERS] == list(FILTERS)
    assert order.index("reset") < order.index("list") < order.index("detail") < order.index("Close")


def test_an_episode_shows_its_four_kinds_of_block(show):
    page = show("explorer.html#open=4")
    opened(page)
    labels = page.eval_on_selector_all(".block > .label, .block > summary", "all => all.map(x => x.textContent)")
    assert [x[1:].split(",")[0] for x in labels] == (
        ["System prompt", "Task", "Thought", "Call: search", "Observation 1", "Thought", "Answer"]
    )
    assert labels[4].endswith("holds the right answer") and len({x[0] for x in labels}) == 5
    assert page.locator("details.observation").get_attribute("open") is None
    facts = page.inner_text("#detail .facts")
    for fact in (
        "✗ unsupported",
        "0.10 (rule of 06)",
        "correctness: wrong answer",
        "Ana Wrong",
        "Tal Veron",
        "1 call, 105 tokens",
    ):
        assert fact in facts
    page.click("text=Unfold observations")
    assert HOSTILE in page.inner_text("details.observation pre")
    assert page.eval_on_selector_all("mark", "all => all.map(x => x.textContent)") == ["Tal Veron"]


def test_two_episodes_stand_side_by_side(show):
    page = show("explorer.html")
    page.click(".row >> nth=0")
    opened(page)
    page.click("text=Keep beside the next")
    page.click(".row >> nth=5")
    opened(page, 2)
    left, right = (page.locator("#detail article").nth(i).bounding_box() for i in (0, 1))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    assert page.evaluate("location.hash").endswith("open=0+5")


ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(ANY, st.just(HOSTILE)), min_size=4, max_size=4))
def test_no_text_of_an_episode_becomes_markup(hostile_page, texts):
    said, query, seen, gold = texts
    turn = {"name": query, "arguments": {query: [said], "n": 1}}
    given_texts = {"said": said, "seen": seen, "gold": gold, "turn": turn}
    found = hostile_page.evaluate(
        """({said, seen, gold, turn}) => {
          const call = `<think>\\n${said}\\n</think>\\n<tool_call>\\n${JSON.stringify(turn)}\\n</tool_call>`;
          const list = renderEpisode([["user", seen], ["assistant", call],
            ["user", `<tool_response>\\n${seen}\\n</tool_response>`], ["assistant", said]], gold, true);
          const nodes = [...list.querySelectorAll("*")];
          return {tags: [...new Set(nodes.map((n) => n.localName))], text: list.textContent,
            attributes: [...new Set(nodes.flatMap((n) => n.getAttributeNames()))]};
        }""",
        given_texts,
    )
    assert set(found["tags"]) <= {"li", "div", "details", "summary", "span", "p", "pre", "mark"}
    assert set(found["attributes"]) <= {"class", "open", "aria-hidden"}
    assert seen in found["text"] and said in found["text"]


@pytest.fixture(scope="module")
def hostile_page(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/explorer.html")
    page.wait_for_selector("body[data-ready]")
    yield page
    assert page.evaluate("window.hacked") is None
    page.close()


def test_a_list_of_thousands_draws_only_what_is_in_view(show):
    page = show("explorer.html")
    page.evaluate(
        """() => { const c = state.index.columns;
          for (const name of Object.keys(c)) c[name] = Array.from({length: 5004}, (_, i) => c[name][i % 9]);
          prepare(state.index); update(); }"""
    )
    assert count(page) == "5,004 of 5,004 episodes, 67 % right"
    assert page.locator(".row").count() < 40
    page.focus("#list")
    page.keyboard.press("End")
    sync_api.expect(page.locator("#row5003")).to_be_in_viewport()
    assert page.locator(".row").count() < 40
