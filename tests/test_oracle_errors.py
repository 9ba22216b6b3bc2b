"""pocketweb.oracle_errors: the five mistakes and the rate at which they are made."""

import json
import random

import pytest

from pocketweb import oracle_errors
from pocketweb.oracle_errors import KINDS, answer_block, call_block, mistaken_turn
from pocketweb.oracle_teacher import next_step
from pocketweb.oracle_thoughts import short_thought

ASKED = "Who is the mayor of the city where Tal Veron was born?"
SEARCH = call_block("search", {"query": ["Tal Veron born"]})
SEEN = "Tal Veron was born in Orlen Ford. Ada Quist was born in Kestin."
MIDDLE = [
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": SEARCH},
    {"role": "user", "content": f"<tool_response>\n{SEEN}\n</tool_response>"},
]
END = [
    *MIDDLE,
    {"role": "assistant", "content": call_block("search", {"query": ["Orlen Ford mayor"]})},
    {"role": "user", "content": "<tool_response>\nThe mayor of Orlen Ford is Bo Lin.\n</tool_response>"},
]


def render(step):
    body = answer_block(step.answer) if step.action == "answer" else call_block(step.action, step.arguments)
    return short_thought(step), body


def turns(messages, temperature, count=4000):
    step = next_step(messages)
    return [mistaken_turn(step, messages, temperature, random.Random(i), render) for i in range(count)]


def test_temperature_zero_never_errs():
    assert set(turns(MIDDLE, 0.0, 200)) == {render(next_step(MIDDLE))}


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_the_rate_follows_the_temperature(temperature):
    wrong = sum(t != render(next_step(MIDDLE)) for t in turns(MIDDLE, temperature))
    assert wrong / 4000 == pytest.approx(oracle_errors.RATE * temperature, abs=0.02)


def test_about_one_episode_in_five_is_spoiled_at_temperature_0_7():
    assert 0.15 < 1 - (1 - oracle_errors.RATE * 0.7) ** 4.2 < 0.25  # 4.2 turns an episode


def test_every_kind_is_met_in_the_middle_of_an_episode():
    right, seen = render(next_step(MIDDLE)), set()
    for thought, body in set(turns(MIDDLE, 2.0)) - {right}:
        try:
            made = json.loads(body.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
        except ValueError:
            seen.add("invalid JSON")
            continue
        if made["name"] == "browse":
            seen.add("hallucinated tool")
        elif body == SEARCH or thought.count("Next: mayor of Orlen Ford.") > 5:
            seen.add("repetition")
        elif made["arguments"]["query"][0].startswith("Orlen Ford"):
            seen.add("wrong hop")
        else:
            assert made["arguments"]["query"][0] in ("Tal Veron mayor", "Ada Quist mayor", "Kestin mayor")
            seen.add("wrong fact")
    assert seen == set(KINDS)


def test_wrong_answers_are_names_that_were_seen():
    answers = {body for _, body in turns(END, 2.0) if "<answer>" in body}
    wrong = answers - {answer_block("Bo Lin")}
    assert wrong and wrong <= {answer_block(n) for n in ("Tal Veron", "Orlen Ford", "Ada Quist", "Kestin")}


def test_a_miscounted_list_lacks_a_member():
    asked = [
        {"role": "user", "content": "How many natives of Orlen Ford are listed?"},
        {"role": "assistant", "content": call_block("search", {"query": ["Orlen Ford natives"]})},
        {
            "role": "user",
            "content": "<tool_response>\nThe natives of Orlen Ford are A B, C D and E F.\n</tool_response>",
        },
    ]
    assert ("Natives of Orlen Ford: 1 A B, 2 C D. Done.", answer_block("2")) in turns(asked, 2.0)


def pair(question, *observations):
    """An episode that has seen these observations."""
    messages = [{"role": "user", "content": question}]
    for i, text in enumerate(observations):
        messages.append({"role": "assistant", "content": call_block("search", {"query": [f"q{i}"]})})
        messages.append({"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"})
    return messages


FOUNDED = ("Orlen Ford was founded in 1902.", "Kestin was founded in 1871.")


def test_a_comparison_goes_wrong_by_picking_the_other_thing():
    asked = "Who is the mayor of the older one of Orlen Ford and Kestin?"
    wrong = call_block("search", {"query": ["Orlen Ford mayor"]})
    thoughts = {thought for thought, body in turns(pair(asked, *FOUNDED), 2.0) if body == wrong}
    said = "Founding year of Kestin: 1871. 1902 is more than 1871, so Orlen Ford. Next: mayor of Orlen Ford."
    assert thoughts == {said}
    asked = "Which city is the older one, Orlen Ford or Kestin?"
    assert answer_block("Orlen Ford") in {body for _, body in turns(pair(asked, *FOUNDED), 2.0)}


def test_a_difference_goes_wrong_by_a_misread_year_and_stays_a_number():
    asked = "How many years lie between the founding year of Orlen Ford and the founding year of Kestin?"
    seen = (FOUNDED[0] + " Belm was founded in 1850.", FOUNDED[1])
    answers = {body for _, body in turns(pair(asked, *seen), 2.0) if "<answer>" in body}
    assert answer_block("52") in answers  # 1902 - 1850
    assert ("Founding year of Kestin: 1850. 1902 - 1850 = 52. Done.", answer_block("52")) in turns(
        pair(asked, *seen), 2.0
    )
    assert answers <= {answer_block(n) for n in ("31", "52", "0", "1902")}  # 0: the same year twice; 1902: a hop early
