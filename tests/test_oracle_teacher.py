"""pocketweb.oracle_teacher: the rule that picks the next action from the messages alone."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pocketweb import oracle_teacher
from pocketweb.oracle_teacher import Finding, History, next_step
from pocketweb.reading import Chain, Plan, Result
from webdancer.core import prompts

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


OLDER = "Who is the mayor of the older one of Orlen Ford and the city where Tal Veron was born?"
YEARS = "Orlen Ford was founded in 1902. Tal Veron was born in Kestin. Kestin was founded in 1871."


def test_a_comparison_goes_on_to_what_is_asked_of_the_thing_it_picks():
    seen = (call("search", query=["x"]), YEARS)
    step = next_step(chat(OLDER, *seen))
    assert (step.action, step.entity, step.label) == ("search", "Kestin", "mayor")
    last = next_step(chat(OLDER, *seen, call("search", query=["Kestin mayor"]), "The mayor of Kestin is Ada Quist."))
    assert (last.action, last.answer) == ("answer", "Ada Quist") and last.new == (
        Finding("mayor", "Kestin", ("Ada Quist",)),
    )
    younger = next_step(chat(OLDER.replace("older", "younger"), *seen))
    assert (younger.entity, younger.label) == ("Orlen Ford", "mayor")


def test_a_page_is_opened_again_for_another_fact_of_a_comparison():
    hit = "A search for 'x' found 1 results:\n\n## Web Results\n1. [Kestin](http://w/Kestin)\n\nIt is widely ..."
    turns = (
        call("search", query=["Kestin founded"]), hit,
        call("visit", url=["http://w/Kestin"], goal="Kestin founded"), YEARS,
        call("search", query=["Kestin mayor"]), hit,
    )  # fmt: skip
    step = next_step(chat(OLDER, *turns))
    assert (step.action, step.arguments) == ("visit", {"url": ["http://w/Kestin"], "goal": "Kestin mayor"})
    turns += (call("visit", url=["http://w/Kestin"], goal="Kestin mayor"), "nothing")
    assert next_step(chat(OLDER, *turns)).answer == "unknown"


def test_which_of_two_and_how_far_apart():
    asked = "Which city was founded later, the twin city of Kestin or the birthplace of Tal Veron?"
    seen = (call("search", query=["x"]), YEARS + " The twin city of Kestin is Orlen Ford.")
    assert next_step(chat(asked, *seen)).answer == "Orlen Ford"
    assert next_step(chat(asked.replace("later", "earlier"), *seen)).answer == "Kestin"
    asked = "How many years lie between the founding year of Kestin and the year in which Orlen Ford was founded?"
    assert next_step(chat(asked, *seen)).answer == "31"


def test_equal_years_pick_nothing():
    tie = (call("search", query=["x"]), YEARS.replace("1871", "1902"))
    assert next_step(chat(OLDER, *tie)).answer == "unknown"
    asked = "Which city is the older one, the birthplace of Tal Veron or Orlen Ford?"
    assert next_step(chat(asked, *tie)).answer == "unknown"


def test_at_the_end_of_its_budget_it_answers_at_once():
    asked_to_end = f"{CUT}\n\n{prompts.FORCED}"
    step = next_step(chat(ASKED, SEARCHED[0], asked_to_end))
    assert (step.action, step.answer) == ("answer", "unknown")
    assert next_step(chat("Why?", call("search", query=["x"]), prompts.FORCED)).action == "answer"
    known = f"{BORN} The mayor of Orlen Ford is Ada Quist.\n\n{prompts.FORCED}"
    assert next_step(chat(ASKED, SEARCHED[0], known)).answer == "Ada Quist"


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
    years = (Chain("Tal Veron", ("birth year",)), Chain("Orlen Ford", ("mayor", "birth year")))
    text = "Tal Veron, birth year; Orlen Ford, mayor, birth year; "
    assert oracle_teacher.plan_text(Plan("difference", years)) == text + "difference"
    assert oracle_teacher.plan_text(Plan("lower", years)) == text + "lower"
    assert oracle_teacher.plan_text(Plan("higher", years, "employer")) == text + "higher, employer"


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_messages_get_a_step(texts):
    step = next_step(chat(*texts) if texts else [{"role": "user", "content": ""}])
    assert step.action in ("search", "visit", "answer")
    assert isinstance(oracle_teacher.history_of(chat("q", *texts)), History)
