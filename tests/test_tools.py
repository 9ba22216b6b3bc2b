"""The tools as the agent sees them: the released layout, bad calls as observations, nothing raised."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.core.schema import Page
from webdancer.web.layout import render_visit
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools, extract, page_key

PAGES = [
    Page(
        "http://a.test/Orlen_Ford", "Orlen Ford", "Rain falls. The mayor of Orlen Ford is Tal Veron.", date="2040-01-02"
    ),
    Page("http://a.test/Tal_Veron_(chemist)", "Tal Veron", "Tal Veron was born in Kestin. The mentor was Ada Marr."),
]
INDEX = SearchIndex.build(PAGES)


def one(name, arguments, **options) -> str:
    return Tools(INDEX, PAGES, **options).call_many([(name, arguments)])[0]


def test_search_in_the_released_layout():
    assert one("search", {"query": ["Orlen Ford mayor", "Tal Veron born"]}, results=1) == (
        "A search for 'Orlen Ford mayor' found 1 results:\n\n## Web Results\n"
        "1. [Orlen Ford](http://a.test/Orlen_Ford)\nDate published: 2040-01-02\n\n"
        "The mayor of Orlen Ford is Tal Veron."
        "\n=======\n"
        "A search for 'Tal Veron born' found 1 results:\n\n## Web Results\n"
        "1. [Tal Veron](http://a.test/Tal_Veron_(chemist))\n\nTal Veron was born in Kestin."
    )


def test_visit_in_the_released_layout():
    got = one("visit", {"url": ["http://a.test/Orlen_Ford"], "goal": "mayor"}, evidence_sentences=1)
    assert got == (
        "The useful information in http://a.test/Orlen_Ford for user goal mayor as follows: \n\n"
        "Evidence in page: \nThe mayor of Orlen Ford is Tal Veron.\n\n"
        "Summary: \nThe mayor of Orlen Ford is Tal Veron.\n\n"
    )


def test_several_pages_are_joined_and_a_missing_one_does_not_spoil_the_rest():
    got = one("visit", {"url": ["http://a.test/nowhere", "http://a.test/Orlen_Ford"], "goal": "mayor"})
    first, second = got.split("\n=======\n")
    assert first.startswith("Error: http://a.test/nowhere could not be opened")
    assert second.startswith("The useful information in http://a.test/Orlen_Ford")


def test_only_three_queries_of_a_call_are_taken():
    assert one("search", {"query": ["a", "b", "c", "d"]}).count("A search for") == 3


def test_nothing_found_is_said():
    assert one("search", {"query": ["zebra"]}) == "A search for 'zebra' found 0 results. Try other words."


BAD = [
    ("browse", {"url": ["http://a.test"]}, "no tool named 'browse'"),
    (None, {}, "no tool named"),
    ("search", {}, "the call has no 'query'"),
    ("search", {"queries": ["a"]}, "the call has no 'query'"),
    ("search", {"query": []}, "wanted a list"),
    ("search", {"query": [""]}, "wanted a list"),
    ("search", {"query": [1, 2]}, "wanted a list"),
    ("search", {"query": {"a": 1}}, "wanted a list"),
    ("search", ["a"], "the call has no 'query'"),
    ("search", None, "the call has no 'query'"),
    ("visit", {"url": ["http://a.test/Orlen_Ford"]}, "the call has no 'goal'"),
    ("visit", {"goal": "x"}, "the call has no 'url'"),
    ("visit", {"url": None, "goal": "x"}, "wanted a list"),
]


@pytest.mark.parametrize("name, arguments, says", BAD)
def test_a_bad_call_is_an_observation(name, arguments, says):
    got = one(name, arguments)
    assert got.startswith("Error: ") and says in got


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["query", "url", "goal", "x"]), inner),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["search", "visit", "fly"]), JSON)
def test_no_call_raises(name, arguments):
    assert isinstance(one(name, arguments), str)


def test_a_single_string_counts_as_a_list_of_one():
    assert one("search", {"query": "Kestin"}) == one("search", {"query": ["Kestin"]})


def test_a_long_observation_is_cut_and_says_so():
    got = one("search", {"query": ["Orlen Ford mayor"]}, max_observation_chars=30)
    assert got == "A search for 'Orlen Ford mayor" + " ..."


def test_snippets_can_be_shorter_than_those_of_the_index():
    assert "The mayor ..." in one("search", {"query": ["Orlen Ford mayor"]}, snippet_words=2)


def test_limits_below_one_are_refused():
    with pytest.raises(ValueError, match="below 1"):
        Tools(INDEX, PAGES, results=0)


def test_extract_keeps_the_order_of_the_page():
    text = "Ada was a baker. Tal had tea. Ada was the mentor of Tal."
    assert extract(text, "mentor Tal") == ("Tal had tea. Ada was the mentor of Tal.", "Ada was the mentor of Tal.")
    assert extract("", "x") == ("", "")


def test_spellings_of_one_address():
    assert page_key("https://A.test/Tal%20Veron/#life") == page_key("http://a.test/Tal Veron") == "a.test/Tal Veron"
    got = one("visit", {"url": "http://a.test/Tal_Veron_%28chemist%29#x", "goal": "born"})
    assert "Tal Veron was born in Kestin." in got


def test_a_summariser_writes_what_visit_shows_and_is_asked_once_for_the_same():
    asked = []

    async def summarise(text, goal):
        asked.append((text, goal))
        await asyncio.sleep(0)
        return "the evidence", f"the summary for {goal}"

    tools = Tools(INDEX, PAGES, summarise, max_page_chars=11, max_windows=1)
    call = ("visit", {"url": ["http://a.test/Orlen_Ford"], "goal": "mayor"})
    expected = render_visit("http://a.test/Orlen_Ford", "mayor", "the evidence", "the summary for mayor")
    assert tools.call_many([call]) == [expected] and tools.call_many([call]) == [expected]
    assert asked == [("Rain falls.", "mayor")]


def test_a_summariser_that_breaks_is_an_observation_and_is_not_remembered():
    answers = [RuntimeError("no key sk-123"), ("e", "s")]

    async def summarise(text, goal):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    tools = Tools(INDEX, PAGES, summarise)
    call = ("visit", {"url": ["http://a.test/Orlen_Ford"], "goal": "mayor"})
    first, second = tools.call_many([call])[0], tools.call_many([call])[0]
    assert first == "Error: visit failed (RuntimeError). Try another call."
    assert second.endswith("Summary: \ns\n\n")


def test_many_calls_run_at_once_and_keep_their_order():
    running, most = 0, 0

    async def summarise(text, goal):
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.02 if goal == "0" else 0.001)
        running -= 1
        return goal, goal

    calls = [("visit", {"url": ["http://a.test/Orlen_Ford"], "goal": str(i)}) for i in range(8)]
    got = Tools(INDEX, PAGES, summarise).call_many(calls)
    assert [g.split("user goal ")[1][0] for g in got] == [str(i) for i in range(8)]
    assert most == 8


def test_call_many_inside_a_running_loop():
    async def notebook_cell():
        return Tools(INDEX, PAGES).call_many([("search", {"query": ["Kestin"]})] * 2)

    got = asyncio.run(notebook_cell())
    assert len(got) == 2 and got[0] == got[1]
    assert Tools(INDEX, PAGES).call_many([]) == []


def test_only_so_many_observations_are_kept_and_nothing_changes(monkeypatch):
    monkeypatch.setattr("webdancer.web.tools.OBSERVATIONS", 3)
    tools = Tools(INDEX, PAGES)
    first = tools.call_many([("search", {"query": [f"mayor {n}"]}) for n in range(8)])
    assert len(tools._seen) == 3
    assert tools.call_many([("search", {"query": [f"mayor {n}"]}) for n in range(8)]) == first


def test_a_summariser_that_can_never_be_asked_ends_the_run():
    class Refused(RuntimeError):
        fatal = True

    async def refused(text, goal):
        raise Refused("wrong key")

    tools = Tools(INDEX, PAGES, summarise=refused)
    with pytest.raises(Refused, match="wrong key"):
        tools.call_many([("visit", {"url": ["http://a.test/Orlen_Ford"], "goal": "mayor"})])
