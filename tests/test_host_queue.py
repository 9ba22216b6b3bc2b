"""The jobs at a host's door."""

from webdancer.web.host_queue import ROBOTS, SITEMAP, HostQueue, Job
from webdancer.web.politeness import Rules


def test_what_is_urgent():
    queue = HostQueue("a.test", True)
    later, sooner, site_map = Job(1, "http://a.test/1"), Job(2, "http://a.test/2"), Job(SITEMAP, "http://a.test/m")
    queue.retry(later, 20.0)
    queue.retry(sooner, 10.0)
    queue.maps.append(site_map)
    assert [queue.urgent(5.0), queue.urgent(15.0), queue.urgent(15.0), queue.urgent(25.0)] == [
        site_map,
        sooner,
        None,
        later,
    ]


def test_robots_txt_is_asked_for_once_and_what_waits_for_it_goes_on():
    queue = HostQueue("a.test", True)
    first, second, other = (
        Job(n, url) for n, url in enumerate(("http://a.test/1", "http://a.test/2", "https://a.test/"), 1)
    )
    assert queue.first_robots(first) == Job(ROBOTS, "http://a.test/robots.txt")
    assert queue.first_robots(second) is None
    assert queue.first_robots(other) == Job(ROBOTS, "https://a.test/robots.txt")
    queue.learn("http://a.test", Rules())
    assert {queue.urgent(1.0).id for _ in range(3)} == {1, 2, 3} and queue.parked == []
    assert queue.first_robots(other) is None  # still on its way
