"""What keeps a release back."""

from __future__ import annotations

import sys
from datetime import date

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from release_check import RECIPE, in_recipe, problems, unlike_recipe

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("version", "changelog", "expected"),
    [
        ("0.1.0", "# Changes\n\n## [0.1.0] - 2026-11-28\n", []),
        ("0.1.0", "# Changes\n\n## [Unreleased] 0.1.0\n", ["not with [0.1.0] - 2026-11-29"]),
        ("0.1.0", "# Changes\n", ["not with [0.1.0] - 2026-11-29"]),
        ("0.2.0", "## [0.1.0] - 2026-11-29\n\n## [0.0.1] - 2026-01-01\n", ["CHANGELOG.md is at 0.1.0"]),
        ("0.1.0", "## [0.1.0] - 2026-01-01\n", ["dates 0.1.0 2026-01-01"]),
        ("0.1.0.dev1", "## [0.1.0.dev1] - 2026-11-29\n", ["0.1.0.dev1 is no released version"]),
    ],
)
def test_problems(version: str, changelog: str, expected: list[str]) -> None:
    found = list(problems(version, changelog, TODAY))
    assert len(found) == len(expected) and all(part in text for part, text in zip(expected, found)), found


def test_the_recipe_is_of_the_same_version() -> None:
    recipe = (ROOT / RECIPE).read_text()
    version = (ROOT / "pytrt" / "versions.py").read_text().split('"')[-2]
    assert list(in_recipe(version, recipe)) == []
    assert list(in_recipe("9.8.7", recipe)) == [f"{RECIPE} is at {version}, pytrt/versions.py at 9.8.7"]
    assert list(in_recipe(version, "context:\n  version: 1\n")) == [
        f"{RECIPE} is at no version, pytrt/versions.py at {version}"
    ]


def test_the_recipe_asks_for_what_pip_asks_for() -> None:
    tomllib = pytest.importorskip("tomllib")
    recipe = (ROOT / RECIPE).read_text()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert list(unlike_recipe(pyproject, recipe)) == []
    for old, new, expected in [
        ("- numpy >=1.26\n", "- numpy >=1.25\n", "run: numpy>=1.25, numpy>=1.26"),
        ("    - rich >=13\n", "", "run: rich>=13"),
        ("- cython >=3.1\n", "- cython\n", "host: cython, cython>=3.1"),
        (
            "- mtcnn = pytrt.commands:mtcnn\n",
            "- mtcnn = mtcnn.cli:main\n",
            "entry_points: mtcnn=mtcnn.cli:main, mtcnn=p",
        ),
    ]:
        assert recipe.count(old) == 1, old
        (found,) = unlike_recipe(pyproject, recipe.replace(old, new))
        assert expected in found
