"""A new run starts from the journal of an earlier one, and needs it never again."""

from pathlib import Path

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.propose.journal import WARM_START, Journal, render
from recevolve.engine.runs.warm_start import hand_on, warm_start
from recevolve.population.archive.archive import Archive

from ..story import Story, source_of


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    story = Story(tmp_path / "earlier")
    for island in range(2):
        for number in range(3):
            good = story.evaluation(
                source_of(f"{island}{number}.5"), number + island / 10, explanation="it helped"
            )
            story.generation(
                island, good, story.evaluation("import os\n", None, stage="static", reason="no import")
            )
    story.answer("lessons/2", "- keep it small")
    story.archive.close()
    return tmp_path / "earlier"


def test_the_best_entries_and_the_last_lessons_come_along(earlier: Path, tmp_path: Path) -> None:
    story = Story(tmp_path / "later")
    warm_start(story.archive, earlier, "toy")
    (earlier / "archive.db").unlink()
    warm_start(story.archive, earlier, "toy")  # done before: the earlier run may be gone
    journal = Journal(story.archive, story.config)
    entries, lessons = journal.warm_start
    assert lessons == ("keep it small",)
    assert [entry.delta for entry in entries][:2] == ["CONSTANTS: a 0.0 → 12.5", "CONSTANTS: a 0.0 → 2.5"]
    shown = journal.entries(0, 1)
    assert shown == entries
    assert all("from an earlier run" in text for text in render(shown).splitlines())
    story.archive.close()


def test_own_experiments_come_first_and_earlier_ones_keep_a_share(earlier: Path, tmp_path: Path) -> None:
    story = Story(tmp_path / "later", propose={"journal_entries": 8})
    warm_start(story.archive, earlier / "archive.db", "toy")
    story.generation(0, *(story.evaluation(source_of(f"{n}.25"), n / 10) for n in range(20)))
    entries = Journal(story.archive, story.config).entries(0, 2)
    assert [entry.earlier for entry in entries] == [False] * 6 + [True] * 2
    assert [entry.score for entry in entries[:2]] == [1.9, 1.8]
    story.archive.close()


def test_a_replayed_archive_gets_the_same(earlier: Path, tmp_path: Path) -> None:
    story = Story(tmp_path / "later")
    with Archive.create_or_open(tmp_path / "replay.db") as rebuilt:
        hand_on(story.archive, rebuilt)
        assert rebuilt.conclusion(WARM_START) is None
        warm_start(story.archive, earlier, "toy")
        hand_on(story.archive, rebuilt)
        assert rebuilt.conclusion(WARM_START) == story.archive.conclusion(WARM_START)
    story.archive.close()


def test_what_cannot_be_taken_over_is_said(earlier: Path, tmp_path: Path) -> None:
    story = Story(tmp_path / "later")
    with pytest.raises(ConfigError, match=r"journal_from: expected a run of kind optimizer.* evolves toy"):
        warm_start(story.archive, earlier, "optimizer")
    with pytest.raises(ConfigError, match=r"journal_from: .*nowhere cannot be read"):
        warm_start(story.archive, tmp_path / "nowhere", "toy")
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "archive.db").write_text("no database at all, not even nearly")
    with pytest.raises(ConfigError, match=r"journal_from: .*junk cannot be read"):
        warm_start(story.archive, tmp_path / "junk", "toy")
    empty = Story(tmp_path / "empty")
    empty.archive.close()
    with pytest.raises(ConfigError, match="holds no experiment"):
        warm_start(story.archive, tmp_path / "empty", "toy")
    assert story.archive.conclusion(WARM_START) is None
    story.archive.close()
