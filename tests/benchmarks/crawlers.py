"""What `bench_crawl` measures, each run in a process of its own: our crawler, Scrapy, and the path of notebook 01.

    python tests/benchmarks/crawlers.py ours     '{"hosts": {...}, "limit": 1000, "parsers": 2}' out.jsonl
    python tests/benchmarks/crawlers.py scrapy   '{"hosts": {...}, "limit": 1000}' out.jsonl
    python tests/benchmarks/crawlers.py notebook '{"hosts": {...}, "others": {...}, "limit": 1000}' out.jsonl

The two crawlers start from the sitemaps and front pages of the sites, obey robots.txt, follow links on the sites'
hosts, clean every page with `webdancer.web.text.clean`, and write what they keep to a JSONL file. They print one line
of JSON: pages, seconds (from the first request to the closed file) and the peak memory of the process in MiB.

`notebook` does what the cells of 01_crawl do, one after the other: all four sites through their own clients into a
file, a second web without the pages of the first, snapshot, tables, figures, index and searches.
"""

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webdancer.core import machine
from webdancer.core.schema import write_jsonl


def ours(options: dict[str, Any], out: Path) -> tuple[int, float]:
    """Crawl with `webdancer.web.spider`; the store on disk is part of the job."""
    from webdancer import crawl
    from webdancer.web.store import Store

    hosts = options["hosts"]
    roots = tuple(f"http://{host}/" for host in hosts)
    plan = crawl.Plan(web_roots=roots, limit=options["limit"], parsers=options["parsers"])
    with Store(out.with_suffix(".sqlite")) as store:
        started = time.perf_counter()
        asyncio.run(crawl.spider(plan, hosts, store, "2026-01-01").run())
        pages = write_jsonl(out, crawl.stored_pages(store))
        return pages, time.perf_counter() - started


def scrapy(options: dict[str, Any], out: Path) -> tuple[int, float]:
    """Crawl with Scrapy: one process, its own settings but for logs and the number of requests at once."""
    import scrapy as lib
    from scrapy.crawler import CrawlerProcess
    from scrapy.utils.sitemap import Sitemap

    from webdancer.web.text import block_reason, clean

    hosts: dict[str, str] = options["hosts"]
    count = 0

    def real(url: str) -> str:
        parts = urlsplit(url)
        return hosts[parts.netloc] + url.partition(parts.netloc)[2]

    def name(url: str) -> str:
        """The address that the page is stored under."""
        return next((f"http://{h}{url.removeprefix(b)}" for h, b in hosts.items() if url.startswith(b)), url)

    class Spider(lib.Spider):
        """Fetch, clean, follow."""

        name = "pocket"

        async def start(self) -> Any:
            for host in hosts:
                yield lib.Request(real(f"http://{host}/"), self.parse)
                yield lib.Request(real(f"http://{host}/sitemap.xml"), self.sitemap)

        def sitemap(self, response: Any) -> Any:
            for entry in Sitemap(response.body):
                yield lib.Request(real(entry["loc"]), self.parse)

        def parse(self, response: Any) -> Any:
            nonlocal count
            url = name(response.url)
            page = clean(response.text, url)
            for link in page.links:
                if urlsplit(link).netloc in hosts and "/drafts/" not in link:  # robots.txt stands at another address
                    yield lib.Request(real(link), self.parse)
            if not block_reason(page.title, page.text, link_share=page.link_share) and count < options["limit"]:
                count += 1
                yield {"url": url, "title": page.title, "text": page.text, "links": page.links, "date": page.date}

    settings = {
        "LOG_ENABLED": False,
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": 16,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
        "DOWNLOAD_DELAY": 0,
        "TELNETCONSOLE_ENABLED": False,
        "CLOSESPIDER_ITEMCOUNT": options["limit"],
        "FEEDS": {str(out): {"format": "jsonlines", "overwrite": True}},
    }
    process = CrawlerProcess(settings, install_root_handler=False)
    process.crawl(Spider)
    started = time.perf_counter()
    process.start()
    return count, time.perf_counter() - started


def notebook(options: dict[str, Any], out: Path) -> tuple[int, float, dict[str, int]]:
    """The path of 01_crawl with its own parameters but for the limit; also the memory before the index is built."""
    from webdancer import crawl
    from webdancer.core import params
    from webdancer.show import plots
    from webdancer.web import snapshot
    from webdancer.web.search import SearchIndex
    from webdancer.web.text import clean

    # A long list of links loads 40 MiB of trafilatura that a small web may never need: here at once, in every size.
    clean(
        "<ul>" + "".join(f'<li><a href="/{n}">Name {n} Gala</a></li>' for n in range(900)) + "</ul>", "http://a.test/"
    )
    started = time.perf_counter()
    values = params.defaults("01_crawl") | {"limit": options["limit"]}
    plan, _ = crawl.plans(values)
    quiet = {"day": "2026-01-01", "progress": False}
    train = crawl.gather(plan, options["hosts"], out, store=out.with_suffix(".sqlite"), **quiet)
    heldout = crawl.gather(plan, options["others"], out.with_name("other.jsonl"), exclude=[train], **quiet)
    snapshot.export(train, out.with_name("snapshot"))
    crawl.source_table(train), crawl.drop_table([train, heldout]), crawl.shared_titles(heldout, [train])
    table, counts = crawl.links_in(train), [crawl.metrics(web) for web in (train, heldout)]
    values_in = table["links_in"].repeat(table["pages"]).tolist()
    plots.histogram(values_in, title="links", xlabel="links", ylabel="pages").savefig(out.with_suffix(".png"))
    near, groups = crawl.neighbourhood(train, crawl.most_linked(train))
    plots.link_graph(near, groups, title="links").savefig(out.with_suffix(".png"))
    before = machine.peak_memory_mib()
    first = itertools.islice(train, values["index_pages"])
    index = SearchIndex.build(first, snippet_words=20, folder=out.with_name("index"))
    found = sum(index.search(page.title, 1)[0].url == page.url for page in index.pages)
    assert found > 0.9 * len(index) and counts[1]["pages"] > 100
    return len(train), time.perf_counter() - started, {"peak_before_index_mib": before}


def main() -> None:
    """Run one of them and print what it did."""
    which, options, out = sys.argv[1:]
    work = {"ours": ours, "scrapy": scrapy, "notebook": notebook}[which]
    pages, seconds, *more = work(json.loads(options), Path(out))
    found = {"pages": pages, "seconds": seconds, "peak_memory_mib": machine.peak_memory_mib()}
    print(json.dumps(found | (more[0] if more else {})))


if __name__ == "__main__":
    main()
