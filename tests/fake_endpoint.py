"""A small HTTP server in the place of an endpoint, for tests: it answers, refuses or stumbles by plan."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(finish="stop", usage=(7, 3), **message):
    """A chat completion as an endpoint sends it."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}})


GOOD = (200, {}, completion(content="hi"))


class Server:
    """Sends the planned `(status, headers, body)` one after the other, the last one for ever; use it in a `with`.
    A function in its place makes it from the request.

    `seen` and `headers` hold what arrived, `asked` counts equal requests, `most` is the largest number at once; an
    answer takes `delay` seconds.
    """

    def __init__(self, *plan, delay=0.0):
        self.plan, self.delay, self.seen, self.headers = list(plan), delay, [], []
        self.now = self.most = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer._arrived(body, self.headers)
                time.sleep(outer.delay)
                planned = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                status, headers, text = planned(body) if callable(planned) else planned
                with outer._lock:
                    outer.now -= 1
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def handle(self):
                try:
                    super().handle()
                except ConnectionError:
                    pass  # a client that was killed

            def log_message(self, *_):
                pass

        class Http(ThreadingHTTPServer):
            request_queue_size = 128
            disable_nagle_algorithm = True

        self.http = Http(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _arrived(self, body, headers):
        with self._lock:
            self.seen.append(body)
            self.headers.append(dict(headers))
            self.now += 1
            self.most = max(self.most, self.now)

    @property
    def asked(self):
        return Counter(json.dumps(body, sort_keys=True) for body in list(self.seen))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
