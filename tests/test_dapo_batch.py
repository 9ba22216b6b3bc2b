"""Groups, dynamic sampling and mini-batches, with hand-made episodes and a scripted engine."""

from dataclasses import dataclass, field, replace

import pytest

from webdancer import dapo_batch as b
from webdancer.core.schema import Question


@dataclass
class Episode:
    """The fields of `rollout.Episode` that DAPO reads."""

    question_id: str = "q"
    sample: int = 0
    prediction: str = "Oslo"
    stop: str = "answer"
    format_ok: bool = True
    n_calls: int = 1
    ids: list[int] = field(default_factory=lambda: [1, 2, 3, 4])
    mask: list[bool] = field(default_factory=lambda: [False, False, True, True])
    logp: list[float] = field(default_factory=lambda: [0.0, 0.0, -1.0, -2.0])


def question(i: int, answer: str = "Kestin") -> Question:
    return Question(id=f"q{i}", question=f"Question {i}?", answer=answer, kind="multihop", hops=1, split="rl")


def engine_of(script):
    """An engine that gives each asked question the next list of predictions; `asked` records the calls."""
    asked, left = [], iter(script)

    def engine(policy, questions, tools, *, samples, seed, **limits):
        asked.append((len(questions), seed))
        return [Episode(q.id, s, p) for q in questions for s, p in enumerate(next(left))]

    return engine, asked


RIGHT, WRONG, MIXED = ["Kestin"] * 2, ["Oslo"] * 2, ["Kestin", "Oslo"]
S = b.Settings(groups=2, samples=2, max_rounds=3)


def test_one_right_of_eight():
    group = b.make_group([Episode(prediction="Kestin")] + [Episode() for _ in range(7)], "Kestin", 0)
    assert [r.reward for r in group] == [1.0] + [0.1] * 7
    assert [round(r.advantage, 3) for r in group] == [2.475] + [-0.354] * 7


def test_a_dead_group_gives_zero_and_format_alone_does_not_make_it_live():
    assert [r.advantage for r in b.make_group([Episode(), Episode()], "Kestin", 0)] == [0.0, 0.0]
    spread = b.make_group([Episode(), Episode(format_ok=False)], "Kestin", 0)
    assert spread[0].advantage > 0  # reward has spread ...
    assert not b.dapo_loss.is_live([r.correct for r in spread])  # ... and yet nobody was right


def test_truncated_rollouts_count_in_the_group_but_have_no_trained_tokens():
    group = b.make_group([Episode(prediction="Kestin"), Episode(stop="cut", format_ok=False)], "Kestin", 0)
    assert [round(r.advantage, 3) for r in group] == [0.707, -0.707]
    assert [r.trained for r in group] == [2, 0]
    assert not b.make_group([Episode(prediction="Kestin", stop="turn_cap")], "Kestin", 0)[0].correct


def test_the_first_token_is_never_trained():
    assert b.make_group([Episode(mask=[True, True, False, True])], "x", 0)[0].trained == 2


def test_reward_wants_the_answer_and_not_a_list_that_holds_it():
    assert b.exact("the Kestin.", "Kestin")
    assert not b.exact("Oslo, Kestin and Bergen", "Kestin")


def test_refill_replaces_dead_groups_and_counts_every_rollout():
    engine, asked = engine_of([MIXED, WRONG, RIGHT, MIXED])
    batch = b.collect(None, b.shuffled([question(i) for i in range(9)], 0), None, S, 1, engine=engine)
    assert [n for n, _ in asked] == [2, 1, 1]
    assert len({seed for _, seed in asked}) == 3
    assert (len(batch.live), batch.groups, batch.rounds, len(batch.sampled)) == (2, 4, 3, 8)


def test_refill_ends_at_max_rounds_with_what_there_is():
    engine, asked = engine_of([WRONG, WRONG, MIXED, WRONG, WRONG])
    batch = b.collect(None, b.shuffled([question(i) for i in range(9)], 0), None, S, 1, engine=engine)
    assert [n for n, _ in asked] == [2, 2, 1]
    assert len(batch.live) == 1


def test_an_engine_that_loses_an_episode_is_caught():
    with pytest.raises(b.TrainingError, match="got 1 episodes, wanted 2 in a row for each of 1 questions"):
        b.roll(lambda *a, **k: [Episode("q0")], None, [question(0)], None, S, 2, 0)


def test_divide_sets_rl_questions_aside_and_touches_no_other_split():
    questions = [replace(question(i), split="rl" if i < 20 else "eval") for i in range(40)]
    practice, dev = b.divide(questions, 4, 0)
    assert sorted(q.id for q in practice + dev) == sorted(f"q{i}" for i in range(20)) and len(dev) == 4
    assert (practice, dev) == b.divide(questions, 4, 0) != b.divide(questions, 4, 1)
    assert [len(part) for part in b.divide(questions, 99, 0)] == [15, 5]
    with pytest.raises(ValueError, match="split 'rl'"):
        b.divide(questions[20:], 4, 0)


def test_questions_come_in_rounds_each_in_its_own_order():
    source = b.shuffled([question(i) for i in range(5)], 3)
    first, second = ([next(source).id for _ in range(5)] for _ in range(2))
    assert sorted(first) == sorted(second) == [f"q{i}" for i in range(5)]
    assert first != second
    again = b.shuffled([question(i) for i in range(5)], 3)
    assert first == [next(again).id for _ in range(5)]


def test_minibatches_keep_groups_whole_and_leave_truncated_out():
    live = [b.make_group([Episode(prediction="Kestin"), Episode(stop="cut")], "Kestin", g) for g in range(4)]
    parts = b.minibatches(live, 2, 0)
    assert sorted(len(p) for p in parts) == [2, 2]
    assert sorted(r.group for p in parts for r in p) == [0, 1, 2, 3]
    assert b.minibatches(live[:1], 2, 0) != [] and len(b.minibatches(live[:1], 2, 0)) == 1
    assert b.minibatches([], 2, 0) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"samples": 1}, "samples=1"),
        ({"steps": 0}, "steps=0"),
        ({"aggregation": "mean"}, "token_mean"),
        ({"old_logp": "x"}, "rollout, trainer"),
        ({"refill": "again"}, "fresh, duplicate"),
        ({"advantage": "ppo"}, "group, leave_one_out"),
        ({"overlong_buffer": 2000}, "overlong_buffer=2000.*max_tokens=1024"),
    ],
)
def test_settings_refuse_what_cannot_train(change, word):
    with pytest.raises(ValueError, match=word):
        b.Settings(**change)


def test_seeds_do_not_depend_on_the_process():
    assert b.seed_of(0, "rollout", 1, 0) == 1219655081  # first 8 hex digits of sha256("0-rollout-1-0"), 31 bits
    assert b.seed_of(0, 1) != b.seed_of(0, 2)


def collected(script, **settings):
    engine, asked = engine_of(script)
    s = replace(S, **settings)
    questions = [question(i) for i in range(9)]
    return b.collect(None, b.shuffled(questions, 0), None, s, 1, engine=engine), asked, s


def test_dupo_fills_dead_places_with_live_groups_of_the_same_batch():
    """Five places, two live: each is there once, then each again, then one of them a third time; one round."""
    script = [MIXED, WRONG, RIGHT, ["Oslo", "Kestin"], WRONG]
    batch, asked, _ = collected(script, groups=5, refill="duplicate")
    assert [n for n, _ in asked] == [5] and batch.rounds == 1
    assert (len(batch.live), batch.reused, batch.groups, len(batch.sampled)) == (5, 3, 5, 10)
    ids = [id(g[0].episode) for g in batch.live]
    assert sorted(ids.count(i) for i in set(ids)) == [2, 3] and set(ids[:2]) == set(ids[2:4])
    assert len({r.group for g in batch.live for r in g}) == 5  # a copy is a group of its own
    assert batch.thrown_away == 6  # copies bring back nothing of the three dead groups


def test_dupo_without_a_live_group_has_nothing_to_copy():
    batch, _, _ = collected([WRONG, WRONG], refill="duplicate")
    assert (batch.live, batch.reused, batch.thrown_away) == ([], 0, 4)


def test_thrown_away_counts_dead_groups_and_what_was_truncated():
    batch, _, _ = collected([MIXED, WRONG, MIXED])
    assert (len(batch.sampled), batch.thrown_away) == (6, 2)
    batch.live[0][1].episode.stop = "cut"
    again = b.make_group([r.episode for r in batch.live[0]], "Kestin", 0, S)
    assert b.Batch([again], again).thrown_away == 1
    kept = b.make_group([r.episode for r in again], "Kestin", 0, replace(S, overlong_filter=False))
    assert b.Batch([kept], kept).thrown_away == 0


def test_soft_overlong_punishment_is_part_of_the_reward_and_does_not_make_a_group_live():
    s = replace(S, max_tokens=8, overlong_buffer=4, overlong_weight=0.5)
    long = Episode(prediction="Kestin", ids=list(range(6)), mask=[False] * 6)
    group = b.make_group([long, Episode(prediction="Kestin")], "Kestin", 0, s)
    assert [r.overlong for r in group] == [-0.25, 0.0]  # 2 of the last 4 tokens, at half weight
    assert [r.reward for r in group] == [0.75, 1.0]
    assert group[0].advantage < 0 and not b.dapo_loss.is_live([r.correct for r in group])


def test_leave_one_out_by_hand():
    s = replace(S, advantage="leave_one_out")
    group = b.make_group([Episode(prediction="Kestin"), Episode(), Episode()], "Kestin", 0, s)
    assert [r.advantage for r in group] == pytest.approx([0.9, -0.45, -0.45])
