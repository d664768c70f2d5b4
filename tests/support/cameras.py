"""A network camera: JPEG pictures over HTTP, as simple ones send them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def camera(picture: Path, count: int, stalls: bool = False) -> Iterator[str]:
    """Its address. After `count` pictures it hangs up, or falls silent without doing so, as a pulled cable does."""
    data = picture.read_bytes()
    part = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n"
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for _ in range(count):
                self.wfile.write(part)
            self.wfile.write(part[: len(part) // 2])  # it goes in the middle of one
            if stalls:
                over.wait()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/camera.mjpg"
        finally:
            over.set()
            server.shutdown()
