"""webdancer.core.vault: sealed texts come back to who has the questions, to nobody else, and no message tells them."""

import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.schema import Trajectory, from_row, to_row
from webdancer.core.vault import PIECE, Vault, VaultError, is_sealed

ASKED = [
    "Which river flows through Kestin before it reaches the Orlen Ford?",
    "哪位市长在奥伦建了第一座桥并写了一本书?",
]
TOLD = ["Tal Veron", "塔尔市长", "7"]
VAULT = Vault("hand", ASKED, TOLD)


def trajectory(**more):
    turns = (
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": ASKED[0]},
        {"role": "assistant", "content": "<think>\nTal Veron?\n</think>\n<answer>\nTal Veron\n</answer>"},
    )
    fields = {"question_id": "hand-1", "sample": 2, "prediction": "Tal Veron", "stop": "answer", "n_calls": 3}
    return Trajectory(turns, (("Tal Veron", "T. Veron"),), tag="level 1", tokens=9, cost=0.5, **{**fields, **more})


def test_what_is_hidden_comes_back_and_what_counts_stays():
    hidden = VAULT.hide(trajectory(functions=({"name": "search"},)))
    assert is_sealed(hidden) and not is_sealed(trajectory())
    assert VAULT.show(hidden) == trajectory(functions=({"name": "search"},))
    assert (hidden.question_id, hidden.sample, hidden.stop, hidden.n_calls) == ("hand-1", 2, "answer", 3)
    assert (hidden.tag, hidden.tokens, hidden.cost) == ("level 1", 9, 0.5)
    assert (hidden.prediction, hidden.answer, hidden.functions) == ("", (), ())


def test_hiding_twice_and_showing_what_is_in_plain_change_nothing():
    hidden = VAULT.hide(trajectory())
    assert VAULT.hide(hidden) == hidden and VAULT.show(trajectory()) == trajectory()


def test_a_hidden_trajectory_is_an_ordinary_row_that_tells_nothing():
    line = json.dumps(to_row(VAULT.hide(trajectory())), ensure_ascii=False)
    assert "river" not in line and "Veron" not in line and "Search" not in line
    assert VAULT.show(from_row(json.loads(line), Trajectory)) == trajectory()


def test_the_same_file_gives_the_same_key_and_the_same_bytes():
    again = Vault("hand", list(reversed(ASKED)), [])
    assert again.mark == VAULT.mark
    assert again.hide(trajectory()) == VAULT.hide(trajectory())


@pytest.mark.parametrize("other", [Vault("hand", ASKED[:1]), Vault("other", ASKED)], ids=["fewer questions", "a name"])
def test_another_set_opens_nothing_and_says_why(other):
    with pytest.raises(VaultError, match=f"hand-1, sample 2: sealed with the key '{VAULT.mark}', .* '{other.mark}'"):
        other.show(VAULT.hide(trajectory()))


def test_a_changed_or_moved_line_is_noticed():
    hidden = VAULT.hide(trajectory())
    for elsewhere in (replace(hidden, sample=1), replace(hidden, question_id="hand-2")):
        with pytest.raises(VaultError, match="damaged or belongs elsewhere"):
            VAULT.show(elsewhere)
    token = hidden.messages[0]["content"]
    for damaged in (token[:-8], token[:12] + ("B" if token[12] == "A" else "A") + token[13:], token + "?"):
        with pytest.raises(VaultError, match="damaged"):
            VAULT.open(damaged, "hand-1, sample 2")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.text(max_size=9))
def test_all_plain_data_comes_back(data, about):
    about = about.encode("utf-8", "replace").decode()
    assert VAULT.open(VAULT.seal(data, about), about) == data


def test_no_questions_give_no_key():
    with pytest.raises(ValueError, match="got no question of hand"):
        Vault("hand", [])


def test_a_veil_shows_lengths_in_the_place_of_texts():
    shown = VAULT.veil(trajectory())
    assert [m["role"] for m in shown.messages] == ["system", "user", "assistant"]
    assert shown.messages[1]["content"] == f"(hidden, {len(ASKED[0])} characters)"
    assert shown.answer == (("(hidden, 9 characters)", "(hidden, 8 characters)"),)
    assert not VAULT.tells(json.dumps(to_row(shown), ensure_ascii=False))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ASKED[0], True),
        (f"400: '{ASKED[0][10 : 10 + PIECE]}' was refused", True),
        (f"400: '{ASKED[0][10 : 9 + PIECE]}' was refused", False),  # one letter less is no piece
        (ASKED[1][3:9], True),
        (json.dumps(ASKED[1]), True),
        ("the gold is Tal Veron.", True),
        ("塔尔市长", True),
        ("Tal Veronese", False),
        ("status 7", False),  # too short to be known again
        ("check the key in the environment", False),
        ("", False),
    ],
)
def test_texts_that_tell(text, told):
    assert VAULT.tells(text) is told


def chained():
    try:
        raise ValueError(ASKED[0])
    except ValueError as error:
        raise RuntimeError("it failed") from error


def noted():
    error = ValueError("it failed")
    error.add_note(f"asked: {ASKED[1]}")
    raise error


def grouped():
    raise ExceptionGroup("several", [ValueError("fine"), KeyError("Tal Veron")])


@pytest.mark.parametrize("fails", [chained, noted, grouped])
def test_an_error_that_quotes_the_set_is_withheld_with_all_behind_it(fails):
    with pytest.raises(
        VaultError, match=r"\(test_vault.py, line \d+\): its message quotes hand and is withheld"
    ) as said:
        with VAULT.guard():
            fails()
    assert said.value.__suppress_context__ and said.value.__cause__ is None
    assert not VAULT.tells(str(said.value))


def test_other_errors_pass_as_they_are():
    with pytest.raises(KeyError, match="the budget is spent") as said:
        with VAULT.guard():
            raise KeyError("the budget is spent")
    assert said.value.__cause__ is None


def test_no_log_line_tells(caplog):
    log = logging.getLogger("some.client")
    log.setLevel(logging.DEBUG)
    before = logging.root.manager.disable
    with VAULT.guard():
        log.debug("sent %s", ASKED[0])
        log.info("GET /search?q=Kestin")
        log.warning("asked %s", ASKED[0])
        log.error("failed", exc_info=ValueError(ASKED[1]))
        log.warning("slow")
    log.info("after")
    assert [record.getMessage() for record in caplog.records] == ["slow", "after"]
    assert logging.root.manager.disable == before and not logging.lastResort.filters
