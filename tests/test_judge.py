"""webdancer.agent.judge: the matching rule, verdicts, the form of an episode, the reward."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent import judge

RELEASED = Path(__file__).parents[1] / "../shared/data/webdancer/sample_traj.jsonl"
HEAD = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
SEARCH = '<think>\nx\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": ["Kestin mayor"]}}\n</tool_call>'
ANSWER = "<think>\nx\n</think>\n<answer>\nTal Veron\n</answer>"
SEEN = "<tool_response>\nThe mayor of Kestin is Tal Veron.\n</tool_response>"


def episode(*contents):
    """Head and the given contents, assistant first."""
    return HEAD + [{"role": ("assistant", "user")[i % 2], "content": c} for i, c in enumerate(contents)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The **Café  Zürich**, est. 1,948!", "cafe zurich est 1948"),
        ("Thomas Fairfax, Lord Fairfax", "thomas fairfax lord fairfax"),
        ("O'Neil's", "oneils"),
        ("3.5 km.", "3.5 km"),
        ("The", "the"),
        ("", ""),
    ],
)
def test_normalise(text, wanted):
    assert judge.normalise(text) == wanted


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = judge.normalise(text)
    assert judge.normalise(once) == once


@pytest.mark.parametrize(
    ("prediction", "gold", "wanted"),
    [
        ("tal veron", "Tal Veron", True),
        ("The mayor is **Tal Veron**, since 1999.", "Tal Veron", True),
        ("Tal Veronin", "Tal Veron", False),
        ("Tal", "Tal Veron", False),
        ("3", "3", True),
        ("13", "3", False),
        ("1 A, 2 B, 3 C", "3", False),
        ("There are **3** of them, the first of 1901", "3", True),
        ("The year is 1948.", "1,948", True),
        ("Yes, it is.", "yes", True),
        ("No, yes is wrong", "yes", False),
        ("The answer: **No**.", "no", True),
        ("", "Tal Veron", False),
        ("Tal Veron", "", False),
        ("...", "...", False),
        ("unknown", "Tal Veron", False),
    ],
)
def test_match(prediction, gold, wanted):
    assert judge.match(prediction, gold) is wanted


def test_match_takes_aliases_and_an_exact_mode():
    assert judge.match("Parva", ["runston parva", "Parva"])
    assert judge.match("the Tal Veron", "Tal Veron", exact=True)
    assert not judge.match("Tal Veron, Ada Lund", "Tal Veron", exact=True)


@given(st.text(), st.text())
def test_exact_is_never_more_generous(prediction, gold):
    assert judge.match(prediction, gold) or not judge.match(prediction, gold, exact=True)


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("yes", True),
        ("No.", False),
        ("correct", True),
        ("Incorrect", False),
        ("That is not correct", False),
        ("reasoning: the names are right\ncorrect: no", False),
        ("**Verdict:** correct", True),
        ("correct: no\nOn second thought:\ncorrect: yes", True),
        ("Correct: yes\nReason: the same answer, no other name", True),
        ("Correct: no\nReason: it is correct to doubt this answer: yes.", False),
        ('{"logical": 5, "keep": true, "reason": "no call is wrong"}', True),
        ('{"logical": 2, "keep": false, "reason": "not correct: yes"}', False),
        ("", None),
        ("I cannot say", None),
        ("I know it", None),
    ],
)
def test_read_verdict(reply, wanted):
    assert judge.read_verdict(reply) is wanted


@dataclass
class FakeLLM:
    """Answers with a fixed text and remembers what it was asked."""

    text: str
    seen: list = field(default_factory=list)

    async def chat(self, messages, *, seed=0):
        self.seen.append(messages)
        return type("Reply", (), {"content": self.text})()


def test_llm_judge_asks_with_question_prediction_and_gold():
    llm = FakeLLM("correct: yes")
    assert judge.LLMJudge(llm).judge("Who is the mayor?", "T. Veron", "Tal Veron") is True
    text = json.dumps(llm.seen)
    assert "Who is the mayor?" in text
    assert "T. Veron" in text
    assert "Tal Veron" in text


def test_llm_judge_counts_replies_without_a_verdict_and_skips_empty_predictions():
    ours = judge.LLMJudge(FakeLLM("hm"))
    assert ours.judge_many([("q", "a", "b"), ("q", " ", "b")]) == [False, False]
    assert ours.unread == 1
    assert len(ours.llm.seen) == 1


def test_llm_judge_works_inside_a_running_loop():
    async def inside():
        return judge.LLMJudge(FakeLLM("yes")).judge("q", "a", "a")

    assert asyncio.run(inside()) is True


@pytest.mark.parametrize(
    ("contents", "wanted"),
    [
        ((SEARCH, SEEN, ANSWER), ""),
        ((ANSWER,), ""),
        ((), "no question and reply"),
        ((SEARCH,), "no answer"),
        ((SEARCH, SEEN), "no answer"),
        ((SEARCH, "plain text", ANSWER), "malformed observation"),
        (("no tags",), "malformed turn"),
        ((ANSWER, SEEN, ANSWER), "answer before the end"),
        ((SEARCH.replace("search", "browse"), SEEN, ANSWER), "unknown tool"),
        ((SEARCH.replace('["Kestin mayor"]', "7"), SEEN, ANSWER), "bad arguments"),
        ((SEARCH.replace('["Kestin mayor"]', "[]"), SEEN, ANSWER), "bad arguments"),
        ((SEARCH.replace("}}", "}"), SEEN, ANSWER), "malformed call"),
        ((ANSWER.replace("Tal Veron", " "),), "empty answer"),
    ],
)
def test_format_error(contents, wanted):
    assert judge.format_error(episode(*contents)) == wanted
    assert judge.format_ok(episode(*contents)) is (wanted == "")


def test_format_error_allows_any_tool_when_asked_and_sees_roles_out_of_turn():
    browse = episode(SEARCH.replace("search", "browse"), SEEN, ANSWER)
    assert judge.format_ok(browse, tools=None)
    assert judge.format_error([*episode(SEARCH, SEEN, ANSWER), episode(ANSWER)[2]]) == "answer before the end"
    assert judge.format_error(episode(SEARCH, SEEN)[:3] + episode(ANSWER)[2:]) == "roles do not alternate"


@pytest.mark.parametrize(
    ("f", "a", "r"), [(False, False, 0.0), (True, False, 0.1), (False, True, 0.9), (True, True, 1.0)]
)
def test_reward(f, a, r):
    assert judge.reward(f, a) == r


def test_max_ngram_by_hand():
    assert judge.max_ngram("a b a b a", n=2) == 2  # (a b) twice, (b a) twice
    assert judge.max_ngram("one two three four five six seven eight nine ten " * 5) == 5
    assert judge.max_ngram("too short") == 0


@given(st.lists(st.sampled_from("ab"), max_size=40), st.integers(1, 9))
def test_longer_ngrams_are_never_more_frequent(words, n):
    assert judge.max_ngram(" ".join(words), n + 1) <= judge.max_ngram(" ".join(words), n)


@pytest.mark.skipif(not RELEASED.is_file(), reason="the released WebDancer sample is not in ../shared")
def test_all_released_trajectories_follow_the_form():
    rows = [json.loads(line) for line in RELEASED.open(encoding="utf-8")]
    assert [judge.format_error(r["messages"]) for r in rows] == [""] * 200
    said = [" ".join(m["content"] for m in r["messages"] if m["role"] == "assistant") for r in rows]
    assert max(map(judge.max_ngram, said)) == 4
