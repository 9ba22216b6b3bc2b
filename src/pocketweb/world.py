"""The world behind the pocket web: entities and the facts that relate them, drawn from a seed.

In: a seed and a size in pages. Out: a `World`, which `pages` turns into text; nothing else may look into it, least of
all the rule-based models of the endpoint. Shown in `01_crawl`. The paper crawls the real web: a fictional one is our
choice, so that nothing can be remembered from pre-training and every answer can be checked.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

from pocketweb import names
from pocketweb.grammar import FUNCTIONAL, LISTS, TYPES, Relation

MAX_LIST = 6  # members of the longest list
YEARS = (1850, 2020)
NOVEL_SHARE = 0.1  # share of the facts of a novel world that are told in the wording no other world uses
NAMESAKES = 0.02  # share of persons who share their name with another
ALIASES = 0.10  # share of wiki entities that are also known by a second name

# Only this share of the possible owners has members at all where members are few: fewer empty lists, longer others.
OWNER_SHARE = {
    "paper.author": 0.4,
    "company.city": 0.6,
    "event.city": 0.6,
    "event.sponsor": 0.6,
    "paper.university": 0.7,
    "repository.owner": 0.5,
}

PROFESSIONS = (
    "chemist painter biologist lawyer pianist geologist sculptor botanist translator physicist violinist designer "
    "journalist surgeon librarian baker cartographer dancer photographer historian"
).split()

ALIAS_FORMS = {
    "person": "Doctor {}",
    "city": "Port {}",
    "region": "Greater {}",
    "university": "The {}",
    "company": "{} Group",
}


@dataclass(frozen=True)
class Entity:
    """One thing with a page. `title` is unique in its world: the name, or `name (profession)` for namesakes."""

    id: int
    type: str
    name: str
    title: str
    aliases: tuple[str, ...] = ()


@dataclass
class World:
    """All entities and facts of one seed.

    `facts` maps (entity id, relation key) to the object's id, to a literal as text, or for list relations to a sorted
    list of ids; `professions` maps the id of each person to a literal that no relation asks for. With `novel` the pages
    are told with one more sentence a relation, a share `novel_share` of the facts with that one; entities and facts do
    not change. With `unheard` the names are made of words that no other world uses; facts do not change.
    """

    seed: int
    size: int
    novel: bool
    entities: list[Entity]
    facts: dict[tuple[int, str], int | str | list[int]]
    professions: dict[int, str] = field(default_factory=dict)
    novel_share: float = NOVEL_SHARE
    unheard: bool = False

    def of_type(self, kind: str) -> list[Entity]:
        """The entities of one type, in the order of their ids."""
        return [e for e in self.entities if e.type == kind]

    def objects(self, entity: Entity, relation: Relation) -> list[str]:
        """What a fact names, as titles or as the literal: one text, for a list relation 0 to 6."""
        value = self.facts[entity.id, relation.key]
        if isinstance(value, str):
            return [value]
        ids = value if isinstance(value, list) else [value]
        return [self.entities[i].title for i in ids]


def build(
    seed: int, size: int = 400, novel: bool = False, *, novel_share: float = NOVEL_SHARE, unheard: bool = False
) -> World:
    """Draw a world.

    Args:
        seed: 0..30; worlds of different seeds share no name.
        size: pages about entities, 200..20,000; the time grows linearly with it.
        novel: whether the pages may use the sentences that training worlds never use.
        novel_share: share of the facts told with these, from 0 to 1; plays no part unless `novel`.
        unheard: whether the names are made of words that no other world uses (`names.unheard`).

    Returns:
        The world; the same arguments always give the same one.

    Raises:
        ValueError: seed, size or share out of range; the message says what was got and wanted.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < names.SEEDS:
        raise ValueError(f"got world seed {seed!r}, wanted a whole number from 0 to {names.SEEDS - 1}")
    if isinstance(size, bool) or not isinstance(size, int) or not 200 <= size <= names.SIZES[-1]:
        raise ValueError(f"got {size!r} pages, wanted a whole number from 200 to {names.SIZES[-1]}")
    if not 0 <= novel_share <= 1:
        raise ValueError(f"got novel_share {novel_share!r}, wanted a number from 0 to 1")
    entities, professions = _entities(seed, size, unheard)
    by_type = {kind: [e.id for e in entities if e.type == kind] for kind in TYPES}
    facts = _functional_facts(seed, by_type)
    facts.update(_list_facts(by_type, facts))
    return World(seed, size, novel, entities, facts, professions, novel_share, unheard)


def _entities(seed: int, size: int, unheard: bool) -> tuple[list[Entity], dict[int, str]]:
    """All entities, type by type, and the professions of the persons."""
    rng = random.Random(f"{seed}-{size}-entities")
    entities: list[Entity] = []
    professions: dict[int, str] = {}
    wanted = names.counts(size)
    for kind in TYPES:
        count = wanted[kind]
        pairs = max(1, round(NAMESAKES * count / 2)) if kind == "person" else 0
        drawn = names.draw(seed, size, kind, count - pairs, unheard)
        drawn = drawn[:pairs] * 2 + drawn[pairs:]
        shared = {name for name, times in Counter(drawn).items() if times > 1}
        for place, name in enumerate(drawn):
            title, i = name, len(entities)
            if name in shared:  # namesakes stand `pairs` places apart and so never have the same profession
                professions[i] = PROFESSIONS[(place % pairs + 7 * (place // pairs)) % len(PROFESSIONS)]
                title = f"{name} ({professions[i]})"
            elif kind == "person":
                professions[i] = rng.choice(PROFESSIONS)
            aliased = kind in ALIAS_FORMS and name not in shared and rng.random() < ALIASES
            aliases = (ALIAS_FORMS[kind].format(name),) if aliased else ()
            entities.append(Entity(i, kind, name, title, aliases))
    return entities, professions


def _functional_facts(seed: int, by_type: dict[str, list[int]]) -> dict[tuple[int, str], int | str | list[int]]:
    """One object or literal for each entity and each functional relation of its type."""
    facts: dict[tuple[int, str], int | str | list[int]] = {}
    listed = {r.inverse_of for r in LISTS}
    for relation in FUNCTIONAL:
        rng = random.Random(f"{seed}-facts-{relation.key}")
        subjects = by_type[relation.subject]
        if relation.object == "year":
            drawn: list[int | str] = [str(rng.randint(*YEARS)) for _ in subjects]
        elif relation.key == "city.region":
            drawn = _dealt(rng, subjects, by_type["region"])
        elif relation.key == "city.twin":
            drawn = _twins(rng, subjects)
        elif relation.key == "person.mentor":
            drawn = _mentors(rng, subjects)
        elif relation.key == "region.capital":
            drawn = _capitals(rng, subjects, by_type["city"], facts)
        elif relation.key in listed:
            drawn = _capped(rng, len(subjects), by_type[relation.object], OWNER_SHARE.get(relation.key, 1.0))
        else:
            drawn = [rng.choice(by_type[relation.object]) for _ in subjects]
        facts.update({(s, relation.key): o for s, o in zip(subjects, drawn, strict=True)})
    return facts


def _capped(rng: random.Random, count: int, owners: list[int], share: float) -> list[int | str]:
    """`count` random owners, none more than `MAX_LIST` times, all from a random `share` of the owners."""
    free = rng.sample(owners, round(share * len(owners)))
    if count > MAX_LIST * len(free):
        raise ValueError(f"got {count} members for {len(free)} lists, wanted at most {MAX_LIST} a list: change SHARES")
    used = Counter[int]()
    drawn: list[int | str] = []
    for _ in range(count):
        k = rng.randrange(len(free))
        owner = free[k]
        drawn.append(owner)
        used[owner] += 1
        if used[owner] == MAX_LIST:  # full: the last one takes its place, so that each draw costs the same
            free[k] = free[-1]
            free.pop()
    return drawn


def _dealt(rng: random.Random, subjects: list[int], objects: list[int]) -> list[int | str]:
    """Deal the objects to the subjects like cards: every object is used, all about equally often."""
    drawn: list[int | str] = [objects[k % len(objects)] for k in range(len(subjects))]
    rng.shuffle(drawn)
    return drawn


def _twins(rng: random.Random, cities: list[int]) -> list[int | str]:
    """Pair the cities: the twin of a twin is the city itself."""
    order = rng.sample(cities, len(cities))
    twin = {a: b for k in range(0, len(order), 2) for a, b in (order[k : k + 2], order[k + 1 :: -1][:2])}
    return [twin[c] for c in cities]


def _mentors(rng: random.Random, persons: list[int]) -> list[int | str]:
    """A mentor for each person: never the person, and never one whom the person is mentor to."""
    mentor: dict[int, int] = {}
    for person in persons:
        other = person
        while other == person or mentor.get(other) == person:
            other = rng.choice(persons)
        mentor[person] = other
    return [mentor[p] for p in persons]


def _capitals(
    rng: random.Random, regions: list[int], cities: list[int], facts: dict[tuple[int, str], int | str | list[int]]
) -> list[int | str]:
    """One of the region's own cities as the capital of each region."""
    inside: dict[int, list[int]] = {r: [] for r in regions}
    for city in cities:
        inside[facts[city, "city.region"]].append(city)
    return [rng.choice(inside[r]) for r in regions]


def _list_facts(
    by_type: dict[str, list[int]], facts: dict[tuple[int, str], int | str | list[int]]
) -> dict[tuple[int, str], int | str | list[int]]:
    """The list relations: exactly the inverse of the functional ones, sorted, empty where nobody is related."""
    lists: dict[tuple[int, str], int | str | list[int]] = {}
    for relation in LISTS:
        members: dict[int, list[int]] = {owner: [] for owner in by_type[relation.subject]}
        for member in by_type[relation.object]:
            members[facts[member, relation.inverse_of]].append(member)
        lists.update({(owner, relation.key): ids for owner, ids in members.items()})
    return lists
