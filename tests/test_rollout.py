"""Rollouts: ids and log-probabilities are the trainer's, samples do not depend on neighbours, every end is named."""

import json

import pytest
import torch

from webdancer import sft
from webdancer.agent import policy, rollout, tokens
from webdancer.core import prompts, protocol
from webdancer.core.schema import Question, Trajectory

WORDS = "Tal Veron Kor Hask Orlen Ford Mir Dov".split()


class EchoTools:
    """A tool that answers every search with the query reversed, and counts the calls it gets at a time."""

    def __init__(self):
        self.sizes = []

    def call_many(self, calls):
        self.sizes.append(len(calls))
        return [" ".join(reversed(arguments["query"][0].split())) for _, arguments in calls]


def search(word):
    return protocol.render_turn(protocol.Turn(f"Look {word} up.", "search", {"query": [word + " mayor"]}))


def answer(word):
    return protocol.render_turn(protocol.Turn(f"It is {word}.", answer=word))


def trajectory(word):
    messages = prompts.head(f"Who is {word}?", "", "brief")
    messages += [{"role": "assistant", "content": search(word)}]
    messages += [{"role": "user", "content": protocol.render_response(f"mayor {word}")}]
    messages += [{"role": "assistant", "content": answer(word)}]
    return Trajectory(tuple(messages), ((word,),), hops=1)


@pytest.fixture(scope="module")
def trained():
    """A policy that has learned the two-turn episode by heart: it calls the tool, then answers."""
    data = [trajectory(w) for w in WORDS]
    tokenizer = tokens.train_tokenizer(tokens.corpus(data * 3), 600, max_length=256)
    tiny = policy.build_tiny(tokenizer, hidden=32, layers=2, heads=2, feed_forward=64, seed=0)
    examples, _ = sft.prepare(data, tokenizer, prompt_style="keep")
    sft.train(tiny, examples, sft.Recipe(steps=400, batch_tokens=512, warmup=5))
    return tiny


@pytest.fixture(scope="module")
def questions():
    return [Question(f"q{n}", f"Who is {w}?", w, "multihop", 1) for n, w in enumerate(WORDS)]


def test_a_trained_policy_calls_the_tool_reads_and_answers(trained, questions):
    tools = EchoTools()
    done = rollout.run(trained, questions, tools, temperature=0.0, max_tokens=200)
    assert [e.prediction for e in done] == WORDS
    assert all(e.stop == "answer" and e.format_ok and e.n_calls == 1 and e.turns == 2 for e in done)
    assert max(tools.sizes) > 1  # calls of several episodes go out together
    assert [m["role"] for m in done[0].messages] == ["system", "user", "assistant", "user", "assistant"]


def test_ids_are_those_that_sft_renders_and_the_mask_is_what_the_model_wrote(trained, questions):
    done = rollout.run(trained, questions[:3], EchoTools(), temperature=0.0, max_tokens=200)
    for episode in done:
        rendered = tokens.render(trained.tokenizer, episode.messages)
        assert episode.ids == rendered.ids[: len(episode.ids)] and rendered.ids[len(episode.ids) :] == []
        assert episode.mask == rendered.mask
        written = "".join(m["content"] + tokens.END for m in episode.messages if m["role"] == "assistant")
        assert trained.tokenizer.decode([i for i, m in zip(episode.ids, episode.mask, strict=True) if m]) == written


def test_log_probabilities_equal_the_trainers_to_1e_4(trained, questions):
    for episode in rollout.run(trained, questions[:4], EchoTools(), temperature=1.0, max_tokens=200, seed=3):
        ids, mask = torch.tensor([episode.ids]), torch.tensor([episode.mask])
        with torch.inference_mode():
            logits, targets = policy.trained_logits(trained.model, ids, mask)
        again = torch.log_softmax(logits, -1).gather(-1, targets[:, None]).squeeze(-1)
        stored = torch.tensor([p for p, m in zip(episode.logp, episode.mask, strict=True) if m])
        assert torch.allclose(again, stored, atol=1e-4)


def test_samples_do_not_depend_on_the_number_of_slots(trained, questions):
    runs = [
        rollout.run(trained, questions, EchoTools(), samples=2, temperature=1.0, max_tokens=200, slots=n, seed=5)
        for n in (1, 3, 16)
    ]
    assert [[e.ids for e in run] for run in runs[1:]] == [[e.ids for e in runs[0]]] * 2
    assert [(e.question_id, e.sample) for e in runs[0][:3]] == [("q0", 0), ("q0", 1), ("q1", 0)]


def test_limits_end_an_episode_under_their_own_name(trained, questions):
    one = questions[:1]
    ends = {
        "cut": {"max_turn_tokens": 4},
        "turn_cap": {"max_turns": 1},
        "context_cap": {"max_tokens": 22},
    }
    for stop, limit in ends.items():
        episode = rollout.run(trained, one, EchoTools(), temperature=0.0, **{"max_tokens": 200, **limit})[0]
        assert episode.stop == stop and episode.truncated and not episode.format_ok
        assert len(episode.ids) == len(episode.mask) == len(episode.logp)
    tight = rollout.run(trained, one, EchoTools(), temperature=0.0, max_tokens=5)[0]
    assert (tight.stop, sum(tight.mask)) == ("context_cap", 0)


class Scripted:
    """Just enough of a policy for `_end_turn`: a tokenizer that decodes to a given text."""

    def __init__(self, text):
        self.tokenizer = type("T", (), {"decode": staticmethod(lambda ids: text)})
        self.end = 1


@pytest.mark.parametrize(
    ("text", "stop", "error"),
    [
        ("no tags at all", "malformed", False),
        ("<think>\nx\n</think>\n<tool_call>\n{broken\n</tool_call>", "", True),
        ('<think>\nx\n</think>\n<tool_call>\n{"name": "search"}\n</tool_call>', "", True),
    ],
)
def test_a_broken_call_becomes_an_observation_and_a_turn_without_one_ends(text, stop, error):
    slot = rollout.Slot(episode=rollout.Episode("q", 0, [], [], [], []), turn=[4])
    rollout._end_turn(Scripted(text), slot, rollout.Limits())
    assert slot.episode.stop == stop
    assert isinstance(slot.call, str) == error
    if error:
        assert slot.call.startswith("Error: ") and "JSON" in slot.call or "wanted" in slot.call
        json.dumps(slot.call)


def test_sample_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4, 1)
    draws = torch.tensor([0.0, 0.49, 0.51, 0.99], dtype=torch.float64)
    ids, logps = rollout.sample(logits, draws, 1.0, 1.0)
    assert ids == [0, 0, 1, 2]
    assert logps == pytest.approx([-0.6931, -0.6931, -1.2040, -1.6094], abs=1e-4)
    assert rollout.sample(logits, draws, 1.0, 0.6)[0] == [0, 0, 0, 1]  # 0.5 + 0.3 reach 0.6; rescaled to 0.625, 0.375
    assert rollout.sample(logits, draws, 0.0, 1.0)[0] == [0, 0, 0, 0]
