"""pocketweb.oracle_thoughts: the fixed short form, word for word, and the long form."""

from dataclasses import replace

from pocketweb.oracle_teacher import Finding, Step
from pocketweb.oracle_thoughts import long_thought, short_thought
from pocketweb.reading import parse_question

ASKED = "Who is the mayor of the city where Tal Veron was born?"
COUNT = "How many natives of the birthplace of Tal Veron are listed?"
BOTH = "Which person is a native of Orlen Ford and is a graduate of Kestin University?"
BORN = Finding("birthplace", "Tal Veron", ("Orlen Ford",))
MAYOR = Finding("mayor", "Orlen Ford", ("Ada Quist",))
NATIVES = Finding("natives", "Orlen Ford", ("A B", "C D", "E F"))


def step(question, turn, action, new=(), entity="", label="", answer=""):
    plan = parse_question(question)
    return Step(question, plan, turn, action, tuple(new), tuple(new), entity, label, None, answer)


def test_short_thoughts_word_for_word():
    cases = [
        (step(ASKED, 0, "search", (), "Tal Veron", "birthplace"),
         "Plan: Tal Veron, birthplace, mayor. Next: birthplace of Tal Veron."),
        (step(ASKED, 1, "visit", (), "Tal Veron", "birthplace"),
         "No birthplace of Tal Veron in the results. Open the page."),
        (step(ASKED, 2, "search", [BORN], "Orlen Ford", "mayor"),
         "Birthplace of Tal Veron: Orlen Ford. Next: mayor of Orlen Ford."),
        (step(ASKED, 3, "answer", [MAYOR], answer="Ada Quist"), "Mayor of Orlen Ford: Ada Quist. Done."),
        (step(ASKED, 3, "answer", [BORN], "Orlen Ford", "mayor", "unknown"), "No mayor of Orlen Ford found. Done."),
        (step(COUNT, 0, "search", (), "Tal Veron", "birthplace"),
         "Plan: Tal Veron, birthplace, natives, count. Next: birthplace of Tal Veron."),
        (step(COUNT, 2, "answer", [NATIVES], answer="3"), "Natives of Orlen Ford: 1 A B, 2 C D, 3 E F. Done."),
        (step(BOTH, 0, "search", (), "Orlen Ford", "natives"),
         "Plan: Orlen Ford, natives; Kestin University, graduates; both. Next: natives of Orlen Ford."),
        (step(BOTH, 1, "search", [NATIVES], "Kestin University", "graduates"),
         "Natives of Orlen Ford: A B, C D and E F. Next: graduates of Kestin University."),
    ]  # fmt: skip
    for case, wanted in cases:
        assert short_thought(case) == wanted


def test_a_shared_member_is_found_by_marking_the_second_list():
    graduates = Finding("graduates", "Kestin University", ("G H", "C D"))
    last = replace(step(BOTH, 2, "answer", [graduates], answer="C D"), found=(NATIVES, graduates))
    assert short_thought(last) == "Graduates of Kestin University: G H no, C D yes. Both lists: C D. Done."
    alone = replace(graduates, objects=("G H",))
    last = replace(step(BOTH, 2, "answer", [alone], answer="unknown"), found=(NATIVES, alone))
    assert short_thought(last) == "Graduates of Kestin University: G H no. Both lists: none. Done."


OLDER = "Who is the mayor of the older one of Orlen Ford and Kestin?"
APART = "How many years lie between the founding year of Orlen Ford and the founding year of Kestin?"
ORLEN = Finding("founding year", "Orlen Ford", ("1902",))
KESTIN = Finding("founding year", "Kestin", ("1871",))


def test_the_compared_values_and_the_subtraction_are_shown():
    apart = replace(step(APART, 2, "answer", [KESTIN], answer="31"), found=(ORLEN, KESTIN))
    assert short_thought(apart) == "Founding year of Kestin: 1871. 1902 - 1871 = 31. Done."
    assert "1902 - 1871 = 31" in long_thought(apart)
    older = replace(step(OLDER, 2, "search", [KESTIN], "Kestin", "mayor"), found=(ORLEN, KESTIN))
    assert short_thought(older) == (
        "Founding year of Kestin: 1871. 1871 is less than 1902, so Kestin. Next: mayor of Kestin."
    )
    assert "Of 1871 and 1902 I need the lower one, 1871, which belongs to Kestin." in long_thought(older)
    first = step(OLDER, 1, "search", [ORLEN], "Kestin", "founding year")
    assert short_thought(first) == "Founding year of Orlen Ford: 1902. Next: founding year of Kestin."
    mayor = Finding("mayor", "Kestin", ("Ada Quist",))
    last = replace(step(OLDER, 3, "answer", [mayor], answer="Ada Quist"), found=(ORLEN, KESTIN, mayor))
    assert short_thought(last) == "Mayor of Kestin: Ada Quist. Done."


def test_which_of_two_is_shown_with_the_answer():
    asked = "Which city was founded later, Orlen Ford or Kestin?"
    last = replace(step(asked, 2, "answer", [KESTIN], answer="Orlen Ford"), found=(ORLEN, KESTIN))
    assert short_thought(last) == "Founding year of Kestin: 1871. 1902 is more than 1871, so Orlen Ford. Done."
    same = replace(KESTIN, objects=("1902",))
    tie = replace(step(asked, 2, "answer", [same], answer="unknown"), found=(ORLEN, same))
    assert short_thought(tie) == "Founding year of Kestin: 1902. 1902 is equal to 1902. Done."
    assert "Both numbers are 1902" in long_thought(tie)


def test_long_thoughts_hold_the_same_content_at_about_three_times_the_words():
    steps = [
        step(ASKED, 0, "search", (), "Tal Veron", "birthplace"),
        step(ASKED, 1, "visit", (), "Tal Veron", "birthplace"),
        step(ASKED, 2, "search", [BORN], "Orlen Ford", "mayor"),
        step(ASKED, 3, "answer", [MAYOR], answer="Ada Quist"),
    ]
    long = [long_thought(s) for s in steps]
    ratio = sum(len(t.split()) for t in long) / sum(len(short_thought(s).split()) for s in steps)
    assert 2.5 < ratio < 4.5
    assert ASKED in long[0] and "Tal Veron" in long[1] and "Orlen Ford" in long[2] and "Ada Quist" in long[3]


def test_long_thoughts_take_turns():
    texts = {long_thought(step(ASKED, turn, "visit", (), "Tal Veron", "birthplace")) for turn in range(3)}
    assert len(texts) == 3


def test_a_question_without_a_plan_has_thoughts_too():
    blank = step("Why?", 0, "search")
    assert short_thought(blank) == "Plan: search the question."
    assert "Why?" in long_thought(blank)
