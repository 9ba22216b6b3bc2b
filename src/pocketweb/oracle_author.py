"""The rule-based stand-in for the question author: CRAWLQA questions, E2HQA seeds and rewrites.

02_synthesize. In: the messages of an author's prompt (recognised by its first line `Task: ...`). Out: the JSON text
that the prompt asks for. It reads facts in the pages shown to it, joins them into chains and words a question with
the grammar; what is not on those pages it cannot use. With a temperature above 0 it makes the mistakes that the
released sample shows: answers that stand in the question, yes/no questions, wrong answers. Departure from the paper:
rules in the place of GPT-4o.

There are two authors of this kind, `pocket-author` and `pocket-author-other`: they differ in the forms that they word
questions in (`oracle_paths.Voice`), and in nothing else.
"""

import json
import random
import re
from collections.abc import Iterator

from pocketweb import oracle_pairs
from pocketweb.oracle_paths import USUAL, Path, Reply, Told, Voice, described, paths, told_in, written
from pocketweb.oracle_teacher import Message
from pocketweb.reading import BY_LABEL, Chain, Fact, Plan, facts_in, parse_condition, parse_phrase, parse_question

MISTAKES = 0.15  # share of questions with a mistake at temperature 1


def reply(messages: list[Message], temperature: float, rng: random.Random, voice: Voice = USUAL) -> str:
    """The author's reply as JSON text; `{"question": "", "reason": ...}` where the input carries nothing."""
    task = next((m["content"] for m in messages if m["role"] == "system"), "").partition("\n")[0]
    user = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    for line, write in _TASKS.items():
        if task == line:
            answer = write(user, rng, voice)
            if answer.get("answer") and rng.random() < MISTAKES * temperature:
                answer = _mistaken(answer, user, rng)
            return json.dumps(answer, ensure_ascii=False)
    return _nothing("this rule-based stand-in reads only the author prompts of the project")["reason"]


def _nothing(reason: str) -> Reply:
    return {"question": "", "reason": reason}


def _field(name: str, text: str) -> str:
    """The value of a labelled line of the prompt."""
    match = re.search(rf"^{name}: *(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def _crawlqa(user: str, rng: random.Random, voice: Voice) -> Reply:
    """One question of the kind and number of hops wanted."""
    kind, hops = _field("Kind", user), _field("Hops", user)
    if kind not in _KINDS or not hops.isdigit() or int(hops) < _KINDS[kind][1]:
        return _nothing(
            f"got kind {kind!r} with {hops or 'no'} hops, wanted one of {', '.join(_KINDS)} with enough hops"
        )
    told = told_in(user)
    candidates = list(_KINDS[kind][0](told, int(hops)))
    rng.shuffle(candidates)
    for candidate in candidates:
        found = _WORDED[kind](candidate, rng, voice)
        if found:
            return found
    return _nothing(f"the pages hold no {kind} question of {hops} hops")


def _multihop(told: list[Told], hops: int) -> Iterator[Path]:
    return paths(told, hops)


def _word_multihop(path: Path, rng: random.Random, voice: Voice) -> Reply | None:
    ask = rng.choice(voice.relations[path.labels[-1]].asks)
    question = ask.replace("{x}", described(path.start, path.labels[:-1], rng, voice))
    return written(question, Plan("value", (Chain(path.start, path.labels),)), path.end, list(path.links))


def _lists(told: list[Told]) -> list[Told]:
    return [t for t in told if BY_LABEL[t.fact.label].many]


def _count(told: list[Told], hops: int) -> Iterator[tuple[Path, Told]]:
    """A path of `hops` - 1 facts to the subject of a list of at least two."""
    lists = [t for t in _lists(told) if len(t.fact.objects) > 1]
    return ((path, t) for path in paths(told, hops - 1) for t in lists if t.fact.subject == path.end)


def _word_count(candidate: tuple[Path, Told], rng: random.Random, voice: Voice) -> Reply | None:
    path, listed = candidate
    ask = rng.choice(voice.relations[listed.fact.label].asks)
    question = ask.replace("{x}", described(path.start, path.labels, rng, voice))
    plan = Plan("count", (Chain(path.start, (*path.labels, listed.fact.label)),))
    return written(question, plan, str(len(listed.fact.objects)), [*path.links, listed])


def _intersection(told: list[Told], hops: int) -> Iterator[tuple[Path, Told, Told, str]]:
    """Two lists with one common member; a path of `hops` - 2 facts leads to the first."""
    lists = _lists(told)
    ends: dict[str, list[Path]] = {}
    for path in paths(told, hops - 2):
        ends.setdefault(path.end, []).append(path)
    for a in lists:
        for b in lists:
            common = [name for name in a.fact.objects if name in b.fact.objects]
            if a.fact.subject == b.fact.subject or len(common) != 1:
                continue
            for path in ends.get(a.fact.subject, []):
                if not path.names() & {common[0], b.fact.subject}:
                    yield path, a, b, common[0]


def _word_intersection(candidate: tuple[Path, Told, Told, str], rng: random.Random, voice: Voice) -> Reply | None:
    path, a, b, answer = candidate
    relation = voice.relations[a.fact.label]
    nested = relation.clause.replace("{x}", described(path.start, path.labels, rng, voice))
    plain = voice.relations[b.fact.label].clause.replace("{x}", b.fact.subject)
    sides = [
        (nested, Chain(path.start, (*path.labels, a.fact.label)), [*path.links, a]),
        (plain, Chain(b.fact.subject, (b.fact.label,)), [b]),
    ]
    rng.shuffle(sides)
    (left, chain_a, links_a), (right, chain_b, links_b) = sides
    form = rng.choice(voice.both)
    question = form.replace("{t}", relation.object).replace("{a}", left).replace("{b}", right)
    return written(question, Plan("both", (chain_a, chain_b)), answer, links_a + links_b)


def _seed(user: str, rng: random.Random, voice: Voice) -> Reply:
    """A one-fact question about the page's own thing."""
    found = _crawlqa(f"Kind: multihop\nHops: 1\n\n{user}", rng, voice)
    return found if found["question"] else _nothing("the page tells no fact that I can ask for")


def _entity(user: str, rng: random.Random, _: Voice) -> Reply:
    """A name that the question starts from."""
    plan = parse_question(_field("Question", user))
    return {"entity": rng.choice(plan.chains).entity if plan else ""}


def _rewrite(user: str, rng: random.Random, voice: Voice) -> Reply:
    """Replace the entity by the clause of a functional fact that has it as object."""
    question, answer, entity = (_field(name, user) for name in ("Question", "Answer", "Entity"))
    plan = parse_question(question)
    if plan is None or entity not in [c.entity for c in plan.chains]:
        return _nothing(f"the question does not name {entity!r} as something to start from")
    told = [t for t in told_in(user.partition("Search results:\n")[2]) if t.fact.objects == (entity,)]
    told = [t for t in told if not BY_LABEL[t.fact.label].many]
    rng.shuffle(told)
    whole_name = re.compile(rf"(?<![\w-]){re.escape(entity)}(?! \(|[\w-])")
    for t in told:
        description = voice.relations[t.fact.label].clause.replace("{x}", t.fact.subject)
        new = description.join(whole_name.split(question, maxsplit=1))
        wanted = [_deeper(c, t.fact) if c.entity == entity else c for c in plan.chains]
        right = parse_question(new) == Plan(plan.kind, tuple(wanted))
        clean = answer.casefold() not in new.casefold() and t.fact.subject not in question and entity not in new
        if right and clean:
            return {"question": new, "description": description, "evidence": t.url, "support": t.fact.sentence}
    return _nothing(f"no result describes {entity} without naming what the question names already")


def _deeper(chain: Chain, fact: Fact) -> Chain:
    return Chain(fact.subject, (fact.label, *chain.labels))


def _identify(user: str, rng: random.Random, _: Voice) -> Reply:
    """Every entity that some result says to fit the description."""
    text = _field("Description", user)
    chain = parse_phrase(text) or parse_condition(text)
    if chain is None or not chain.labels:
        return {"entities": [chain.entity] if chain else []}
    facts = facts_in(user.partition("Search results:\n")[2])
    fitting = [chain.entity]
    for label in chain.labels:
        fitting = [o for f in facts if f.label == label and f.subject in fitting for o in f.objects]
    return {"entities": list(dict.fromkeys(fitting))}


def _mistaken(reply: Reply, user: str, rng: random.Random) -> Reply:
    """A question with one of the defects that the released sample shows."""
    kind, answer = rng.choice(("leak", "yes", "wrong")), reply["answer"]
    if kind == "leak":
        return {**reply, "question": f"{reply['question'][:-1]}, {answer} or another?"}
    if kind == "yes":
        return {**reply, "question": f"Is {answer} right: {reply['question']}", "answer": "yes"}
    others = sorted({o for t in told_in(user) for o in t.fact.objects if o.isdigit() == answer.isdigit()} - {answer})
    return {**reply, "answer": rng.choice(others) if others else "unknown"}


_KINDS = {
    "multihop": (_multihop, 1),
    "count": (_count, 1),
    "intersection": (_intersection, 2),
    "comparison": (oracle_pairs.comparisons, 3),
    "difference": (oracle_pairs.differences, 2),
}
_WORDED = {
    "multihop": _word_multihop,
    "count": _word_count,
    "intersection": _word_intersection,
    "comparison": oracle_pairs.word_comparison,
    "difference": oracle_pairs.word_difference,
}
_TASKS = {
    "Task: write one question from linked pages.": _crawlqa,
    "Task: write one simple fact question from a page.": _seed,
    "Task: name the entity to replace.": _entity,
    "Task: replace the entity by a description.": _rewrite,
    "Task: list what fits a description.": _identify,
}
