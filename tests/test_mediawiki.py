"""A real MediaWiki (Debian's package on sqlite, German) crawled by the `wikipedia` source: text, links, redirects."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from webdancer.sources_wiki import wikipedia

CODE = Path("/usr/share/mediawiki")
HOST = "wiki.beispiel.test"
API = f"http://{HOST}/api.php"
HOME = f"http://{HOST}/index.php/"
RIGHTS = "https://creativecommons.org/licenses/by-sa/4.0/"
PAGES = {
    "Kestin": "Kestin ist eine Stadt am [[Blauer See|blauen See]].\n\n== Geschichte ==\n"
    "Bürgermeisterin ist [[Tal Veron]]. Siehe [[Hilfe:Orte]].\n\n[[Kategorie:Orte]]\n",
    "Stadt Kestin": "#WEITERLEITUNG [[Kestin]]\n",
    "Tal Veron": "Tal Veron lebt in [[Stadt Kestin]].\n\n{| class=wikitable\n! Jahr !! Amt\n|-\n| 1901 || Rat\n|}\n",
    "Blauer See": "Der Blaue See liegt bei [[Kestin]]. Mehr in [[Nirgendwo]].\n\n[[Kategorie:Orte]]\n",
    "Ågot & Söhne": "Ågot & Söhne ist eine Werft am [[Blauer See]].\n",
    "Liste": " ".join(f"[[Ort {k}]]" for k in range(601)) + " sind Orte.\n",
}


def php(script: str, *arguments: str, settings: Path | None = None) -> None:
    """Run one of MediaWiki's maintenance scripts."""
    env = os.environ | ({"MW_CONFIG_FILE": str(settings)} if settings else {})
    command = ["php", str(CODE / "maintenance" / f"{script}.php"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def reason_to_skip() -> str:
    """Why there is no wiki to be started here; empty if there is one."""
    if not (CODE / "maintenance" / "install.php").is_file() or not shutil.which("php"):
        return "no MediaWiki here: apt-get install mediawiki php-cli php-sqlite3"
    modules = subprocess.run(["php", "-m"], capture_output=True, text=True).stdout
    return "" if "pdo_sqlite" in modules else "php has no sqlite here: apt-get install php-sqlite3"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Install a wiki in a temporary folder, give it pages, serve it with php; `hosts` to reach it."""
    if why := reason_to_skip():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("wiki")
    place = ["--dbtype", "sqlite", "--dbname", "wiki", "--dbpath", str(folder / "db"), "--confpath", str(folder)]
    address = ["--server", f"http://{HOST}", "--scriptpath", "", "--lang", "de"]
    php("install", *place, *address, "--pass", "a-Long-passphrase", "Beispiel", "Verwalter")
    settings = folder / "LocalSettings.php"
    with settings.open("a") as file:
        file.write(f"wfLoadExtension( 'TextExtracts' );\n$wgRightsUrl = '{RIGHTS}';\n")
    for title, text in PAGES.items():
        (folder / f"{title}.txt").write_text(text)
    php("importTextFiles", *(str(folder / f"{title}.txt") for title in PAGES), settings=settings)
    with socket.create_server(("127.0.0.1", 0)) as free:
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = ["php", "-S", base.removeprefix("http://"), "-t", str(CODE)]
    env = os.environ | {"MW_CONFIG_FILE": str(settings)}
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(base)
        yield {HOST: base}
    finally:
        server.terminate()
        server.wait(10)


def wait_for(base: str) -> None:
    """Until the server answers; at most half a minute."""
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{base}/api.php?action=query&format=json", timeout=10)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("php's server did not start")


def crawl(hosts, *roots, depth=0, limit=100):
    return list(wikipedia(API, roots, hosts, limit, depth, 2, 0.0))


def test_text_links_language_and_licence_of_a_page(hosts):
    (found,) = crawl(hosts, "Kestin")
    assert (found.url, found.page.title, found.reason) == (f"{HOME}Kestin", "Kestin", "")
    assert (
        found.page.text
        == "Kestin ist eine Stadt am blauen See.\nGeschichte\nBürgermeisterin ist Tal Veron. Siehe Hilfe:Orte."
    )
    assert found.page.links == (f"{HOME}Blauer_See", f"{HOME}Tal_Veron")  # articles only: no help, no category
    assert found.page.licence == RIGHTS
    assert found.page.language == "de"


def test_a_redirect_is_stored_under_its_target(hosts):
    (found,) = crawl(hosts, "Stadt Kestin")
    assert (found.url, found.asked) == (f"{HOME}Kestin", f"{HOME}Stadt_Kestin")


def test_a_category_by_its_english_and_by_its_own_name(hosts):
    for name in ("Category:Orte", "Kategorie:Orte"):
        assert sorted(f.page.title for f in crawl(hosts, name)) == ["Blauer See", "Kestin"]
    (found,) = crawl(hosts, "Kategorie:Nichts")
    assert (found.reason, found.url) == ("category without pages", f"{HOME}Kategorie:Nichts")


def test_a_walk_reaches_what_is_linked_and_names_what_is_missing(hosts):
    found = {f.asked: f for f in crawl(hosts, "Ågot & Söhne", depth=9)}
    titles = [f.page.title for f in found.values() if not f.reason]
    assert titles == ["Ågot & Söhne", "Blauer See", "Kestin", "Tal Veron", "Kestin"]  # the last by its other name
    assert [f.page.title for f in found.values() if f.reason == "missing"] == ["Nirgendwo"]
    assert f"{HOME}%C3%85got_%26_S%C3%B6hne" in found


def test_more_links_than_one_answer_holds(hosts):
    (found,) = crawl(hosts, "Liste")
    assert len(found.page.links) == 601 and f"{HOME}Ort_600" in found.page.links
