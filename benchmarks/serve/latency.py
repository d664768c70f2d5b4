"""What `mtcnn serve` takes to answer, by the number of clients that ask at once, on this machine's loopback.

    python -m benchmarks.serve.latency [PHOTO] [--seconds 10] [--clients 1,2,8,32,100] [-- --preset fast ...]

Options after -- are the server's. Clients are threads of one process, each with a connection that it keeps; they share
the machine's cores with the server. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Those before `--` and those after it, which argparse would give to the photo."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:end], arguments[end + 1 :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", type=Path, default=ROOT / "docs" / "images" / "astronaut.jpg")
    parser.add_argument(
        "--seconds", type=float, default=10, help="for each number of clients, after a second of warming"
    )
    parser.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2, 8, 32, 100])
    own, options = _split(sys.argv[1:])
    given = parser.parse_args(own)
    data = given.photo.read_bytes()
    command = [sys.executable, "-m", "mtcnn", "serve", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline().split("/detect")[0].rpartition(":")[2])
            print(f"{datetime.date.today()}, {processor()}, {given.photo.name}, {' '.join(options) or 'defaults'}\n")
            print("| clients | requests a second | p50, ms | p95, ms | p99, ms | pictures a batch | refused |")
            print("|---|---|---|---|---|---|---|")
            for clients in given.clients:
                load(port, data, clients, 1)
                before = batches(port)
                times, refused, seconds = load(port, data, clients, given.seconds)
                pictures, count = (after - earlier for after, earlier in zip(batches(port), before, strict=True))
                p50, p95, p99 = 1000 * np.percentile(times, [50, 95, 99])
                print(
                    f"| {clients} | {len(times) / seconds:.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} "
                    f"| {pictures / max(count, 1):.1f} | {refused} |",
                    flush=True,
                )
        finally:
            server.terminate()
    return 0


def load(port: int, data: bytes, clients: int, seconds: float) -> tuple[list[float], int, float]:
    """The seconds that each answer took, how many requests were refused, and how long it went on."""
    times: list[float] = []
    refused = [0] * clients
    ready = threading.Barrier(clients + 1)
    began = 0.0

    def ask(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        ready.wait()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            connection.request("POST", "/detect", data, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                times.append(time.perf_counter() - sent)
            elif answer.status == 503:
                refused[client] += 1
            else:
                raise RuntimeError(f"the server answers {answer.status}")
        connection.close()

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    ready.wait()
    for thread in threads:
        thread.join()
    return times, sum(refused), time.perf_counter() - began


def batches(port: int) -> tuple[float, float]:
    """Pictures and batches so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = dict(line.split() for line in connection.getresponse().read().decode().splitlines() if line[0] != "#")
    connection.close()
    return float(lines["mtcnn_batch_pictures_sum"]), float(lines["mtcnn_batch_pictures_count"])


def processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.machine()}, {len(names)} cores"


if __name__ == "__main__":
    sys.exit(main())
