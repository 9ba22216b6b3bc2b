"""Stored pages and the links between them: where 02_synthesize looks for a path to ask about.

In: pages (`pages_train`, `pages_heldout`). Out: small sub-graphs, each a tuple of pages. Shown in 02_synthesize.
WebDancer writes its CRAWLQA questions from several sub-pages that hang together by hyperlinks, but does not publish
how they are chosen. Ours is a random walk that reads nothing but links and titles: a sentence that names exactly one
linked page probably tells one fact about it (a *bridge*: "The mayor of Kestin is Ada Marr."), a sentence that names
several is probably a *list* ("The natives of Kestin are Ada Marr and Ivo Tal."), one that names none and holds a number
is probably a *value* ("Kestin was founded in 1871."). Whether that is so the author has to say.
"""

import re
from collections.abc import Iterable
from random import Random

from webdancer.core.schema import Page
from webdancer.web.text import block_reason
from webdancer.web.tools import page_key

_NUMBER = re.compile(r"\d[\d.,]*\d|\d")
_END = re.compile(r"(?<=[.!?])\s+(?=[^\s])|\n+")


def sentences(text: str) -> list[str]:
    """Split plain text into sentences.

    >>> sentences("Kestin was founded in 1871. Its mayor is Ada Marr.")
    ['Kestin was founded in 1871.', 'Its mayor is Ada Marr.']
    """
    return [s.strip() for s in _END.split(text) if s.strip()]


def bare(title: str) -> str:
    """A title without the bracket that tells namesakes apart.

    >>> bare("Tal Veron (chemist)")
    'Tal Veron'
    """
    return re.sub(r" \([^()]*\)$", "", title)


def names(text: str, title: str) -> bool:
    """Whether `text` names the page called `title`: as whole words, and not as the head of a longer, bracketed title.

    >>> names("Orlen Ford lies far away.", "Orlen Ford"), names("Tal Veron (chemist) was born.", "Tal Veron")
    (True, False)
    """
    start = text.find(title)
    while start >= 0:
        end = start + len(title)
        inside = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
        if not inside and not text.startswith(" (", end):
            return True
        start = text.find(title, start + 1)
    return False


def offset(text: str, sentence: str) -> int:
    """The character of `text` at which a sentence starts, whatever the white space in it; -1 if it stands nowhere.

    >>> offset("It rains. Kestin was\\nfounded in 1871.", "Kestin was founded in 1871.")
    10
    """
    words = sentence.split()
    at = text.find(sentence.strip()) if words else -1
    if at >= 0 or not words:
        return at
    found = re.search(r"\s+".join(map(re.escape, words)), text)
    return found.start() if found else -1


class LinkGraph:
    """The pages of one web with their bridges and lists.

    `bridges[url]` are the urls that a page links to with a sentence of their own, `lists[url]` the groups of urls
    that a sentence of the page names together, `values[url]` the forms of its sentences with numbers: the words
    without title and numbers. Links to pages that are not stored are left out, so are pages that
    are an error or a bot block, and those that `exclude` holds (the other web's). `ambiguous_names` are the bare
    titles that several pages share. A list of one member passes for a bridge: the author refuses what comes of it.
    """

    def __init__(self, pages: Iterable[Page], exclude: Iterable[str] = ()) -> None:
        barred = set(exclude)
        kept = [p for p in pages if p.url not in barred and p.text and not block_reason(p.title, p.text, 200)]
        self.pages: dict[str, Page] = {p.url: p for p in kept}
        self.urls = sorted(self.pages)
        by_key = {page_key(url): url for url in self.urls}
        self._targets = {url: self._stored(self.pages[url], by_key) for url in self.urls}
        self.bridges: dict[str, tuple[str, ...]] = {}
        self.lists: dict[str, tuple[frozenset[str], ...]] = {}
        self.values: dict[str, tuple[str, ...]] = {}
        self._bridged_from: dict[str, list[str]] = {}
        self._listed_by: dict[str, list[tuple[str, frozenset[str]]]] = {}
        self._told_alike: dict[str, list[str]] = {}
        for url in self.urls:
            self._read(url)
        self._valued = sorted(url for url, forms in self.values.items() if forms)
        self._shared = sorted(url for url, groups in self._listed_by.items() if len(groups) > 1)
        titles: dict[str, set[str]] = {}
        for page in self.pages.values():
            titles.setdefault(bare(page.title), set()).add(page.url)
        self.ambiguous_names = frozenset(name for name, urls in titles.items() if len(urls) > 1)

    def _stored(self, page: Page, by_key: dict[str, str]) -> tuple[str, ...]:
        """The stored pages that a page links to, in a fixed order."""
        found = {by_key.get(page_key(link), page.url) for link in page.links}
        return tuple(sorted(found - {page.url}))

    def _read(self, url: str) -> None:
        """Sort the links of a page into bridges and lists."""
        told = sentences(self.pages[url].text)
        groups = [self.named(url, sentence) for sentence in told]
        alone = {target for group in groups if len(group) == 1 for target in group}
        if not any(groups):  # a page that calls its links by other words: every link may be a fact
            alone = set(self._targets[url])
        self.bridges[url] = tuple(sorted(alone))
        self.lists[url] = tuple(g for g in groups if len(g) > 1)
        for target in self.bridges[url]:
            self._bridged_from.setdefault(target, []).append(url)
        for group in self.lists[url]:
            for target in group:
                self._listed_by.setdefault(target, []).append((url, group))
        title = self.pages[url].title
        numbered = [_NUMBER.subn("#", s.replace(title, "*")) for s, g in zip(told, groups, strict=True) if not g]
        self.values[url] = tuple(dict.fromkeys(form for form, found in numbered if found))
        for form in self.values[url]:
            self._told_alike.setdefault(form, []).append(url)

    def named(self, url: str, sentence: str) -> frozenset[str]:
        """The stored pages that a sentence of the page `url` names, among those that the page links to."""
        return frozenset(t for t in self._targets[url] if names(sentence, self.pages[t].title))

    def chain(self, rng: Random, length: int, *, to_list: bool = False) -> tuple[Page, ...]:
        """A random walk over bridges.

        Args:
            rng: the only source of chance.
            length: pages wanted, at least 1.
            to_list: whether the last page must hold a list.

        Returns:
            Pages, each reached by a bridge from the one before it, none twice; () if the walk ended in a dead end.
        """
        path = [rng.choice(self.urls)]
        while len(path) < length:
            onward = [url for url in self.bridges[path[-1]] if url not in path]
            if not onward:
                return ()
            path.append(rng.choice(onward))
        if to_list and not self.lists[path[-1]]:
            return ()
        return tuple(self.pages[url] for url in path)

    def meeting(self, rng: Random, lead: int = 0) -> tuple[Page, ...]:
        """Two pages whose lists share exactly one member, the first of them reached by `lead` bridges.

        Args:
            rng: the only source of chance.
            lead: bridges to follow before the first of the two.

        Returns:
            `lead` pages of a walk, then the two pages; () if this draw found none.
        """
        if not self._shared:
            return ()
        (first, one), (second, other) = rng.sample(self._listed_by[rng.choice(self._shared)], 2)
        if first == second or len(one & other) != 1 or first in other or second in one:
            return ()
        led = self._led_to(rng, first, lead, {second, *(one & other)})
        return tuple(self.pages[url] for url in (*led, second)) if led else ()

    def two(self, rng: Random, leads: tuple[int, int]) -> tuple[Page, ...]:
        """Two pages alike with a number each: both tell it in the same words, or one list names both.

        Args:
            rng: the only source of chance.
            leads: bridges to follow before the first and before the second of them.

        Returns:
            A walk to the one page, then a walk to the other, no page twice; () if this draw found none.
        """
        if not self._valued:
            return ()
        first = rng.choice(self._valued)
        together = [sorted(group) for _, group in self._listed_by.get(first, ())]
        second = rng.choice(rng.choice([self._told_alike[form] for form in self.values[first]] + together))
        if second == first or not self.values[second]:
            return ()
        one = self._led_to(rng, first, leads[0], {second})
        other = self._led_to(rng, second, leads[1], set(one))
        return tuple(self.pages[url] for url in one + other) if one and other else ()

    def _led_to(self, rng: Random, end: str, lead: int, barred: set[str]) -> list[str]:
        """A walk of `lead` bridges to the page `end` that meets no page twice and none of `barred`; [] for none."""
        path = [end]
        for _ in range(lead):
            before = [url for url in self._bridged_from.get(path[0], ()) if url not in path and url not in barred]
            if not before:
                return []
            path.insert(0, rng.choice(before))
        return path
