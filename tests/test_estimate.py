"""webdancer.agent.estimate: hand-worked counts of calls, tokens and dollars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent import estimate
from webdancer.agent.llm import LLM, Reply
from webdancer.core import prompts


@pytest.fixture
def llm():
    return LLM("m", "http://127.0.0.1:1/v1", price_in=1.0, price_out=10.0)


@given(st.text(), st.text())
def test_tokens_of_a_text_are_those_of_its_parts_but_for_rounding(one, two):
    both = estimate.tokens(one + two)
    assert both <= estimate.tokens(one) + estimate.tokens(two) <= both + 1


def test_no_model_or_no_call_is_no_row(llm):
    assert estimate.calls("judge", None, "x", 5, 1, 1) == estimate.calls("judge", llm, "x", 0, 1, 1) == []
    assert estimate.table([]).to_dict("records") == [
        {"role": "all", "for": "", "calls": 0, "tokens_in": 0, "tokens_out": 0, "dollars": 0.0, "assumed": ""}
    ]


def test_questions_by_cell(llm):
    rows = estimate.questions(
        llm, [("multihop", 1, 4), ("count", 3, 4), ("e2hqa", 3, 5)], page_tokens=1000, drafts=2.0, results=300
    )
    crawl, seeds, rewrites = rows
    assert (crawl.calls, seeds.calls) == (16, 10)
    assert rewrites.calls == 3 * 2 * 10  # three calls for each of two rewrites of ten drafts
    assert crawl.tokens_in == pytest.approx(
        16 * (estimate.tokens(prompts.AUTHOR_CRAWLQA) + 2 * 1000)
    )  # 2 pages a draft
    assert seeds.tokens_in == 10 * (estimate.tokens(prompts.AUTHOR_SEED) + 1000)
    assert seeds.dollars == pytest.approx((seeds.tokens_in + 10 * seeds.tokens_out) / 1e6)
    assert "2 drafts" in crawl.assumed and "1,000 tokens a page" in crawl.assumed
    assert [r.what for r in estimate.questions(llm, [("e2hqa", 1, 3)], page_tokens=9)] == ["E2HQA seeds"]


def test_episodes_send_the_past_again(llm):
    by_hand = {"turns": 3, "thought": 110, "observation": 800, "head": 500}
    (short,) = estimate.episodes("short", llm, 10, **by_hand)
    assert short.calls == 30
    assert short.tokens_in == pytest.approx(10 * (500 + (500 + 1000) + (500 + 2000)))  # a past turn: 110 + 90 + 800
    assert short.tokens_out == pytest.approx(30 * 200)
    (long,) = estimate.episodes("long", llm, 10, style="long", **by_hand)
    assert long.tokens_in == pytest.approx(10 * (3 * 500 + 3 * 890))  # no past thought is shown
    assert "given" in long.assumed and estimate.episodes("x", None, 10) == []


def test_without_numbers_the_papers_are_taken(llm):
    (long,) = estimate.episodes("long", llm, 100, style="long")
    assert long.calls == pytest.approx(231)
    assert long.tokens_out == pytest.approx(100 * (1599 + 2.31 * estimate.ACTION))
    assert "the paper's" in long.assumed


def test_verdicts_measure_the_trajectories(llm):
    messages = [{"role": r, "content": "x" * 400} for r in ("system", "user", "assistant", "user", "assistant")]
    judge, quality = estimate.verdicts([messages] * 8, llm, llm, asked=0.5, passing=0.25)
    assert (judge.calls, quality.calls) == (4, 2)
    assert judge.tokens_in == 4 * (estimate.tokens(prompts.JUDGE) + 104 + 50)
    assert quality.tokens_in == 2 * (estimate.tokens(prompts.QUALITY) + 3 * 104)
    assert estimate.verdicts([messages], None, None) == estimate.verdicts([], llm, llm) == []


def test_the_table_adds_up(llm):
    rows = estimate.calls("judge", llm, "a", 3, 1e6, 0) + estimate.calls("author", llm, "b", 2, 0, 1e5)
    table = estimate.table(rows)
    assert list(table.columns) == estimate.COLUMNS
    assert table["dollars"].tolist() == [3.0, 2.0, 5.0]
    assert table["calls"].tolist() == [3, 2, 5]
    assert table["role"].tolist() == ["judge", "author", "all"]


def test_what_was_spent_by_role(llm):
    other = LLM("n", "http://127.0.0.1:1/v1")
    for client, times in ((llm, 3), (other, 1)):
        for _ in range(times):
            client._count(Reply("x", prompt_tokens=100_000, completion_tokens=10_000))
    llm.usage["cached"] = 4
    spent = estimate.spent({"author": llm, "judge": other, "summariser": None})
    assert spent["role"].tolist() == ["author", "judge", "all"]
    assert spent["calls"].tolist() == [3, 1, 4]
    assert spent["dollars"].tolist() == [0.6, 0.0, 0.6]
    assert spent["cached"].tolist() == [4, 0, 4] and spent["tokens_in"].iloc[-1] == 400_000
