"""Many threads, many calls: the same results, and GPU memory that stays as it is."""

from __future__ import annotations

import threading
import unittest

import numpy as np

from tests.gpu import frames
from tests.gpu.machine import (
    EMULATED,
    QUICK,
    GpuTest,
    Variant,
    assert_same,
    detector,
    each_variant,
    free_gpu_memory,
    make_detector,
)

THREADS = 2 if QUICK else 8
CALLS = 2 if QUICK else 40


class TestThreads(GpuTest):
    @each_variant
    def test_one_detector(self, variant: Variant) -> None:
        images = [frames.astronaut(), frames.frame_720p(), frames.portrait(), frames.noise(200, 300)]
        one = detector(variant)
        expected = [one.detect(img) for img in images]
        wrong: list[str] = []

        def work(first: int) -> None:
            for i in range(first, first + CALLS):
                try:
                    assert_same(one.detect(images[i % len(images)]), expected[i % len(images)])
                except Exception as error:  # said by the test, not lost in the thread
                    wrong.append(f"{type(error).__name__}: {error}")
                    return

        threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    @each_variant
    def test_made_and_closed(self, variant: Variant) -> None:
        for _ in range(3):
            with make_detector(variant) as one:
                self.assertEqual(len(one.detect(frames.astronaut())[0]), 1)


@unittest.skipIf(EMULATED, "emulated: there is no GPU memory")
class TestMemory(GpuTest):
    @each_variant
    def test_flat_over_mixed_sizes(self, variant: Variant) -> None:
        rng = np.random.default_rng(0)
        photo = frames.frame_1080p()
        one = detector(variant)

        def detect_some(calls: int) -> None:
            for _ in range(calls):
                height, width = rng.integers(40, (1080, 1920))
                one.detect(photo[:height, :width], float(rng.uniform(20, 80)))

        one.detect(photo, 20)  # the most that any of them needs
        detect_some(5 if QUICK else 60)
        before = free_gpu_memory()
        detect_some(20 if QUICK else 300)
        grown = before - free_gpu_memory()
        print(f"note: GPU memory over mixed sizes, {variant.flavour} {variant.precision}: {grown / 2**20:+.1f} MiB")
        self.assertLess(grown, 64 << 20)

    @each_variant
    def test_given_back_on_close(self, variant: Variant) -> None:
        with make_detector(variant) as one:
            one.detect(frames.astronaut())
        before = free_gpu_memory()
        for _ in range(4):
            with make_detector(variant) as one:
                one.detect(frames.frame_1080p())
        self.assertLess(before - free_gpu_memory(), 64 << 20)


if __name__ == "__main__":
    unittest.main()
