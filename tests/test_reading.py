"""pocketweb.reading: facts out of every sentence, plans out of every question of the grammar."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import grammar, pages, reading, world
from pocketweb.reading import Chain, Fact, Plan

NAMES = {
    "person": "Tal Veron (chemist)",
    "city": "Orlen Ford",
    "region": "Orlen Highlands",
    "university": "Orlen Technical University",
    "company": "Velmar Optics",
    "event": "Velmar Regatta",
    "paper": "Sparse Tidal Lattices",
    "repository": "velmar-parser",
    "year": "1901",
}
RELATIONS = st.sampled_from(grammar.RELATIONS)


def told(relation, wording, lead_in="", members=1):
    """A sentence and the fact it tells."""
    objects = [NAMES[relation.object]] * members
    template = relation.tells[wording]
    if lead_in and not template.startswith("{"):
        template = template[0].lower() + template[1:]
    names = {"s": NAMES[relation.subject], "o": grammar.enumerate_names(objects)}
    sentence = lead_in + template.format(**names)
    return sentence, Fact(relation.label, NAMES[relation.subject], tuple(objects), sentence)


@given(RELATIONS, st.integers(0, 3), st.sampled_from(("", *grammar.LEAD_INS)), st.integers(1, 4))
def test_every_sentence_of_the_grammar_is_read(relation, wording, lead_in, members):
    sentence, fact = told(relation, wording, lead_in, members if relation.many else 1)
    assert reading.facts_in(sentence) == [fact]


def test_a_cut_sentence_tells_nothing():
    whole = "The mayor of Orlen Ford is Tal Veron."
    assert len(reading.facts_in(whole)) == 1
    for cut in (whole[:-1] + " ...", "The natives of Orlen Ford are Tal Veron, Ada Quist, ...", whole + " ..."):
        assert not any(fact.sentence.endswith("...") for fact in reading.facts_in(cut))
    assert reading.facts_in("The mayor of Orlen Ford is Tal ...") == []
    assert reading.facts_in("The natives of Orlen Ford are Tal Veron, Ada ...") == []


def test_facts_of_an_observation_with_links_and_lines():
    observation = (
        "A search for 'x' found 2 results:\n\n## Web Results\n1. [Orlen Ford](http://wiki.pocket.test/wiki/Orlen_Ford)\n\n"
        "Known natives of [Orlen Ford](http://a.test/O_(city)) are Tal Veron and Ada Quist.\n\n"
        "2. [Kestin](http://a.test/K)\nDate published: May 1, 2020\n\nIt rains. Kestin was founded in 1871."
    )
    facts = [(f.label, f.subject, f.objects) for f in reading.facts_in(observation)]
    assert facts == [
        ("natives", "Orlen Ford", ("Tal Veron", "Ada Quist")),
        ("founding year", "Kestin", ("1871",)),
    ]
    results = reading.results_in(observation)
    assert [(r.title, r.url) for r in results] == [
        ("Orlen Ford", "http://wiki.pocket.test/wiki/Orlen_Ford"),
        ("Kestin", "http://a.test/K"),
    ]
    assert "1871" in results[1].text and "1871" not in results[0].text


@pytest.mark.parametrize(
    "text", ["", "...", "The mayor of is.", "Tea is hot.", "The mayor of Orlen Ford is old.", "\x00"]
)
def test_text_that_tells_nothing(text):
    assert reading.facts_in(text) == []


@pytest.mark.parametrize("novel", [False, True])
def test_pages_of_a_world_are_read_without_loss_and_fast(novel):
    web = world.build(3, 200, novel)
    docs = [d for d in pages.render(web) if d.kind == "entity"]
    titles = {e.id: e.title for e in web.entities}
    for doc in docs:
        entity = web.entities[doc.entity]
        wanted = {}
        for r in grammar.RELATIONS:
            value = web.facts.get((entity.id, r.key))
            if r.subject == entity.type and value not in (None, []):
                ids = value if r.many else [value]
                wanted[r.label] = tuple(titles[i] if r.object in grammar.TYPES else str(i) for i in ids)
        assert {f.label: f.objects for f in reading.facts_in(doc.text)} == wanted
    start = time.perf_counter()
    for doc in docs:
        reading._facts.__wrapped__(doc.text)
    assert (time.perf_counter() - start) / len(docs) < 0.001  # seconds a page


@st.composite
def phrases(draw, depth=4):
    """A description nested up to `depth`, its chain and the type of what it describes."""
    kind = draw(st.sampled_from(grammar.TYPES))
    text, labels = NAMES[kind], ()
    for _ in range(draw(st.integers(0, depth))):
        choices = [r for r in grammar.FUNCTIONAL if r.subject == kind]
        relation = draw(st.sampled_from(choices))
        if relation.object not in grammar.TYPES:
            break
        form = draw(st.sampled_from((relation.phrase, relation.clause)))
        text, labels, kind = form.replace("{x}", text), (*labels, relation.label), relation.object
    return text, labels, kind


@given(phrases(), st.data())
def test_every_question_of_the_grammar_is_read(phrase, data):
    text, labels, kind = phrase
    relation = data.draw(st.sampled_from([r for r in grammar.RELATIONS if r.subject == kind]))
    question = data.draw(st.sampled_from(relation.asks)).replace("{x}", text)
    plan = reading.parse_question(question)
    assert plan is not None and plan.kind == ("count" if relation.many else "value")
    assert plan.chains[0].labels == (*labels, relation.label)
    assert plan.chains[0].entity in NAMES.values()


def test_nested_count_and_intersection():
    question = "How many companies of the birthplace of the mentor of Tal Veron are listed?"
    chain = Chain("Tal Veron", ("mentor", "birthplace", "companies"))
    assert reading.parse_question(question) == Plan("count", (chain,))
    question = (
        "Name the person that is a native of Orlen Ford and is on the staff of the company where Ada Quist works."
    )
    chains = (Chain("Orlen Ford", ("natives",)), Chain("Ada Quist", ("employer", "staff")))
    assert reading.parse_question(question) == Plan("both", chains)


def test_questions_about_two_things_nested():
    question = (
        "Who is the rector of the university of the one of Ada Quist and the mayor of Kestin that was born later?"
    )
    assert reading.parse_question(question) is None  # what is asked is one fact of the thing itself
    question = "At which university did the younger one of Ada Quist and the mayor of the birthplace of Bo Lin study?"
    chains = (Chain("Ada Quist", ("birth year",)), Chain("Bo Lin", ("birthplace", "mayor", "birth year")))
    assert reading.parse_question(question) == Plan("higher", chains, "university")


@pytest.mark.parametrize(
    ("sentence", "novel"),
    [
        ("The mayor of Orlen Ford is Tal Veron.", False),
        ("Voters of Orlen Ford chose Tal Veron for mayor.", True),
        ("It is widely known in the whole country that voters of Orlen Ford chose Tal Veron for mayor.", True),
        ("Orlen Ford is proud of its events Velmar Regatta.", True),  # a label that two types share
    ],
)
def test_novel_wordings_are_told_apart(sentence, novel):
    assert reading.is_novel(reading.facts_in(sentence)[0]) is novel


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Who?",
        "Who is the mayor of ?",
        "Who is the mayor of the region of?",
        "Which city is a native of Orlen Ford and is a graduate of Kestin?",  # natives are persons
        "Who is the mayor of the birth year of Tal Veron?",  # a year has no mayor
        "Is Tal Veron the mayor of Orlen Ford?",
    ],
)
def test_other_questions_have_no_plan(question):
    assert reading.parse_question(question) is None


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    reading.facts_in(text), reading.parse_question(text), reading.results_in(text), reading.parse_condition(text)
