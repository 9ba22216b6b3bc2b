"""webdancer.filters_rules: every rule by hand, on and off."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer import filters_rules
from webdancer.core import params
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory
from webdancer.filters_rules import Reading, Rules

SEEN = "1. [Kestin](http://kestin.test/Kestin_(city)) The mayor of Kestin is Tal Veron. It has 1,948 natives."


def look(query="a", thought="Look it up."):
    return Turn(thought, "search", {"query": [query]})


def visit(*urls):
    return Turn("Open it.", "visit", {"url": list(urls), "goal": "mayor"})


def trace(*turns, answer="Tal Veron", question="Who is the mayor of Kestin?", seen=SEEN, **fields):
    messages = [{"role": "user", "content": question}]
    for turn in [*turns, Turn("The page says so.", answer=answer)]:
        messages.append({"role": "assistant", "content": render_turn(turn)})
        messages.append({"role": "user", "content": render_response(seen)})
    return replace(Trajectory(tuple(messages[:-1]), (("Tal Veron",),), stop="answer", prediction=answer), **fields)


GOOD = trace(look())
MANY = [look(str(n), thought=f"Try {n}.") for n in range(20)]
LONG = " ".join(map(str, range(4001)))


def broken(trajectory, **rules):
    return filters_rules.broken(trajectory, Rules(**rules))


@pytest.mark.parametrize(
    ("trajectory", "loose", "wanted"),
    [
        (trace(Turn("x", "browse", {"url": "u"})), {"tools": ("browse",)}, ["hallucinated tool"]),
        (trace(), {"min_actions": 1, "min_grounded": 0.0}, ["too few actions", "answer not grounded"]),
        (trace(*MANY), {"max_actions": 21}, ["too many actions"]),
        (trace(*MANY), {"max_actions": 0}, ["too many actions"]),
        (trace(look(), look()), {"max_same_call": 2}, ["repeated call"]),
        (trace(look(), visit("http://made.up/x")), {"known_urls": False}, ["unknown url"]),
        (trace(look(thought="")), {"min_thought": 0}, ["thought too short"]),
        (trace(look(thought=LONG)), {"max_thought": 0}, ["thought too long"]),
        (trace(look(thought="a b c d e f g h i j " * 5)), {"max_ngram": 5}, ["repeated 10-gram"]),
        (trace(look(), answer="Ada Lund"), {"min_grounded": 0.0}, ["answer not grounded"]),
    ],
)  # fmt: skip
def test_each_rule_by_hand_and_its_parameter(trajectory, loose, wanted):
    assert broken(trajectory) == wanted
    assert filters_rules.quality(trajectory) == wanted[0]
    assert broken(trajectory, **loose) == []


def test_a_good_trajectory_breaks_nothing():
    assert filters_rules.validity(GOOD) == filters_rules.quality(GOOD) == ""


def test_both_bounds_with_the_answer_counted_or_not():
    two, three = trace(look()), trace(look(), look("b"))  # one call and two calls
    assert broken(two, min_actions=2) == broken(two, min_actions=1, count_answer=False) == []
    assert broken(two, min_actions=3) == broken(two, min_actions=2, count_answer=False) == ["too few actions"]
    assert broken(three, min_actions=3) == broken(three, max_actions=2, count_answer=False) == []
    assert broken(three, max_actions=2) == ["too many actions"]


def test_forced_answers_and_unknown_tools_may_be_faults_of_form():
    forced, browse = replace(GOOD, stop="forced"), trace(Turn("x", "browse", {}))
    assert filters_rules.validity(forced) == "ended by forced"
    assert filters_rules.validity(forced, Rules(forced_answers=True)) == ""
    assert filters_rules.validity(replace(GOOD, stop="tool_failures"), Rules(forced_answers=True)) != ""
    assert filters_rules.validity(browse) == ""
    assert filters_rules.validity(browse, Rules(strict_tools=True)) == "unknown tool"


@pytest.mark.parametrize(
    "url",
    [
        "http://kestin.test/Kestin_(city)",
        "https://www.kestin.test/Kestin_(city)/",
        "http://kestin.test/Kestin_%28city%29",
        "kestin.test/kestin_(city)#history",
    ],
)
def test_an_address_that_was_shown(url):
    assert filters_rules.unknown_urls(Reading(trace(look(), visit(url)))) == []


@pytest.mark.parametrize(
    "url",
    ["http://kestin.test/Kestin", "http://kestin.test/", "http://estin.test/Kestin_(city)", "http://kestin.test/K?x=1"],
)
def test_an_address_that_was_not_shown(url):
    assert filters_rules.unknown_urls(Reading(trace(look(), visit(url)))) == [url]


def test_addresses_count_from_the_moment_they_are_shown():
    url = "http://kestin.test/Kestin_(city)"
    assert filters_rules.unknown_urls(Reading(trace(visit(url), look()))) == [url]
    asked = trace(visit(url), look(), question=f"Who is the mayor on {url}?")
    assert filters_rules.unknown_urls(Reading(asked)) == []


def share(answer, seen=SEEN, **fields):
    return filters_rules.grounded(Reading(trace(look(), answer=answer, seen=seen, **fields)))


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("Tal Veron", 1.0),
        ("It is **Tal Veron**.", 1.0),
        ("Tal Lund", 0.5),
        ("Ada Lund", 0.0),
        ("The mayor of Kestin", 1.0),  # nothing but words of the question: nothing to check
        ("1948", 1.0),  # as 1,948
        ("1949", 0.0),
        ("Yes, he is.", 1.0),
    ],
)
def test_grounding_by_hand(answer, wanted):
    assert share(answer) == wanted


def test_a_short_answer_has_to_stand_in_one_observation():
    messages = list(trace(look(), look("b")).messages)
    messages[2] = {"role": "user", "content": render_response("Tal Orm lives here.")}
    messages[4] = {"role": "user", "content": render_response("Ada Veron lives there.")}
    assert filters_rules.grounded(Reading(replace(GOOD, messages=tuple(messages)))) == 0.5


def test_of_prose_only_names_and_numbers_count():
    said = "After long research I am confident that the city is now run by Tal Veron, in office since 2014."
    assert share(said) == pytest.approx(2 / 3)  # Tal, Veron; not 2014
    assert share(said.replace("2014", "1948")) == 1.0


def test_what_had_to_be_reckoned_needs_no_page():
    assert share("7", tag="count") == share("31", tag="difference") == 1.0
    assert share("7", question="How many natives of Kestin are listed?") == 1.0
    assert share("7", tag="multihop") == 0.0
    assert share("Ada Lund", tag="count") == 0.0  # not a number: it has to stand somewhere


def test_grounding_in_chinese():
    seen = "凯斯廷的市长是张伟明。"
    assert share("张伟明", seen=seen, question="谁是市长？") == 1.0
    assert share("李强国", seen=seen, question="谁是市长？") == 0.0


def test_ratings_below_their_thresholds():
    assert filters_rules.low_ratings((5, 4, 4)) == []
    assert filters_rules.low_ratings((3, 4, 1)) == ["rated low: non_redundant", "rated low: logical"]
    assert filters_rules.low_ratings((3, 4, 1), Rules(min_ratings=(1, 1, 1))) == []
    assert filters_rules.low_ratings(()) == ["no rating"]


def test_rules_are_the_parameters_of_the_notebook():
    values = params.defaults("04_filter")
    assert {f.name for f in fields(Rules)} <= set(values)
    assert Rules.of(values) == Rules()


def test_bad_bounds_are_named():
    with pytest.raises(ValueError, match="min_ratings: got .4., wanted one score each"):
        Rules(min_ratings=(4,))
    with pytest.raises(ValueError, match="min_grounded: got 2, wanted a share"):
        Rules(min_grounded=2)


@given(st.lists(st.sampled_from(["Tal", "Veron", "Ada", "1948", "the", "7"]), min_size=1, max_size=9))
def test_grounding_is_a_share(said):
    assert 0.0 <= share(" ".join(said)) <= 1.0


def test_words_of_a_thought():
    assert filters_rules.count_words("Look it up: 北京市, 1948.") == 7
    assert Reading(trace(look(thought="Look it up."))).thoughts == [3, 4]
