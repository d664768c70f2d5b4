"""Tries an installed trt-mtcnn, away from its sources: python smoke.py PHOTO [--cuda], in the environment of the wheel.

The photo has one face. The engines are made on the way. Fails where the package is not the environment's own, with
--cuda also where the wheel has no CUDA kernels. The photo is read by OpenCV or, where that has no wheel, by Pillow: one
of both must be there.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

import numpy as np

import pytrt
from mtcnn import MTCNN, ClosedError, DeviceError, TrtMtcnn
from mtcnn.runtime.opencv import picture_library
from mtcnn.utils.images import load_image


def main(photo: str, *options: str) -> None:
    assert Path(pytrt.__file__).is_relative_to(sys.prefix), f"{pytrt.__file__} is not of {sys.prefix}"
    commands = Path(sysconfig.get_path("scripts"))
    with tempfile.TemporaryDirectory() as folder:
        run(commands / "create_engines", "--output", folder)
        with TrtMtcnn([Path(folder, f"{name}.engine") for name in ("pnet", "rnet", "onet")]) as detector:
            dets, landmarks = detector.detect(read(photo))
        assert dets.shape == (1, 5) and landmarks.shape == (1, 10) and dets[0, 4] > 0.99, dets
        assert len(MTCNN().detect_faces(read(photo)[:, :, ::-1])) == 1
        assert [len(faces) for faces in MTCNN().detect_faces([photo, load_image(photo)])] == [1, 1]
        drawn = Path(folder, "drawn")
        assert '"score"' in run(commands / "mtcnn", "detect", photo, "--json", "--draw", drawn)
        assert load_image(str(drawn / Path(photo).name)).shape == load_image(photo).shape
        run(commands / "mtcnn", "triton", Path(folder, "models"))
    share(read(photo), dets)
    if "--cuda" in options:
        assert pytrt.has_cuda(), "the wheel has no CUDA kernels"
        assert '"CUDA kernels": "yes' in run(commands / "mtcnn", "info", "--json")
    try:
        pytrt.CudaDevice()
        gpu = "kernels and a GPU"
    except DeviceError as error:
        gpu = str(error).partition(":")[0]
    gil = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else " without the GIL"
    headers = ", ".join(pytrt.tensorrt_versions()) or "none"
    library = picture_library()
    print(f"pictures are read by {library.name} {library.version}")
    print(f"Python {sys.version.split()[0]}{gil}, {pytrt.isa()}; CUDA: {gpu}; TensorRT's headers: {headers}")
    print("the wheel finds", dets[0].round(2))


def share(img: np.ndarray, expected: np.ndarray) -> None:
    """Several threads, one detector, which is closed while they detect; a Python without the GIL goes on without it."""
    had_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
    assert had_gil or not sys._is_gil_enabled(), "importing the wheel turned the GIL on"
    detector, errors = TrtMtcnn(device="cpu", threads=1), []
    calls, enough = [0] * 4, threading.Event()

    def work(i: int) -> None:
        try:
            while True:
                assert np.allclose(detector.detect(img)[0], expected, atol=1e-3)
                calls[i] += 1
                if sum(calls) > 40:
                    enough.set()
        except ClosedError:
            pass
        except BaseException as error:
            errors.append(error)
            enough.set()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    enough.wait(60)
    detector.close()
    for thread in threads:
        thread.join()
    assert not errors and sum(calls) > 40, errors or calls


def read(photo: str) -> np.ndarray:
    return load_image(photo)[:, :, ::-1]


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
