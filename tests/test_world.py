"""The world: every fact there, lists exact, no name shared between seeds, the same bytes everywhere, linear time."""

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import combinations

import pytest

from pocketweb import names, world
from pocketweb.grammar import BY_KEY, FUNCTIONAL, LISTS, RELATIONS, TYPES


@pytest.fixture(scope="module")
def small() -> world.World:
    return world.build(3, 400)


def test_size_and_mix(small):
    counted = Counter(e.type for e in small.entities)
    assert counted == {
        "person": 144, "city": 48, "region": 12, "university": 36, "company": 48, "event": 36, "paper": 44,
        "repository": 32,
    }  # fmt: skip
    assert [e.id for e in small.entities] == list(range(400))


@pytest.mark.parametrize(("seed", "size"), [(0, 200), (30, 451), (11, 1000), (7, 20000)])
def test_every_fact_is_there_and_lists_are_exact(seed, size):
    w = world.build(seed, size)
    assert len(w.entities) == size
    assert set(w.facts) == {(e.id, r.key) for e in w.entities for r in RELATIONS if r.subject == e.type}
    for relation in LISTS:
        told = sorted((m, e.id) for e in w.of_type(relation.subject) for m in w.facts[e.id, relation.key])
        assert told == sorted((m.id, w.facts[m.id, relation.inverse_of]) for m in w.of_type(relation.object))
        sizes = [len(w.facts[e.id, relation.key]) for e in w.of_type(relation.subject)]
        assert max(sizes) <= 6


@pytest.mark.parametrize("size", [200, 400, 5000])
def test_objects_have_the_right_type(size):
    w = world.build(5, size)
    for entity in w.entities:
        for relation in FUNCTIONAL:
            if relation.subject != entity.type:
                continue
            value = w.facts[entity.id, relation.key]
            if relation.object == "year":
                assert isinstance(value, str) and 1850 <= int(value) <= 2020
            else:
                assert w.entities[value].type == relation.object


def test_list_sizes_are_worth_counting(small):
    sizes = Counter(len(v) for (_, key), v in small.facts.items() if BY_KEY[key].many)
    nonempty = {n: c for n, c in sizes.items() if n}
    assert sum(c for n, c in nonempty.items() if n <= 5) > 0.8 * sum(nonempty.values())
    assert sum(c for n, c in nonempty.items() if n >= 2) > 0.5 * sum(nonempty.values())


def test_relations_that_have_to_agree(small):
    f = small.facts
    for city in small.of_type("city"):
        assert f[f[city.id, "city.twin"], "city.twin"] == city.id != f[city.id, "city.twin"]
    for region in small.of_type("region"):
        assert f[f[region.id, "region.capital"], "city.region"] == region.id
    for person in small.of_type("person"):
        mentor = f[person.id, "person.mentor"]
        assert mentor != person.id and f[mentor, "person.mentor"] != person.id


def test_intersections_with_one_answer_are_plenty(small):
    f = small.facts
    natives = {c.id: set(f[c.id, "city.natives"]) for c in small.of_type("city")}
    graduates = {u.id: set(f[u.id, "university.graduates"]) for u in small.of_type("university")}
    common = [len(a & b) for a in natives.values() for b in graduates.values() if len(a) > 1 and len(b) > 1]
    assert common.count(1) >= 50


@pytest.mark.parametrize("size", [200, 400, 5000])
def test_namesakes_share_a_name_and_not_a_title(size):
    w = world.build(2, size)
    titles = [e.title for e in w.entities]
    assert len(set(titles)) == size
    names_ = Counter(e.name for e in w.entities)
    shared = [e for e in w.entities if names_[e.name] > 1]
    assert 0.01 <= len(shared) / len(w.of_type("person")) <= 0.04
    for e in shared:
        assert e.type == "person" and e.title == f"{e.name} ({w.professions[e.id]})" and not e.aliases
    assert all(e.title == e.name for e in w.entities if names_[e.name] == 1)
    assert set(w.professions) == {p.id for p in w.of_type("person")}


def test_no_name_holds_a_comma_a_period_or_and():
    for e in world.build(13, 3000).entities:
        for text in (e.name, *e.aliases):
            assert "," not in text and "." not in text and "and" not in text.lower().replace("-", " ").split()


def test_two_seeds_share_no_entity_name():
    named = [{n for e in world.build(s, 400).entities for n in (e.name, e.title, *e.aliases)} for s in range(31)]
    for a, b in combinations(named, 2):
        assert not a & b
    big = {e.name for e in world.build(17, 6000).entities}
    assert not any(big & own for s, own in enumerate(named) if s != 17)


def test_novel_changes_no_fact(small):
    other = world.build(3, 400, novel=True)
    assert (other.entities, other.facts, other.professions) == (small.entities, small.facts, small.professions)
    assert other.novel and not small.novel


@pytest.mark.parametrize(
    ("arguments", "digest"),
    [
        ((0, 200, False), "510dab9ebd303c893ab2a6b951fbb5cd537fcec2969f659d2aae7669a38bc30a"),
        ((9, 300, True), "9de8125efa05177d9f56fe293011e0cc7b94bdff75d7aed150fbf162c7b57f30"),
        ((20, 200, True), "eeaf634419811d50a8f2c49d558b0337e793693a4a754bc70da410ccf02157c5"),
        ((30, 451, False), "e7fd325565399650a1851564c35698bc129e47f1a84cd6ab214e3c749e720a45"),
    ],
)
def test_pages_are_those_that_results_were_made_from(arguments, digest):
    """SHA-256 of all pages, taken before slices had options of their own: a world of the results stays what it was."""
    from pocketweb import pages

    found = hashlib.sha256()
    for doc in pages.render(world.build(*arguments)):
        found.update(repr(doc).encode())
    assert found.hexdigest() == digest


def test_unheard_changes_nothing_but_the_names(small):
    other = world.build(3, 400, unheard=True)
    assert (other.facts, other.professions) == (small.facts, small.professions)
    assert [e.name for e in other.entities] == [names.unheard(e.name) for e in small.entities]
    assert not {e.title for e in other.entities} & {e.title for e in small.entities}
    assert [e.type for e in other.entities] == [e.type for e in small.entities]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_novel_sentences_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=r"got novel_share .*, wanted a number from 0 to 1"):
        world.build(1, 200, True, novel_share=share)


def test_objects_by_hand():
    entities = [world.Entity(i, "person", n, n) for i, n in enumerate(("A B", "C D", "E F"))]
    facts = {(0, "person.mentor"): 2, (0, "person.birthyear"): "1900", (0, "person.papers"): [1, 2]}
    w = world.World(0, 3, False, entities, facts)
    told = [w.objects(entities[0], BY_KEY[k]) for k in ("person.mentor", "person.birthyear", "person.papers")]
    assert told == [["E F"], ["1900"], ["C D", "E F"]]


@pytest.mark.parametrize("seed", [-1, 31, "3", 1.0, True, None])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=r"got world seed .*, wanted a whole number from 0 to 30"):
        world.build(seed)


@pytest.mark.parametrize("size", [199, 20001, 400.0, "400", True])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=r"got .* pages, wanted a whole number from 200 to 20000"):
        world.build(1, size)


def test_lists_that_cannot_hold_all_members_are_refused():
    with pytest.raises(ValueError, match=r"got 13 members for 2 lists, wanted at most 6 a list"):
        world._capped(world.random.Random(0), 13, [0, 1], 1.0)
    assert set(Counter(world._capped(world.random.Random(0), 12, [0, 1], 1.0)).values()) == {6}


DIGEST = (
    "import hashlib; from pocketweb import pages, world; w = world.build(9, 300, True);"
    "print(hashlib.sha256(repr((w, pages.render(w))).encode()).hexdigest())"
)


def test_the_same_bytes_in_every_process():
    digests = set()
    for hash_seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1
    assert digests != {hashlib.sha256(b"").hexdigest() + "\n"}


def test_time_grows_linearly_from_200_to_20000_pages():
    from pocketweb import pages

    def seconds(size: int, times: int) -> float:
        start = time.process_time()
        for _ in range(times):
            pages.render(world.build(4, size))
        return (time.process_time() - start) / times

    seconds(20000, 1)  # word lists and memory are made once
    small, large = min(seconds(200, 20) for _ in range(3)), seconds(20000, 1)
    assert large < 4 * 100 * small  # quadratic time would be 100 * 100
    assert large < 20


def test_no_torch_comes_with_the_world():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pocketweb import pages; print('torch' in sys.modules, len(sys.modules))",
        ],
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("False"), done.stderr


def test_types_are_those_of_the_grammar(small):
    assert {e.type for e in small.entities} == set(TYPES)
