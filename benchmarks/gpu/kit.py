"""Packs what the GPU check needs into one archive, for machines without a network: make gpu-kit

The archive holds sources, the networks' weights, the project's own pictures and what the CPU finds in them; unpacked,
`./run.sh 1` does the rest. With --data it also has labelled pictures, and what the CPU finds there: such an archive is
not to be published.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("csrc", "pytrt", "mtcnn", "benchmarks", "tests/gpu", "tests/support", "tools", "docs/images")
# No pyproject.toml, which asks for a newer setuptools than the machine may have: setup.py builds without.
FILES = ("setup.py", "Makefile", "LICENSE", "NOTICE", "README.md", "tests/__init__.py")
LEFT_OUT = ("benchmarks/results/", "docs/images/speed.svg")
NAME = "gpu-kit"  # the folder in the archive
MOST = 64 << 20  # bytes: what some machines that are lent take at a time


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="labelled pictures to take along, and their results")
    parser.add_argument(
        "--headers", type=Path, metavar="DIR", help="that holds Python.h of the Python there, should it have none"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", default=ROOT / "build" / f"{NAME}.tar.gz")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        more = list(labelled(options.data, Path(folder))) if options.data else []
        more += python_headers(options.headers) if options.headers else []
        count = pack(options.output, more)
    size = options.output.stat().st_size
    print(f"{options.output}: {count} files, {size / 2**20:.1f} MiB; tar xf it there, then {NAME}/run.sh 1")
    if size > MOST:
        print(f"{options.output} is larger than {MOST >> 20} MiB: give --data fewer pictures", file=sys.stderr)
        return 1
    return 0


def pack(output: Path, more: list[tuple[str, Path]]) -> int:
    """Writes the archive; returns how many files it holds."""
    files = [(name, ROOT / name) for name in sources()] + more
    files.append(("run.sh", ROOT / "benchmarks" / "gpu" / "run.sh"))
    other = output.with_suffix(".part")
    with tarfile.open(other, "w:gz", compresslevel=6) as archive:
        for name, path in sorted(files):
            info = archive.gettarinfo(str(path), f"{NAME}/{name}")
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            with path.open("rb") as file:
                archive.addfile(info, file)
        text = (commit() + "\n").encode()
        info = tarfile.TarInfo(f"{NAME}/COMMIT")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    os.replace(other, output)
    return len(files) + 1


def sources() -> list[str]:
    """Files of the checkout, changed and new ones as they are."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS, *FILES]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"make gpu-kit needs a git checkout of trt-mtcnn: {error}") from None
    names = sorted(set(filter(None, listed.split("\0"))))
    return [name for name in names if not name.startswith(LEFT_OUT) and (ROOT / name).is_file()]


def labelled(data: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Pictures that the tests look for in a folder of labelled data, and what the CPU finds in them."""
    if not data.is_dir():
        raise SystemExit(f"--data: there is no folder {data}")
    os.environ["TRT_MTCNN_DATA"] = str(data.resolve())
    from tests.gpu import machine, make_expected

    pictures = [*machine.photos(), *machine.wider()]
    if not pictures:
        raise SystemExit(f"--data: {data} has neither photos/*.jpg nor wider100/images/*")
    for path in pictures:
        yield f"data/{path.relative_to(data.resolve())}", path
    expected = folder / "expected.json"
    make_expected.write(expected, make_expected.find_in_data())
    yield "data/expected.json", expected


def python_headers(folder: Path) -> list[tuple[str, Path]]:
    if not (folder / "Python.h").is_file():
        raise SystemExit(f"--headers: there is no Python.h in {folder}")
    return [(f"python-headers/{path.relative_to(folder)}", path) for path in sorted(folder.rglob("*.h"))]


def commit() -> str:
    from benchmarks.gpu.check import commit as of_checkout

    return of_checkout() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
