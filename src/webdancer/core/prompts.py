"""Every prompt of the project, each with its purpose; functions that fill them in as chat messages.

The paper's prompts are not published. The agent's head is the released one (`released`); the others are ours,
few-shot where the paper says so. They are written for any instruct model. Each has a first line `Task: ...`, by
which the rule-based stand-ins of the pocket web tell them apart, and labelled lines for the inputs. Used by
02_synthesize (author), 03_distill (head, summariser), 04_filter (judge, quality), 05_sft (restyle), 06_dapo (head)
and 07_evaluate (head, judge).
"""

import re
from collections.abc import Iterable, Sequence

from webdancer.core.protocol import question_of
from webdancer.core.released import FUNCTIONS as FUNCTIONS
from webdancer.core.released import SYSTEM, USER_HEAD
from webdancer.core.schema import Page

Messages = list[dict[str, str]]
STYLES = ("released", "brief")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

# Purpose: head of an episode for tiny policies, for which the 700 words of the released head are too long. 03 to 07.
BRIEF = "Search, visit, answer."

# Purpose: CRAWLQA, one question of a given kind from pages that links connect (paper, section 2.1). 02_synthesize.
AUTHOR_CRAWLQA = """Task: write one question from linked pages.
You get a kind, a number of hops and several pages along a path of links. Write one question that needs the facts of
several of these pages, and its short answer (a name, a year or a number).
Kinds:
- multihop: a chain of exactly `Hops` facts; the thing found by one fact is the page that tells the next. The
question names only the start.
- count: a chain of `Hops` - 1 facts, then a list of at least two members; the answer is how many members the page
lists.
- intersection: two lists of two pages that share exactly one member, which is the answer; one of the two pages may
be reached
  by a chain of `Hops` - 2 facts.
Rules: every fact is a sentence of the pages. The answer does not occur in the question and nothing else answers it.
Never ask for yes or no. Pages that show an error or a robot check carry no question.
Reply with one JSON object and nothing else:
{"question": str, "answer": str, "hops": int, "evidence": [urls in the order of the hops], "support": [the sentence of each hop]}
If the pages carry no such question: {"question": "", "reason": str}

Example. Kind: multihop, Hops: 2. Page 1 (http://a.test/Ada_Moor): "Ada Moor studied at Hill University." Page 2
(http://a.test/Hill_University): "The rector of Hill University is Ben Lark."
{"question": "Who is the rector of the university where Ada Moor studied?", "answer": "Ben Lark", "hops": 2, "evidence": ["http://a.test/Ada_Moor", "http://a.test/Hill_University"], "support": ["Ada Moor studied at Hill University.", "The rector of Hill University is Ben Lark."]}
Example. Kind: count, Hops: 1. Page 1 (http://a.test/Moor_Ford): "Known natives of Moor Ford are Ada Moor and Ben Lark."
{"question": "How many natives of Moor Ford are listed?", "answer": "2", "hops": 1, "evidence": ["http://a.test/Moor_Ford"], "support": ["Known natives of Moor Ford are Ada Moor and Ben Lark."]}
Example. Kind: intersection, Hops: 2. Page 1 (http://a.test/Moor_Ford): "Known natives of Moor Ford are Ada Moor and
Ben Lark." Page 3 (http://a.test/Hill_University): "The graduates of Hill University are Ada Moor and Cy Dale."
{"question": "Which person is a native of Moor Ford and is a graduate of Hill University?", "answer": "Ada Moor", "hops": 2, "evidence": ["http://a.test/Moor_Ford", "http://a.test/Hill_University"], "support": ["Known natives of Moor Ford are Ada Moor and Ben Lark.", "The graduates of Hill University are Ada Moor and Cy Dale."]}"""  # noqa: E501

# Purpose: the seed of E2HQA, a short fact question in the manner of SimpleQA (paper, section 2.1). 02_synthesize.
AUTHOR_SEED = """Task: write one simple fact question from a page.
Ask for one fact that the page tells about the thing in its title. Name the thing; the answer is short and not in the
question.
Reply with one JSON object and nothing else: {"question": str, "answer": str, "evidence": [url], "support": [the sentence]}
If the page tells no such fact: {"question": "", "reason": str}

Example. Page 1 (http://a.test/Moor_Ford), title "Moor Ford": "The mayor of Moor Ford is Ada Moor."
{"question": "Who is the mayor of Moor Ford?", "answer": "Ada Moor", "evidence": ["http://a.test/Moor_Ford"], "support": ["The mayor of Moor Ford is Ada Moor."]}"""  # noqa: E501

# Purpose: E2HQA, choose the entity E_n of the question Q_n that the next rewrite replaces. 02_synthesize.
AUTHOR_ENTITY = """Task: name the entity to replace.
The question names one thing or several. Choose the name that a description should replace so that the question gets
harder; copy it exactly.
Reply with one JSON object and nothing else: {"entity": str}, with "" if the question names nothing.

Example. Question: Who is the mayor of Moor Ford?
{"entity": "Moor Ford"}"""

# Purpose: E2HQA, R_n = pi(S(C_n)): replace the entity by a description found by searching for it. 02_synthesize.
AUTHOR_REWRITE = """Task: replace the entity by a description.
You get a question, its answer, the entity to replace and search results for it. Find a fact in the results whose
object is the entity and that is true of nothing else, and put the description that it gives in the place of the
entity. The answer must stay the same and must not occur in the new question; the description must not name the
entity or anything the question names already.
Reply with one JSON object and nothing else:
{"question": str, "description": str, "evidence": url of the result used, "support": the sentence used}
If no result gives such a description: {"question": "", "reason": str}

Example. Question: Who is the mayor of Moor Ford? Answer: Ada Moor. Entity: Moor Ford. A result
(http://a.test/Ben_Lark): "Ben Lark was born in Moor Ford."
{"question": "Who is the mayor of the city where Ben Lark was born?", "description": "the city where Ben Lark was born", "evidence": "http://a.test/Ben_Lark", "support": "Ben Lark was born in Moor Ford."}"""  # noqa: E501

# Purpose: check that a description fits one entity only (ours; the paper publishes no check). 02_synthesize.
AUTHOR_IDENTIFY = """Task: list what fits a description.
Name everything in the search results that the description fits, exactly as the results write it, and nothing that
they do not say.
Reply with one JSON object and nothing else: {"entities": [str, ...]}

Example. Description: the city where Ben Lark was born. A result: "Ben Lark was born in Moor Ford."
{"entities": ["Moor Ford"]}"""

# Purpose: what `visit` shows of a page for a goal (paper: Qwen-2.5-72B; the three keys are those of the released
# tool). 03 to 07.
SUMMARISE = """Task: summarise a page for a goal.
Copy from the page at most two whole sentences that serve the goal, word for word, and give the gist in one sentence.
Reply with one JSON object and nothing else:
{"rational": why these sentences, "evidence": the sentences, "summary": the one sentence}"""

# Purpose: is an answer right? Second stage of the funnel, reward, evaluation (paper: GPT-4o). 04_filter, 06_dapo,
# 07_evaluate.
JUDGE = """Task: judge an answer.
Compare the prediction with the gold answer of the question. It is right if it means the same: other wording, extra
context, another form of the same name or number are fine; another name, a missing part, several rival answers or no
answer are not. If several gold answers are given, separated by " | ", one of them is enough. Do not answer the
question yourself.
Reply with exactly two lines:
Correct: yes or no
Reason: one short sentence"""

# Purpose: third stage of the funnel, keep what is non-redundant, aligned with the goal, logical and accurate.
# 04_filter.
QUALITY = """Task: rate a trajectory.
You get a question and what an agent thought, called and saw. Score each criterion from 1 (bad) to 5 (good):
- non_redundant: no call and no sentence is repeated to no purpose;
- goal_aligned: every call serves the question;
- logical: every thought and the answer follow from the observations.
Keep the trajectory if no score is below 4.
Reply with one JSON object and nothing else:
{"non_redundant": int, "goal_aligned": int, "logical": int, "keep": true or false, "reason": str}"""


def _chat(system: str, user: str) -> Messages:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def head(question: str, date: str = "", style: str = "released") -> Messages:
    """The system and user message that open an episode.

    Args:
        question: the question to ask.
        date: the day of the episode as YYYY-MM-DD; only the released style shows it.
        style: "released", word for word as in the released trajectories, or "brief" for tiny policies.

    Raises:
        ValueError: an unknown style, or a date in another form where one is shown.

    >>> head("Who is the mayor of Kestin?", style="brief")[1]
    {'role': 'user', 'content': 'Who is the mayor of Kestin?'}
    """
    if style == "brief":
        return _chat(BRIEF, question)
    if style != "released":
        raise ValueError(f"got prompt style {style!r}, wanted one of {', '.join(STYLES)}")
    if not _DATE.fullmatch(date):
        raise ValueError(f"got date {date!r}, wanted YYYY-MM-DD: the released head shows the current date")
    return _chat(SYSTEM + date, USER_HEAD + question)


def restyle(messages: Sequence[dict[str, str]], style: str, date: str = "") -> Messages:
    """The same episode under another head; the turns stay as they are.

    Args:
        messages: an episode from its first message on.
        style, date: as in `head`; without a date the one in the old head is kept.

    Raises:
        ValueError: as `head`; `protocol.ProtocolError` if there is no question.
    """
    question = question_of(list(messages))
    asked = next(i for i, m in enumerate(messages) if m["role"] == "user")
    if not date and style == "released":
        old = _DATE.findall(messages[0]["content"]) if messages[0]["role"] == "system" else []
        date = old[-1] if old else ""
    return head(question, date, style) + [dict(m) for m in messages[asked + 1 :]]


def _page_blocks(pages: Iterable[Page]) -> str:
    """The pages as numbered blocks: title, URL, text."""
    blocks = (f"Page {n}\nTitle: {p.title}\nURL: {p.url}\nText:\n{p.text}" for n, p in enumerate(pages, 1))
    return "\n\n".join(blocks)


def crawlqa(kind: str, hops: int, pages: Iterable[Page]) -> Messages:
    """Ask the author for one CRAWLQA question.

    Args:
        kind: "multihop", "count" or "intersection".
        hops: how many relations to follow (count: chain + 1; intersection: chain + 2).
        pages: pages along a path of links, in order.
    """
    return _chat(AUTHOR_CRAWLQA, f"Kind: {kind}\nHops: {hops}\n\n{_page_blocks(pages)}")


def seed(page: Page) -> Messages:
    """Ask the author for a one-fact question about a page."""
    return _chat(AUTHOR_SEED, _page_blocks([page]))


def entity(question: str) -> Messages:
    """Ask the author which entity of the question to replace."""
    return _chat(AUTHOR_ENTITY, f"Question: {question}")


def rewrite(question: str, answer: str, entity: str, results: str) -> Messages:
    """Ask the author to replace `entity` by a description found in `results` (a search observation or page text)."""
    return _chat(
        AUTHOR_REWRITE, f"Question: {question}\nAnswer: {answer}\nEntity: {entity}\n\nSearch results:\n{results}"
    )


def identify(description: str, results: str) -> Messages:
    """Ask the author which entities in `results` fit the description."""
    return _chat(AUTHOR_IDENTIFY, f"Description: {description}\n\nSearch results:\n{results}")


def summarise(text: str, goal: str) -> Messages:
    """Ask the summariser what a page's text says for a goal."""
    return _chat(SUMMARISE, f"Goal: {goal}\nPage:\n{text}")


def judge(question: str, prediction: str, gold: str | Sequence[str]) -> Messages:
    """Ask the judge whether the prediction means the same as the gold answer (or one of several)."""
    golds = gold if isinstance(gold, str) else " | ".join(gold)
    return _chat(JUDGE, f"Question: {question}\nGold answer: {golds}\nPrediction: {prediction}")


def quality(question: str, messages: Sequence[dict[str, str]]) -> Messages:
    """Ask the judge to rate a trajectory; `messages` are those of the trajectory, its head is left out."""
    asked = next((i for i, m in enumerate(messages) if m["role"] == "user"), -1)
    turns = "\n\n".join(f"[{m['role']}]\n{m['content']}" for m in messages[asked + 1 :])
    return _chat(QUALITY, f"Question: {question}\n\nTrajectory:\n{turns}")
