"""The walker on a web of seven pages, small enough to know every path by hand."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.core.schema import Page
from webdancer.linkgraph import LinkGraph, bare, names, offset


def page(name: str, text: str, *links: str) -> Page:
    return Page(f"http://w.test/{name}", name, text, tuple(f"http://w.test/{link}" for link in links))


def small_web() -> list[Page]:
    """Kestin -> Ada -> Tarn; Kestin and Arden College list persons and share Ivo alone."""
    return [
        page("Kestin", "The mayor of Kestin is Ada. The natives of Kestin are Ivo and Uma.", "Ada", "Ivo", "Uma"),
        page("Ada", "Ada was born in Tarn. Ada likes tea.", "Tarn", "Gone"),
        page("Tarn", "Tarn was founded in 1871. The twin city of Tarn is Kestin.", "Kestin"),
        page("Arden College", "The graduates of Arden College are Ivo and Tor.", "Ivo", "Tor"),
        page("Ivo", "Ivo studied at Arden College.", "Arden College"),
        page("Uma", "Uma was born in Kestin.", "Kestin#top"),
        page("Tor", "Tor has nothing to tell."),
    ]


def titles(path: tuple[Page, ...]) -> list[str]:
    return [p.title for p in path]


def test_bridges_and_lists_are_told_apart_by_their_sentences():
    graph = LinkGraph(small_web())
    assert graph.bridges["http://w.test/Kestin"] == ("http://w.test/Ada",)
    assert graph.lists["http://w.test/Kestin"] == (frozenset({"http://w.test/Ivo", "http://w.test/Uma"}),)
    assert graph.bridges["http://w.test/Ada"] == ("http://w.test/Tarn",)  # Gone is not stored
    assert graph.bridges["http://w.test/Uma"] == ("http://w.test/Kestin",)  # the fragment does not matter


def test_a_page_without_named_links_may_walk_over_any_link():
    web = [page("A", "See here and there.", "B", "C"), page("B", "Text."), page("C", "Text.")]
    assert LinkGraph(web).bridges["http://w.test/A"] == ("http://w.test/B", "http://w.test/C")


def test_error_pages_and_excluded_pages_are_left_out():
    block = Page("http://w.test/x", "Just a moment...", "Checking your browser. Ray ID: 1234567890abcdef")
    graph = LinkGraph([*small_web(), block, page("Empty", "")], exclude=["http://w.test/Tor"])
    assert sorted(graph.pages) == [
        f"http://w.test/{n}" for n in ("Ada", "Arden College", "Ivo", "Kestin", "Tarn", "Uma")
    ]


@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_chain_follows_bridges_and_never_returns(seed, length, to_list):
    graph = LinkGraph(small_web())
    path = graph.chain(Random(seed), length, to_list=to_list)
    urls = [p.url for p in path]
    assert len(urls) in (0, length) and len(set(urls)) == len(urls)
    assert all(b in graph.bridges[a] for a, b in zip(urls, urls[1:], strict=False))
    assert not (to_list and urls) or graph.lists[urls[-1]]
    assert path == graph.chain(Random(seed), length, to_list=to_list)


def test_a_meeting_is_two_pages_that_share_one_name():
    graph = LinkGraph(small_web())
    found = {tuple(titles(graph.meeting(Random(seed)))) for seed in range(200)} - {()}
    assert ("Kestin", "Arden College") in found and ("Arden College", "Kestin") in found
    led = {tuple(titles(graph.meeting(Random(seed), 1))) for seed in range(200)} - {()}
    assert ("Tarn", "Kestin", "Arden College") in led
    assert all(path[-2] != path[0] for path in led)


def test_without_links_there_is_nothing_to_meet():
    assert LinkGraph([page("A", "Alone.")]).meeting(Random(0)) == ()


def test_values_are_the_forms_of_sentences_with_numbers():
    graph = LinkGraph([*small_web(), page("Bern", "Bern was founded in 1902. Ada of Tarn has 3 sons.", "Tarn")])
    assert graph.values["http://w.test/Tarn"] == ("* was founded in #.",)
    assert graph.values["http://w.test/Bern"] == ("* was founded in #.",)  # the other sentence names a page
    assert graph.values["http://w.test/Ada"] == ()


def test_two_pages_alike_tell_a_number_in_the_same_words_or_stand_in_one_list():
    web = [
        *small_web()[:-3],
        page("Ivo", "Ivo has 2 dogs.", "Arden College"),
        page("Uma", "By 1990 Uma was ten.", "Kestin"),
        page("Bern", "Bern was founded in 1902."),
    ]
    graph = LinkGraph(web)
    found = {tuple(titles(graph.two(Random(seed), (0, 0)))) for seed in range(300)} - {()}
    assert found == {("Tarn", "Bern"), ("Bern", "Tarn"), ("Ivo", "Uma"), ("Uma", "Ivo")}
    led = {tuple(titles(graph.two(Random(seed), (2, 0)))) for seed in range(300)} - {()}
    assert led == {("Kestin", "Ada", "Tarn", "Bern")}
    assert {graph.two(Random(seed), (0, 1)) for seed in range(50)} != {()}
    assert LinkGraph([page("A", "Alone.")]).two(Random(0), (0, 0)) == ()


@given(st.integers(0, 10_000), st.integers(0, 2), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_two_walks_meet_no_page_twice(seed, first, second):
    graph = LinkGraph([*small_web(), page("Bern", "Bern was founded in 1902. Its twin is Ada.", "Ada")])
    path = graph.two(Random(seed), (first, second))
    urls = [p.url for p in path]
    assert len(urls) in (0, first + second + 2) and len(set(urls)) == len(urls)
    walks = (urls[: first + 1], urls[first + 1 :])
    assert all(b in graph.bridges[a] for walk in walks for a, b in zip(walk, walk[1:], strict=False))
    assert path == graph.two(Random(seed), (first, second))


@given(st.text(alphabet="ab. \n\t", max_size=40), st.text(alphabet="ab. \n", max_size=10))
def test_an_offset_is_where_the_words_stand(text, sentence):
    at = offset(text, sentence)
    words = sentence.split()
    assert (at >= 0) == (bool(words) and " ".join(words) in " ".join(text.split()))
    assert at == -1 or " ".join(text[at:].split()).startswith(" ".join(words)) and not text[at].isspace()


def test_names_wants_whole_words_and_whole_titles():
    assert names("The mayor is Ada Marr.", "Ada Marr")
    assert not names("The mayor is Ada Marrow.", "Ada Marr")
    assert names("Tal Veron (poet), not Tal Veron, wrote it.", "Tal Veron")
    assert bare("Tal Veron (poet)") == "Tal Veron" and bare("Tal Veron") == "Tal Veron"


def test_ambiguous_names_are_those_that_pages_share():
    web = [page("Tal Veron (poet)", "A."), page("Tal Veron (chemist)", "B."), page("Ada Marr (poet)", "C.")]
    assert LinkGraph(web).ambiguous_names == {"Tal Veron"}
