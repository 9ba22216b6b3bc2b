"""Rollouts: ids and log-probabilities are the trainer's, samples do not depend on neighbours, every end is named."""

import by_heart
import pytest
import torch
from by_heart import WORDS, EchoTools

from webdancer.agent import policy, rollout, tokens
from webdancer.agent.episode import Episode


@pytest.fixture(scope="module")
def trained():
    return by_heart.trained()


@pytest.fixture(scope="module")
def questions():
    return by_heart.QUESTIONS


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


def ids_of(episodes):
    return [e.ids for e in episodes]


def test_two_tables_beside_each_other_sample_what_one_samples(trained, questions):
    before = torch.get_num_threads()
    dials = {"samples": 3, "temperature": 1.0, "max_tokens": 200, "slots": 8, "seed": 7}
    one, two = (rollout.run(trained, questions, EchoTools(), **dials, tables=n) for n in (1, 2))
    assert ids_of(one) == ids_of(two)
    assert [(e.question_id, e.sample) for e in two] == [(q.id, s) for q in questions for s in range(3)]
    assert torch.get_num_threads() == before


def test_the_same_run_twice_is_the_same_to_the_last_digit(trained, questions):
    dials = {"samples": 2, "temperature": 1.0, "max_tokens": 200, "slots": 5, "seed": 3, "tables": 2}
    first, second = (rollout.run(trained, questions, EchoTools(), **dials) for _ in range(2))
    assert [(e.ids, e.logp) for e in first] == [(e.ids, e.logp) for e in second]


def test_an_error_in_a_tool_reaches_the_caller_and_torch_gets_its_threads_back(trained, questions):
    class Broken:
        def call_many(self, calls):
            raise RuntimeError("the index is gone")

    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="the index is gone"):
        rollout.run(trained, questions, Broken(), temperature=0.0, max_tokens=200, tables=2)
    assert torch.get_num_threads() == before


def test_no_questions_give_no_episodes(trained):
    assert rollout.run(trained, [], EchoTools()) == []


def test_workers_get_whole_questions_whose_samples_share_work_if_there_are_enough():
    def blank(questions: int, samples: int) -> list[Episode]:
        return [Episode(f"q{n}", s, [], [], [], []) for n in range(questions) for s in range(samples)]

    first, second = rollout._deal(blank(9, 3), 2)
    assert {e.question_id for e in first} == {"q0", "q2", "q4", "q6", "q8"} and len(first) == 15
    assert {e.question_id for e in second} == {"q1", "q3", "q5", "q7"} and len(second) == 12
    few = rollout._deal(blank(2, 8), 2)
    assert [len(share) for share in few] == [8, 8] and {e.question_id for e in few[0]} == {"q0", "q1"}
