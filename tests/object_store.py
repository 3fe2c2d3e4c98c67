"""A server of S3 in this process, which fails as it is told to."""

from __future__ import annotations

import threading
from contextlib import contextmanager

KEY, SECRET, BUCKET = "right", "secret", "bucket"
ERRORS = {
    "throttled": (503, "SlowDown", "Please reduce your request rate."),
    "too many": (429, "TooManyRequests", "Slow down."),
    "broken": (500, "InternalError", "We encountered an internal error."),
    "conflict": (409, "ConditionalRequestConflict", "A conflicting operation occurred."),
    "refused": (403, "InvalidAccessKeyId", "The key you provided does not exist in our records."),
}


class FaultyStore:
    """The server of moto; a fault is chosen for each request.

    Attributes
    ----------
    choose : callable
        From the method and the path of a request to None, a key of `ERRORS`, "dropped" (the
        connection is closed before the request is read), "half" (after half of its content) or
        "lost" (when it is done, before the reply).
    requests : list of (str, str)
        Method and path.
    """

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.app = DomainDispatcherApplication(create_backend_app)
        self.choose, self.requests, self.lock = lambda method, path: None, [], threading.Lock()

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self.lock:
            self.requests.append((method, path))
            fault = self.choose(method, path)
        if f"Credential={KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            fault = "refused"
        if fault is None:
            return self.app(environ, start_response)
        if fault in ERRORS:
            return _answer(environ, start_response, *ERRORS[fault])
        if fault == "half":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
        if fault == "lost":
            list(self.app(environ, lambda *_: None))
        environ["werkzeug.socket"].shutdown(2)
        raise ConnectionError("closed by the test")

    @contextmanager
    def failing(self, choose):
        """Fail within a block as a function chooses."""
        before, self.choose = self.choose, choose
        try:
            yield
        finally:
            self.choose = before

    @contextmanager
    def served(self):
        """Serve on a free port, and yield the options of s3fs."""
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_):
                pass

            def log_error(self, *_):
                pass

        server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Quiet)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield {"endpoint_url": endpoint, "key": KEY, "secret": SECRET}
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def every(n, *faults):
    """Let each n-th request fail, in turn by each of the faults."""
    count = 0

    def choose(method, path):
        nonlocal count
        count += 1
        return faults[count // n % len(faults)] if count % n == 0 else None

    return choose


def _answer(environ, start_response, status, code, message):
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {code}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
