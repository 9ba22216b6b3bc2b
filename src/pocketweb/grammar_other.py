"""Questions in other forms: the words that every question is made of, in an order that only one author uses.

Beside `grammar`, and like it grammar without knowledge. The author stand-in `pocket-author-other` writes with these
forms and with no other, `reading` reads them, so that a set of questions can be made whose forms nobody was trained on
while its words, its facts and its pages stay the usual ones. They are made by rule from the labels and types of the
relations, because only the form is to be new: no word here is missing from the usual pages and questions. `comparison`
and `difference` have no other forms.
"""

from dataclasses import replace

from pocketweb.grammar import RELATIONS, TYPES, Relation


def _otherwise(relation: Relation) -> Relation:
    """The relation with other words for questions; its sentences on pages stay."""
    label = relation.label
    if relation.many:
        counts = (f"For {{x}}, how many {label} are listed?", f"Give how many {label} of {{x}} are listed.")
        return replace(relation, clause=f"belongs to the {label} of {{x}}", asks=counts)
    kind = relation.object if relation.object in TYPES else "year"
    who = "who" if kind == "person" else "what"
    return replace(
        relation,
        phrase=f"the {kind} listed as {label} of {{x}}",
        clause=f"the {label} that belongs to {{x}}",
        asks=(f"Which {kind} is listed as {label} of {{x}}?", f"For {{x}}, {who} is the {label}?"),
    )


OTHER = tuple(map(_otherwise, RELATIONS))

INTERSECTION_ASKS = (
    "Give the {t} that {a} and {b}.",  # {t} an entity type, {a} and {b} clauses of two list relations
    "What {t} {a} and {b}?",
)
