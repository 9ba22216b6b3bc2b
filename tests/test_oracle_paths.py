"""pocketweb.oracle_paths: facts with their pages, chains of facts, and replies that read as they were meant."""

import random

from pocketweb.oracle_paths import OTHER, USUAL, Path, described, paths, told_in, written
from pocketweb.reading import Chain, Plan, parse_phrase
from webdancer.core import prompts
from webdancer.core.schema import Page

VERON = Page("http://w/Tal_Veron", "Tal Veron", "Tal Veron was born in Orlen Ford. Tea is hot.")
ORLEN = Page(
    "http://w/Orlen_Ford", "Orlen Ford", "The mayor of Orlen Ford is Ada Quist. Orlen Ford was founded in 1871."
)
QUIST = Page("http://w/Ada_Quist", "Ada Quist", "The mentor of Ada Quist was Tal Veron.")
TOLD = told_in(prompts.crawlqa("multihop", 2, [VERON, ORLEN, QUIST])[-1]["content"])


def test_every_fact_comes_with_its_page():
    assert [(t.fact.label, t.url) for t in TOLD] == [
        ("birthplace", VERON.url),
        ("mayor", ORLEN.url),
        ("founding year", ORLEN.url),
        ("mentor", QUIST.url),
    ]
    assert told_in("The mayor of Orlen Ford is Ada Quist.")[0].url == ""


def test_all_chains_by_hand():
    found = {(p.start, p.labels, p.end) for p in paths(TOLD, 2)}
    assert found == {
        ("Tal Veron", ("birthplace", "mayor"), "Ada Quist"),
        ("Tal Veron", ("birthplace", "founding year"), "1871"),
        ("Orlen Ford", ("mayor", "mentor"), "Tal Veron"),
        ("Ada Quist", ("mentor", "birthplace"), "Orlen Ford"),
    }
    assert [p.labels for p in paths(TOLD, 3)] == [("mentor", "birthplace", "founding year")]  # others come back
    assert [p.start for p in paths(TOLD, 0)] == ["Tal Veron", "Orlen Ford", "Ada Quist"]


def test_a_path_names_all_that_it_meets():
    (path,) = (p for p in paths(TOLD, 2) if p.end == "1871")
    assert path.names() == {"Tal Veron", "Orlen Ford", "1871"}
    assert Path("Tal Veron").end == "Tal Veron" and Path("Tal Veron").labels == ()


def test_a_description_reads_back_as_its_chain():
    for seed in range(8):
        text = described("Tal Veron", ("birthplace", "mayor"), random.Random(seed))
        assert parse_phrase(text) == Chain("Tal Veron", ("birthplace", "mayor"))


def test_the_other_voice_describes_the_same_chain_in_other_words():
    seen = set()
    for seed in range(40):
        text = described("Tal Veron", ("birthplace", "mayor"), random.Random(seed), OTHER)
        assert parse_phrase(text) == Chain("Tal Veron", ("birthplace", "mayor"))
        seen.add(text)
    places = ("the city listed as birthplace of Tal Veron", "the birthplace that belongs to Tal Veron")
    heads = ("the person listed as mayor of", "the mayor that belongs to")
    assert seen == {f"{head} {place}" for head in heads for place in places}
    assert set(USUAL.relations) == set(OTHER.relations)


def test_a_reply_is_refused_if_it_leaks_or_means_something_else():
    plan = Plan("value", (Chain("Orlen Ford", ("mayor",)),))
    good = written("Who is the mayor of Orlen Ford?", plan, "Ada Quist", TOLD[1:2])
    assert (good["hops"], good["evidence"]) == (1, [ORLEN.url])
    assert good["support"] == ["The mayor of Orlen Ford is Ada Quist."]
    assert written("Who is the mayor of Orlen Ford?", plan, "orlen ford", TOLD[1:2]) is None
    assert written("Who is the governor of Orlen Ford?", plan, "Ada Quist", TOLD[1:2]) is None
