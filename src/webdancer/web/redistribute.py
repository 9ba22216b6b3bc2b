"""Which stored texts may be passed on: the licence of a page as one identifier, and the table of those that allow it.

Used by `snapshot`. In: a licence as a page, a wiki or GitHub states it (an SPDX identifier, a URL, a name). Out: an
SPDX identifier, or "" for everything that is not in the table. What is not understood counts as not allowed.
"""

import re

CREATIVE = tuple(f"CC-{kind}-{v}" for kind in ("BY", "BY-SA") for v in ("1.0", "2.0", "2.5", "3.0", "4.0"))
PUBLIC = ("CC0-1.0", "CC-PDDC", "CC-PDM-1.0", "PDDL-1.0", "Unlicense", "0BSD", "MIT-0")
OPEN_DATA = ("ODC-By-1.0", "ODbL-1.0", "OGL-UK-3.0")
# GitHub gives the GNU licences without -only and -or-later, as SPDX did before.
GNU = tuple(
    f"{name}{end}"
    for name in ("GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", "GFDL-1.2", "GFDL-1.3")
    for end in ("", "-only", "-or-later")
)
SOFTWARE = ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "EPL-2.0", "Zlib", *GNU)
# All allow anyone to copy the text, if the author (and the licence) is named. Not among them: NonCommercial, because
# nobody knows what a reader of a data set will do with it, and NoDerivatives, because cleaned text is an adaptation.
REDISTRIBUTABLE = frozenset((*PUBLIC, *CREATIVE, *OPEN_DATA, *SOFTWARE))

_KNOWN = {name.casefold(): name for name in REDISTRIBUTABLE}
_CC_URL = re.compile(
    r"(?:https?:)?//(?:www\.)?creativecommons\.org/licenses/(by(?:-sa)?)/([1-4]\.[05])(?:/[^\s]*)?", re.I
)
_ZERO_URL = re.compile(r"(?:https?:)?//(?:www\.)?creativecommons\.org/publicdomain/(zero|mark)/1\.0(?:/[^\s]*)?", re.I)
_CC_NAME = re.compile(
    r"(?:creative commons |cc[ -])(?P<by>attribution|by)(?P<sa>[ -](?:share[ -]?alike|sa))? (?P<version>[1-4]\.[05])"
    r"(?: international| unported| generic)?(?: public)?(?: licen[cs]e| deed)?"
)
_SPELLED = {  # names, and addresses without scheme and ending
    "mit license": "MIT",
    "the mit license": "MIT",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "cc0": "CC0-1.0",
    "cc0 1.0": "CC0-1.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/3": "OGL-UK-3.0",
    "opensource.org/licenses/mit": "MIT",
    "opensource.org/license/mit": "MIT",
    "opensource.org/licenses/apache-2.0": "Apache-2.0",
    "apache.org/licenses/license-2.0": "Apache-2.0",
    "gnu.org/licenses/gpl-3.0": "GPL-3.0",
    "gnu.org/licenses/fdl-1.3": "GFDL-1.3",
    "gnu.org/copyleft/fdl": "GFDL-1.3",
    "opendatacommons.org/licenses/odbl/1-0": "ODbL-1.0",
    "opendatacommons.org/licenses/by/1-0": "ODC-By-1.0",
    "opendatacommons.org/licenses/pddl/1-0": "PDDL-1.0",
}


def licence_id(stated: str) -> str:
    """The SPDX identifier of a licence that allows to pass the text on, or "" for any other.

    >>> licence_id("https://creativecommons.org/licenses/by-sa/4.0/deed.en"), licence_id("apache-2.0")
    ('CC-BY-SA-4.0', 'Apache-2.0')
    >>> licence_id("CC BY-NC 4.0"), licence_id("All rights reserved; unlike CC BY 4.0")
    ('', '')
    """
    text = " ".join(stated.split())[:300]
    if text.casefold() in _KNOWN:
        return _KNOWN[text.casefold()]
    if found := _CC_URL.fullmatch(text):
        name = f"CC-{found[1].upper()}-{found[2]}"
        return name if name in REDISTRIBUTABLE else ""
    if found := _ZERO_URL.fullmatch(text):
        return "CC0-1.0" if found[1].lower() == "zero" else "CC-PDM-1.0"
    if found := _CC_NAME.fullmatch(text.casefold()):
        name = f"CC-BY{'-SA' if found['sa'] else ''}-{found['version']}"
        return name if name in REDISTRIBUTABLE else ""
    page = re.sub(r"^(?:https?:)?//(?:www\.)?|\.(?:html|txt|php)$|/$", "", text.casefold())
    return _SPELLED.get(page, "")
