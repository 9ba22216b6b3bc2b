"""The jobs at a host's door."""

from webdancer.web.line import ROBOTS, SITEMAP, Job, Line
from webdancer.web.politeness import Rules


def test_what_is_urgent():
    line = Line("a.test", True)
    later, sooner, site_map = Job(1, "http://a.test/1"), Job(2, "http://a.test/2"), Job(SITEMAP, "http://a.test/m")
    line.retry(later, 20.0)
    line.retry(sooner, 10.0)
    line.maps.append(site_map)
    assert [line.urgent(5.0), line.urgent(15.0), line.urgent(15.0), line.urgent(25.0)] == [
        site_map,
        sooner,
        None,
        later,
    ]


def test_robots_txt_is_asked_for_once_and_what_waits_for_it_goes_on():
    line = Line("a.test", True)
    first, second, other = (
        Job(n, url) for n, url in enumerate(("http://a.test/1", "http://a.test/2", "https://a.test/"), 1)
    )
    assert line.first_robots(first) == Job(ROBOTS, "http://a.test/robots.txt")
    assert line.first_robots(second) is None
    assert line.first_robots(other) == Job(ROBOTS, "https://a.test/robots.txt")
    line.learn("http://a.test", Rules())
    assert {line.urgent(1.0).id for _ in range(3)} == {1, 2, 3} and line.parked == []
    assert line.first_robots(other) is None  # still on its way
