"""webdancer.core.splits: questions without a survivor go to `rl`, and come back when the funnel is run again."""

from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.schema import Question
from webdancer.core.splits import LEFT_OVER, for_teachers, move_left_over


def ask(name, split):
    return Question(name, "q?", "a", "count", 1, checks=("unique",), split=split)


ALL = [ask("a", "sft"), ask("b", "sft"), ask("c", "sft"), ask("d", "rl"), ask("e", "eval")]


def test_questions_without_a_survivor_go_to_rl_and_the_rest_stays():
    moved = move_left_over(ALL, tried={"a", "b", "e"}, survived={"a"})
    assert [q.split for q in moved] == ["sft", "rl", "sft", "rl", "eval"]
    assert moved[1].checks == ("unique", LEFT_OVER)
    assert [moved[i] for i in (0, 2, 3, 4)] == [ALL[i] for i in (0, 2, 3, 4)]


def test_a_second_run_starts_from_the_same_questions_and_can_move_back():
    moved = move_left_over(ALL, {"a", "b", "c"}, {"a"})
    assert [q.id for q in for_teachers(moved)] == [q.id for q in for_teachers(ALL)] == ["a", "b", "c"]
    assert move_left_over(moved, {"a", "b", "c"}, {"a", "b", "c"}) == ALL


@given(st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde")))
def test_doing_it_twice_changes_nothing(tried, survived):
    once = move_left_over(ALL, tried, survived)
    assert move_left_over(once, tried, survived) == once
