"""The language of the pocket web: entity types, relations and every sentence they can be told in.

This is grammar, not knowledge: it says *how* a mayor is named on a page or asked for in a question, never *who*
the mayor is. `world` draws the facts and `pages` tells them with these sentences; `oracle` reads pages and questions
with the same sentences, the way a language model brings its English along, and knows nothing of any world.

Every relation is told in four ways. The last one, `NOVEL`, appears only in worlds built with `novel=True` (the
held-out web), so that an agent trained on the other worlds meets sentences it has never seen.
"""

from dataclasses import dataclass, replace

NOVEL = 3  # index of the sentence that only held-out worlds use

TYPES = ("person", "city", "region", "university", "company", "event", "paper", "repository")

SITE_OF_TYPE = {
    "person": "wiki",
    "city": "wiki",
    "region": "wiki",
    "university": "wiki",
    "company": "wiki",
    "event": "www",
    "paper": "arxiv",
    "repository": "github",
}

# Lead-ins put before a fact now and then, with the first letter of the sentence lower-cased where it is a word of the
# template. They make sentences longer than a search snippet, so that an agent has to open the page.
LEAD_INS = (
    "According to the records kept in the old archive, ",
    "As the latest edition of the yearbook says, ",
    "It is widely known in the whole country that ",
    "In the words of a recent and careful survey, ",
)


@dataclass(frozen=True)
class Relation:
    """One typed relation and its wording.

    `label` names it in a plan, `query` is the search word that all its sentences contain, `phrase` and `clause` are two
    ways to refer to the object in a question (`{x}` is the subject), `asks` are whole questions, `tells` the four
    sentences (`{s}` subject, `{o}` object). For a list relation `{o}` is an enumeration, `phrase` names the list
    ("the companies based in {x}"), `clause` is the condition on one member ("is based in {x}"), `asks` count it.
    `object` is an entity type, or "year", "number", "word" for a literal.
    """

    key: str
    subject: str
    object: str
    label: str
    query: str
    phrase: str
    clause: str
    asks: tuple[str, ...]
    tells: tuple[str, str, str, str]
    many: bool = False
    inverse_of: str = ""


def _r(key: str, subject: str, obj: str, label: str, query: str, *words: str) -> Relation:
    """A functional relation; `words` are phrase, clause, asks and tells, the last two separated by ` | `."""
    phrase, clause, *several = words
    return Relation(key, subject, obj, label, query, phrase, clause, *(tuple(w.split(" | ")) for w in several))


def _m(key: str, subject: str, obj: str, inverse: str, label: str, *words: str) -> Relation:
    """A list relation, the inverse of the functional relation `inverse` of its members; `words` as in `_r`."""
    return replace(_r(key, subject, obj, label, label, *words), many=True, inverse_of=inverse)


RELATIONS: tuple[Relation, ...] = (
    _r(
        "person.birthplace", "person", "city", "birthplace", "born",
        "the birthplace of {x}", "the city where {x} was born",
        "In which city was {x} born? | What is the birthplace of {x}?",
        "{s} was born in {o}. | {o} is the city where {s} was born. | The town in which {s} was born is {o}. | Records show {o} as the place where {s} was born.",
    ),
    _r(
        "person.university", "person", "university", "university", "studied",
        "the university of {x}", "the university where {x} studied",
        "At which university did {x} study? | What is the university of {x}?",
        "{s} studied at {o}. | {o} is where {s} studied. | The university where {s} studied is {o}. | For a degree {s} studied some years at {o}.",
    ),
    _r(
        "person.employer", "person", "company", "employer", "works",
        "the employer of {x}", "the company where {x} works",
        "For which company does {x} work? | What is the employer of {x}?",
        "{s} works for {o}. | The company {s} works for is {o}. | At present {s} works at {o}. | {o} is the firm where {s} works today.",
    ),
    _r(
        "person.mentor", "person", "person", "mentor", "mentor",
        "the mentor of {x}", "the person who was mentor to {x}",
        "Who was the mentor of {x}? | Name the mentor of {x}.",
        "The mentor of {s} was {o}. | {o} was the mentor of {s}. | {s} had {o} as a mentor. | In early years {s} found a mentor in {o}.",
    ),
    _r(
        "person.birthyear", "person", "year", "birth year", "birth",
        "the birth year of {x}", "the year of birth of {x}",
        "What is the birth year of {x}? | Give the birth year of {x}.",
        "The birth year of {s} is {o}. | {s} has {o} as year of birth. | The year {o} saw the birth of {s}. | Papers date the birth of {s} to {o}.",
    ),
    _r(
        "city.region", "city", "region", "region", "region",
        "the region of {x}", "the region that contains {x}",
        "In which region is {x}? | What is the region of {x}?",
        "{s} lies in the region of {o}. | {s} belongs to the region {o}. | The region that contains {s} is {o}. | On maps {s} is part of {o}, a region.",
    ),
    _r(
        "city.mayor", "city", "person", "mayor", "mayor",
        "the mayor of {x}", "the person who is mayor of {x}",
        "Who is the mayor of {x}? | Name the mayor of {x}.",
        "The mayor of {s} is {o}. | {o} is the mayor of {s}. | {s} has {o} as its mayor. | Voters of {s} chose {o} for mayor.",
    ),
    _r(
        "city.twin", "city", "city", "twin city", "twin",
        "the twin city of {x}", "the city that is the twin of {x}",
        "What is the twin city of {x}? | Name the twin city of {x}.",
        "The twin city of {s} is {o}. | {s} is a twin city of {o}. | {s} has {o} as its twin. | A treaty made {o} the twin of {s}.",
    ),
    _r(
        "city.founded", "city", "year", "founding year", "founded",
        "the founding year of {x}", "the year in which {x} was founded",
        "What is the founding year of {x}? | Give the founding year of {x}.",
        "{s} was founded in {o}. | The year in which {s} was founded is {o}. | Settlers founded {s} in {o}. | In {o} the first houses of {s} were founded.",
    ),
    _r(
        "region.capital", "region", "city", "capital", "capital",
        "the capital of {x}", "the city that is capital of {x}",
        "What is the capital of {x}? | Name the capital of {x}.",
        "The capital of {s} is {o}. | {o} is the capital of {s}. | {s} has {o} as its capital. | The council of {s} sits in {o}, the capital.",
    ),
    _r(
        "region.governor", "region", "person", "governor", "governor",
        "the governor of {x}", "the person who is governor of {x}",
        "Who is the governor of {x}? | Name the governor of {x}.",
        "The governor of {s} is {o}. | {o} is the governor of {s}. | {s} has {o} as its governor. | The people of {s} made {o} their governor.",
    ),
    _r(
        "university.city", "university", "city", "location", "located",
        "the location of {x}", "the city where {x} is located",
        "In which city is {x} located? | What is the location of {x}?",
        "{s} is located in {o}. | The city where {s} is located is {o}. | The campus of {s} is located in {o}. | {o} is where one finds {s} located.",
    ),
    _r(
        "university.rector", "university", "person", "rector", "rector",
        "the rector of {x}", "the person who is rector of {x}",
        "Who is the rector of {x}? | Name the rector of {x}.",
        "The rector of {s} is {o}. | {o} is the rector of {s}. | {s} has {o} as its rector. | The senate of {s} elected {o} as rector.",
    ),
    _r(
        "company.city", "company", "city", "headquarters", "headquarters",
        "the headquarters city of {x}", "the city where {x} has its headquarters",
        "In which city are the headquarters of {x}? | What is the headquarters city of {x}?",
        "{s} has its headquarters in {o}. | The headquarters of {s} are in {o}. | {o} is home to the headquarters of {s}. | From its headquarters in {o} the firm {s} is run.",
    ),
    _r(
        "company.founder", "company", "person", "founder", "founder",
        "the founder of {x}", "the person who is founder of {x}",
        "Who is the founder of {x}? | Name the founder of {x}.",
        "The founder of {s} is {o}. | {o} is the founder of {s}. | {s} has {o} as its founder. | The story of {s} begins with its founder {o}.",
    ),
    _r(
        "company.since", "company", "year", "opening year", "opened",
        "the opening year of {x}", "the year in which {x} opened",
        "What is the opening year of {x}? | Give the opening year of {x}.",
        "{s} opened in {o}. | The year in which {s} opened is {o}. | The first office of {s} opened in {o}. | In {o} the doors of {s} were opened.",
    ),
    _r(
        "event.city", "event", "city", "venue", "held",
        "the venue of {x}", "the city where {x} is held",
        "In which city is {x} held? | What is the venue of {x}?",
        "{s} is held in {o}. | The city where {s} is held is {o}. | Every year {s} is held in {o}. | Crowds come to {o}, where {s} is held.",
    ),
    _r(
        "event.winner", "event", "person", "winner", "winner",
        "the winner of {x}", "the person who is winner of {x}",
        "Who is the winner of {x}? | Name the winner of {x}.",
        "The winner of {s} is {o}. | {o} is the winner of {s}. | {s} has {o} as its last winner. | The jury of {s} called {o} the winner.",
    ),
    _r(
        "event.sponsor", "event", "company", "sponsor", "sponsor",
        "the sponsor of {x}", "the company that is sponsor of {x}",
        "Which company is the sponsor of {x}? | Name the sponsor of {x}.",
        "The sponsor of {s} is {o}. | {o} is the sponsor of {s}. | {s} has {o} as its sponsor. | Money for {s} comes from its sponsor {o}.",
    ),
    _r(
        "paper.author", "paper", "person", "author", "author",
        "the author of {x}", "the person who is author of {x}",
        "Who is the author of {x}? | Name the author of {x}.",
        "The author of {s} is {o}. | {o} is the author of {s}. | {s} has {o} as its author. | The title page of {s} names {o} as author.",
    ),
    _r(
        "paper.university", "paper", "university", "affiliation", "written",
        "the affiliation of {x}", "the university where {x} was written",
        "At which university was {x} written? | What is the affiliation of {x}?",
        "{s} was written at {o}. | {o} is where {s} was written. | The university where {s} was written is {o}. | The draft of {s} was written in the halls of {o}.",
    ),
    _r(
        "repository.owner", "repository", "company", "owner", "owner",
        "the owner of {x}", "the company that is owner of {x}",
        "Which company is the owner of {x}? | Name the owner of {x}.",
        "The owner of {s} is {o}. | {o} is the owner of {s}. | {s} has {o} as its owner. | The licence of {s} names {o} as owner.",
    ),
    _r(
        "repository.maintainer", "repository", "person", "maintainer", "maintainer",
        "the maintainer of {x}", "the person who is maintainer of {x}",
        "Who is the maintainer of {x}? | Name the maintainer of {x}.",
        "The maintainer of {s} is {o}. | {o} is the maintainer of {s}. | {s} has {o} as its maintainer. | Patches to {s} go to {o}, the maintainer.",
    ),
    _r(
        "repository.paper", "repository", "paper", "method", "implements",
        "the method of {x}", "the paper that {x} implements",
        "Which paper does {x} implement? | What is the method of {x}?",
        "{s} implements {o}. | The paper that {s} implements is {o}. | The code of {s} implements {o}. | With few changes {s} implements the method of {o}.",
    ),
    _m(
        "city.natives", "city", "person", "person.birthplace", "natives",
        "the natives of {x}", "is a native of {x}",
        "How many natives of {x} are listed? | Count the listed natives of {x}.",
        "The natives of {s} are {o}. | Known natives of {s} are {o}. | Among the natives of {s} one finds {o}. | {s} is proud of its natives {o}.",
    ),
    _m(
        "university.graduates", "university", "person", "person.university", "graduates",
        "the graduates of {x}", "is a graduate of {x}",
        "How many graduates of {x} are listed? | Count the listed graduates of {x}.",
        "The graduates of {s} are {o}. | Known graduates of {s} are {o}. | Among the graduates of {s} one finds {o}. | {s} is proud of its graduates {o}.",
    ),
    _m(
        "company.staff", "company", "person", "person.employer", "staff",
        "the staff of {x}", "is on the staff of {x}",
        "How many members of the staff of {x} are listed? | Count the listed staff of {x}.",
        "The staff of {s} are {o}. | Known staff of {s} are {o}. | Among the staff of {s} one finds {o}. | {s} is proud of its staff {o}.",
    ),
    _m(
        "city.companies", "city", "company", "company.city", "companies",
        "the companies of {x}", "is one of the companies of {x}",
        "How many companies of {x} are listed? | Count the listed companies of {x}.",
        "The companies of {s} are {o}. | Known companies of {s} are {o}. | Among the companies of {s} one finds {o}. | {s} is proud of its companies {o}.",
    ),
    _m(
        "city.events", "city", "event", "event.city", "events",
        "the events of {x}", "is one of the events of {x}",
        "How many events of {x} are listed? | Count the listed events of {x}.",
        "The events of {s} are {o}. | Known events of {s} are {o}. | Among the events of {s} one finds {o}. | {s} is proud of its events {o}.",
    ),
    _m(
        "company.events", "company", "event", "event.sponsor", "events",
        "the events of {x}", "is one of the events of {x}",
        "How many events of {x} are listed? | Count the listed events of {x}.",
        "The events of {s} are {o}. | Known events of {s} are {o}. | Among the events of {s} one finds {o}. | {s} is proud of its events {o}.",
    ),
    _m(
        "person.papers", "person", "paper", "paper.author", "papers",
        "the papers of {x}", "is one of the papers of {x}",
        "How many papers of {x} are listed? | Count the listed papers of {x}.",
        "The papers of {s} are {o}. | Known papers of {s} are {o}. | Among the papers of {s} one finds {o}. | {s} is proud of the papers {o}.",
    ),
    _m(
        "university.papers", "university", "paper", "paper.university", "papers",
        "the papers of {x}", "is one of the papers of {x}",
        "How many papers of {x} are listed? | Count the listed papers of {x}.",
        "The papers of {s} are {o}. | Known papers of {s} are {o}. | Among the papers of {s} one finds {o}. | {s} is proud of its papers {o}.",
    ),
    _m(
        "company.repositories", "company", "repository", "repository.owner", "repositories",
        "the repositories of {x}", "is one of the repositories of {x}",
        "How many repositories of {x} are listed? | Count the listed repositories of {x}.",
        "The repositories of {s} are {o}. | Known repositories of {s} are {o}. | Among the repositories of {s} one finds {o}. | {s} is proud of its repositories {o}.",
    ),
)  # fmt: skip

BY_KEY = {r.key: r for r in RELATIONS}
FUNCTIONAL = tuple(r for r in RELATIONS if not r.many)
LISTS = tuple(r for r in RELATIONS if r.many)
LITERALS = tuple(r for r in FUNCTIONAL if r.object not in TYPES)

INTERSECTION_ASKS = (
    "Which {t} {a} and {b}?",  # {t} an entity type, {a} and {b} clauses of two list relations
    "Name the {t} that {a} and {b}.",
)


def enumerate_names(names: list[str]) -> str:
    """Join names as a sentence lists them: `A`, `A and B`, `A, B and C`.

    >>> enumerate_names(["A", "B", "C"])
    'A, B and C'
    """
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def split_names(text: str) -> list[str]:
    """The inverse of `enumerate_names` (no name holds a comma or the word "and").

    >>> split_names("A, B and C")
    ['A', 'B', 'C']
    """
    return [n for part in text.split(", ") for n in part.split(" and ") if n]
