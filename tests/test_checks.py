"""Every check on questions over the small web of test_linkgraph, each with a question that only it drops."""

from dataclasses import replace

import pytest

from webdancer.checks import REASONS, Seen, chain_ends, fault, leaks, overlap, shared, text_fault, yes_no
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph
from webdancer.show import lessons

W = "http://w.test/"
MAYOR, BORN = "The mayor of Kestin is Ada.", "Ada was born in Tarn."
NATIVES, GRADUATES = "The natives of Kestin are Ivo and Uma.", "The graduates of Arden are Ivo and Tor."


def page(name: str, text: str, *links: str) -> Page:
    return Page(W + name, name, text, tuple(W + link for link in links))


@pytest.fixture(scope="module")
def graph() -> LinkGraph:
    people = [page(n, f"{n} likes tea.") for n in ("Ivo", "Uma", "Tor", "Tal (poet)", "Tal (chemist)")]
    return LinkGraph(
        [
            page("Kestin", f"{MAYOR} {NATIVES}", "Ada", "Ivo", "Uma"),
            page("Ada", f"{BORN} Ada met Tal (poet).", "Tarn"),
            page("Tarn", "Tarn was founded in 1871."),
            page("Arden", GRADUATES, "Ivo", "Tor"),
            *people,
        ]
    )


MULTIHOP = Question(
    "m", "Where was the mayor of Kestin born?", "Tarn", "multihop", 2, (W + "Kestin", W + "Ada"), (MAYOR, BORN)
)
COUNT = Question("c", "How many natives of Kestin are listed?", "2", "count", 1, (W + "Kestin",), (NATIVES,))
BOTH = Question(
    "i", "Which person is a native of Kestin and is a graduate of Arden?", "Ivo", "intersection", 2,
    (W + "Kestin", W + "Arden"), (NATIVES, GRADUATES),
)  # fmt: skip


@pytest.mark.parametrize("question", [MULTIHOP, COUNT, BOTH], ids=lambda q: q.kind)
def test_a_sound_question_passes(question, graph):
    assert fault(question, graph) == ""


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (replace(MULTIHOP, hops=3), "wrong_hops"),
        (replace(MULTIHOP, evidence=MULTIHOP.evidence[:1]), "wrong_hops"),
        (replace(MULTIHOP, answer="Yes."), "yes_no"),
        (replace(MULTIHOP, answer=""), "yes_no"),
        (replace(MULTIHOP, question="Was the mayor of Kestin born in Tarn?"), "yes_no"),
        (replace(MULTIHOP, question="Where was the mayor of Kestin born, in tarn?"), "leaked"),
        (replace(MULTIHOP, answer="Uma"), "unanswerable"),
        (replace(MULTIHOP, answer="Ada"), "unanswerable"),  # the last sentence names her, but only as its subject
        (replace(MULTIHOP, support=(MAYOR, "Ada was born in Orlen.")), "unanswerable"),
        (replace(MULTIHOP, support=(NATIVES, BORN)), "unanswerable"),
        (replace(MULTIHOP, evidence=(W + "Kestin", W + "Gone")), "unanswerable"),
        (replace(COUNT, answer="3"), "unanswerable"),
        (replace(COUNT, answer="two"), "unanswerable"),
        (replace(BOTH, answer="Uma"), "unanswerable"),
        (replace(MULTIHOP, question="Where was the mayor of Kestin, a friend of Tal, born?"), "namesake"),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(question, reason, graph):
    assert fault(question, graph) == reason and reason in REASONS


def test_an_intersection_is_two_chains_in_either_order(graph):
    mayor_of = "The sister city of Tarn is Kestin."
    web = [*graph.pages.values(), page("Ostland", mayor_of, "Kestin")]
    wide = LinkGraph(
        [replace(p, title="Tarn", url=W + "Tarn") if p.title == "Ostland" else p for p in web if p.title != "Tarn"]
    )
    facts = [(W + "Tarn", mayor_of), (W + "Kestin", NATIVES), (W + "Arden", GRADUATES)]
    for order, ends in (((0, 1, 2), (1, 2)), ((2, 0, 1), (0, 2))):
        evidence, support = zip(*(facts[i] for i in order), strict=True)
        question = replace(BOTH, hops=3, evidence=evidence, support=support)
        assert chain_ends(question, wide) == ends and fault(question, wide) == ""
    evidence, support = zip(*(facts[i] for i in (1, 0, 2)), strict=True)
    assert fault(replace(BOTH, hops=3, evidence=evidence, support=support), wide) == "unanswerable"


def test_an_intersection_with_two_answers_is_not_unique():
    second = "The graduates of Arden are Ivo and Uma."
    web = [
        page("Kestin", NATIVES, "Ivo", "Uma"),
        page("Arden", second, "Ivo", "Uma"),
        page("Ivo", "A."),
        page("Uma", "B."),
    ]
    question = replace(BOTH, support=(NATIVES, second))
    graph = LinkGraph(web)
    assert shared(question, graph) == {W + "Ivo", W + "Uma"} and fault(question, graph) == "not_unique"


def test_a_leak_is_a_run_of_whole_words():
    assert not leaks("Where was the mayor of Tarnow born?", "Tarn")
    assert leaks("How many of the 2 natives of Kestin are listed?", "2")
    assert not leaks("How many of the 12 natives of Kestin are listed?", "2")


@pytest.mark.parametrize(
    ("question", "answer", "leak"),
    [
        ("Which university of Tarn was founded in Tarn?", "University of Tarn", True),  # all three words, any order
        ("Where did Tal Orlen meet Ada Veron?", "Tal Veron", False),  # two words meet by chance
        ("Which of the seven bridges is the oldest?", "7", True),
        ("Which one of the two is older?", "1", False),  # one and two are said of everything
        ("How many of the 12 natives are listed?", "twelve", True),
        ("Welcher Fluss fließt durch Zürich?", "ZURICH", True),
        ("河湾市的市长是谁？", "河湾市", False),  # no word of its own in the question
    ],
)
def test_leaks_in_other_forms(question, answer, leak):
    assert leaks(question, answer) == leak


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What gives light? A) the sun B) the sea", "A", "letter"),
        ("What do farmers think of the plan?", "(c).", "letter"),
        ("Which vitamin is made by sunlight?", "Vitamin D", ""),
        ("Which of Kestin and Tarn is older?", "Tarn", "leaked"),  # a choice: one guess in two
        ("Is the castle of Kestin older than its harbour?", "Unknown", "yes_no"),
        ("该城市是否有大学？", "有", "yes_no"),
        ("What does the error page say about the request?", "Ray", "block_page"),
        ("Which item comes first in the main menu?", "Home", "furniture"),
        ("Who is currently mayor of Kestin?", "Ada", "undated"),
    ],
)
def test_faults_of_the_words_alone(question, answer, reason):
    assert text_fault(question, answer) == reason
    assert reason in ("", *REASONS)


def test_a_yes_no_question_passes_where_it_is_allowed_if_its_facts_hang_together(graph):
    asked = replace(MULTIHOP, question="Was the mayor of Kestin born in Tarn?", answer="yes")
    assert yes_no(asked.question, asked.answer) and fault(asked, graph) == "yes_no"
    assert fault(asked, graph, yes_no_allowed=True) == ""
    assert fault(replace(asked, support=(NATIVES, BORN)), graph, yes_no_allowed=True) == "unanswerable"


def test_the_library_passes_the_notebooks_exercise():
    cases = [("Was it Café Zürich that Tal founded?", "cafe zurich"), ("Who is the mayor of Adasted?", "Ada")]
    assert lessons.check(leaks, cases, reference=leaks) and [leaks(*case) for case in cases] == [True, False]


def test_seen_knows_the_text_and_the_facts():
    seen = Seen()
    assert not seen.again(MULTIHOP)
    assert seen.again(replace(MULTIHOP, support=("Other.",), question="where was the Mayor of Kestin born"))
    assert seen.again(replace(MULTIHOP, question="In which city was the person who is mayor of Kestin born?"))
    assert not seen.again(COUNT)


def test_overlap_counts_questions_shared_between_splits():
    sft, rl = replace(MULTIHOP, split="sft"), replace(MULTIHOP, split="rl", question="Asked otherwise?")
    assert overlap([sft, rl, replace(COUNT, split="rl")]) == 2
    assert overlap([sft, replace(COUNT, split="rl")]) == 0
