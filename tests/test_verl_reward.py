"""The reward that verl calls: ours, with its parts; verl's own manager is in tests/scale."""

import by_heart
import pytest
from replayed import sampled

from webdancer import dapo_batch
from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.scale import verl_loop, verl_reward

KEYS = ["score", "acc", "format", "truncated", "calls"]
CALL, ANSWER = by_heart.search("Tal"), by_heart.answer("Tal")
HEARD = protocol.render_response("mayor Tal")


def told(**more):
    known = {"prediction": "Tal", "truncated": False, "format_ok": True, "n_calls": 1}
    return {"index": 3, "webdancer": {**known, **more}}


@pytest.mark.parametrize(
    "known, gold, wanted",
    [
        ({}, "Tal", [1.0, 1.0, 1.0, 0.0, 1.0]),
        ({}, "Veron", [0.1, 0.0, 1.0, 0.0, 1.0]),
        ({"format_ok": False}, "Tal", [0.9, 1.0, 0.0, 0.0, 1.0]),
        ({"format_ok": False, "prediction": ""}, "Tal", [0.0, 0.0, 0.0, 0.0, 1.0]),
        ({"truncated": True, "format_ok": False}, "Tal", [0.0, 0.0, 0.0, 1.0, 1.0]),
    ],
)
def test_by_hand(known, gold, wanted):
    found = verl_reward.compute_score("webdancer", "not read", gold, told(**known), reward_router_address=None)
    assert list(found) == KEYS and list(found.values()) == wanted
    assert all(type(value) is float for value in found.values())  # verl puts the parts of a batch into one array


def test_it_is_the_reward_of_our_own_batch_for_every_kind_of_ending():
    golds = {q.id: q.answer for q in by_heart.QUESTIONS}
    for question, gold in golds.items():
        group = [e for e in sampled() if e.question_id == question]
        for rollout in dapo_batch.make_group(group, gold, 0):
            info = {"webdancer": verl_loop.told(rollout.episode)}
            found = verl_reward.compute_score("", "", gold, info)
            assert (found["score"], found["acc"]) == (rollout.reward, float(rollout.correct))


@pytest.mark.parametrize(
    "between", ["{}", "\nuser\n{}\nassistant\n", "{}\n"], ids=["our template", "chatml", "a line break more"]
)
def test_without_the_loops_word_the_text_is_read(between):
    text = CALL + between.format(HEARD) + ANSWER
    assert verl_reward.read(text) == {"prediction": "Tal", "truncated": False, "format_ok": True, "n_calls": 1}
    assert verl_reward.compute_score("", text, "Tal")["score"] == 1.0
    assert verl_reward.compute_score("", text, "Veron", {"index": 1})["score"] == 0.1


@pytest.mark.parametrize(
    "text", ["", "Tal", CALL, CALL + HEARD, CALL + HEARD + ANSWER[:-3], "<tool_response>\nx\n</tool_response>" + ANSWER]
)
def test_a_text_that_breaks_the_form_earns_no_form(text):
    assert verl_reward.compute_score("", text, "nobody")["score"] == 0.0


def test_texts_of_sampled_episodes_are_read_as_the_loop_saw_them():
    """But for an observation that the policy invented: that one only the loop can tell from a real one."""
    seen = 0
    for episode in sampled():
        said = [m["content"] for m in episode.messages[2:]]
        if any("<tool_response>" in text for text in said[::2]):
            continue
        read = verl_reward.read("".join(said))
        right = episode.prediction if episode.stop == "answer" else ""
        assert (read["prediction"], read["format_ok"]) == (right, episode.format_ok), episode.stop
        seen += 1
    assert seen >= 100
    invented = verl_reward.read(CALL + HEARD + ANSWER)
    assert invented["format_ok"] and not judge.format_ok(
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": CALL + HEARD + ANSWER}]
    )
