"""Licences in the spellings of the web; what is not understood is not allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.web.redistribute import REDISTRIBUTABLE, licence_id

KNOWN = [
    ("CC0-1.0", "CC0-1.0"),
    ("mit", "MIT"),
    (" Apache-2.0\n", "Apache-2.0"),
    ("GPL-3.0", "GPL-3.0"),
    ("LGPL-2.1-or-later", "LGPL-2.1-or-later"),
    ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
    ("http://creativecommons.org/licenses/by/2.5", "CC-BY-2.5"),
    ("//creativecommons.org/licenses/by-sa/3.0/de/deed.de", "CC-BY-SA-3.0"),
    ("HTTPS://WWW.CreativeCommons.org/licenses/BY/4.0/legalcode", "CC-BY-4.0"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
    ("http://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
    ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
    ("CC BY 4.0 International", "CC-BY-4.0"),
    ("Creative Commons Attribution-ShareAlike 3.0 Unported License", "CC-BY-SA-3.0"),
    ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
    ("https://opensource.org/licenses/MIT", "MIT"),
    ("the MIT License", "MIT"),
    ("CC0 1.0", "CC0-1.0"),
    ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
    ("http://www.apache.org/licenses/LICENSE-2.0.html", "Apache-2.0"),
    ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3"),
]
UNKNOWN = [
    "",
    "All rights reserved",
    "CC BY-NC 4.0",
    "CC BY-ND 4.0",
    "CC-BY-NC-SA-4.0",
    "CC BY-SA",
    "CC BY 9.0",
    "CC BY 1.5",
    "NOASSERTION",
    "other",
    "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "https://creativecommons.org/licenses/by-nd/4.0/",
    "https://creativecommons.org/licenses/by/1.5/",
    "https://creativecommons.org/",
    "not CC BY 4.0",
    "CC BY 4.0 except images",
    "https://creativecommons.org.evil.test/licenses/by/4.0/",
    "https://evil.test/?creativecommons.org/licenses/by/4.0/",
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "https://creativecommons.org/licenses/by/4.0/ (text only, ask us)",
]


@pytest.mark.parametrize("stated, wanted", KNOWN)
def test_known_licences(stated, wanted):
    assert licence_id(stated) == wanted


@pytest.mark.parametrize("stated", UNKNOWN)
def test_everything_else_is_not_allowed(stated):
    assert licence_id(stated) == ""


def test_every_identifier_of_the_table_stands_for_itself():
    assert all(licence_id(name) == licence_id(name.lower()) == name for name in REDISTRIBUTABLE)
    assert not any("NC" in name or "-ND" in name for name in REDISTRIBUTABLE)


@given(st.text(max_size=60))
def test_any_text_gives_an_identifier_of_the_table_or_nothing(text):
    assert licence_id(text) in REDISTRIBUTABLE | {""}
