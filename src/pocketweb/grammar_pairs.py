"""The language of questions about two things: which is the older one, and how many years lie between them.

Beside `grammar`, and like it grammar without knowledge. `oracle_pairs` writes questions with these forms, `reading`
reads them. In every group the last form, at `NOVEL`, is heard only where the pages themselves use sentences that other
worlds never use (the held-out web), so that an agent trained on the other worlds meets forms it has never seen.
"""

from pocketweb.grammar import LITERALS, Relation

NOVEL = 2  # index of the form that goes with novel pages

# How a question says that something happened, by the key of the relation that gives the year.
VERBS = {"person.birthyear": "was born", "city.founded": "was founded", "company.since": "opened"}
COMPARED = tuple(r for r in LITERALS if r.key in VERBS)

# The words for the thing with the lower and the higher year: adjective, adverb, and the word of the novel forms.
WORDS = {"lower": ("older", "earlier", "first"), "higher": ("younger", "later", "last")}

# {a} and {b} are names or descriptions; {adj}, {adv} and {end} words of `WORDS`, {v} a verb, {t} an entity type.
PICKS = (  # stand for the thing itself, so they fill the {x} of `Relation.asks`
    "the {adj} one of {a} and {b}",
    "the one of {a} and {b} that {v} {adv}",
    "whichever of {a} and {b} {v} {end}",
)
WHICH = (  # whole questions: which of the two is it?
    "Which {t} {v} {adv}, {a} or {b}?",
    "Which {t} is the {adj} one, {a} or {b}?",
    "Of {a} and {b}, which {t} {v} {end}?",
)
APART = (  # whole questions; {a} and {b} stand for years ("the founding year of {x}")
    "How many years lie between {a} and {b}?",
    "By how many years do {a} and {b} differ?",
    "How far apart in years are {a} and {b}?",
)


def worded(form: str, relation: Relation, wanted: str) -> str:
    """A form of `PICKS` or `WHICH` with all words but {a} and {b} filled in.

    Args:
        form: one of the forms.
        relation: one of `COMPARED`.
        wanted: "lower" or "higher".

    >>> from pocketweb.grammar import BY_KEY
    >>> worded(PICKS[1], BY_KEY["city.founded"], "lower")
    'the one of {a} and {b} that was founded earlier'
    """
    adjective, adverb, end = WORDS[wanted]
    verb = VERBS[relation.key]
    return form.format(adj=adjective, adv=adverb, end=end, v=verb, t=relation.subject, a="{a}", b="{b}")
