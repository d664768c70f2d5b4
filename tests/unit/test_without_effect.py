"""No parameter is silently without effect: each either changes the results, or is told to change nothing."""

from __future__ import annotations

import functools
import itertools
import pickle
import warnings
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import MTCNN, Tracker, TrtMtcnn, UnusedParameterWarning
from mtcnn.cli.main import main
from mtcnn.compat.insightface import Detector
from mtcnn.compat.retinaface import detect_faces
from mtcnn.compat.yunet import FaceDetectorYN
from mtcnn.errors import DeviceError
from mtcnn.params import PRESETS, Params
from mtcnn.serve.parameters import read_parameters, unused_parameters
from mtcnn.serving.client import _parameters
from mtcnn.stages import StagePNet

ASTRONAUT = cv2.imread(str(Path(__file__).parents[2] / "docs/images/astronaut.jpg"))[30:200, 140:310]
# A face sharp, blurred, dark, upside down and small: each parameter has something to change.
BLURRED, ROUGH = cv2.GaussianBlur(ASTRONAUT, (0, 0), 6), cv2.resize(cv2.resize(ASTRONAUT, (24, 24)), (170, 170))
FACES = np.vstack(
    [np.hstack([ASTRONAUT, BLURRED, ASTRONAUT[:, ::-1] // 4]), np.hstack([ASTRONAUT[::-1], ROUGH, BLURRED])]
)
BOXES = [[30, 30, 130, 145], [40, 40, 136, 150], [200, 30, 300, 145], [360, 30, 470, 145], [200, 200, 300, 315]]

# Values of each parameter that are asked for; around some of what follows one of them changes what is found.
VALUES: dict[str, tuple[Any, ...]] = {
    "minsize": (70,),
    "factor": (0.5,),
    "thresholds": ((0.3, 0.1, 0.05),),
    "nms_thresholds": ((0.2, 0.3, 0.1, 0.05),),
    "max_rnet": (2,),
    "max_onet": (1,),
    "max_size": ((200, 200),),
    "level_size": ("floor",),
    "nms_boxes": ("regressed",),
    "whole_pixels": (True,),
    "resize": ("bilinear",),
    "mirror": (True,),
    "mirror_first": (True,),
    "mirror_range": ((0.0, 0.01),),
    "second_pass": (True,),
    "second_pass_scales": ((1.3,), (0.7, 1.2)),
    "tight_landmarks": (True,),
    "average_scores": (True,),
    "average_above": (0.05,),
    "vote": (0.9,),
    "rotations": ((0, 180),),
}
OTHERS = ("landmark_net", "max_work", "networks")  # which need L-Net, refuse, and are around
MIRRORED = {"second_pass": True, "mirror": True, "mirror_first": True}
AROUND: list[dict[str, Any]] = [{"preset": "accurate"}, {"preset": "port"}] + [
    {"preset": "fast", **more}
    for more in (
        {},
        {"networks": 1},
        {"networks": 2},
        {"second_pass": True},
        {"second_pass": True, "mirror": True},
        MIRRORED,
        {"second_pass": True, "second_pass_scales": (0.8, 1.2)},
        {"mirror": True},
        {"average_above": 0.3},
    )
]


def told_by(call: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call()
    assert all(one.category is UnusedParameterWarning for one in said)
    return [str(one.message) for one in said]


@functools.lru_cache(maxsize=1)
def tried() -> list[tuple[bool, dict[str, Any], str, Any, bool, list[str]]]:
    """Of each value around each: whether P-Net does not run, whether it changes what is found, what is told."""
    rows = []
    with TrtMtcnn(device="cpu", threads=1) as detector:

        def find(refining: bool, params: dict[str, Any]) -> tuple[bytes, ...]:
            found = detector.refine(FACES, BOXES, **params) if refining else detector.detect(FACES, **params)
            return tuple(rows.tobytes() for rows in found)

        for refining, around in [*itertools.product((False,), AROUND), *itertools.product((True,), AROUND[:5])]:
            told_by(lambda: rows.append(find(refining, around)))  # noqa: B023
            usual = rows.pop()
            for name, values in VALUES.items():
                for value in values if name not in around else ():
                    made: list[tuple[bytes, ...]] = []
                    said = told_by(lambda: made.append(find(refining, around | {name: value})))  # noqa: B023
                    mine = [text for text in said if text.startswith(name)]
                    rows.append((refining, around, name, value, made[0] != usual, mine))
    return rows


def test_all_parameters_are_tried():
    assert {*VALUES, *OTHERS} == {field.name for field in fields(Params)}


def test_what_is_told_to_be_without_effect_changes_nothing():
    wrong = [row for row in tried() if row[4] and row[5] and "thresholds" not in row[2]]
    assert wrong == []


def test_what_is_told_of_one_threshold_is_true_of_it():
    with TrtMtcnn(device="cpu", threads=1) as detector:
        usual = detector.detect(FACES, preset="fast", networks=2)
        with pytest.warns(UnusedParameterWarning, match=r"thresholds\[2\]=0.1 has no effect: networks=2 leaves O-Net"):
            found = detector.detect(FACES, preset="fast", networks=2, thresholds=(0.6, 0.7, 0.1))
        assert (found[0] == usual[0]).all()


def test_what_changes_nothing_is_told():
    """All but what these few pictures cannot tell apart is told."""
    by_name: dict[tuple[bool, str, str], list[bool]] = {}
    for refining, around, name, _, changes, said in tried():
        key = refining, name, repr(around)
        by_name.setdefault(key, []).append(changes or bool(said))
    wanted = {(repr(around), name) for around in AROUND for name in VALUES if name_is_so(around, name)}
    silent = {key for key, values in by_name.items() if not any(values) and (key[2], key[1]) not in wanted}
    # boxes that overlap less, or turns that show no other face, could change as much
    assert {name for _, name, _ in silent} <= {"average_above", "rotations", "nms_boxes", "mirror_range", "vote"}
    changing = {(refining, name) for refining, _, name, _, changes, _ in tried() if changes}
    assert {name for refining, name in changing if not refining} == set(VALUES)


def name_is_so(around: dict[str, Any], name: str) -> bool:
    """Whether every value asked for is what there is anyhow."""
    there = {**asdict(PRESETS[around["preset"]]), **around}[name]
    return all(value == there for value in VALUES[name])


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"vote": 0.2}, "vote=0.2 has no effect: no boxes are averaged"),
        ({"mirror_first": True}, "mirror_first=True has no effect: no crop is mirrored; mirror=True does so"),
        ({"mirror_first": True, "mirror": True}, "mirror_first=True has no effect: mirror=True has the only pass"),
        ({"mirror_range": (0.1, 0.9)}, "mirror_range=(0.1, 0.9) has no effect: no crop is mirrored"),
        ({"mirror_range": (0.1, 0.9), "mirror": True, "second_pass": True}, "the first pass mirrors nothing"),
        ({"second_pass_scales": (0.8, 1.2)}, "second_pass_scales=(0.8, 1.2) has no effect: there is no second pass"),
        ({"tight_landmarks": True}, 'there is no second pass; second_pass=True, or preset="accurate", makes one'),
        ({"tight_landmarks": True, "second_pass": True}, "the second pass has one square"),
        ({"average_scores": True}, "average_scores=True has no effect: there is no second pass"),
        ({"networks": 2, "average_above": 0.5}, "networks=2 leaves O-Net out; networks=3 runs it"),
        ({"networks": 1, "max_onet": 5}, "max_onet=5 has no effect: networks=1 leaves R-Net out; networks=2 runs it"),
        ({"networks": 1, "nms_thresholds": (0.5, 0.7, 0.7, 0.6)}, "nms_thresholds[3]=0.6 has no effect"),
        ({"networks": 1, "thresholds": (0.6, 0.5, 0.7)}, "thresholds[1]=0.5 has no effect: networks=1 leaves R-Net"),
        ({"networks": 2, "rotations": (0, 90), "vote": 0.1}, "vote=0.1 has no effect: networks=2 leaves O-Net out"),
    ],
)
def test_a_detector_and_a_call_tell_once_what_to_do(params, told):
    (text,) = told_by(lambda: TrtMtcnn(device="cpu", preset="fast", **params).close())
    assert told in text
    with TrtMtcnn(device="cpu") as detector:
        assert told_by(lambda: detector.detect(FACES, preset="fast", **params)) == [text]
        assert told_by(lambda: detector.profile(FACES, repeats=1, preset="fast", **params)) == [text]
        assert told_by(lambda: detector.detect_batch([FACES, FACES], preset="fast", **params)) == [text]


@pytest.mark.parametrize(
    "params",
    [
        {"preset": "accurate", "second_pass": False},
        {"preset": "accurate", "mirror": False},
        {"preset": "accurate", "networks": 1},
        {"preset": "accurate", "average_above": 1.0},
        {"preset": "fast", "mirror_first": False, "vote": 0, "tight_landmarks": False},
        {"preset": "fast", **asdict(PRESETS["accurate"])},
        {"preset": "accurate", **asdict(PRESETS["fast"])},
        {"preset": "accurate", "networks": 2, "thresholds": (0.5, 0.7, 0.7)},
        {"preset": replace(PRESETS["accurate"], networks=2)},
        {"preset": PRESETS["port"], "max_onet": 5},
    ],
)
def test_what_is_switched_off_or_a_presets_own_is_not_told(params):
    assert told_by(lambda: TrtMtcnn(device="cpu", **params).close()) == []


def test_parameters_that_were_put_together_by_hand():
    assert "vote=0.3 has no effect" in told_by(lambda: TrtMtcnn(device="cpu", preset=Params(vote=0.3)).close())[0]


def test_the_warning_is_about_the_callers_line_and_comes_once():
    with TrtMtcnn(device="cpu") as detector, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            detector.detect(FACES, preset="fast", vote=0.2)
    (only,) = said
    assert only.filename == __file__


def test_threads_of_the_cpu_for_a_gpu():
    def make() -> None:
        with pytest.raises(DeviceError):
            TrtMtcnn(device="cuda", threads=4)

    try:
        TrtMtcnn(device="cuda").close()
    except DeviceError:
        assert "threads=4 has no effect: they are the CPU's" in told_by(make)[0]
        return
    assert "threads=4" in told_by(lambda: TrtMtcnn(device="cuda", threads=4).close())[0]


def test_a_server_tells_in_its_answer():
    given = [("preset", "fast"), ("vote", "0.2")]
    own = PRESETS["accurate"]
    (text,) = unused_parameters(given, own, read_parameters(given, own))
    assert text.startswith("vote=0.2 has no effect")
    assert unused_parameters([("vote", "0.1")], own, read_parameters([("vote", "0.1")], own)) == []


def test_tritons_client_tells():
    assert "vote=0.2 has no effect" in told_by(lambda: _parameters(None, "fast", {"vote": 0.2}))[0]


def test_a_command_tells_in_a_line(capsys, tmp_path, monkeypatch):
    import mtcnn.pipeline.options as options

    given = options.DetectorOptions._given
    monkeypatch.setattr(options.DetectorOptions, "_given", lambda self: {**given(self), "vote": 0.1})
    cv2.imwrite(str(tmp_path / "a.png"), FACES)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["detect", str(tmp_path / "a.png"), "--preset", "fast", "--device", "cpu"]) == 0
    assert "\nvote=0.1 has no effect" in "\n" + capsys.readouterr().err


def test_a_least_score_holds_for_the_last_network_that_runs():
    """Those of other packages' interfaces and of the tracker, which none of their arguments could be told by."""
    with TrtMtcnn(device="cpu", networks=2, nms_boxes="regressed") as detector:
        low = detector.detect(FACES)[0][:, 4].min()
        assert low < 0.99

        def scores(least: float) -> list[Any]:
            height, width = FACES.shape[:2]
            yunet = FaceDetectorYN("", "", (width, height), least, detector=detector)
            faces = detect_faces(FACES, least, model=detector).values()
            return [
                np.zeros(15) if (rows := yunet.detect(FACES)[1]) is None else rows[:, 14],
                Detector(detector).detect(FACES, det_thresh=least)[0][:, 4],
                np.array([face["score"] for face in faces]),
            ]

        made: list[Any] = []
        assert told_by(lambda: made.extend(scores(0.99))) == []
        assert all(len(found) and found.min() >= 0.99 for found in made)
        assert told_by(lambda: Detector(detector).get(FACES)) == []


@pytest.mark.parametrize("networks", [1, 2])
def test_a_tracker_of_fewer_networks_tells_of_nothing(networks):
    with TrtMtcnn(device="cpu", networks=networks, nms_boxes="regressed") as detector:
        tracker = Tracker(detector, every=2)
        tracks: list[Any] = []
        assert told_by(lambda: tracks.extend(tracker.step(FACES) for _ in range(3))) == []
    assert all(len(one) for one in tracks)


@pytest.mark.parametrize(
    ("stages", "name", "told"),
    [
        ("face_detection_only", "threshold_onet", "stages leave O-Net out; MTCNN(stages='face_and_l"),
        ("face_detection_only", "nms_onet", "stages leave O-Net out"),
        ([StagePNet], "threshold_rnet", "stages leave R-Net out"),
        ([StagePNet], "nms_rnet", "stages leave R-Net out"),
    ],
)
def test_the_drop_in_tells_by_the_names_of_its_own_arguments(stages, name, told):
    detector = MTCNN(stages=stages, device="cpu")
    (text,) = told_by(lambda: detector.detect_faces(FACES, **{name: 0.25}))
    assert text.startswith(f"{name}=0.25 has no effect: {told}")
    assert told_by(lambda: detector.detect_faces(FACES)) == []


def test_what_is_not_wanted_is_not_told():
    assert told_by(lambda: TrtMtcnn(device="cpu", networks=2, landmark_net=False).close()) == []


def test_a_copy_in_another_process_tells_nothing_again():
    made: list[TrtMtcnn] = []
    assert told_by(lambda: made.append(TrtMtcnn(device="cpu", preset="fast", vote=0.1)))
    assert told_by(lambda: pickle.loads(pickle.dumps(made[0])).close()) == []


def test_parameters_made_for_both_kinds_of_calls():
    with TrtMtcnn(device="cpu") as detector:
        both = replace(PRESETS["accurate"], minsize=33, vote=0.1)
        assert told_by(lambda: detector.refine(FACES, BOXES, preset=both)) == []
        assert "minsize=33" in told_by(lambda: detector.refine(FACES, BOXES, preset=both, minsize=33))[0]  # type: ignore[call-arg]
