"""Links that a crawl adds: from an encyclopedia's article to every page of another site that it names by its title.

Part of 01_crawl, used by `crawl_result`. In: the titles of a crawl and a text. Out: addresses. Not in the paper:
wikipedia-api hands out links between articles only, and without these no path would leave the encyclopedia.
"""

import re
import sqlite3

BITS = 1 << 24


class Mentions:
    """The titles to look for: of two words or more (a hyphen counts), and borne by one page alone.

    Titles lie in the database; in memory is only a field of 2 MiB in which each title sets a bit. Most runs of words
    meet no bit and are asked no further, so a look costs the same for ten titles and for a million.

    Args:
        db: holds the table `page` with `title, url, source`; a table `mention` is added.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._field = bytearray(BITS // 8)
        self._longest = 0
        db.execute("CREATE TABLE mention (title TEXT PRIMARY KEY, url TEXT) WITHOUT ROWID")
        sql = "SELECT title, min(url) FROM page GROUP BY title HAVING count(*) = 1 AND min(source) <> 'wikipedia'"
        for title, url in db.execute(sql):
            if re.search(r"\w[ -]\w", title):
                db.execute("INSERT INTO mention VALUES (?, ?)", (title, url))
                bit = hash(title) % BITS
                self._field[bit >> 3] |= 1 << (bit & 7)
                self._longest = max(self._longest, len(title.split()))

    def of(self, text: str) -> list[str]:
        """Addresses of the titles that occur in a text as runs of whole words, longest title first at each place."""
        if not self._longest:
            return []
        found, words = [], [w.strip(".,;:!?()\"'") for w in text.split()]
        at = 0
        while at < len(words):
            for size in range(min(self._longest, len(words) - at), 0, -1):
                url = self._url(" ".join(words[at : at + size]))
                if url:
                    found.append(url)
                    at += size - 1
                    break
            at += 1
        return found

    def _url(self, title: str) -> str:
        bit = hash(title) % BITS
        if not self._field[bit >> 3] & 1 << (bit & 7):
            return ""
        row = self._db.execute("SELECT url FROM mention WHERE title = ?", (title,)).fetchone()
        return row[0] if row else ""
