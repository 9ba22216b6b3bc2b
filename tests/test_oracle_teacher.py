"""pocketweb.oracle_teacher: the rule that picks the next action from the messages alone."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pocketweb import oracle_teacher
from pocketweb.oracle_teacher import Finding, History, next_step
from pocketweb.reading import Chain, Plan, Result

ASKED = "Who is the mayor of the city where Tal Veron was born?"
URL = "http://wiki.pocket.test/wiki/Tal_Veron"
CUT = (
    f"A search for 'Tal Veron born' found 1 results:\n\n## Web Results\n1. [Tal Veron]({URL})\n\nIt is widely known ..."
)
BORN = "Tal Veron was born in Orlen Ford."


def call(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def chat(question, *turns):
    """A request: question, then assistant text and observation in turn."""
    messages = [{"role": "system", "content": "Search, visit, answer."}, {"role": "user", "content": question}]
    for i, text in enumerate(turns):
        content = f"<tool_response>\n{text}\n</tool_response>" if i % 2 else text
        messages.append({"role": ("assistant", "user")[i % 2], "content": content})
    return messages


SEARCHED = (call("search", query=["Tal Veron born"]), CUT)
VISITED = (*SEARCHED, call("visit", url=[URL], goal="Tal Veron born"), BORN)


def test_search_then_visit_then_go_on_then_answer():
    first = next_step(chat(ASKED))
    assert (first.turn, first.action, first.arguments) == (0, "search", {"query": ["Tal Veron born"]})
    second = next_step(chat(ASKED, *SEARCHED))
    assert (second.action, second.arguments) == ("visit", {"url": [URL], "goal": "Tal Veron born"})
    third = next_step(chat(ASKED, *VISITED))
    assert (third.action, third.entity, third.label) == ("search", "Orlen Ford", "mayor")
    assert third.new == (Finding("birthplace", "Tal Veron", ("Orlen Ford",)),)
    last = next_step(
        chat(ASKED, *VISITED, call("search", query=["Orlen Ford mayor"]), "The mayor of Orlen Ford is Ada Quist.")
    )
    assert (last.action, last.answer) == ("answer", "Ada Quist")
    assert [f.label for f in last.found] == ["birthplace", "mayor"] and [f.label for f in last.new] == ["mayor"]


def test_one_observation_may_bring_two_steps():
    both = f"{BORN} The mayor of Orlen Ford is Ada Quist."
    step = next_step(chat(ASKED, call("search", query=["Tal Veron born"]), both))
    assert step.answer == "Ada Quist" and len(step.new) == 2


def test_unknown_when_searched_and_opened_in_vain_or_when_no_result_has_the_title():
    assert next_step(chat(ASKED, *SEARCHED, call("visit", url=[URL], goal="g"), "nothing")).answer == "unknown"
    assert next_step(chat(ASKED, SEARCHED[0], CUT.replace("[Tal Veron]", "[Tal Veron (chemist)]"))).answer == "unknown"


def test_broken_calls_do_not_count_as_made():
    step = next_step(chat(ASKED, '<tool_call>\n{"name": "search", "arg\n</tool_call>', "Error: not JSON"))
    assert (step.turn, step.action, step.arguments) == (1, "search", {"query": ["Tal Veron born"]})


def test_past_thoughts_play_no_part():
    thought = "<think>\nBirthplace of Tal Veron: Kestin.\n</think>\n"
    plain, thinking = chat(ASKED, *VISITED), chat(ASKED, thought + VISITED[0], *VISITED[1:])
    assert next_step(plain) == next_step(thinking)


def test_count_and_intersection_answers():
    asked = "How many natives of Orlen Ford are listed?"
    step = next_step(
        chat(asked, call("search", query=["Orlen Ford natives"]), "The natives of Orlen Ford are A B, C D and E F.")
    )
    assert step.answer == "3"
    asked = "Which person is a native of Orlen Ford and is a graduate of Kestin University?"
    seen = "The natives of Orlen Ford are A B and C D. The graduates of Kestin University are C D and E F."
    assert next_step(chat(asked, call("search", query=["x"]), seen)).answer == "C D"
    assert next_step(chat(asked, call("search", query=["x"]), seen.replace("C D and E F", "E F"))).answer == "unknown"


def test_question_outside_the_grammar_is_searched_once():
    asked = "Why is the sky blue?"
    assert next_step(chat(asked)).arguments == {"query": [asked]}
    assert next_step(chat(asked, call("search", query=[asked]), "no")).answer == "unknown"


def test_the_released_head_is_understood():
    released = f"A conversation ...\n(rules)\n\nUser: {ASKED}"
    assert next_step(chat(released)).question == ASKED


def test_url_of_knows_repositories_and_site_names():
    results = [
        Result("velmar-optics/velmar-parser", "http://g/1", ""),
        Result("Velmar Regatta - Events", "http://w/2", ""),
    ]
    assert oracle_teacher.url_of("velmar-parser", results) == "http://g/1"
    assert oracle_teacher.url_of("Velmar Regatta", results) == "http://w/2"
    assert oracle_teacher.url_of("Velmar", results) is None


def test_plan_text_of_each_kind():
    value = Plan("value", (Chain("Tal Veron", ("birthplace", "mayor")),))
    both = Plan("both", (Chain("Orlen Ford", ("natives",)), Chain("Velmar Optics", ("staff",))))
    assert oracle_teacher.plan_text(value) == "Tal Veron, birthplace, mayor"
    assert oracle_teacher.plan_text(both) == "Orlen Ford, natives; Velmar Optics, staff; both"


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_messages_get_a_step(texts):
    step = next_step(chat(*texts) if texts else [{"role": "user", "content": ""}])
    assert step.action in ("search", "visit", "answer")
    assert isinstance(oracle_teacher.history_of(chat("q", *texts)), History)
