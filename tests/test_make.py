"""Every `make TARGET` that README and CONTRIBUTING name has work to do; a slow test runs those of README."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MENTION = re.compile(r"^\$? ?make ([a-z][\w-]*)|`make ([a-z][\w-]*)`", re.MULTILINE)
RULE = re.compile(
    r"^(?P<target>[a-z][\w-]*):(?!=)(?P<needs>[^\n]*)\n(?P<recipe>(?:\t[^\n]*\n)*)", re.MULTILINE
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def mentioned(page: str) -> list[str]:
    """The targets that a page names, each once, in its order."""
    found = MENTION.findall((ROOT / page).read_text(encoding="utf-8"))
    return list(dict.fromkeys(line or word for line, word in found))


def idle(targets: list[str], makefile: str = MAKEFILE) -> list[str]:
    """Those of the targets for which make would have nothing to do."""
    rules = {rule["target"]: rule for rule in RULE.finditer(makefile)}

    def works(target: str) -> bool:
        rule = rules.get(target)
        return rule is not None and bool(rule["recipe"] or any(map(works, rule["needs"].split())))

    return [target for target in targets if not works(target)]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_target_that_a_page_names_has_a_recipe(page: str) -> None:
    assert {"README.md": "demo", "CONTRIBUTING.md": "check"}[page] in mentioned(page)
    assert idle(mentioned(page)) == []


def test_a_target_without_a_recipe_is_seen() -> None:
    makefile = ".PHONY: bare both\nboth: bare full\nbare: absent\nfull: bare\n\techo\n"
    assert idle(["bare", "absent", "both", "full"], makefile) == ["bare", "absent"]


def test_every_phony_target_has_a_recipe() -> None:
    phony = " ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)).split()
    assert idle(phony) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", [one for one in mentioned("README.md") if one != "environment"])
def test_every_target_of_the_readme_ends_well(target: str, tmp_path: Path) -> None:
    """Up to a quarter of an hour each; in a folder of its own, with this environment."""
    environment = ROOT / ".venv"
    for name in ("examples", "constraints.txt", "pyproject.toml", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    made = f"{environment}/ready"
    line = ["make", "-f", str(ROOT / "Makefile"), f"VENV={environment}", f"--old-file={made}", target]
    done = subprocess.run(line, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout[-2_000:], done.stderr[-2_000:])
    assert list((tmp_path / "runs").glob("*/archive.db"))
