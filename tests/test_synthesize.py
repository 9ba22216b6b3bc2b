"""The books of the synthesis, and whole runs with the rule-based stand-in author called in process."""

import asyncio
import json
import random
from collections import Counter
from functools import cache

import pytest
from fake_endpoint import Server

from pocketweb import grammar, oracle, pages, reading, world
from webdancer.agent.llm import LLM, Budget, BudgetSpent, EndpointError, Reply
from webdancer.agent.react import Settings
from webdancer.checks import PASSED, SOLVED, fault, overlap
from webdancer.core.qa_files import QA
from webdancer.core.schema import KINDS, Page, Question, read_jsonl
from webdancer.solver import Verdict
from webdancer.synthesize import Cell, Web, fill, gather, plan, run

COUNTS = {"sft": 60, "rl": 30, "eval": 30}
EQUAL = dict.fromkeys(KINDS, 0.25)
HOPS = [0.2, 0.2, 0.2, 0.2, 0.2]


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
    asyncio.run(fill(cells, webs(), author, **{"seed": 0, "rounds": 8} | changes))
    return cells


def test_every_cell_is_filled_and_every_question_passes_its_checks():
    cells = synthesize(InProcess())
    assert [len(c.questions) for c in cells] == [c.wanted for c in cells]
    questions = gather(cells)
    assert Counter(q.split for q in questions) == COUNTS and overlap(questions) == 0
    assert len({q.id for q in questions}) == len(questions)
    for q in questions:
        pages_of = webs()[q.split].graph.pages
        assert fault(q, webs()[q.split].graph) == "" and q.checks == PASSED
        assert len(q.rewrites) == (q.hops - 1 if q.kind == "e2hqa" else 0)
        for url, said, start in zip(q.evidence, q.support, q.offsets, strict=True):
            assert pages_of[url].text[start:].startswith(said)
    assert {(q.kind, q.hops) for q in questions} == {(c.kind, c.hops) for c in cells}
    assert {q.hops for q in questions if q.kind == "e2hqa"} == {2, 3, 4, 5}


PLAN_KINDS = {"count": "count", "both": "intersection", "lower": "comparison", "higher": "comparison"}


def solve(question: str, built: world.World) -> list[str]:
    """All answers by the world's own books, which neither the author nor the checks ever see."""
    plan_ = reading.parse_question(question)
    ends = [_follow(chain, built) for chain in plan_.chains]
    if plan_.kind == "count":
        return [str(len(ends[0]))]
    if plan_.kind == "difference":
        return [str(abs(int(ends[0][0]) - int(ends[1][0])))]
    if plan_.kind in ("lower", "higher"):
        numbers = [int(end[0]) for end in ends]
        best = min(numbers) if plan_.kind == "lower" else max(numbers)
        things = [_follow(reading.Chain(c.entity, c.labels[:-1]), built)[0] for c in plan_.chains]
        picked = [name for name, number in zip(things, numbers, strict=True) if number == best]
        asked = (plan_.asked,) if plan_.asked else ()
        return [found for name in picked for found in _follow(reading.Chain(name, asked), built)]
    return sorted(set.intersection(*map(set, ends)))


def facts(question: str) -> tuple[str, int]:
    """Kind and number of facts that a question needs, by its wording alone."""
    plan_ = reading.parse_question(question)
    needed = sum(len(chain.labels) for chain in plan_.chains) + bool(plan_.asked)
    return PLAN_KINDS.get(plan_.kind, plan_.kind), needed


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
    """Answerable, one answer, not leaked, labels right; also where the author errs as often as it can."""
    books = {"sft": world.build(1, 200), "rl": world.build(1, 200), "eval": world.build(17, 200, novel=True)}
    questions = gather(synthesize(InProcess(temperature)))
    for q in questions:
        assert solve(q.question, books[q.split]) == [q.answer], q
        assert all(solve(earlier, books[q.split]) == [q.answer] for earlier in q.rewrites)
        assert f" {q.answer.lower()} " not in f" {q.question.lower().rstrip('?.')} "
        assert facts(q.question) == ("value" if q.kind in ("multihop", "e2hqa") else q.kind, q.hops)
    assert {q.kind for q in questions} == set(KINDS)


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
    asyncio.run(fill(cells, {"sft": few}, InProcess(), seed=0, rounds=4))
    assert 0 < len(cells[0].questions) < 60 and cells[0].drops["duplicate"] > 0


def test_an_empty_question_set_is_one_clear_error(tmp_path):
    cells = plan({"sft": 4}, {"count": 1.0}, HOPS)
    with pytest.raises(ValueError, match="no question is left of .* drafts: .*refused"):
        run(cells, webs(), Silent(), seed=0, rounds=2, path=tmp_path / "questions.jsonl")
    assert not (tmp_path / "questions.jsonl").exists()


def test_run_writes_both_files_and_removes_the_part(tmp_path):
    path = tmp_path / "questions.jsonl"
    cells = plan({"sft": 12}, EQUAL, HOPS)
    questions = run(cells, webs(), InProcess(2.0), seed=0, rounds=6, path=path)
    assert read_jsonl(path, Question) == questions
    fell = read_jsonl(tmp_path / "questions_dropped.jsonl", Question)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "questions_dropped.jsonl"][::1]
    reasons = Counter(q.checks[-1].removeprefix("dropped: ") for q in fell)
    drops = sum((c.drops for c in cells), Counter())
    assert reasons and reasons == Counter({r: n for r, n in drops.items() if r in reasons})
    assert len({q.id for q in fell}) == len(fell)


class Counts(InProcess):
    """Counts its requests and breaks down at one of them, for good."""

    def __init__(self, breaks_at: int = 0):
        super().__init__(0.7, jitter=1)
        self.asked, self.breaks_at = 0, breaks_at

    async def chat(self, messages, *, seed=0):
        self.asked += 1
        if self.asked == self.breaks_at:
            raise EndpointError("the key is wrong", 401)
        return await super().chat(messages, seed=seed)


def test_a_run_that_breaks_goes_on_and_ends_as_an_unbroken_one(tmp_path):
    wanted = {"sft": 30}
    whole = Counts()
    expected = run(plan(wanted, EQUAL, HOPS), webs(), whole, seed=0, rounds=6, path=tmp_path / "whole.jsonl")
    path = tmp_path / "questions.jsonl"
    path.write_text("what an earlier run wrote\n")
    for breaks_at in (60, 40, 20):
        author = Counts(breaks_at)
        with pytest.raises(EndpointError, match="the key is wrong"):
            run(plan(wanted, EQUAL, HOPS), webs(), author, seed=0, rounds=6, path=path)
        assert path.read_text() == "what an earlier run wrote\n"
    last = Counts()
    assert run(plan(wanted, EQUAL, HOPS), webs(), last, seed=0, rounds=6, path=path) == expected
    assert last.asked < whole.asked  # what was finished is not asked again
    assert {p.name for p in tmp_path.iterdir()} == {
        "whole.jsonl", "whole_dropped.jsonl", "questions.jsonl", "questions_dropped.jsonl",
    }  # fmt: skip


class Stand(Server):
    """The stand-in author behind HTTP, one request at a time, so that every request that arrives is counted."""

    def _arrived(self, body, headers):
        super()._arrived(body, headers)
        self.plan = [(200, {}, json.dumps(oracle.reply(body)))]


def test_with_replies_kept_a_run_out_of_budget_or_killed_pays_no_reply_twice(tmp_path):
    def go(server: Stand, tokens: int = 0) -> list[Question]:
        author = LLM(
            "pocket-author", server.url, temperature=0.7, concurrency=1, cache=tmp_path / "replies.jsonl",
            budget=Budget(tokens=tokens),
        )  # fmt: skip
        cells = plan({"sft": 12}, EQUAL, HOPS)
        return run(cells, webs(), author, seed=0, rounds=6, path=tmp_path / "questions.jsonl")

    with Stand((200, {}, "")) as server:
        for tokens in (3000, 4000):
            with pytest.raises(BudgetSpent):
                go(server, tokens)
        assert len(server.seen) > 10
        questions = go(server)
        asked = len(server.seen)
        assert max(server.asked.values()) == 1  # over all three runs
        for path in tmp_path.glob("questions*"):
            path.unlink()
        assert go(server) == questions and len(server.seen) == asked  # everything from the kept replies


class Solves:
    """A solver that finds all questions but those with an odd number of letters, and knows what is asked of Kestin."""

    def __init__(self):
        self.tools = {"eval": None}
        self.settings, self.llm, self.tries, self.judge, self.asked = Settings(date="2025-01-01"), None, 1, None, []

    async def check(self, question):
        self.asked.append(question.question)
        return Verdict(len(question.question) % 2 == 0, 1, 3, len(question.question) % 6 == 0)

    def reason(self, question, verdict):
        return "" if verdict.found and not verdict.known else "known" if verdict.known else "unsolved"


def test_the_solver_tries_the_questions_of_its_splits_and_the_next_round_replaces_what_it_drops():
    solver = Solves()
    cells = synthesize(InProcess(), solver=solver, rounds=20)
    for cell in cells:
        if cell.split == "eval":
            assert all(len(q.question) % 2 == 0 and len(q.question) % 6 for q in cell.questions)
            assert all(q.checks == PASSED + SOLVED for q in cell.questions)
            assert cell.solver["asked"] == len(cell.questions) + cell.drops["unsolved"] + cell.drops["known"]
            assert {q.checks[-1] for q in cell.dropped} <= {f"dropped: {r}" for r in cell.drops}
        else:
            assert not cell.solver and all(q.checks == PASSED for q in cell.questions)
    assert sum(c.drops["unsolved"] for c in cells) > 5 and sum(c.drops["known"] for c in cells) > 2
    assert len(set(solver.asked)) == len(solver.asked)
    others = [q for q in gather(cells) if q.split != "eval"]
    assert others == [q for q in gather(synthesize(InProcess())) if q.split != "eval"]


def test_seeds_from_a_file_take_the_place_of_the_pages(tmp_path):
    graph = webs()["sft"].graph
    cells = plan({"sft": 12}, {"multihop": 1.0}, [1.0])
    asyncio.run(fill(cells, webs(), InProcess(), seed=0, rounds=4))
    seeds = [QA(q.question, q.answer) for q in cells[0].questions] + [QA("Who is Nobody of Nowhere?", "Nemo")]
    web = Web(graph, webs()["sft"].index, tuple(seeds))
    grown = plan({"sft": 20}, {"e2hqa": 1.0}, [0.0, 1.0, 1.0])
    asyncio.run(fill(grown, {"sft": web}, InProcess(), seed=0, rounds=8))
    made = gather(grown)
    assert made and {(q.rewrites[0], q.answer) for q in made} <= {(qa.question, qa.answer) for qa in seeds}
    assert len({q.rewrites[0] for q in made}) == len(made)  # no seed is used twice
    assert sum((c.drops for c in grown), Counter())["no_seed"] > 0
    assert all(fault(q, graph) == "" for q in made)


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
