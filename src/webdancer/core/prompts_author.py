"""The prompts for the author of questions, each with its purpose; functions that fill them in as chat messages.

Part of `prompts`, which re-exports them; 02_synthesize. The paper says that its prompts for synthesis are few-shot and
does not publish them: these are ours. Each has a first line `Task: ...`, by which the rule-based stand-ins of the
pocket web tell them apart, and labelled lines for the inputs.
"""

from collections.abc import Iterable

from webdancer.core.schema import Page

Messages = list[dict[str, str]]

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

# Purpose: CRAWLQA, the two kinds that set two things side by side (ours; the released sample has a few such questions).
# A prompt of its own, so that neither carries the other's examples. 02_synthesize.
AUTHOR_PAIRS = """Task: write one question from linked pages.
You get a kind, a number of hops and several pages: a path of links to one thing, then a path of links to another
thing of the same sort. Both pages at the ends tell the same sort of number (a year, a size). Write one question that
needs both numbers, and its short answer (a name, a year or a number).
Kinds:
- comparison: the question asks one fact about the thing with the lower or the higher number (the older one, the later
one, the larger one), or, if it names neither thing but describes both by chains of facts, which of the two it is.
Other facts than the two numbers are counted as hops too. The other thing's page must not hold the answer.
- difference: the question asks how far the two numbers lie apart; the answer is that number in digits.
Rules: every fact is a sentence of the pages. The two numbers differ. The answer does not occur in the question and
nothing else answers it. Say by exactly one word which thing is meant: earlier, older, less, smaller, later, younger,
more or larger. Never ask for yes or no. Pages that show an error or a robot check carry no question.
Reply with one JSON object and nothing else:
{"question": str, "answer": str, "hops": int, "evidence": [urls], "support": [the sentence of each hop]}
The order of evidence and support: the facts that lead to the first thing and its number, the facts that lead to the
second thing and its number, then the fact asked for, if any.
If the pages carry no such question: {"question": "", "reason": str}

Example. Kind: comparison, Hops: 4. Page 1 (http://a.test/Ada_Moor): "Ada Moor was born in Moor Ford." Page 2
(http://a.test/Moor_Ford): "Moor Ford was founded in 1871. The mayor of Moor Ford is Cy Dale." Page 3
(http://a.test/Hill_End): "Hill End was founded in 1902. The mayor of Hill End is Ben Lark."
{"question": "Who is the mayor of the older one of the city where Ada Moor was born and Hill End?", "answer": "Cy Dale", "hops": 4, "evidence": ["http://a.test/Ada_Moor", "http://a.test/Moor_Ford", "http://a.test/Hill_End", "http://a.test/Moor_Ford"], "support": ["Ada Moor was born in Moor Ford.", "Moor Ford was founded in 1871.", "Hill End was founded in 1902.", "The mayor of Moor Ford is Cy Dale."]}
Example. Kind: difference, Hops: 3. The same pages.
{"question": "How many years lie between the founding of the city where Ada Moor was born and that of Hill End?", "answer": "31", "hops": 3, "evidence": ["http://a.test/Ada_Moor", "http://a.test/Moor_Ford", "http://a.test/Hill_End"], "support": ["Ada Moor was born in Moor Ford.", "Moor Ford was founded in 1871.", "Hill End was founded in 1902."]}"""  # noqa: E501

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


def chat(system: str, user: str) -> Messages:
    """A system and a user message."""
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _page_blocks(pages: Iterable[Page]) -> str:
    """The pages as numbered blocks: title, URL, text."""
    blocks = (f"Page {n}\nTitle: {p.title}\nURL: {p.url}\nText:\n{p.text}" for n, p in enumerate(pages, 1))
    return "\n\n".join(blocks)


def crawlqa(kind: str, hops: int, pages: Iterable[Page]) -> Messages:
    """Ask the author for one CRAWLQA question.

    Args:
        kind: "multihop", "count", "intersection", "comparison" or "difference".
        hops: how many facts to use (count: chain + 1; intersection: chain + 2; the last two: see `AUTHOR_PAIRS`).
        pages: pages along a path of links, in order.
    """
    rules = AUTHOR_PAIRS if kind in ("comparison", "difference") else AUTHOR_CRAWLQA
    return chat(rules, f"Kind: {kind}\nHops: {hops}\n\n{_page_blocks(pages)}")


def seed(page: Page) -> Messages:
    """Ask the author for a one-fact question about a page."""
    return chat(AUTHOR_SEED, _page_blocks([page]))


def entity(question: str) -> Messages:
    """Ask the author which entity of the question to replace."""
    return chat(AUTHOR_ENTITY, f"Question: {question}")


def rewrite(question: str, answer: str, entity: str, results: str) -> Messages:
    """Ask the author to replace `entity` by a description found in `results` (a search observation or page text)."""
    return chat(
        AUTHOR_REWRITE, f"Question: {question}\nAnswer: {answer}\nEntity: {entity}\n\nSearch results:\n{results}"
    )


def identify(description: str, results: str) -> Messages:
    """Ask the author which entities in `results` fit the description."""
    return chat(AUTHOR_IDENTIFY, f"Description: {description}\n\nSearch results:\n{results}")
