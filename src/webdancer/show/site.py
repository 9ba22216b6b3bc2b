"""The results site of a profile: `python -m webdancer.show.site PROFILE` writes `results/<profile>/site/`.

In: executed notebooks, markers, figures and artifacts of a profile, as far as they are there. Out: a folder of pages
that open from the file system, with no server and no network: overview, notebooks, figures with their data, and an
explorer of all episodes. What is missing is named on the page and in the terminal. `make site` calls it; notebooks do
not. Not in the paper.
"""

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from webdancer.core.record import atomic_path, repo_root
from webdancer.show import site_data, site_notebooks, site_overview, site_pages
from webdancer.tables import title

FILES = Path(__file__).with_name("site_files")
SCRIPTS = ("episode.js", "explorer.js")


class SiteError(RuntimeError):
    """No site can be built; the message says why and what to do."""


def build(profile: str) -> tuple[Path, list[str]]:
    """Write the site of a profile in the place of an older one.

    Returns: the folder, and a sentence for everything that was missing.
    Raises:
        SiteError: there are no results of the profile.
        ValueError: a file of the results cannot be read; the message names it.
    """
    results = repo_root() / "results" / profile
    if not re.fullmatch(r"[A-Za-z0-9_-]+", profile) or not results.is_dir():
        have = ", ".join(sorted(p.parent.name for p in (repo_root() / "results").glob("*/01_crawl.json"))) or "none"
        raise SiteError(
            f"no results of the profile {profile!r} (there are: {have}): run `make reproduce PROFILE={profile}`"
        )
    found = markers(results)
    with atomic_path(results / "site") as folder:
        folder.mkdir()
        for file in FILES.iterdir():
            if file.suffix in (".css", ".js"):
                shutil.copyfile(file, folder / file.name)
        (folder / "figures").mkdir()
        for file in sorted((results / "figures").glob("[0-9]*.*")):
            shutil.copyfile(file, folder / "figures" / file.name)
        names, notes = _notebooks(results, folder, profile)
        _save(folder, "index.html", "Overview", site_overview.body(profile, found, results / "figures", names), profile)
        _save(folder, "figures.html", "Figures", site_pages.figures(results / "figures", names), profile)
        notes += _explorer(results / "artifacts", folder, profile, site_overview.stand_in(found))
    return results / "site", notes


def markers(results: Path) -> dict[str, dict[str, Any]]:
    """The markers of a profile by notebook name, in order.

    Raises:
        ValueError: a marker cannot be read.
    """
    found = {}
    for path in sorted(results.glob("[0-9][0-9]_*.json")):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path.name} is not JSON ({error}): run {path.stem} again") from error
    return found


def _save(folder: Path, name: str, heading: str, body: str, profile: str, **more: Any) -> None:
    text = site_pages.page(heading, body, profile=profile, **{"here": name, **more})
    (folder / name).write_text(text, encoding="utf-8", errors="replace")


def _notebooks(results: Path, folder: Path, profile: str) -> tuple[list[str], list[str]]:
    """A page for each executed notebook and one that lists them; returns their names and what is missing."""
    paths = sorted(p for p in results.glob("[0-9][0-9]_*.ipynb") if "." not in p.stem)
    (folder / "notebooks").mkdir()
    names, rows = [p.stem for p in paths], []
    for i, path in enumerate(paths):
        heading = title(path)
        rows.append(f'<li><a href="notebooks/{path.stem}.html">{escape(path.stem)}</a>: {escape(heading)}</li>')
        around = _around(names, i)
        body = f"{site_notebooks.body(path)}{around}"
        _save(folder, f"notebooks/{path.stem}.html", path.stem, body, profile, up="../", here="notebooks.html")
    lacks = sorted({p.stem for p in (repo_root() / "notebooks").glob("[0-9][0-9]_*.ipynb")} - set(names))
    command = f"python -m webdancer.run {profile}"
    notes = [
        f"{name} was not run for this profile: `{command}` runs it, if params/{profile} has a file for it."
        for name in lacks
    ]
    says = "<p>As they ran, with all their outputs. Parameters and long outputs are folded.</p>"
    body = f"<h1>Notebooks</h1>{says}<ol>{''.join(rows)}</ol>{site_pages.note(notes)}"
    _save(folder, "notebooks.html", "Notebooks", body, profile)
    return names, notes


def _around(names: Sequence[str], i: int) -> str:
    """Links to the notebook before and after."""
    before = f'<a href="{names[i - 1]}.html">&larr; {names[i - 1]}</a>' if i else "<span></span>"
    after = f'<a href="{names[i + 1]}.html">{names[i + 1]} &rarr;</a>' if i + 1 < len(names) else "<span></span>"
    return f'<nav class="pages" aria-label="Notebooks">{before}{after}</nav>'


def _explorer(artifacts: Path, folder: Path, profile: str, stand_in: bool) -> list[str]:
    """The explorer with its data; without any episode a page that says what makes them. Returns what is missing."""
    shown, notes = site_data.collect(artifacts, stand_in)
    if not shown:
        command = f"`make reproduce PROFILE={profile}`"
        says = [*notes, f"The episodes are not kept in the repository: {command} makes them, then `make site` again."]
        _save(folder, "explorer.html", "Explorer", f"<h1>Explorer</h1>{site_pages.note(says)}", profile)
        return notes
    site_data.write(shown, site_data.questions(artifacts), folder / "data")
    body = (
        (FILES / "explorer.html")
        .read_text(encoding="utf-8")
        .replace("<!-- notes -->", site_pages.note([*notes, *([site_overview.STAND_IN.strip()] if stand_in else [])]))
    )
    _save(folder, "explorer.html", "Explorer", body, profile, scripts=SCRIPTS)
    return notes


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0, or 2 when there is nothing to show."""
    parser = argparse.ArgumentParser(
        prog="python -m webdancer.show.site", description="Build the results site of a profile."
    )
    parser.add_argument("profile", help="a folder in results/, such as laptop")
    began = time.monotonic()
    try:
        folder, notes = build(parser.parse_args(arguments).profile)
    except (SiteError, ValueError) as error:
        print(f"No site was written. {error}", file=sys.stderr)
        return 2
    for line in notes:
        print(line)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
    took = f"{size:.1f} MB, {time.monotonic() - began:.0f} s"
    print(f"{folder.relative_to(repo_root())}/index.html: open it in a browser ({took})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
