"""The pages: they tell every fact once and nothing else, link what they mention, and hold the dirt of a real web."""

import doctest
import re
from collections import Counter, defaultdict
from urllib.parse import unquote, urlparse

import pytest

from pocketweb import pages, world
from pocketweb.grammar import BY_KEY, LEAD_INS, NOVEL, RELATIONS, SITE_OF_TYPE, TYPES, enumerate_names


@pytest.fixture(scope="module")
def small() -> world.World:
    return world.build(3, 400)


@pytest.fixture(scope="module")
def docs(small) -> list[pages.Doc]:
    return pages.render(small)


def kind(docs: list[pages.Doc], wanted: str) -> list[pages.Doc]:
    return [d for d in docs if d.kind == wanted]


def wordings(w: world.World, doc: pages.Doc) -> dict[str, list[tuple[int, str]]]:
    """For each relation told on the page, every (wording, lead-in) under which a sentence tells it."""
    found = defaultdict(list)
    entity = w.entities[doc.entity]
    for relation in pages.RELATIONS_OF[entity.type]:
        objects = w.objects(entity, relation)
        for wording in range(NOVEL + 1 if objects else 0):
            for lead in ("", *LEAD_INS):
                if pages.tell(relation, wording, entity.title, enumerate_names(objects), lead) in doc.sentences:
                    found[relation.key].append((wording, lead))
    return found


def test_examples_in_docstrings():
    assert doctest.testmod(pages).failed == 0


@pytest.mark.parametrize("novel", [False, True])
def test_every_fact_is_told_once_and_in_several_wordings(novel):
    w = world.build(3, 400, novel)
    used = defaultdict(Counter)
    leads = Counter()
    for doc in kind(pages.render(w), "entity"):
        entity = w.entities[doc.entity]
        told = wordings(w, doc)
        wanted = {r.key for r in pages.RELATIONS_OF[entity.type] if w.objects(entity, r)}
        assert set(told) == wanted and all(len(ways) == 1 for ways in told.values())
        for key, ((wording, lead),) in told.items():
            used[key][wording] += 1
            leads[BY_KEY[key].many, bool(lead)] += 1
        others = len(doc.sentences) - len(told)
        assert 1 <= others <= 2 + (entity.type == "person") + len(entity.aliases)
    assert set().union(*used.values()) == set(range(4 if novel else 3))
    assert all(len(used[r.key]) >= 2 for r in RELATIONS)
    assert not leads[True, True]
    assert 0.2 < leads[False, True] / (leads[False, True] + leads[False, False]) < 0.3


def test_with_a_share_of_one_every_fact_is_told_in_the_novel_wording():
    w = world.build(3, 200, True, novel_share=1.0)
    told = [way for doc in kind(pages.render(w), "entity") for way in wordings(w, doc).values()]
    assert len(told) > 500 and {wording for ways in told for wording, _ in ways} == {NOVEL}


def test_a_share_plays_no_part_in_a_usual_world(docs):
    assert pages.render(world.build(3, 400, novel_share=1.0)) == docs


def test_the_site_of_a_page_follows_its_type(small, docs):
    hosts = {"wiki": "wiki.pocket.test", "www": "www.pocket.test"}
    hosts |= {"arxiv": "arxiv.pocket.test", "github": "github.pocket.test"}
    for doc in kind(docs, "entity"):
        entity = small.entities[doc.entity]
        assert doc.site == SITE_OF_TYPE[entity.type] and doc.title == entity.title
        assert urlparse(doc.url).hostname == hosts[doc.site] and ":" not in urlparse(doc.url).netloc
    for doc in docs:
        assert urlparse(doc.url).hostname == hosts[doc.site]


def test_urls_by_hand(small):
    person = world.Entity(0, "person", "Tal Veron", "Tal Veron (chemist)")
    assert pages.entity_url(small, person) == "http://wiki.pocket.test/wiki/Tal_Veron_(chemist)"
    event = world.Entity(0, "event", "Velmar Regatta", "Velmar Regatta")
    assert pages.entity_url(small, event) == "http://www.pocket.test/events/velmar-regatta"
    papers = small.of_type("paper")
    assert pages.entity_url(small, papers[0]) == "http://arxiv.pocket.test/abs/4304.00001v1"  # seed 3: fourth month
    assert pages.entity_url(small, papers[-1]) == "http://arxiv.pocket.test/abs/4304.00044v1"
    code = small.of_type("repository")[0]
    owner = small.entities[small.facts[code.id, "repository.owner"]].name
    assert pages.entity_url(small, code) == f"http://github.pocket.test/{owner.lower().replace(' ', '-')}/{code.name}"


def test_urls_are_unique_in_a_world_and_between_worlds(docs):
    other = pages.render(world.build(17, 900))
    urls = [d.url for d in docs + other]
    assert len(set(urls)) == len(urls)
    arxiv = {pages.arxiv_id(w, w.of_type("paper")[0]) for w in (world.build(s, 200) for s in range(31))}
    assert len(arxiv) == 31


def test_every_mention_is_linked_and_every_link_leads_somewhere(small, docs):
    known = {d.url for d in docs}
    titles = {e.title: e for e in small.entities}
    for doc in docs:
        assert set(doc.links) <= known and doc.url not in doc.links
    for doc in kind(docs, "entity"):
        entity = small.entities[doc.entity]
        mentioned = {t for r in pages.RELATIONS_OF[entity.type] if r.object in TYPES for t in small.objects(entity, r)}
        assert mentioned - {entity.title} <= {title for title, _ in doc.anchors}
        for title, url in doc.anchors:
            if title in titles:
                assert url == pages.entity_url(small, titles[title])


def test_a_crawler_reaches_nearly_all_pages_from_one(docs):
    by_url = {d.url: d for d in docs}
    seen, queue = {docs[0].url}, [docs[0].url]
    while queue:
        fresh = [u for u in by_url[queue.pop()].links if u not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    entities = [d.url for d in kind(docs, "entity")]
    assert len(seen & set(entities)) >= 0.95 * len(entities)
    for dirt in ("noise", "block", "dead"):
        assert seen & {d.url for d in kind(docs, dirt)}


def test_the_dirt_of_a_real_web_is_there(small, docs):
    counted = Counter(d.kind for d in docs)
    assert counted["entity"] == 400
    assert (counted["noise"], counted["block"], counted["dead"]) == (32, 8, 8)
    assert counted["redirect"] == sum(len(e.aliases) for e in small.entities) > 10
    assert counted["disambiguation"] == len({e.name for e in small.entities if e.name != e.title}) > 0
    assert set(counted) == set(pages.KINDS)
    assert {d.site for d in kind(docs, "noise")} == {d.site for d in kind(docs, "dead")} == {"wiki", "www"}
    assert any(pages.DISALLOWED in d.url for d in kind(pages.render(world.build(3, 2000)), "noise"))
    for doc in kind(docs, "block"):
        assert doc.title == "Just a moment..." and doc.site == "www"
    assert all(not d.text and not d.anchors for d in kind(docs, "dead"))


def test_redirects_and_disambiguations_lead_to_the_right_pages(small, docs):
    for doc in kind(docs, "redirect"):
        target = small.entities[doc.entity]
        assert doc.title in target.aliases
        assert doc.links == (pages.entity_url(small, target),)
    for doc in kind(docs, "disambiguation"):
        sharing = [e for e in small.entities if e.name == doc.title]
        assert len(sharing) == 2 and set(doc.links) == {pages.entity_url(small, e) for e in sharing}


def test_sentences_about_nothing_hold_no_word_that_an_agent_searches_for(small, docs):
    queries = {w for r in RELATIONS for w in (*r.query.split(), *r.label.split())}
    rest = [s for d in docs if d.kind != "entity" for s in d.sentences]
    rest += [s for d in kind(docs, "entity") for s in pages._introduction(small, small.entities[d.entity])]
    titles = sorted((e.title for e in small.entities), key=len, reverse=True)
    strip = re.compile("|".join(map(re.escape, titles)))
    for sentence in {*pages.FILLERS, *rest}:
        assert not queries & set(re.findall(r"\w+", strip.sub("", sentence).lower())), sentence


def test_sentences_about_nothing_tell_nothing(docs, small):
    forms = [re.escape(t).replace(r"\{s\}", ".+").replace(r"\{o\}", ".+") for r in RELATIONS for t in r.tells]
    told = re.compile("|".join(forms), re.IGNORECASE)
    rest = {s for d in docs if d.kind != "entity" for s in d.sentences} | set(pages.FILLERS)
    rest |= {s for e in small.entities for s in pages._introduction(small, e)}
    assert not [s for s in rest if told.fullmatch(s)]


def test_a_page_is_split_into_its_sentences_at_full_stops(docs):
    for doc in kind(docs, "entity"):
        assert re.split(r"(?<=[.?!]) ", doc.text) == list(doc.sentences)


def test_dates_are_days_and_papers_agree_with_their_identifier(docs):
    for doc in docs:
        if doc.kind in ("entity", "noise"):
            assert re.fullmatch(r"20[34]\d-(0[1-9]|1[0-2])-[0-2]\d", doc.date)
        if doc.site == "arxiv":
            assert doc.date[2:4] + doc.date[5:7] == doc.url.split("/abs/")[1][:4]


def test_tell_by_hand():
    born = BY_KEY["person.birthplace"]
    assert pages.tell(born, 0, "Tal Veron", "Orlen Ford") == "Tal Veron was born in Orlen Ford."
    assert pages.tell(born, 3, "Tal Veron", "Orlen Ford", "They say that ") == (
        "They say that records show Orlen Ford as the place where Tal Veron was born."
    )
    assert pages.tell(born, 1, "Tal Veron", "Orlen Ford", LEAD_INS[0]) == (
        "According to the records kept in the old archive, Orlen Ford is the city where Tal Veron was born."
    )


def test_wiki_urls_give_the_title_back(docs):
    for doc in docs:
        if doc.site == "wiki":
            assert unquote(doc.url.split("/wiki/")[1]).replace("_", " ") == doc.title


def test_the_same_world_gives_the_same_pages(small, docs):
    assert pages.render(small) == docs
