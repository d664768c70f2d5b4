"""What must hold before a release: one version, a dated changelog, conda's recipe, all committed, a working wheel.

python tools/release_check.py [PYTHON ...]: the Pythons that the wheel is built and tried for, default this one. Prints
what is wrong, all of it, and exits with 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECIPE = "packaging/conda/recipe.yaml"


def main(pythons: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    import tomllib  # of Python 3.11

    from pytrt.versions import __version__ as version

    wrong = [*problems(version, (ROOT / "CHANGELOG.md").read_text(), date.today())]
    recipe, pyproject = (ROOT / RECIPE).read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())
    wrong += [*in_recipe(version, recipe), *unlike_recipe(pyproject, recipe), *uncommitted(version)]
    for problem in wrong:
        print(f"- {problem}")
    if wrong:
        return 1
    for command in (
        ["make", "wheel", f"PYTHONS={' '.join(pythons)}"],
        ["tools/check_wheel.sh", *(pythons or ["python3"])],
    ):
        if subprocess.run(command, cwd=ROOT).returncode:
            print(f"- {' '.join(command)} failed")
            return 1
    print(f"{version} may be released: git tag v{version}")
    return 0


def problems(version: str, changelog: str, today: date) -> Iterator[str]:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"pytrt/versions.py: {version} is no released version"
    headings = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    heading = re.fullmatch(r"\[(.+)\] - (\d{4}-\d\d-\d\d)", headings[0]) if headings else None
    if not heading:
        yield f"CHANGELOG.md begins with {headings[:1]}, not with [{version}] - {today}"
        return
    if heading[1] != version:
        yield f"CHANGELOG.md is at {heading[1]}, pytrt/versions.py at {version}"
    if abs(date.fromisoformat(heading[2]) - today) > timedelta(days=7):
        yield f"CHANGELOG.md dates {heading[1]} {heading[2]}, today is {today}"


def in_recipe(version: str, recipe: str) -> Iterator[str]:
    """conda's recipe names the version itself: it is built of the sdist, away from the sources."""
    named = re.search(r'^  version: "(.*)"$', recipe, re.MULTILINE)
    if not named or named[1] != version:
        yield f"{RECIPE} is at {named[1] if named else 'no version'}, pytrt/versions.py at {version}"


def unlike_recipe(pyproject: dict[str, Any], recipe: str) -> Iterator[str]:
    """What conda is told to bring, and to make commands of, against what pip is."""
    project = pyproject["project"]
    everywhere = [text for text in pyproject["build-system"]["requires"] if ";" not in text]
    for name, expected in (
        ("host", ["python", "pip", *everywhere]),
        ("run", ["python", *project["dependencies"]]),
        ("entry_points", [f"{command} = {function}" for command, function in project["scripts"].items()]),
    ):
        if others := set(map(_spelt, _listed(name, recipe))) ^ set(map(_spelt, expected)):
            yield f"{RECIPE} and pyproject.toml differ in {name}: {', '.join(sorted(others))}"


def _listed(name: str, recipe: str) -> list[str]:
    """The items of a list of the recipe."""
    found = re.search(rf"^( *){name}:\n((?:\1  - .*\n)+)", recipe, re.MULTILINE)
    return [line.strip()[2:] for line in found[2].splitlines()] if found else []


def _spelt(requirement: str) -> str:
    return requirement.replace(" ", "").lower()


def uncommitted(version: str) -> Iterator[str]:
    if changed := git("status", "--porcelain"):
        yield f"not committed: {', '.join(line[3:] for line in changed.splitlines()[:5])}"
    if git("tag", "--list", f"v{version}"):
        yield f"v{version} has been tagged before: raise the version in pytrt/versions.py"
    written = git("grep", "-nF", f'"{version}"', "--", "*.py", "*.toml").splitlines()
    if others := [line for line in written if not line.startswith(("pytrt/versions.py", "tests/"))]:
        yield f"the version stands in more than one place: {'; '.join(others)}"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
