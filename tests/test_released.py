"""webdancer.core.released: the released text to the letter; and stage 05 on the released trajectories."""

import json
from pathlib import Path

import pytest

from webdancer.core import prompts, released
from webdancer.core.schema import Trajectory, read_jsonl

FILE = Path(__file__).parents[1] / "../shared/data/webdancer/sample_traj.jsonl"
LONGEST = 6144  # tokens of a trajectory under the brief head; longer ones are left out of training


@pytest.fixture(scope="module")
def trajectories():
    if not FILE.is_file():
        pytest.skip("the released trajectories (../shared/data/webdancer/sample_traj.jsonl) are not here")
    return read_jsonl(FILE, Trajectory)


@pytest.fixture(scope="module")
def tokenizer(trajectories):
    from webdancer.agent import tokens

    return tokens.train_tokenizer(tokens.corpus(trajectories), 4000, max_length=LONGEST)


def test_every_released_trajectory_begins_with_our_head():
    if not FILE.is_file():
        pytest.skip("the released trajectories (../shared/data/webdancer/sample_traj.jsonl) are not here")
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 200
    for row in rows:
        question = row["messages"][1]["content"].rpartition("\nUser: ")[2]
        date = row["messages"][0]["content"][-10:]
        assert prompts.head(question, date) == row["messages"][:2]
        assert prompts.restyle(row["messages"], "released") == row["messages"]
        assert list(released.FUNCTIONS) == row["functions"]


def test_the_constants_end_where_date_and_question_go():
    assert released.SYSTEM.endswith("\nCurrent date: ") and released.USER_HEAD.endswith("\n\nUser: ")
    assert [f["name_for_model"] for f in released.FUNCTIONS] == ["search", "visit"]


def test_the_mask_is_exactly_what_the_assistant_wrote_in_all_422_turns(trajectories, tokenizer):
    from webdancer.agent import tokens

    turns = 0
    for trajectory in trajectories:
        done = tokens.render(tokenizer, trajectory.messages)
        said = [m["content"] + tokens.END for m in trajectory.messages if m["role"] == "assistant"]
        assert [tokenizer.decode(done.ids[a:b]) for a, b in done.spans] == said
        assert tokenizer.decode([i for i, m in zip(done.ids, done.mask, strict=True) if m]) == "".join(said)
        assert sum(b - a for a, b in done.spans) == sum(done.mask)
        turns += len(said)
    assert turns == 422


def test_fifty_steps_of_a_tiny_model_lower_the_loss(trajectories, tokenizer):
    from webdancer import sft, sft_data
    from webdancer.agent import policy

    examples, left_out = sft_data.prepare(trajectories, tokenizer, prompt_style="brief", max_length=LONGEST)
    assert (len(examples), left_out) == (177, 23)
    tiny = policy.build_tiny(tokenizer, hidden=48, layers=2, heads=2, feed_forward=96, seed=0)
    recipe = sft.Recipe(steps=50, batch_tokens=LONGEST, warmup=5)
    log = sft.train(tiny, examples, recipe)
    first, last = log["loss"].head(5).mean(), log["loss"].tail(5).mean()
    print(f"{left_out} of 200 left out, {log['tokens'].sum():,} tokens, loss {first:.2f} to {last:.2f} nats")
    assert 8.0 < first < 8.6  # nothing learned yet: ln 4000 = 8.29
    assert last < first - 1.5
