"""The books of the synthesis, and whole runs with the rule-based stand-in author called in process."""

import asyncio
import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import grammar, oracle, pages, reading, world
from webdancer.agent.llm import LLM, EndpointError, Reply
from webdancer.checks import fault, overlap
from webdancer.core.schema import KINDS, Page, Question, read_jsonl
from webdancer.synthesize import Cell, Web, fill, gather, plan, run, share_out

COUNTS = {"sft": 40, "rl": 20, "eval": 20}
EQUAL = dict.fromkeys(KINDS, 0.25)
HOPS = [0.25, 0.25, 0.25, 0.25]


class InProcess:
    """The stand-in author without HTTP; `jitter` shuffles the order in which replies arrive."""

    def __init__(self, temperature: float = 0.0, jitter: int | None = None):
        self.temperature, self.rng = temperature, random.Random(jitter) if jitter is not None else None

    async def chat(self, messages, *, seed=0):
        if self.rng:
            await asyncio.sleep(self.rng.random() * 0.005)
        body = {"model": "pocket-author", "messages": messages, "temperature": self.temperature, "seed": seed}
        return Reply(oracle.reply(body)["choices"][0]["message"]["content"])


class Silent:
    """An author that finds nothing."""

    async def chat(self, messages, *, seed=0):
        return Reply('{"question": "", "reason": "nothing"}')


@cache
def webs() -> dict[str, Web]:
    train = Web.build(stored(world.build(1, 200)))
    return {"sft": train, "rl": train, "eval": Web.build(stored(world.build(17, 200, novel=True)))}


def stored(built: world.World) -> list[Page]:
    docs = [d for d in pages.render(built) if d.kind not in ("redirect", "dead")]
    return [Page(d.url, d.title, d.text, d.links) for d in docs]


def synthesize(author, **changes) -> list[Cell]:
    cells = plan(COUNTS, changes.pop("kinds", EQUAL), HOPS)
    asyncio.run(fill(cells, webs(), author, **{"seed": 0, "rounds": 8, "part": None} | changes))
    return cells


def test_share_out_by_hand():
    assert share_out(7, {"a": 1, "b": 1, "c": 1}) == {"a": 3, "b": 2, "c": 2}
    assert share_out(0, {"a": 1.0}) == {"a": 0}


@given(st.integers(0, 5000), st.lists(st.floats(0.0, 10.0), min_size=1, max_size=6).filter(lambda s: sum(s) > 0.01))
def test_shares_add_up_and_differ_from_the_exact_ones_by_less_than_one(total, shares):
    parts = share_out(total, {str(i): s for i, s in enumerate(shares)})
    assert sum(parts.values()) == total
    assert all(abs(parts[str(i)] - total * s / sum(shares)) < 1 for i, s in enumerate(shares))


def test_plan_by_hand():
    cells = plan({"sft": 8, "eval": 4}, {"multihop": 0.5, "e2hqa": 0.5}, [0.5, 0.5, 0.0, 0.0])
    got = {(c.split, c.kind, c.hops): c.wanted for c in cells}
    assert got == {
        ("sft", "multihop", 1): 2, ("sft", "multihop", 2): 2, ("sft", "e2hqa", 2): 4,
        ("eval", "multihop", 1): 1, ("eval", "multihop", 2): 1, ("eval", "e2hqa", 2): 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "kinds", "hops", "says"),
    [
        ({"sft": 0}, EQUAL, HOPS, "some above"),
        ({"sft": 5}, {"count": 0.0}, HOPS, "some above"),
        ({"sft": 5}, {"count": -1.0, "multihop": 2.0}, HOPS, "none below 0"),
        ({"sft": 5}, {"e2hqa": 1.0}, [1.0, 0.0, 0.0, 0.0], "leave no hops for e2hqa"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(counts, kinds, hops, says):
    with pytest.raises(ValueError, match=says):
        plan(counts, kinds, hops)


def test_every_cell_is_filled_and_every_question_passes_its_checks():
    cells = synthesize(InProcess())
    assert [len(c.questions) for c in cells] == [c.wanted for c in cells]
    questions = gather(cells)
    assert Counter(q.split for q in questions) == COUNTS and overlap(questions) == 0
    assert len({q.id for q in questions}) == len(questions)
    for q in questions:
        assert fault(q, webs()[q.split].graph) == "" and q.checks
        assert len(q.rewrites) == (q.hops - 1 if q.kind == "e2hqa" else 0)
        assert all(url in webs()[q.split].graph.pages for url in q.evidence)
    assert {(q.kind, q.hops) for q in questions} >= {(k, h) for k in KINDS for h in (2, 3, 4)} | {
        ("count", 1),
        ("multihop", 1),
    }


def solve(question: str, built: world.World) -> str:
    """The answer by the world's own books, which neither the author nor the checks ever see."""
    plan_ = reading.parse_question(question)
    ends = [_follow(chain, built) for chain in plan_.chains]
    if plan_.kind == "count":
        return str(len(ends[0]))
    return " or ".join(set.intersection(*map(set, ends)))


def _follow(chain: reading.Chain, built: world.World) -> list[str]:
    """The names at the end of a chain."""
    entities = {e.title: e for e in built.entities}
    here = [chain.entity]
    for label in chain.labels:
        entity = entities[here[0]]
        (relation,) = (r for r in grammar.RELATIONS if r.label == label and r.subject == entity.type)
        here = built.objects(entity, relation)
    return here


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_what_passes_the_checks_is_right(temperature):
    """Also where the author errs as often as it can: its wrong answers do not get through."""
    books = {"sft": world.build(1, 200), "rl": world.build(1, 200), "eval": world.build(17, 200, novel=True)}
    for q in gather(synthesize(InProcess(temperature))):
        assert solve(q.question, books[q.split]) == q.answer, q
        assert all(solve(earlier, books[q.split]) == q.answer for earlier in q.rewrites)


def test_the_order_of_the_replies_changes_nothing():
    runs = [gather(synthesize(InProcess(0.7, jitter))) for jitter in (None, 1, 2)]
    assert runs[0] == runs[1] == runs[2]
    assert gather(synthesize(InProcess(0.7), seed=1)) != runs[0]


def test_a_careless_author_is_caught():
    drops = sum((c.drops for c in synthesize(InProcess(2.0))), Counter())
    assert {"leaked", "yes_no", "unanswerable"} <= set(drops)


def test_a_small_web_runs_out_and_says_so():
    few = Web.build(stored(world.build(1, 200))[:8])
    cells = plan({"sft": 60}, {"multihop": 1.0}, [1.0, 0.0, 0.0, 0.0])
    asyncio.run(fill(cells, {"sft": few}, InProcess(), seed=0, rounds=4, part=None))
    assert 0 < len(cells[0].questions) < 60 and cells[0].drops["duplicate"] > 0


def test_an_empty_question_set_is_one_clear_error(tmp_path):
    cells = plan({"sft": 4}, {"count": 1.0}, HOPS)
    with pytest.raises(ValueError, match="no question is left of .* drafts: .*refused"):
        run(cells, webs(), Silent(), seed=0, rounds=2, path=tmp_path / "questions.jsonl")
    assert not (tmp_path / "questions.jsonl").exists()


def test_run_writes_the_file_and_removes_the_part(tmp_path):
    path = tmp_path / "questions.jsonl"
    questions = run(plan({"sft": 6}, EQUAL, HOPS), webs(), InProcess(), seed=0, rounds=4, path=path)
    assert read_jsonl(path, Question) == questions and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_failing_endpoint_loses_no_finished_round(tmp_path):
    class Breaks(InProcess):
        async def chat(self, messages, *, seed=0):
            if (tmp_path / "questions_part.jsonl").exists():
                raise EndpointError("the key is wrong", 401)
            return await super().chat(messages, seed=seed)

    path = tmp_path / "questions.jsonl"
    path.write_text("what an earlier run wrote\n")
    cells = plan({"sft": 60}, {"e2hqa": 1.0}, HOPS)
    with pytest.raises(EndpointError, match="the key is wrong"):
        run(cells, webs(), Breaks(), seed=0, rounds=4, path=path)
    assert path.read_text() == "what an earlier run wrote\n"
    assert len(read_jsonl(tmp_path / "questions_part.jsonl", Question)) > 20


def test_a_request_that_fails_for_good_costs_one_draft_and_many_end_the_run():
    class Fails(InProcess):
        def __init__(self, every: int):
            super().__init__()
            self.every, self.asked = every, 0

        async def chat(self, messages, *, seed=0):
            self.asked += 1
            if self.asked % self.every == 0:
                raise EndpointError("the server answered 500", 500)
            return await super().chat(messages, seed=seed)

    cells = synthesize(Fails(30))
    assert sum(c.drops["no_reply"] for c in cells) > 0 and all(len(c.questions) == c.wanted for c in cells)
    with pytest.raises(EndpointError, match="500"):
        synthesize(Fails(2))


def test_nobody_at_the_endpoint_is_an_error_that_names_the_model():
    author = LLM("pocket-author", "http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EndpointError, match="pocket-author"):
        synthesize(author)


def test_a_web_without_usable_pages_is_an_error():
    with pytest.raises(ValueError, match="none of them usable"):
        Web.build([Page("http://a.test/x", "Not found", "404 not found")])
    with pytest.raises(ValueError, match="none of them usable"):
        Web.build([Page("http://a.test/x", "X", "A fine text.")], exclude=["http://a.test/x"])
