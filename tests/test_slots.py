"""One episode between two passes: how a turn ends, what a call becomes, where a limit cuts."""

import pytest

from webdancer.agent import slots
from webdancer.agent.episode import Episode, Limits, Slot

THOUGHT = "<think>\nx\n</think>\n"
SEARCH = THOUGHT + '<tool_call>\n{"name": "search", "arguments": {"query": ["a"]}}\n</tool_call>'


def episode() -> Episode:
    return Episode("q", 0, [], [], [], [])


@pytest.mark.parametrize(
    ("text", "stop", "error"),
    [
        ("no tags at all", "malformed", False),
        (THOUGHT + "<tool_call>\n{broken\n</tool_call>", "", True),
        (THOUGHT + '<tool_call>\n{"name": "search"}\n</tool_call>', "", True),
    ],
)
def test_a_broken_call_becomes_an_observation_and_a_turn_without_one_ends(text, stop, error):
    played = episode()
    call = slots.end_turn(played, text, Limits())
    assert played.stop == stop and isinstance(call, str) == error
    assert played.messages == [{"role": "assistant", "content": text}] and played.n_calls == error
    if error:
        assert call.startswith("Error: ") and ("JSON" in call or "wanted" in call)


def test_an_answer_ends_a_call_goes_on_and_the_last_turn_allowed_is_capped():
    played = episode()
    assert slots.end_turn(played, SEARCH, Limits(max_turns=3)) == ("search", {"query": ["a"]})
    assert slots.end_turn(played, THOUGHT + "<answer>\nKestin\n</answer>", Limits(max_turns=3)) is None
    assert (played.prediction, played.stop, played.turns, played.n_calls) == ("Kestin", "answer", 2, 1)
    capped = episode()
    assert slots.end_turn(capped, SEARCH, Limits(max_turns=1)) is None and capped.stop == "turn_cap"


def test_tokens_are_kept_with_their_log_probability_until_a_limit_cuts():
    slot = Slot(episode())
    slots.append(slot.episode, [7, 8], written=False)
    for token, logp in ((3, -0.5), (4, -0.25)):
        slots.take(slot, token, logp, 1, str, Limits(max_turn_tokens=2))
    assert slot.episode.ids == [7, 8, 3, 4] and slot.episode.mask == [False, False, True, True]
    assert slot.episode.logp == [0.0, 0.0, -0.5, -0.25]
    assert slot.episode.stop == "cut" and slot.episode.messages[0]["content"] == "[3, 4]"
    slot = Slot(episode())
    slots.take(slot, 3, -1.0, 1, str, Limits(max_tokens=1))
    assert slot.episode.stop == "context_cap" and not slot.running


def test_the_end_token_closes_the_turn_and_is_fed_with_the_observation():
    slot = Slot(episode())
    for token in (3, 4, 1):
        slots.take(slot, token, -1.0, 1, lambda ids: SEARCH, Limits())
    assert slot.call == ("search", {"query": ["a"]}) and slot.pending == [1] and not slot.running
    slot.call = None
    slots.answer(slot, "seen", [9, 9], Limits())
    assert slot.pending == [1, 9, 9] and slot.episode.mask[-3:] == [True, False, False] and slot.running
    assert slot.episode.messages[-1] == {"role": "user", "content": "seen"}
    slots.answer(slot, "long", [9] * 20, Limits(max_tokens=10))
    assert slot.episode.stop == "context_cap" and len(slot.episode.ids) == 5


def test_tools_get_the_calls_and_errors_answer_themselves():
    class Tools:
        def call_many(self, calls):
            return [name.upper() for name, _ in calls]

    texts = slots.observe(Tools(), ["Error: no", ("search", {}), ("visit", {})])
    assert [t.split("\n")[1] for t in texts] == ["Error: no", "SEARCH", "VISIT"]
    assert slots.observe(None, ["Error: no"]) == ["<tool_response>\nError: no\n</tool_response>"]
