"""The loop that verl drives plays our episodes, token for token; verl itself is in tests/scale."""

import asyncio
from pathlib import Path

import by_heart
import pytest
from replayed import LIMITS, Observed, Replay, distinct, of_trajectory, sampled

from webdancer.agent import tokens
from webdancer.agent.episode import Episode, Limits
from webdancer.core import protocol
from webdancer.core.schema import Trajectory, read_jsonl
from webdancer.scale import verl_loop

RELEASED = Path(__file__).parents[2] / "shared" / "data" / "webdancer" / "sample_traj.jsonl"
HEAD = [{"role": "user", "content": "Who is Tal?"}]


def play(sample, tokenizer, messages, tools, **limits):
    return asyncio.run(verl_loop.play(sample, tokenizer, messages, tools, Limits(**{**LIMITS, **limits})))


@pytest.fixture(scope="module")
def tokenizer():
    return by_heart.trained().tokenizer


def say(*turns):
    """A sampler that writes these turns, each with its end token unless it is given as a list of ids."""
    left = list(turns)

    async def sample(ids, most):
        return left.pop(0), None

    return sample


def test_sampled_episodes_are_the_same_to_the_last_token_however_they_end(tokenizer):
    short = sampled(4, max_turns=1)
    assert len(sampled()) == 128 and "turn_cap" in {e.stop for e in short}
    assert {"answer", "malformed", "cut", "context_cap"} <= {e.stop for e in sampled()}
    for wanted, turns in [(e, 3) for e in sampled()] + [(e, 1) for e in short]:
        replay = Replay(wanted)
        found, prompt, waited = play(replay, tokenizer, wanted.messages[:2], by_heart.EchoTools(), max_turns=turns)
        assert (found.ids, found.mask, found.logp) == (wanted.ids, wanted.mask, wanted.logp)
        assert found.messages == wanted.messages
        for name in ("prediction", "stop", "format_ok", "n_calls", "turns"):
            assert getattr(found, name) == getattr(wanted, name), name
        assert prompt == wanted.mask.index(True) and waited >= 0
        assert replay.asked == sum(m["role"] == "assistant" for m in wanted.messages)


def released():
    """Released trajectories that end with a turn of the agent."""
    if not RELEASED.is_file():
        pytest.skip("the released WebDancer sample is not in ../shared")
    return distinct([t for t in read_jsonl(RELEASED, Trajectory) if t.messages[-1]["role"] == "assistant"], 30)


def test_masks_of_the_released_trajectories_are_those_that_sft_trains_on():
    found = released()
    tokenizer = tokens.train_tokenizer(tokens.corpus(found[:20]), 2000, max_length=20_000)
    tools, played = Observed(found), 0
    for trajectory in found:
        wanted = of_trajectory(tokenizer, trajectory)
        episode, prompt, _ = play(
            Replay(wanted),
            tokenizer,
            trajectory.messages[:2],
            tools,
            max_turns=50,
            max_tokens=10**6,
            max_turn_tokens=10**6,
        )
        assert (episode.ids, episode.mask) == (wanted.ids, wanted.mask) and episode.stop == "answer"
        fields = verl_loop.response(episode, prompt, overlong_filter=False)
        assert fields["prompt_ids"] + fields["response_ids"] == wanted.ids
        assert fields["response_mask"] == [int(m) for m in wanted.mask[prompt:]]
        played += 1
    assert played == 30  # verl plays 120 of them in tests/scale


def test_by_hand_one_call_one_answer(tokenizer):
    """Prompt, what the policy wrote with its end token, the observation, the answer: 0s and 1s as one would write."""
    first, last = by_heart.search("Tal"), by_heart.answer("Tal")
    said = [tokens.encode(tokenizer, text) + [tokenizer.eos_token_id] for text in (first, last)]
    episode, prompt, _ = play(say(*said), tokenizer, HEAD, by_heart.EchoTools())
    heard = tokens.bridge(tokenizer, protocol.render_response("mayor Tal"))
    start = tokens.render(tokenizer, HEAD, generate=True).ids
    assert episode.ids == start + said[0] + heard + said[1]
    assert episode.mask == [False] * len(start) + [True] * len(said[0]) + [False] * len(heard) + [True] * len(said[1])
    fields = verl_loop.response(episode, prompt, overlong_filter=True)
    assert fields["prompt_ids"] == start and fields["num_turns"] == 4
    assert fields["response_mask"] == [1] * len(said[0]) + [0] * len(heard) + [1] * len(said[1])
    assert fields["response_logprobs"] == [0.0] * (len(episode.ids) - len(start))  # the engine gave none


def test_a_broken_call_is_answered_and_does_not_reach_the_tools(tokenizer):
    class Never:
        def call_many(self, calls):
            raise AssertionError("asked")

    broken = tokens.encode(tokenizer, "<think>\na\n</think>\n<tool_call>\n{oops\n</tool_call>") + [
        tokenizer.eos_token_id
    ]
    last = tokens.encode(tokenizer, by_heart.answer("Tal")) + [tokenizer.eos_token_id]
    dials = {"max_turn_tokens": 200, "max_tokens": 2000}
    episode, *_ = play(say(broken, last), tokenizer, HEAD, Never(), **dials)
    assert "not valid JSON" in episode.messages[2]["content"] and episode.stop == "answer" and not episode.format_ok


def test_what_was_cut_off_can_stay_out_of_the_loss(tokenizer):
    wanted = next(e for e in sampled() if e.stop == "cut")
    prompt = wanted.mask.index(True)
    kept, left_out = (verl_loop.response(wanted, prompt, flag) for flag in (False, True))
    assert sum(kept["response_mask"]) == sum(wanted.mask) and sum(left_out["response_mask"]) == 0
    assert kept["response_ids"] == left_out["response_ids"]
    whole = next(e for e in sampled() if e.stop == "answer")
    assert sum(verl_loop.response(whole, prompt, True)["response_mask"]) == sum(whole.mask)


def test_what_the_reward_is_told():
    episode = Episode("", 0, HEAD, [1], [True], [0.0], "Tal", "turn_cap", 3, 4, False)
    assert verl_loop.told(episode) == {
        "prediction": "Tal",
        "stop": "turn_cap",
        "format_ok": False,
        "n_calls": 3,
        "turns": 4,
        "truncated": True,
    }


@pytest.mark.parametrize(
    "said, logp, message",
    [
        ([], None, "returned 0 tokens"),
        ([7] * 35, None, "returned 35 tokens, wanted 1 to 34"),
        ([7, 8], [-1.0], "a log-probability each"),
        ([7, 8], None, "ended a turn after 2 of 34 tokens with token 8"),
    ],
)
def test_an_engine_that_does_something_else_is_refused(tokenizer, said, logp, message):
    async def sample(ids, most):
        return said, logp

    with pytest.raises(ValueError, match=message):
        play(sample, tokenizer, HEAD, by_heart.EchoTools())


def test_a_prompt_without_room_and_a_template_that_drops_thoughts_are_refused(tokenizer):
    with pytest.raises(ValueError, match="wanted room for an answer: raise MAX_TOKENS"):
        play(say(), tokenizer, HEAD, by_heart.EchoTools(), max_tokens=3)
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = tokens.TEMPLATE.replace("m['content']", "m['content'].split('</think>')[-1]")
    with pytest.raises(ValueError, match="its thought is gone"):
        play(say(), other, HEAD, by_heart.EchoTools())


def test_a_service_that_is_gone_ends_the_episode_with_an_error(tokenizer):
    """No observation is made up: verl drops the group, and nothing is learned from a web that was not there."""

    class Gone:
        def call_many(self, calls):
            raise ConnectionError("no answer")

    first = tokens.encode(tokenizer, by_heart.search("Tal")) + [tokenizer.eos_token_id]
    with pytest.raises(ConnectionError, match="no answer"):
        play(say(first), tokenizer, HEAD, Gone())
