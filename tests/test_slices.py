"""Slices made end to end on one small world through a real endpoint, and what cannot be made."""

from collections import Counter

import pytest

from pocketweb import pages, serve, world
from pocketweb.reading import parse_question
from webdancer import slices
from webdancer.agent.judge import normalise
from webdancer.agent.llm import LLM
from webdancer.core.schema import Page, Question

SEED, COUNT = 17, 4


def rendered(seed: int, **options) -> list[Page]:
    docs = pages.render(world.build(seed, 200, **options))
    return [Page(d.url, d.title, d.text, d.links) for d in docs if d.kind in ("entity", "noise")]


def question(split: str, kind: str, hops: int) -> Question:
    return Question(f"{split}-{kind}-{hops}", "Who is the mayor of Orlen Ford?", "Ada", kind, hops, split=split)


KNOWN = [
    *(question("eval", kind, hops) for kind in ("multihop", "count") for hops in (1, 2)),
    question("eval", "comparison", 3),
    question("sft", "multihop", 3),
]
BESIDE = rendered(1)


class Heard(LLM):
    """A client that keeps what was sent."""

    sent: list[tuple[str, str]] = []

    async def chat(self, messages, **options):
        self.sent.append((self.model, "\n".join(m["content"] for m in messages)))
        return await super().chat(messages, **options)


@pytest.fixture(scope="module")
def made() -> dict[str, slices.Slice]:
    Heard.sent = []
    with serve.start([]) as net:

        def llm(model: str) -> LLM:
            return Heard(model, net.endpoint, temperature=0.7)

        found = slices.make(list(slices.CHANGES), KNOWN, BESIDE, llm, worlds=[SEED], count=COUNT)
    return {part.name: part for part in found}


@pytest.fixture(scope="module")
def rows(made) -> dict[str, dict]:
    seen = slices.Seen.of([*BESIDE, *rendered(2)], KNOWN)
    return {name: slices.measure(part, seen) for name, part in made.items()}


def test_every_slice_is_full_and_its_questions_are_its_own(made):
    assert list(made) == list(slices.CHANGES) and next(iter(made)) == slices.BASELINE
    for name, part in made.items():
        assert len(part.questions) == COUNT
        assert len({q.id for q in part.questions}) == COUNT
        assert all(q.id.startswith(f"{name}/") and q.split == "eval" for q in part.questions)


def test_questions_stood_the_checks_of_02_and_the_solver_found_them(made):
    for part in made.values():
        for q in part.questions:
            assert {"answerable", "unique", "answered_by_search"} <= set(q.checks)
            assert normalise(q.answer) not in normalise(q.question)


def test_the_mix_is_that_of_the_evaluation(made):
    for name in ("names", "words", "sentences", "questions", "web"):
        cells = Counter((q.kind, q.hops) for q in made[name].questions)
        assert cells == {("multihop", 1): 1, ("multihop", 2): 1, ("count", 1): 1, ("count", 2): 1}
    cells = Counter((q.kind, q.hops) for q in made["hops"].questions)
    assert cells == {("multihop", 4): 1, ("multihop", 5): 1, ("count", 4): 1, ("count", 5): 1}


def test_each_slice_differs_from_the_baseline_in_one_thing(rows):
    """Training is world 1 alone, which tells no fact as world 17 does word for word, so 0.9 stands for all."""
    shares = ("names_seen", "name_words_seen", "new_sentences", "beyond")
    base = {key: rows["names"][key] for key in shares}
    assert base["names_seen"] == 0 and base["name_words_seen"] > 0.9
    assert base["new_sentences"] < 0.1 and base["beyond"] == 0
    differing = {"words": {"name_words_seen": 0}, "sentences": {"new_sentences": 1}, "hops": {"beyond": 1}}
    for name, row in rows.items():
        wanted = base | differing.get(name, {})
        assert {key: row[key] for key in shares} == pytest.approx(wanted, abs=0.1), name
    assert rows["words"]["name_words_seen"] == 0 and rows["sentences"]["new_sentences"] == 1


def test_other_forms_ask_for_the_same_kinds_of_things_in_known_words(made, rows):
    asked = {q.question for name in ("names", "words", "sentences", "hops") for q in made[name].questions}
    heads = ("For ", "Which ", "Give ", "What ")
    other = [q.question for q in made["questions"].questions]
    assert all(text.startswith(heads) and parse_question(text) for text in other)
    assert not any(" listed as " in text or text.startswith("For ") and ", " in text for text in asked)


def test_the_larger_web_asks_the_same_and_holds_more(made, rows):
    base, web = made["names"], made["web"]
    assert [q.question for q in web.questions] == [q.question for q in base.questions]
    assert {p.url for p in base.pages} < {p.url for p in web.pages}
    assert {p.url for p in BESIDE} <= {p.url for p in web.pages}
    assert len({p.url for p in web.pages}) == len(web.pages)
    assert rows["web"]["distractors"] > 1.5 * rows["names"]["distractors"]


def test_nobody_is_told_a_gold_answer(made):
    """The solver is sent the question alone, and tool results after that; the author only pages."""
    golds = {q.question: q.answer for part in made.values() for q in part.questions}
    first = {text for model, text in Heard.sent if model == slices.SOLVER and "<tool_response>" not in text}
    asked = {q: text for text in first for q in golds if q in text}
    assert len(asked) >= COUNT
    assert not [q for q, text in asked.items() if not golds[q].isdecimal() and golds[q] in text]
    assert {model for model, _ in Heard.sent} == {slices.SOLVER, "pocket-author", "pocket-author-other"}


def test_the_same_seed_makes_the_same_slices(made):
    with serve.start([]) as net:
        again = slices.make(["names"], KNOWN, BESIDE, lambda m: LLM(m, net.endpoint, temperature=0.7),
                            worlds=[SEED], count=COUNT)  # fmt: skip
    assert again[0].questions == made["names"].questions


def test_cells_by_hand():
    shares = {("count", 1): 1, ("multihop", 1): 2, ("multihop", 2): 1}
    assert [(c.kind, c.hops, c.wanted) for c in slices.cells(shares, 8, 4)] == [
        ("count", 1, 2), ("multihop", 1, 4), ("multihop", 2, 2),
    ]  # fmt: skip
    further = slices.cells(shares, 16, 4, 2)
    assert [(c.kind, c.hops, c.wanted) for c in further] == [
        ("count", 5, 2), ("count", 6, 2), ("multihop", 5, 6), ("multihop", 6, 6),
    ]  # fmt: skip


def test_no_slices_cost_nothing():
    assert slices.make([], [], [], None, worlds=[]) == []


@pytest.mark.parametrize(
    ("wanted", "known", "worlds", "says"),
    [
        (["name"], KNOWN, [17], r"got slices \['name'\], wanted some of names, words"),
        (["names"], KNOWN, [], r"wanted pocket worlds in slice_worlds"),
        (["names"], KNOWN[-1:], [17], r"wanted some of split eval and some of sft or rl"),
        (["names"], KNOWN[:-1], [17], r"wanted some of split eval and some of sft or rl"),
        (["names"], KNOWN, [17, 1], r"got world 1 in slice_worlds, wanted others: .* were trained on"),
        (["names"], KNOWN, [31], r"got world seed 31, wanted a whole number from 0 to 30"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_asked(wanted, known, worlds, says):
    with pytest.raises(ValueError, match=says):
        slices.make(wanted, known, BESIDE, None, worlds=worlds)
