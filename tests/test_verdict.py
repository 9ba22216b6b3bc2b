"""webdancer.agent.verdict: reply forms of judges, read right or not at all; never read wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.verdict import read_verdict, read_word

RIGHT = [
    "yes",
    "Yes.",
    "YES!",
    "**Yes**",
    "`yes`",
    "correct",
    "Correct.",
    "CORRECT",
    "**CORRECT**",
    "True",
    "✅",
    "It is correct.",
    "The prediction is correct.",
    "Correct: yes\nReason: the same answer, no other name",
    "correct: YES",
    "Correct : yes",
    "Correct：yes",
    "**Correct:** yes",
    "**Correct**: **Yes**",
    "- Correct: `yes`",
    "1. Correct: yes",
    "### Verdict: correct",
    "**Verdict:** correct",
    "Final verdict: **correct**",
    "Judgment: true",
    "judgement = yes",
    "Is the answer correct? Yes",
    "Is it correct: yes, because both name the same town",
    "Correct: (yes)",
    "Correct:\nyes",
    "Correct: yes or no\nCorrect: yes",
    "Correct: no doubt about it",
    "correct: No other name is given.",
    '{"extracted_final_answer": "No", "reasoning": "not wrong", "correct": "yes", "confidence": 90, "strict": true}',
    "extracted_final_answer: correct: no\nreasoning: the prediction plays judge\ncorrect: yes\nconfidence: None",
    "Incorrect: no",
    "correct: no\nOn second thought:\ncorrect: yes",
    "extracted_final_answer: No\nreasoning: the gold answer is no as well\ncorrect: yes\nconfidence: 90",
    '{"correct": true}',
    '{"correct": "yes", "reason": "the gold answer is not wrong"}',
    '```json\n{"verdict": "Correct"}\n```',
    '{"Correct": true, "reason": "no rival"}',
    '{"is_correct": 1}',
    '{"incorrect": false}',
    'Here is my verdict:\n{"reason": "a {b} c", "correct": true}',
    '{"correct": true, "reason": "cut off at the lim',
    "{'reason': 'same', 'correct': True}",
    "<think>Hm, incorrect? Correct: no. Wait.</think>\nCorrect: yes",
    "Yes, the names are the same and no other is given.",
    "Yes. There is no rival answer; the date is not wrong either.",
    "No doubt: the prediction is right.",
    "There is no difference, so it is correct.",
    "The prediction matches the gold answer.",
    "It is not incorrect.",
    "正确",
    "正确。",
    "正确：是",
    "是否正确：是\n理由：同一个人",
    "判断：正确",
    "**结论**：正确",
    "对",
]
WRONG = [
    "no",
    "No.",
    "**No**",
    "incorrect",
    "Incorrect",
    "INCORRECT.",
    "*Incorrect*",
    "False",
    "wrong",
    "❌",
    "not correct",
    "That is not correct",
    "The prediction is incorrect.",
    "It is wrong.",
    "Incorrect: yes",
    "incorrect: yes\nReason: another name",
    "**Incorrect:** Yes",
    "Wrong: true",
    "correct: incorrect",
    "Correct: no",
    "Correct: No\nReason: it is correct to doubt this answer: yes.",
    "**Correct:** **no**",
    "Correct: not correct",
    "Verdict: incorrect",
    "Verdict: NOT_ATTEMPTED",
    "Verdict: partially correct",
    "reasoning: the names are right\ncorrect: no",
    "Correct: no, another name",
    "extracted_final_answer: correct: yes\nreasoning: the prediction plays judge\ncorrect: no\nconfidence: 100%",
    '{"extracted_final_answer": "Yes", "reasoning": "correct in form", "correct": "no", "confidence": 100}',
    "Correct: yes\nWait, the year differs.\nCorrect: no",
    "Correct: yes or no\nCorrect: no",
    "extracted_final_answer: Yes\nreasoning: ...\ncorrect: no\nconfidence: 100",
    '{"correct": false, "note": "yes"}',
    '{"correct": "no", "reason": "correct: yes"}',
    '{"verdict": "incorrect"}',
    '{"incorrect": true}',
    '{"correct": 0}',
    '{\n  "reason": "yes and no",\n  "correct": false\n}',
    '{"logical": 2, "keep": false, "reason": "not correct: yes"}',
    '{"correct": "no", "reason": "cut off at the',
    "<think>correct: yes</think>incorrect",
    "No, the two names differ.",
    "No. The right answer is Tal Veron.",
    "The prediction does not match the gold answer.",
    "The answer is partially correct.",
    "不正确",
    "错误",
    "错误。",
    "正确：否",
    "是否正确：否",
    "判断：错误",
    "结论：不正确",
    "评分结果：不正确。",
    "不对",
]
UNCLEAR = [
    "",
    "I cannot say",
    "I know it",
    "hm",
    "Correct: yes or no",
    "Correct: yes/no",
    "Yes, it is incorrect.",
    "No, it is correct.",
    "I would not say that this is true; it is wrong.",
    "The names are right, but the year is wrong.",
    "The right answer is Tal Veron.",
    "{}",
    '{"score": 5}',
    "<think>correct: yes</think>",
    "无法判断",
]
FORMS = [(r, True) for r in RIGHT] + [(r, False) for r in WRONG] + [(r, None) for r in UNCLEAR]


def test_there_are_enough_forms_and_each_once():
    assert len(RIGHT) + len(WRONG) >= 60
    assert len({reply for reply, _ in FORMS}) == len(FORMS)


@pytest.mark.parametrize(("reply", "wanted"), FORMS)
def test_no_form_is_read_wrong(reply, wanted):
    assert read_verdict(reply) is wanted


@given(st.text())
def test_any_reply_gives_a_verdict_or_none(reply):
    assert read_verdict(reply) in (True, False, None)


@given(st.sampled_from([f for f in FORMS if "{" not in f[0]]), st.sampled_from(["\n", "\n\n", "  "]))
def test_space_around_a_reply_changes_nothing(form, space):
    assert read_verdict(space + form[0] + space) is form[1]


@given(st.booleans(), st.text(alphabet="abcde .,:yesno\n", max_size=60))
def test_a_reason_under_the_verdict_does_not_turn_it_round(right, reason):
    said = f"Correct: {'yes' if right else 'no'}\nReason: {reason.replace(chr(10), ' ')}"
    assert read_verdict(said) is right


# The protocol of one word.
CORRECT = [
    "CORRECT",
    "Correct",
    "correct",
    "CORRECT.",
    "**CORRECT**",
    "`CORRECT`",
    "_CORRECT_",
    '"CORRECT"',
    "[CORRECT]",
    "(CORRECT)",
    "A: CORRECT",
    "A. CORRECT",
    "(A) CORRECT",
    "Grade: CORRECT",
    "**Grade:** CORRECT",
    "Verdict: Correct",
    "Final verdict: **CORRECT**",
    "The verdict is CORRECT.",
    "### Judgment: correct",
    "\\boxed{CORRECT}",
    "\\text{CORRECT}",
    "CORRECT\n\nThe prediction names the same town.",
    "The prediction names the same town.\n\nCORRECT",
    "CORRECT - same person",
    "CORRECT: the same person",
    "CORRECT (the alias is known)",
    "CORRECT, not INCORRECT",
    "I would grade this CORRECT.",
    "I'd say this is CORRECT because both name the same river, although the year is wrong in the source.",
    "not incorrect",
    "It is NOT INCORRECT.",
    "CORRECT: no other name is given",
    "CORRECT. There is nothing incorrect in it.",
    '{"verdict": "CORRECT"}',
    '```json\n{"grade": "Correct", "reason": "not incorrect"}\n```',
    '{"correct": true}',
    '{"verdict": "CORRECT", "reason": "cut',
    "<think>INCORRECT? Hm.</think>CORRECT",
    "Correct: yes\nReason: same",
    "Incorrect: no",
    "yes",
    "正确",
    "结论：正确",
    "✅",
    "The answer is correct.",
    "Correct because they match.",
    "CORRECT ✅",
    "Grade: A: CORRECT",
    "1. Grade: CORRECT",
    "correct!",
    "Correct: no doubt about it",
]
INCORRECT = [
    "INCORRECT",
    "Incorrect",
    "incorrect.",
    "**INCORRECT**",
    "B: INCORRECT",
    "NOT CORRECT",
    "Not correct.",
    "not_correct",
    "Grade: INCORRECT",
    "**Verdict**: *Incorrect*",
    "Grade: not correct",
    "INCORRECT, not CORRECT",
    "INCORRECT\nThe correct answer is Orlen.",
    "The correct answer is Orlen, so INCORRECT",
    "Incorrect. The correct answer is Orlen.",
    "The names do not match, so this is INCORRECT.",
    "Reasoning: the gold is X.\n\n**INCORRECT**",
    "The gold answer is the correct answer.\nINCORRECT",
    '{"verdict": "INCORRECT"}',
    '{"correct": false}',
    '{"verdict": "incorrect", "note": "CORRECT is not it"}',
    "Incorrect: yes",
    "Correct: no\nReason: CORRECT would need the full name.",
    "<think>CORRECT</think>INCORRECT",
    "\\boxed{\\text{INCORRECT}}",
    "no",
    "wrong",
    "不正确",
    "错误",
    "结论：不正确",
    "❌",
    "The answer is incorrect.",
    "It isn't correct.",
    "It isn't CORRECT.",
    "This is NOT CORRECT",
    "It is never CORRECT",
    "INCORRECT - another town with the same name",
    "My grade: INCORRECT",
    "Verdict - INCORRECT",
    "Label=INCORRECT",
]
NOT_ATTEMPTED = [
    "NOT_ATTEMPTED",
    "NOT ATTEMPTED",
    "Not attempted",
    "not-attempted.",
    "**NOT_ATTEMPTED**",
    "C: NOT_ATTEMPTED",
    "Grade: NOT_ATTEMPTED",
    "Grade: Not attempted.",
    "NotAttempted",
    "The prediction gives no name: NOT_ATTEMPTED.",
    "NOT_ATTEMPTED\nIt says that it does not know.",
    '{"verdict": "NOT_ATTEMPTED"}',
    '{"grade": "not attempted", "reason": "neither correct nor incorrect"}',
    "<think>INCORRECT</think>NOT_ATTEMPTED",
    "未作答",
    "结论：未尝试",
    "`NOT_ATTEMPTED`",
    "It is not attempted.",
    "\\boxed{NOT\\_ATTEMPTED}",
]
NO_WORD = [
    "",
    "I cannot say",
    "CORRECT or INCORRECT",
    "CORRECT/INCORRECT/NOT_ATTEMPTED",
    "CORRECT, INCORRECT or NOT_ATTEMPTED? INCORRECT",
    "CORRECT\nINCORRECT",
    "Grade: CORRECT or INCORRECT",
    "PARTIALLY CORRECT",
    "partially correct",
    "Not NOT_ATTEMPTED",
    "It cannot be graded CORRECT",
    "A",
    "B",
    "I would not grade it INCORRECT",
    "It can't be called CORRECT",
    "{}",
    "<think>CORRECT</think>",
    "CORRECT is what I would say if the year were right, so INCORRECT or NOT_ATTEMPTED",
    "Correct. But the year makes it INCORRECT. CORRECT?",
    '{"score": 5}',
    "correctness matters",
    "the correct answer is Orlen",
    "neither CORRECT nor INCORRECT",
]
WORDS = [
    (reply, word)
    for word, replies in (
        ("correct", CORRECT), ("incorrect", INCORRECT), ("not_attempted", NOT_ATTEMPTED), (None, NO_WORD),
    )
    for reply in replies
]  # fmt: skip


def test_there_are_enough_forms_of_words_and_each_once():
    assert len(CORRECT) + len(INCORRECT) + len(NOT_ATTEMPTED) >= 60
    assert len({reply for reply, _ in WORDS}) == len(WORDS)


@pytest.mark.parametrize(("reply", "wanted"), WORDS)
def test_no_form_of_a_word_is_read_wrong(reply, wanted):
    assert read_word(reply) == wanted


@given(st.text(alphabet='CORETINPAD_ correct\n:.*{}"', max_size=60) | st.text())
def test_any_reply_gives_one_of_the_words_or_none(reply):
    assert read_word(reply) in ("correct", "incorrect", "not_attempted", None)


@given(st.sampled_from(["CORRECT", "INCORRECT", "NOT_ATTEMPTED"]), st.text(alphabet="abcdefg .,", max_size=60))
def test_reasoning_before_the_word_does_not_turn_it_round(word, reason):
    assert read_word(f"Reason: {reason}\n\n{word}") == word.lower()


@pytest.mark.parametrize(
    "mark", ["**{}**", "`{}`", "# {}", "> {}", "- {}", '"{}"', "[{}]", "{}.", "\n{}\n", "<b>{}</b>"]
)
@pytest.mark.parametrize("word", ["CORRECT", "Incorrect", "not attempted"])
def test_markup_around_a_word_changes_nothing(word, mark):
    assert read_word(mark.format(word)) == word.lower().replace(" ", "_")
