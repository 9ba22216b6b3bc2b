"""What became of an episode, and which are worth reading: one hand-made episode for each rule."""

from dataclasses import replace

import pytest
from episodes import one, trajectory

from webdancer import evaluate_outcomes as o
from webdancer.core import protocol
from webdancer.core.schema import Question, Trajectory
from webdancer.core.vault import Vault
from webdancer.evaluate_predictions import Prediction, score

PATH = Question(
    "q1", "Who is the mayor of the twin of Orlen?", "Ada Veron", "multihop", 2,
    evidence=("http://a.test/orlen", "http://a.test/k"),
    support=("The twin of Orlen is Kestin.", "Its mayor is Ada Veron."),
)  # fmt: skip


@pytest.mark.parametrize(
    ("keywords", "wanted"),
    [
        ({}, "right"),
        ({"stop": "error"}, "lost"),
        ({"stop": "tool_failures"}, "lost"),
        ({"stop": "cut"}, "cut off"),
        ({"stop": "turn_cap"}, "cut off"),
        ({"stop": "malformed"}, "format"),
        ({"said": "unknown"}, "gave up"),
        ({"said": "I could not determine the mayor."}, "gave up"),
        ({"said": "The answer is not known."}, "gave up"),
        ({"said": "Veron"}, "judge"),
        ({"said": "Ada Veron or Bo Lind"}, "judge"),
        ({"said": "4", "gold": "3", "tag": "count"}, "miscounted"),
        ({"said": "There are 4.", "gold": "3", "tag": "difference"}, "miscounted"),
        ({"said": "1948", "gold": "1950", "read": "Founded in 1948."}, "not found"),
        ({"said": "Bo Lind"}, "unsupported"),
        ({"said": "Bo Lind", "read": "Its mayor is Bo Lind, not Ada Veron."}, "seen, not chosen"),
        ({"said": "Bo Lind", "read": "Its mayor is Bo Lind."}, "not found"),
    ],
)
def test_rules_by_hand(keywords, wanted):
    assert o.outcome(one(**keywords)) == wanted


def test_with_a_known_path_a_wrong_hop_is_told_from_not_found():
    lost = one(said="Bo Lind", read="Its mayor is Bo Lind.")
    assert o.outcome(lost, PATH) == "wrong hop"  # http://a.test/k is on the path
    assert o.outcome(lost, replace(PATH, evidence=("http://a.test/orlen", "http://a.test/other"))) == "not found"


def test_what_the_agent_asked_for_is_not_what_it_read():
    """Observations repeat queries and goals: an invented name in them supports nothing."""
    search = (
        "A search for 'Bo Lind mayor' found 1 results:\n\n## Web Results\n1. [Tea](http://a.test/tea)\n\nTea is hot."
    )
    visit = (
        "The useful information in http://a.test/tea for user goal mayor,\nBo Lind as follows: \n\nEvidence in page: \n"
        "Tea is hot.\n\nSummary: \nHot."
    )
    for seen in (
        search,
        visit,
        "A search for 'Bo Lind' found 0 results. Try other words.",
        "Error: no page 'Bo Lind'.",
    ):
        assert o.outcome(observed(seen, said="Bo Lind")) == "unsupported"
        assert not any("Bo Lind" in reading.text for reading in o.readings(observed(seen).trajectory))


def observed(text, said="Ada Veron"):
    """An episode with this observation."""
    messages = list(trajectory(said=said).messages)
    messages[3] = {"role": "user", "content": protocol.render_response(text)}
    return score("m", [replace(trajectory(said=said), messages=tuple(messages))])[0]


def test_readings_tell_pages_and_visits_apart():
    text = (
        "A Google search for 'x' found 2 results:\n\n## Web Results\n1. [Orlen (town)](http://a.test/Orlen_(town))\n"
        "Date published: 2040-01-01\n\nOrlen is old.\n\n2. [Kestin](https://b.test/K/)\n\nKestin is new.\n=======\n"
        "A Google search for 'y' found 0 results. Try other words."
    )
    first, second = o.readings(observed(text).trajectory)
    assert (first.url, first.text, first.visited) == ("a.test/Orlen_(town)", "Orlen (town)\nOrlen is old.", False)
    assert (second.url, second.text) == ("b.test/K", "Kestin\nKestin is new.")
    visit = "The useful information in http://a.test/k for user goal mayor as follows: \n\nEvidence in page: \nTea."
    (page,) = o.readings(observed(visit).trajectory)
    assert page.visited and page.url == "a.test/k" and page.text.endswith("Tea.")
    assert o.readings(observed("<html>another tool</html>").trajectory) == [o.Reading("", "<html>another tool</html>")]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("Bo Lind", True),
        ("It is **Bo Lind**, as far as anybody in the whole of the country can tell.", True),
        ("It is **Cy Lind**, the mayor of Kestin.", False),
        ("The mayor of the town of Kestin is Bo Lind.", True),
        ("The treasurer of a wholly different place happens to be Cy Quist.", False),
    ],
)
def test_an_answer_in_prose_was_read_if_its_words_were(answer, wanted):
    read = [o.Reading("k", "Bo Lind is the mayor. Kestin is a town.")]
    assert o._read(answer, read) is wanted


def test_shares_add_up_and_every_outcome_is_named():
    rows = [one(), one(said="unknown"), one(said="Bo Lind"), one(stop="turn_cap")]
    shares = o.outcomes(rows)
    assert tuple(shares) == o.OUTCOMES and sum(shares.values()) == pytest.approx(1)
    assert shares["right"] == 0.25 and o.outcomes([])["right"] == 0
    assert list(o.examples(rows)) == ["right", "unsupported", "gave up", "cut off"]
    wrong = one(said="Bo Lind", read="Its mayor is Bo Lind.")
    assert o.outcomes([wrong], {"q1": PATH})["wrong hop"] == 1 and o.outcomes([wrong], {})["not found"] == 1


COUNT = Question(
    "q1", "How many towns?", "3", "count", 1, evidence=("http://a.test/k",), support=("The towns are A, B and C.",)
)


@pytest.mark.parametrize(
    ("question", "read", "wanted"),
    [
        (PATH, "Its mayor is Ada Veron.", True),
        (PATH, "Ada Veron governs it.", True),  # in other words, on the right page
        (PATH, "The twin of Orlen is Kestin.", False),
        (replace(PATH, evidence=(PATH.evidence[0], "http://b.test/k")), "Ada Veron governs it.", False),
        (replace(PATH, evidence=(PATH.evidence[0], "http://b.test/k")), "Its mayor is Ada Veron.", True),
        (COUNT, "The towns are A, B and C.", True),
        (COUNT, "The towns are A, ...", False),
        (COUNT, "There are 3 roads.", False),
        (None, "Ada Veron likes tea.", True),
        (None, "Nothing.", False),
    ],
)
def test_support_by_hand(question, read, wanted):
    gold = question.answer if question else "Ada Veron"
    assert o.supported(trajectory(said=gold, gold=gold, read=read), question) is wanted
    assert bool(o.lucky([one(said=gold, gold=gold, read=read)], {"q1": question} if question else None)) is not wanted


def test_what_is_counted_is_supported_by_a_visit_to_its_page():
    visit = "The useful information in http://a.test/k for user goal towns as follows: \n\nEvidence in page: \nA, B, C."
    episode = replace(observed(visit, said="3").trajectory, answer=(("3",),))
    assert o.supported(episode, COUNT)
    assert not o.supported(episode, replace(COUNT, evidence=("http://a.test/other",)))


def test_solved_failed_and_lucky_are_the_longest_of_their_sort():
    rows = [
        one(q="a", n_calls=1),
        one(q="b", n_calls=4),
        one(q="c", n_calls=9, read="Nothing."),
        one(q="d", said="Bo Lind", n_calls=2),
        one(q="e", said="Bo Lind", n_calls=3),
        one(q="f", said="unknown", n_calls=8),
    ]
    found = o.worth_reading(rows)
    assert {name: p.trajectory.question_id for name, p in found.items()} == {"solved": "b", "failed": "e", "lucky": "c"}
    assert list(o.worth_reading(rows[:1])) == ["solved"] and list(o.worth_reading(rows[3:4])) == ["failed"]
    assert o.worth_reading([]) == {}


def test_a_sealed_episode_is_refused():
    t = Vault("set", ["Who?"]).hide(trajectory(said="Bo Lind"))
    with pytest.raises(ValueError, match="q1: the episode is sealed"):
        o.supported(t)
    assert o.outcome(Prediction("m", t, True, True)) == "right"  # the verdict can still be counted
    with pytest.raises(ValueError, match="q1: the episode is sealed"):
        o.outcome(Prediction("m", t, False, True))


def test_an_episode_without_a_turn_is_no_answer():
    assert o.outcome(Prediction("m", Trajectory((), (("x",),)), False, False)) == "format"
