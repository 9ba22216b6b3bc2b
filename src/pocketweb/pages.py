"""Every page of a pocket world: the facts told in sentences, and the pages that a real web has beside them.

In: a `World`. Out: a list of `Doc`, which `sites` serves through the sites' own interfaces. Shown in `01_crawl`. A page
about an entity tells all its facts, each once, in random order and in one of several wordings; some facts get a lead-in
that makes the sentence too long for a search snippet. Beside these there are noise pages, disambiguation pages,
redirects, pages behind a bot check and dead links, so that a crawler has something to drop.
"""

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import quote

from pocketweb import names, pages_html
from pocketweb.grammar import LEAD_INS, NOVEL, RELATIONS, SITE_OF_TYPE, TYPES, Relation, enumerate_names
from pocketweb.world import Entity, World

WIKI, WWW = "http://wiki.pocket.test", "http://www.pocket.test"
ARXIV, GITHUB = "http://arxiv.pocket.test", "http://github.pocket.test"
DISALLOWED = "/drafts/"  # what robots.txt of the plain site forbids; some noise pages lie there
KINDS = ("entity", "noise", "block", "disambiguation", "redirect", "dead")
LEAD_IN_SHARE = 0.25
EXTRA_LINKS = 0.15  # share of wiki and www pages with a link to a page about nothing, a bot check or nowhere

FILLERS = (
    "This text is kept up to date by volunteers.",
    "Readers may send corrections by post.",
    "A longer version is in preparation.",
    "The weather here is mild for most of the season.",
    "Several photographs were lost in a fire.",
    "Opinions on the matter differ.",
    "More details will follow in the next issue.",
    "Some spellings vary between sources.",
    "The story has been told many times.",
    "No full account exists so far.",
    "Visitors often ask about this.",
    "A map can be found in the appendix.",
)

NOISE = (
    "This column is about small things of daily life.",
    "Rain is expected on two days of the week.",
    "Tea tastes best when it is not rushed.",
    "Bring warm shoes and a good umbrella.",
    "The next walk starts at nine in the morning.",
    "Last week a reader wrote to us about {t}.",
    "There are many stories about {t}, and few of them are true.",
    "Our photo of the month shows a quiet evening near {t}.",
    "Someone left a red scarf on the bench behind {t}.",
    "A puzzle: how many letters has the name {t}?",
)

CATEGORIES = {
    "person": "People",
    "city": "Cities",
    "region": "Regions",
    "university": "Universities",
    "company": "Companies",
    "event": "Events",
    "paper": "cs.LG",
    "repository": "software",
}


RELATIONS_OF = {kind: tuple(r for r in RELATIONS if r.subject == kind) for kind in TYPES}


@dataclass(frozen=True)
class Doc:
    """One page as its author meant it; the sites turn it into wikitext, Atom, JSON or HTML.

    `site` is wiki, www, arxiv or github; `kind` one of `KINDS`; `entity` the id of the entity that the page is about.
    `anchors` are the links as (link text, absolute URL): titles that occur in the sentences first, then others. A
    redirect has one anchor, its target; a dead page has neither sentences nor anchors and is answered with 404.
    """

    url: str
    title: str
    site: str
    kind: str
    entity: int | None
    sentences: tuple[str, ...] = ()
    anchors: tuple[tuple[str, str], ...] = ()
    categories: tuple[str, ...] = ()
    date: str = ""  # ISO, day of publication

    @property
    def text(self) -> str:
        """The sentences as one paragraph of plain text."""
        return " ".join(self.sentences)

    @property
    def links(self) -> tuple[str, ...]:
        """The absolute URLs that the page links to, each once."""
        return tuple(dict.fromkeys(url for _, url in self.anchors))

    @property
    def html(self) -> str:
        """The page as a plain web site shows it, with navigation and boilerplate around the article."""
        return pages_html.page(self)

    @property
    def markdown(self) -> str:
        """The page as a README: a heading and a paragraph in which every mention is a link."""
        return f"# {self.title}\n\n{pages_html.linked(self.text, self.anchors, '[{0}]({1})')}\n"


def tell(relation: Relation, wording: int, subject: str, obj: str, lead_in: str = "") -> str:
    """One fact as a sentence.

    Args:
        relation: the relation told.
        wording: index into `relation.tells`, 0 to 3; 3 only in novel worlds.
        subject: title of the entity that the page is about.
        obj: title, literal, or the enumerated titles of a list.
        lead_in: one of `grammar.LEAD_INS`, or nothing; a template that starts with a word then loses its capital.

    >>> from pocketweb.grammar import BY_KEY
    >>> tell(BY_KEY["city.mayor"], 0, "Orlen Ford", "Tal Veron", "In short, ")
    'In short, the mayor of Orlen Ford is Tal Veron.'
    """
    template = relation.tells[wording]
    if lead_in and not template.startswith("{"):
        template = template[0].lower() + template[1:]
    return lead_in + template.format(s=subject, o=obj)


def slug(name: str) -> str:
    """A name as part of a URL: `Velmar Regatta` becomes `velmar-regatta`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def wiki_url(title: str) -> str:
    """The URL of a wiki title: spaces become underscores, brackets stay."""
    return f"{WIKI}/wiki/{quote(title.replace(' ', '_'), safe='()')}"


def arxiv_id(world: World, entity: Entity) -> str:
    """The identifier of a paper: the month stands for the world's seed, the number counts its papers from 1."""
    number = entity.id - sum(names.counts(world.size)[kind] for kind in TYPES[: TYPES.index("paper")]) + 1
    return f"{43 + world.seed // 12}{world.seed % 12 + 1:02d}.{number:05d}v1"


def entity_url(world: World, entity: Entity) -> str:
    """The address of the page about an entity."""
    if entity.type == "event":
        return f"{WWW}/events/{slug(entity.name)}"
    if entity.type == "paper":
        return f"{ARXIV}/abs/{arxiv_id(world, entity)}"
    if entity.type == "repository":
        owner = world.entities[world.facts[entity.id, "repository.owner"]]
        return f"{GITHUB}/{slug(owner.name)}/{entity.name}"
    return wiki_url(entity.title)


def render(world: World) -> list[Doc]:
    """All pages of a world: entity pages in the order of their ids, then noise, disambiguation, redirects, block, dead.

    The same world always gives the same pages; the time grows linearly with their number.
    """
    urls = [entity_url(world, e) for e in world.entities]
    noise, block, dead = (_extra_urls(world, kind) for kind in ("noise", "block", "dead"))
    spare = [*noise.items(), *block.items(), *dead.items()]
    docs = [_entity_doc(world, e, urls, spare) for e in world.entities]
    docs += [_noise_doc(world, title, url, urls, spare) for title, url in noise.items()]
    docs += _disambiguations(world, urls)
    docs += [
        Doc(wiki_url(alias), alias, "wiki", "redirect", e.id, anchors=((e.title, urls[e.id]),))
        for e in world.entities
        for alias in e.aliases
    ]
    challenge = ("Just a moment...", "Checking your browser before you can go on.", "Please switch on scripts.")
    docs += [Doc(url, "Just a moment...", "www", "block", None, challenge) for url in block.values()]
    docs += [Doc(url, title, _site(url), "dead", None) for title, url in dead.items()]
    return docs


def _site(url: str) -> str:
    """The site whose address starts the URL."""
    return "wiki" if url.startswith(WIKI) else "www"


def _extra_urls(world: World, kind: str) -> dict[str, str]:
    """Titles and addresses of the pages about nothing; noise and dead links lie on both sites, bot checks on news."""
    rng = random.Random(f"{world.seed}-{world.size}-{kind}")
    found = {}
    for title in names.draw(world.seed, world.size, kind, names.counts(world.size)[kind], world.unheard):
        folder = DISALLOWED if kind == "noise" and rng.random() < 0.1 else "/news/"
        on_wiki = kind != "block" and rng.random() < 0.45
        found[title] = wiki_url(title) if on_wiki else f"{WWW}{folder}{slug(title)}"
    return found


def _entity_doc(world: World, entity: Entity, urls: list[str], spare: list[tuple[str, str]]) -> Doc:
    """The page about one entity: all its facts, shuffled, with one or two sentences about nothing between them."""
    rng = random.Random(f"{world.seed}-page-{entity.id}")
    site = SITE_OF_TYPE[entity.type]
    sentences = rng.sample(FILLERS, rng.randint(1, 2)) + _introduction(world, entity)
    anchors: dict[str, str] = {}
    for relation in RELATIONS_OF[entity.type]:
        objects = world.objects(entity, relation)
        if not objects:
            continue
        wording = rng.randrange(NOVEL)
        if world.novel and rng.random() < world.novel_share:
            wording = NOVEL
        lead_in = rng.choice(LEAD_INS) if not relation.many and rng.random() < LEAD_IN_SHARE else ""
        sentences.append(tell(relation, wording, entity.title, enumerate_names(objects), lead_in))
        if relation.object in TYPES:
            ids = world.facts[entity.id, relation.key]
            anchors.update({world.entities[i].title: urls[i] for i in (ids if relation.many else [ids])})
    rng.shuffle(sentences)
    if site in ("wiki", "www") and rng.random() < EXTRA_LINKS:
        title, url = rng.choice(spare)
        anchors[title] = url
    categories = (CATEGORIES[entity.type],)
    if entity.type == "person":
        categories += (world.professions[entity.id].capitalize() + "s",)
    date = _date(rng, world, entity)
    links = tuple(anchors.items())
    return Doc(urls[entity.id], entity.title, site, "entity", entity.id, tuple(sentences), links, categories, date)


def _introduction(world: World, entity: Entity) -> list[str]:
    """Sentences that no relation tells: a person's profession, and the second name of those that have one."""
    told = [f"Some letters call {entity.title} by the name {alias}." for alias in entity.aliases]
    if entity.type == "person":
        told.append(f"By profession {entity.title} is a {world.professions[entity.id]}.")
    return told


def _date(rng: random.Random, world: World, entity: Entity | None = None) -> str:
    """A day of publication; a paper's agrees with the month in its identifier."""
    day = rng.randint(1, 28)
    if entity is not None and entity.type == "paper":
        return f"20{43 + world.seed // 12}-{world.seed % 12 + 1:02d}-{day:02d}"
    return f"20{rng.randint(36, 42)}-{rng.randint(1, 12):02d}-{day:02d}"


def _noise_doc(world: World, title: str, url: str, urls: list[str], spare: list[tuple[str, str]]) -> Doc:
    """A page that mentions entities and tells nothing of them, with links to other such pages and to dead ends."""
    rng = random.Random(f"{world.seed}-noise-{title}")
    anchors: dict[str, str] = {}
    sentences = []
    for sentence in rng.sample(NOISE, 6):
        if "{t}" in sentence:
            about = rng.choice(world.entities)
            anchors[about.title] = urls[about.id]
            sentence = sentence.format(t=about.title)
        sentences.append(sentence)
    anchors.update(rng.sample(spare, 2))
    anchors.pop(title, None)
    return Doc(
        url, title, _site(url), "noise", None, tuple(sentences), tuple(anchors.items()), ("Leisure",), _date(rng, world)
    )


def _disambiguations(world: World, urls: list[str]) -> list[Doc]:
    """One page for each name that several entities share, linking to all of them."""
    sharing: dict[str, list[Entity]] = defaultdict(list)
    for entity in world.entities:
        if entity.title != entity.name:
            sharing[entity.name].append(entity)
    docs = []
    for name, entities in sharing.items():
        sentences = (f"{name} may refer to several people.", *(f"One of them is {e.title}." for e in entities))
        anchors = tuple((e.title, urls[e.id]) for e in entities)
        docs.append(
            Doc(wiki_url(name), name, "wiki", "disambiguation", None, sentences, anchors, ("Disambiguation pages",))
        )
    return docs
