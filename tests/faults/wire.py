"""Connections to an engine: through the gateway (HTTP) or on its request socket (JSON text)."""

import json
import socket


class Disconnected(Exception):
    """The connection ended before the answer."""


class Connection:
    """One connection; a call waits for its answer."""

    def __init__(self, address, timeout=120):
        self.is_http = isinstance(address, tuple)
        self.socket = socket.socket(socket.AF_INET if self.is_http else socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.received = bytearray()
        try:
            self.socket.connect(address)
        except OSError as error:
            self.close()
            raise Disconnected(f"connect: {error}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def call(self, method, **params):
        return self.post(request(method, params))

    def post(self, body):
        """Sends a request or a batch, bytes. Returns the answer."""
        return json.loads(self.exchange(body))

    def exchange(self, body):
        """As `post`, but returns the answer's text, bytes."""
        try:
            if self.is_http:
                self.socket.sendall(HEAD % len(body) + body)
                return self._http()
            self.socket.sendall(body + b"\n")
            return self._until(b"\n")
        except (OSError, ValueError) as error:
            raise Disconnected(f"{type(error).__name__}: {error}") from error

    def _http(self):
        head = self._until(b"\r\n\r\n").lower()
        status = int(head.split(None, 2)[1])
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.received) < length:
            self._receive()
        if status != 200:
            raise Disconnected(f"the gateway answers {status}")
        return self._take(length)

    def _until(self, end):
        searched = 0
        while (at := self.received.find(end, searched)) < 0:
            searched = max(0, len(self.received) - len(end) + 1)
            self._receive()
        found = self._take(at + len(end))
        return found[:at]

    def _take(self, count):
        found = bytes(self.received[:count])
        del self.received[:count]
        return found

    def _receive(self):
        part = self.socket.recv(1 << 18)
        if not part:
            raise Disconnected("the connection was closed")
        self.received += part


def request(method, params, number=1):
    return json.dumps(
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    ).encode()


def batch(method, each):
    """A batch of one method with these parameters."""
    return b"[" + b",".join(request(method, params, n) for n, params in enumerate(each)) + b"]"


def error_of(answer):
    """The name of an answer's error, or None."""
    error = answer.get("error")
    return error and (error.get("data") or {}).get("name", str(error.get("code")))


def pause_of(answer):
    """Seconds to wait before an OVERLOADED request is sent again."""
    return (answer["error"].get("data") or {}).get("retryAfterMs", 50) / 1000


HEAD = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
