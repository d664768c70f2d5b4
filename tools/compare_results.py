"""Compares what two builds detect, bit for bit: compare_results.py BASE, with BASE a git revision or a built checkout.

All presets, on the CPU's own kernels, with OpenVINO where that is installed, and on the GPU backend's code run on the
CPU; over synthetic pictures and, where they are, the labelled photographs. Exits 1 where anything differs, and says
what.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "same-results"
DATA = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data")
MINSIZES = (20, 40)
LARGEST_EMULATED = 700 * 700  # pixels: other devices than the CPU's own kernels are slow here
MOST_SHOWN = 20

Image = NDArray[np.uint8]


def pictures(most: int) -> Iterator[tuple[str, Image]]:
    """Names and BGR pictures; of each folder of photographs at most `most`."""
    import cv2

    sys.path.insert(0, str(ROOT))
    from tests.support import pictures as made

    for height, width, grain in [(1, 1, 1), (12, 12, 1), (200, 13, 4), (101, 203, 8), (240, 320, 30), (480, 640, 3)]:
        yield f"noise {height}x{width}/{grain}", made.noise(height, width, grain)
    yield "gradient", made.gradient(150, 133)
    yield "checkerboard", made.checkerboard(100, 143, 17)
    yield "white", np.full((60, 90, 3), 255, np.uint8)
    astronaut = np.asarray(cv2.imread(str(ROOT / "docs/images/astronaut.jpg")), np.uint8)
    yield "astronaut", astronaut
    for side in (48, 97, 180):
        yield f"faces of {side}", made.tiled(made.scaled(astronaut[:250, 150:300], side), 4, 3)
    for folder in ("photos", "wider100/images"):
        files = sorted(f for f in DATA.glob(f"{folder}/**/*") if f.suffix in (".jpg", ".png"))
        for file in files[:most]:
            yield f"{folder}/{file.name}", np.asarray(cv2.imread(str(file)), np.uint8)


def devices() -> Iterator[tuple[str, Any]]:
    """Names and devices of this process's build."""
    import pytrt

    yield "cpu", pytrt.CpuDevice("")
    spec = importlib.util.find_spec("openvino")
    libraries = sorted(Path(spec.origin).parent.glob("libs/libopenvino_c.so*")) if spec and spec.origin else []
    if libraries:
        yield "openvino", pytrt.CpuDevice(str(libraries[0]), 1, native=False)
    emulated: Any = getattr(pytrt, "EmulatedGpu", None) or pytrt.testing.EmulatedGpu
    yield "emulated GPU", emulated("")


def detections(checkout: Path, imgs: dict[str, Image]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Names and arrays of all that this process's build finds; `checkout` has its models."""
    import pytrt
    from mtcnn.cascade import detect
    from mtcnn.params import make_params

    models = [(checkout / "mtcnn" / "models" / f"{name}.onnx").read_bytes() for name in ("pnet", "rnet", "onet")]
    for device_name, device in devices():
        stages = pytrt.Stages(device, *(device.load_engine(model) for model in models))
        fit = {n: img for n, img in imgs.items() if device_name == "cpu" or img[..., 0].size <= LARGEST_EMULATED}
        for preset in ("port", "fast", "accurate"):
            for minsize in MINSIZES:
                p = make_params(preset, {"minsize": minsize})
                for name, img in fit.items():
                    for kind, found in zip(("dets", "landmarks"), detect(stages, [img], p)[0], strict=True):
                        yield f"{device_name}, {preset}, minsize {minsize}, {name}: {kind}", found
            p = make_params(preset, {"thresholds": (0.2, 0.3, 0.2), "max_rnet": 300, "max_onet": 100})
            batch = {name: img for name, img in imgs.items() if img[..., 0].size <= LARGEST_EMULATED}
            for name, (dets, landmarks) in zip(batch, detect(stages, list(batch.values())[:12], p), strict=False):
                yield f"{device_name}, {preset}, batch, {name}: dets", dets
                yield f"{device_name}, {preset}, batch, {name}: landmarks", landmarks


def built(base: str) -> Path:
    """The folder of a built checkout: `base` itself, or one made of the revision."""
    if Path(base).is_dir():
        return Path(base).resolve()
    done = subprocess.run(["git", "rev-parse", f"{base}^{{commit}}"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{base} is neither a folder nor a revision of this repository: {done.stderr.strip()}")
    checkout = WORK / done.stdout.strip()[:12]
    if not checkout.exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, checkout], check=True)
        subprocess.run(["git", "checkout", "--quiet", done.stdout.strip()], cwd=checkout, check=True)
    print(f"== building {base} in {checkout.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=checkout, check=True)
    return checkout


def dump(checkout: Path, name: str) -> dict[str, NDArray[np.float32]]:
    """Detects with a checkout's build in a process of its own."""
    out = WORK / f"{name}.npz"
    command = [sys.executable, str(Path(__file__).resolve()), "--dump", str(out), str(checkout)]
    subprocess.run(command, check=True, cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)})
    with np.load(out) as found:
        return {key: found[key] for key in found.files}


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare what two builds detect, bit for bit.")
    parser.add_argument("base", help="a git revision, which is built, or the folder of a built checkout")
    parser.add_argument("--photos", type=int, default=30, help="photographs of each folder of labelled ones, at most")
    parser.add_argument("--dump", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.dump:
        with np.load(WORK / "pictures.npz") as imgs:
            found = dict(detections(Path(options.base), {name: imgs[name] for name in imgs.files}))
        np.savez(options.dump, **found)  # type: ignore[arg-type]
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    imgs = dict(pictures(options.photos))
    np.savez(WORK / "pictures.npz", **imgs)
    before, now = dump(built(options.base), "before"), dump(ROOT, "now")
    differ = [key for key in before.keys() | now.keys() if not same(before.get(key), now.get(key))]
    for key in sorted(differ)[:MOST_SHOWN]:
        print(f"differs: {key}: {describe(before.get(key), now.get(key))}")
    faces = sum(len(found) for key, found in now.items() if key.endswith("dets"))
    print(f"{len(imgs)} pictures, {len(now)} arrays, {faces} faces: {len(differ)} differ")
    return int(bool(differ))


def same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return a is not None and b is not None and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


def describe(a: NDArray[Any] | None, b: NDArray[Any] | None) -> str:
    if a is None or b is None:
        return "only there now" if a is None else "only there before"
    if a.shape != b.shape:
        return f"{a.shape} before, {b.shape} now"
    return f"by up to {np.abs(a.astype(np.float64) - b).max():.3g}"


if __name__ == "__main__":
    sys.exit(main())
