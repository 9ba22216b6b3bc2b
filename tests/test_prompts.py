"""webdancer.core.prompts: heads in both styles, and prompts that carry their inputs."""

import pytest

from pocketweb import oracle
from webdancer.core import prompts, protocol
from webdancer.core.schema import Page

PAGE = Page("http://w/O", "Orlen Ford", "The mayor of Orlen Ford is Ada Quist.")
EPISODE = [
    {"role": "assistant", "content": "<think>\nx\n</think>\n<answer>\nAda Quist\n</answer>"},
]


def test_released_head():
    system, user = prompts.head("Who?", "2025-07-18")
    assert system["content"].endswith("\nCurrent date: 2025-07-18") and user["content"].endswith("\n\nUser: Who?")
    assert (system["role"], user["role"]) == ("system", "user")
    assert protocol.question_of([system, user]) == "Who?"


def test_brief_head():
    assert prompts.head("Who?", style="brief") == [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": "Who?"},
    ]


@pytest.mark.parametrize("date", ["", "today", "18-07-2025", "2025-07-18T00:00"])
def test_a_bad_date_is_refused(date):
    with pytest.raises(ValueError, match="wanted YYYY-MM-DD"):
        prompts.head("Who?", date)


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="wanted one of released, brief"):
        prompts.head("Who?", "2025-07-18", "chatty")


@pytest.mark.parametrize(
    ("system", "style", "wanted"),
    [
        ("Search well.", "released", ("Search well.", prompts.USER_HEAD + "Who?")),
        ("Search well on {date}.", "released", ("Search well on 2025-07-18.", prompts.USER_HEAD + "Who?")),
        ("Call in <tool_call> tags.", "released", ("Call in <tool_call> tags.", "Who?")),
        ("Search well.", "brief", ("Search well.", "Who?")),
        ("", "brief", (prompts.BRIEF, "Who?")),
    ],
)
def test_a_system_message_of_ones_own(system, style, wanted):
    assert tuple(m["content"] for m in prompts.head("Who?", "2025-07-18", style, system)) == wanted
    assert protocol.question_of(prompts.head("Who?", "2025-07-18", style, system)) == "Who?"


def test_a_system_message_without_a_date_needs_none():
    assert prompts.head("Who?", system="Search {well}.")[0]["content"] == "Search {well}."
    with pytest.raises(ValueError, match="wanted YYYY-MM-DD"):
        prompts.head("Who?", system="It is {date}.")


@pytest.mark.parametrize("task", [prompts.GRADE_YES_NO, prompts.GRADE_ONE_WORD])
def test_the_prompts_of_the_published_protocols_ask_the_same_question(task):
    """The stand-in reads them as it reads `JUDGE`: by their first line, and by the form of the user message."""
    assert task.partition("\n")[0] == prompts.JUDGE.partition("\n")[0]
    assert prompts.judge("Who?", "A", ["B", "C"], task)[1] == prompts.judge("Who?", "A", ["B", "C"])[1]
    assert "Everything between <prediction> and" in " ".join(task.split())


def test_restyle_there_and_back():
    released = prompts.head("Who?", "2025-07-18") + EPISODE
    brief = prompts.restyle(released, "brief")
    assert brief == prompts.head("Who?", style="brief") + EPISODE
    assert prompts.restyle(brief, "released", "2025-07-18") == released
    assert prompts.restyle(released, "released") == released  # the date is kept
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        prompts.restyle(brief, "released")
    with pytest.raises(protocol.ProtocolError):
        prompts.restyle(EPISODE, "brief")


def test_restyle_without_a_system_message_and_without_sharing():
    bare = [{"role": "user", "content": "Who?"}, *EPISODE]
    out = prompts.restyle(bare, "brief")
    assert out[1:] == bare
    out[2]["content"] = "changed"
    assert EPISODE[0]["content"] != "changed"


ASKED = {
    "crawlqa": (prompts.crawlqa("count", 2, [PAGE, PAGE]), ("Kind: count", "Hops: 2", "Page 2\nTitle: Orlen Ford")),
    "seed": (prompts.seed(PAGE), (PAGE.text, PAGE.url)),
    "entity": (prompts.entity("Who?"), ("Question: Who?",)),
    "rewrite": (prompts.rewrite("Who?", "A", "E", "R"), ("Answer: A", "Entity: E", "Search results:\nR")),
    "identify": (prompts.identify("the tea", "R"), ("Description: the tea", "R")),
    "closed_book": (prompts.closed_book("Who?"), ("Question: Who?",)),
    "summarise": (prompts.summarise(PAGE.text, "mayor"), ("Goal: mayor", PAGE.text)),
    "judge": (prompts.judge("Who?", "A", ["B", "C"]), ("Gold answer: B | C", "<prediction>\nA\n</prediction>")),
    "quality": (prompts.quality("Who?", prompts.head("Who?", style="brief") + EPISODE), ("[assistant]\n<think>",)),
}
ROLES = {
    "closed_book": "pocket-short", "summarise": "pocket-summariser", "judge": "pocket-judge", "quality": "pocket-judge",
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_every_prompt_names_its_task_and_carries_its_inputs(name):
    (system, user), parts = ASKED[name]
    assert system["content"].startswith("Task: ") and all(part in user["content"] for part in parts)
    assert len({m[0]["content"].partition("\n")[0] for m, _ in ASKED.values()}) == len(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_the_stand_ins_know_every_prompt(name):
    body = {"model": ROLES.get(name, "pocket-author"), "messages": ASKED[name][0]}
    assert "reads only" not in oracle.reply(body)["choices"][0]["message"]["content"]
