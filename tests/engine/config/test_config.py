"""A config fails at once, with the key, what was expected, what came, and the nearest valid name."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import Config, ConfigError, changed, commented, parse, read
from recevolve.evaluators.data.schema import Schema
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.reward.logs.own_log import ROLES, SPELLING

MINIMAL: dict[str, Any] = {"kind": "optimizer", "run_dir": "runs/x"}


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    return str(caught.value)


def test_every_key_but_kind_and_place_has_a_default() -> None:
    config = parse(MINIMAL)
    assert config.population.islands == 4
    assert config.budget.generations == 40
    assert config.data.source == "movielens-100k"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"popullation": {}}, ["popullation", "population"]),
        ({"population": {"island": 3}}, ["population.island", "islands"]),
        ({"budget": {"seconds": -1}}, ["budget.seconds", "greater than 0", "-1"]),
        ({"budget": {"generations": "many"}}, ["budget.generations", "integer", "many"]),
        ({"population": {"topology": "star"}}, ["population.topology", "'ring'", "star"]),
        ({"proxy": {"keep": 1.5}}, ["proxy.keep", "1.5"]),
        ({"sandbox": {"min_tier": 7}}, ["sandbox.min_tier", "7"]),
        ({"budget": 3}, ["budget", "3"]),
        ({"propose": {"mixture": {"magic": 1.0}}}, ["propose.mixture", "syntax"]),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(raw: dict[str, Any], words: list[str]) -> None:
    message = refused(MINIMAL | raw)
    assert all(word in message for word in words), message


def test_every_mistake_is_listed_at_once() -> None:
    message = refused({"kind": "optimizer", "population": {"islands": 0}, "budget": {"secs": 1}})
    assert "population.islands" in message
    assert "budget.secs" in message
    assert "run_dir: missing" in message


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="recevolve init"):
        read(tmp_path / "absent.toml")


def test_broken_toml_and_binary_files_are_config_errors(tmp_path: Path) -> None:
    for name, content in (("a.toml", b"kind = "), ("b.toml", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=name):
            read(tmp_path / name)


def test_set_changes_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('kind = "optimizer"\nrun_dir = "a"\n[budget]\nseconds = 5\n')
    config = read(path, ["budget.seconds=7.5", "run_dir=elsewhere", 'seeds=["adam"]', "population.births=3"])
    assert (config.budget.seconds, config.run_dir, config.seeds) == (
        7.5,
        Path.cwd() / "elsewhere",
        ("adam",),
    )
    assert config.population.births == 3
    with pytest.raises(ConfigError, match="key=value"):
        read(path, ["budget.seconds"])
    with pytest.raises(ConfigError, match="is a value"):
        read(path, ["kind.deep=1"])


def test_the_kinds_own_table_becomes_its_settings() -> None:
    config = parse(MINIMAL | {"optimizer": {"dim": 4}})
    assert config.settings == {"dim": 4}
    assert changed(config, ["settings.dim=8"]).settings == {"dim": 8}


def test_identity_leaves_out_what_cannot_change_a_generation() -> None:
    config = parse(MINIMAL)
    same = changed(config, ["budget.seconds=1", "executor.workers=7", "run_dir=b", "sandbox.min_tier=1"])
    other = changed(config, ["population.births=7"])
    assert config.identity() == same.identity()
    assert config.identity() != other.identity()


def test_the_written_config_is_valid_and_holds_every_key() -> None:
    text = commented(TASK, "mine")
    raw = tomllib.loads(text)
    config = parse(raw)
    assert config.run_dir == Path("runs/mine").absolute()
    assert config.guardrails == TASK.guardrails
    assert f'source = "{TASK.source}"  # {TASK.data}' in text
    assert config.settings["folds"] == 10
    for table in ("population", "budget", "propose", "proxy", "north_star", "executor", "sandbox"):
        fields = Config.model_fields[table].annotation
        assert fields is not None
        unset = {name for name, field in fields.model_fields.items() if field.default is None}
        assert raw[table].keys() == fields.model_fields.keys() - unset
        assert all(f"# {name} = " in text for name in unset)


def test_the_config_of_a_kind_of_ones_own_names_its_folder(tmp_path: Path) -> None:
    text = commented(TASK, "mine", [tmp_path / "mine"])
    assert parse(tomllib.loads(text)).tasks == (tmp_path / "mine",)
    assert "typing." not in text


def test_paths_of_proposing_are_found_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(
        'kind = "optimizer"\nrun_dir = "r"\n[propose]\nkeys = "k.env"\nprompts = "p"\njournal_from = "old"\n'
        'variants = ["v/bold"]\n'
    )
    propose = read(Path("c.toml")).propose
    assert (propose.keys, propose.prompts) == (tmp_path / "k.env", tmp_path / "p")
    assert (propose.journal_from, propose.variants) == (tmp_path / "old", (tmp_path / "v" / "bold",))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"name": "openai/x", "api_base": "http://user:word@host/v1"}, ["password", "key_env"]),
        ({"name": "openai/x", "api_base": "host/v1"}, ["models.0.api_base", "http://127.0.0.1:8080/v1"]),
        ({"name": "openai/x", "extra": {"api_key": "sk-1"}}, ["api_key", "key_env"]),
        ({"name": "openai/x", "forms": ["haiku"]}, ["forms", "edits"]),
        ({"nam": "openai/x"}, ["did you mean `name`"]),
    ],
)
def test_a_wrong_model_is_told_without_its_secret(model: dict[str, Any], words: list[str]) -> None:
    message = refused(MINIMAL | {"propose": {"models": [model]}})
    assert all(word in message for word in words), message
    assert "sk-1" not in message
    assert "word@" not in message


def test_where_a_model_is_asked_and_how_long_is_no_part_of_the_search() -> None:
    def identity(**model: Any) -> dict[str, Any]:
        models = [{"name": "openai/x", **model}]
        return parse(MINIMAL | {"propose": {"models": models, "deadline": 5 + len(model)}}).identity()

    assert identity() == identity(api_base="http://h/v1", key_env="K", concurrency=3, dollars=1.0, tokens=9)
    assert identity() != identity(temperature=0.1)
    assert parse(MINIMAL | {"propose": {"models": ["openai/x"]}}).propose.chosen[0].name == "openai/x"


def test_a_model_named_twice_and_a_share_for_none_are_refused() -> None:
    assert "twice" in refused(MINIMAL | {"propose": {"models": ["openai/x", "openai/x"]}})
    assert "names none" in refused(MINIMAL | {"propose": {"mixture": {"models": 1.0}}})


def test_a_key_of_an_earlier_release_is_told_its_new_name() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"kind": "toy", "run_dir": "x", "north_star": {"knockouts": 3, "knockout_on": "proxy"}})
    assert "`north_star.ablations` now" in str(caught.value)
    assert "`north_star.ablate_on` now" in str(caught.value)


def test_what_is_recorded_of_a_log_with_time_says_that_it_was_split_by_time() -> None:
    schema = {"label": "y", "user": "u", "time": "t"}
    data = {"source": "log.csv", "schema": schema}
    assert parse(MINIMAL).data.table()["split"] == "user"
    timed = parse({**MINIMAL, "data": data})
    assert timed.data.table()["split"] == "time"
    assert changed(timed, ["data.split=user"]).data.split == "user"
    with pytest.raises(ConfigError, match=r"data.split: .*'user' or 'time', got 'row'"):
        parse({**MINIMAL, "data": {**data, "split": "row"}})


@pytest.mark.parametrize("kind", ["optimizer", "interaction", "reward"])
def test_the_written_schema_is_one_once_its_comment_signs_are_gone(kind: str) -> None:
    text = commented(registry.find(kind), "mine")
    begin, end = text.index("# [data.schema]"), text.index("[population]")
    assert "schema" not in parse(tomllib.loads(text)).data.table()
    uncommented = text[begin:end].replace("\n# ", "\n")[2:]
    schema = parse(tomllib.loads(text[:begin] + uncommented + text[end:])).data.table()["schema"]
    if kind == "reward":
        assert {*ROLES, *SPELLING} == schema.keys()
    else:
        assert Schema.from_table(schema).positive is not None
        assert schema.keys() == {field.name for field in dataclasses.fields(Schema)}


def test_a_kind_without_a_log_has_no_schema() -> None:
    assert "data.schema" not in commented(registry.find("kernel"), "mine")
