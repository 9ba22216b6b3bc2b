"""What a generalisation slice is, and how an agent does on it: numbers from texts and episodes, part of `slices`.

In: slices, the pages and questions of training and practice, episodes. Out: rows for tables. Whether something is new
is never taken from what made the slice: it is counted in the texts, against those that the policies were trained on.
Shown in 07_evaluate. Not in the paper.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from webdancer import evaluate, metrics
from webdancer.agent import tokens
from webdancer.core.schema import Page, Question
from webdancer.evaluate_predictions import TRUNCATED, Prediction, per_question
from webdancer.linkgraph import bare, sentences
from webdancer.near import runs

RUN = 3  # words in a row that make a form

Forms = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Slice:
    """Questions (their ids start with the slice's name) and the pages among which their answers have to be found.

    `changed` says in words what is different from the baseline.
    """

    name: str
    changed: str
    questions: tuple[Question, ...]
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Seen:
    """What training and practice have shown a policy.

    `titles` of the pages, `words` of pages and questions, the forms `told` in sentences and `asked` in questions, and
    the most `hops` of a question.
    """

    titles: frozenset[str]
    words: frozenset[str]
    told: Forms
    asked: Forms
    hops: int

    @classmethod
    def of(cls, pages: Sequence[Page], questions: Iterable[Question]) -> "Seen":
        """Read the pages of training and practice, and the questions of the splits `sft` and `rl`.

        Raises:
            ValueError: there is no such question.
        """
        trained = [q for q in questions if q.split != "eval"]
        if not trained:
            raise ValueError("got no question of the splits sft and rl, wanted those that the policies were trained on")
        by_url = {page.url: page for page in pages}
        texts = [f"{page.title} {page.text}" for page in pages] + [q.question for q in trained]
        told = (forms(said, named(page, by_url)) for page in pages for said in sentences(page.text))
        asked = (forms(q.question, titles(q, by_url)) for q in trained)
        return cls(
            titles=frozenset(page.title for page in pages),
            words=frozenset(word for text in texts for word in words(text)),
            told=frozenset(run for form in told for run in form),
            asked=frozenset(run for form in asked for run in form),
            hops=max(q.hops for q in trained),
        )


def words(text: str) -> list[str]:
    """The words of a text in small letters, without numbers.

    >>> words("Tal Veron-Moor, 1901")
    ['tal', 'veron', 'moor']
    """
    return re.findall(r"[a-z]+", text.lower())


def forms(text: str, names: Iterable[str]) -> Forms:
    """The runs of three words of a text in which each of `names` has become `*` and each number `#`.

    >>> sorted(forms("Who is the mayor of Orlen Ford?", ["Orlen Ford"]))
    [('is', 'the', 'mayor'), ('mayor', 'of', '*'), ('the', 'mayor', 'of'), ('who', 'is', 'the')]
    """
    longest = sorted(filter(None, names), key=len, reverse=True)
    if longest:
        text = re.sub(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])", " * ", text)
    return runs(re.findall(r"[a-z]+|\*|#", re.sub(r"\d+", "#", text.lower())), RUN)


def named(page: Page, by_url: Mapping[str, Page]) -> list[str]:
    """The title of a page and those of the pages that it links to."""
    return [page.title, *(by_url[link].title for link in page.links if link in by_url)]


def titles(question: Question, by_url: Mapping[str, Page]) -> list[str]:
    """The titles of the pages that carry a question."""
    return [by_url[url].title for url in question.evidence if url in by_url]


def names(questions: Iterable[Question], by_url: Mapping[str, Page]) -> set[str]:
    """The names that questions are about: titles of the pages that carry them, and answers that are no numbers."""
    questions = list(questions)
    found = {title for q in questions for title in titles(q, by_url)}
    return found | {q.answer for q in questions if not q.answer.isdecimal()}


def measure(part: Slice, seen: Seen, tokenizer: Any = None) -> dict[str, Any]:
    """What is new about a slice, counted in its texts.

    Args:
        part: the slice. seen: of training and practice. tokenizer: of the policies; None leaves `tokens_per_name` out.

    Returns:
        `slice`, `changed`, `questions`; `pages` to be searched; `distractors`: pages a question, besides those that
        carry it, whose title shares a word with one of those; `hops` (mean) and `beyond` (share of questions with more
        hops than any of training); shares that occur in training and practice: `names_seen` of the names,
        `name_words_seen` of their words, `other_words_seen` of the other words of questions and of the sentences that
        carry them; `new_sentences` and `new_questions`: shares of these sentences, and of the questions, with a form
        that no sentence or question of training has; `tokens_per_name`.
    """
    by_url = {page.url: page for page in part.pages}
    about = sorted(names(part.questions, by_url))
    parts = {word for name in about for word in words(bare(name))}
    carried = [(said, by_url[url]) for q in part.questions for url, said in zip(q.evidence, q.support, strict=True)]
    told = [forms(said, named(page, by_url)) for said, page in carried]
    asked = [forms(q.question, titles(q, by_url)) for q in part.questions]
    others = {word for form in told + asked for run in form for word in run if word.isalpha()} - parts
    row = {
        "slice": part.name,
        "changed": part.changed,
        "questions": len(part.questions),
        "pages": len(part.pages),
        "distractors": _mean(distractors(part, by_url)),
        "hops": _mean(q.hops for q in part.questions),
        "beyond": _mean(q.hops > seen.hops for q in part.questions),
        "names_seen": _mean(name in seen.titles for name in about),
        "name_words_seen": _mean(word in seen.words for word in parts),
        "other_words_seen": _mean(word in seen.words for word in others),
        "new_sentences": _mean(not form <= seen.told for form in told),
        "new_questions": _mean(not form <= seen.asked for form in asked),
    }
    if tokenizer is not None:
        row["tokens_per_name"] = _mean(len(tokens.encode(tokenizer, bare(name))) for name in about)
    return row


def distractors(part: Slice, by_url: Mapping[str, Page]) -> list[int]:
    """For each question the pages that do not carry it and share a word of the title with one that does."""
    having: dict[str, set[str]] = defaultdict(set)
    for page in part.pages:
        for word in words(bare(page.title)):
            having[word].add(page.url)
    near = [{url for t in titles(q, by_url) for w in words(bare(t)) for url in having[w]} for q in part.questions]
    return [len(urls - set(q.evidence)) for q, urls in zip(part.questions, near, strict=True)]


def _mean(values: Iterable[float]) -> float:
    """The mean, rounded for a table."""
    return round(fmean(map(float, values)), 4)


def slice_of(prediction: Prediction) -> str:
    """The slice that a prediction belongs to, from its question's id."""
    return prediction.trajectory.question_id.partition("/")[0]


def scores(predictions: Iterable[Prediction], seed: int = 0) -> list[dict[str, Any]]:
    """Pass@1 of every model on every slice.

    Args:
        predictions: of any models on any slices. seed: of the bootstrap.

    Returns:
        Rows `slice, model, value, low, high, n`, and the shares of episodes that were `cut_off` (no turns or tokens
        left) and `invalid` (they break the protocol); slices and models in the order met.
    """
    rows = []
    for (name, model), part in _groups(predictions).items():
        right = per_question(part, lambda p: p.correct).values()
        rest = {
            "cut_off": _mean(p.trajectory.stop in TRUNCATED for p in part),
            "invalid": _mean(not p.valid for p in part),
        }
        rows.append({"slice": name, "model": model, **_flat(metrics.estimate(list(right), seed, share=True)), **rest})
    return rows


def gains(
    predictions: Iterable[Prediction], first: str = "dapo", second: str = "sft", seed: int = 0
) -> list[dict[str, Any]]:
    """Pass@1 of `first` minus that of `second` on every slice, paired by question: `slice, value, low, high, n`.

    Raises:
        ValueError: the two answered other questions.
    """
    groups = _groups(predictions)
    both = [name for name, model in groups if model == first and (name, second) in groups]
    found = {name: evaluate.difference(groups[name, first], groups[name, second], seed) for name in both}
    return [{"slice": name, **_flat(estimate)} for name, estimate in found.items()]


def _groups(predictions: Iterable[Prediction]) -> dict[tuple[str, str], list[Prediction]]:
    """Predictions by slice and model."""
    groups: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for p in predictions:
        groups[slice_of(p), p.model].append(p)
    return groups


def _flat(estimate: Mapping[str, Any]) -> dict[str, Any]:
    """An estimate as columns."""
    low, high = estimate["ci95"]
    return {"value": estimate["value"], "low": low, "high": high, "n": estimate["n"]}
