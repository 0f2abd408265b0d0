"""Commands that ask no view: topics, configuration, networks, policies, facts, replay, check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner, Result
from click.utils import make_default_short_help

from schemas.topics import TOPICS
from streams.cli.root import COMMANDS, Listed, run, slipwatch
from streams.exits import EXIT_MEANINGS, Exit

ROOT = Path(__file__).resolve().parents[3]
NOBODY = {
    "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SLIPWATCH_KAFKA__TIMEOUT_SECONDS": "0.5",
}
FACT = {
    "kind": "alive",
    "event_id": "e1",
    "source": "acme-erp",
    "occurred_at": "2026-03-01T00:00:00Z",
    "recorded_at": "2026-03-01T00:00:00Z",
    "complete_to": "2026-03-01T00:00:00Z",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an empty folder, with no setting from outside."""

    for name in list(os.environ):
        if name.startswith("SLIPWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def invoke(*words: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
    return CliRunner().invoke(slipwatch, list(words), env=env, input=stdin)


def test_every_command_has_help_and_every_group_examples() -> None:
    def walk(words: list[str], command: object) -> None:
        shown = invoke(*words, "--help")
        assert shown.exit_code == 0, words
        if not isinstance(command, click.Group):
            return
        if words:
            assert "Examples:" in shown.output, words
        context = click.Context(command)
        for name in command.list_commands(context):
            walk([*words, name], command.get_command(context, name))

    walk([], slipwatch)


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda each: each.name)
def test_the_list_says_of_each_command_what_it_says_itself(listed: Listed) -> None:
    command = slipwatch.get_command(click.Context(slipwatch), listed.name)
    assert command is not None
    assert command.name == listed.name
    assert listed.says == make_default_short_help(command.help or "", 500)


def test_help_imports_nothing_that_only_some_command_needs() -> None:
    code = (
        "import sys; from streams.cli.root import run; run(['--help']); "
        "sys.exit(bool({'confluent_kafka', 'pydantic', 'networkx', 'polars'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert b"dead-letters" in ran.stdout


def test_exit_codes_are_told_in_help_and_each_has_a_meaning() -> None:
    assert {code for code, _ in EXIT_MEANINGS} == set(Exit)
    assert "Exit codes:" in invoke("--help").output


def test_topics_are_listed_without_a_broker() -> None:
    listed = json.loads(invoke("topics", "list", "--json").stdout)
    assert [each["name"] for each in listed] == [topic.name for topic in TOPICS]
    table = invoke("topics", "list").output
    assert all(topic.name in table for topic in TOPICS)


@pytest.mark.parametrize(
    "words",
    [
        ["topics", "check"],
        ["topics", "create"],
        ["network", "show"],
        ["policy", "show"],
        ["notifications", "resend", "n1"],
    ],
)
def test_a_broker_that_is_not_there_is_one_line_and_its_code(words: list[str]) -> None:
    result = invoke(*words, env=NOBODY)
    assert result.exit_code == Exit.BROKER
    assert result.stderr.startswith("slipwatch: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_configuration_is_told_whole_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "slipwatch.toml").write_text("[web]\nport = -1\nhots = 1\n", encoding="utf-8")
    result = invoke("config", "show")
    assert result.exit_code == Exit.CONFIGURATION
    assert len(result.stderr.splitlines()) == 2
    assert "line 2: web.port" in result.stderr


def test_config_show_says_where_a_value_came_from() -> None:
    env = {"SLIPWATCH_ENGINE__TICK_MS": "250", "SLIPWATCH_TICK": "1"}
    result = invoke("config", "show", "--json", env=env)
    shown = json.loads(result.stdout)
    assert shown["settings"]["engine.tick_ms"] == {
        "value": 250,
        "origin": "environment SLIPWATCH_ENGINE__TICK_MS",
    }
    assert shown["warnings"] == ["environment SLIPWATCH_TICK: there is no such setting"]
    changed = invoke("config", "show", "--changed", env=env).stdout
    assert "engine.tick_ms" in changed
    assert "web.port" not in changed


def test_facts_are_checked_and_each_is_answered() -> None:
    lines = "\n".join([json.dumps(FACT), "{", json.dumps(FACT | {"complete_to": "soon"})])
    result = invoke("send", "--dry-run", "-", stdin=lines)
    assert result.exit_code == Exit.FINDINGS
    assert "valid  e1  heartbeats" in result.output
    assert "(stdin):2: is no JSON object" in result.output
    assert "(stdin):3: complete_to" in result.output
    assert "1 valid, nothing was sent; 2 refused." in result.output


def test_facts_without_a_broker_are_not_said_to_be_accepted() -> None:
    result = invoke("send", "-", stdin=json.dumps(FACT), env=NOBODY)
    assert result.exit_code == Exit.BROKER
    assert "accepted" not in result.output


def test_a_good_network_is_summed_up_and_a_bad_one_told_line_by_line(tmp_path: Path) -> None:
    good = ROOT / "examples" / "networks" / "three-tier"
    found = json.loads(invoke("network", "check", str(good), "--json").stdout)
    assert found["errors"] == []
    assert found["network"]["sites"] > 0
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "sites.yaml").write_text("- id: X\n", encoding="utf-8")
    bad = invoke("network", "check", "bad")
    assert bad.exit_code == Exit.FINDINGS
    assert "error: sites.yaml:1" in bad.output
    refused = invoke("network", "publish", "bad", env=NOBODY)
    assert refused.exit_code == Exit.FINDINGS


def test_a_good_policy_is_named_and_a_bad_one_told_line_by_line(tmp_path: Path) -> None:
    good = ROOT / "examples" / "policies" / "default.yaml"
    assert "no errors" in invoke("policy", "check", str(good)).output
    (tmp_path / "bad.yaml").write_text("rules: {nothing: {}}\n", encoding="utf-8")
    bad = invoke("policy", "check", "bad.yaml", "--json")
    assert bad.exit_code == Exit.FINDINGS
    assert json.loads(bad.stdout)["errors"]


def test_check_goes_on_past_what_is_missing_and_says_what_to_do() -> None:
    env = NOBODY | {"SLIPWATCH_VIEW_URL": "http://127.0.0.1:1"}
    result = invoke("check", "--json", env=env)
    assert result.exit_code == Exit.FINDINGS
    found = {each["what"]: each for each in json.loads(result.stdout)}
    assert found["configuration"]["verdict"] == "ok"
    assert found["broker"]["verdict"] == "problem"
    assert "bootstrap_servers" in found["broker"]["do"]
    assert found["network"]["verdict"] == "skipped"
    assert found["view"]["verdict"] == "problem"
    bad = invoke("check", "--json", env={"SLIPWATCH_WEB__PORT": "x"})
    assert [each["what"] for each in json.loads(bad.stdout)] == ["configuration"]


def test_replay_of_facts_gives_the_same_summary_twice(tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").write_text(json.dumps(FACT) + "\n{\n", encoding="utf-8")
    words = ["replay", "facts.jsonl", "--settle-days", "2", "--step", "12h"]
    one = json.loads(invoke(*words, "--json", "--report", "report.jsonl").stdout)
    two = json.loads(invoke(*words, "--json").stdout)
    assert (one["rows"], one["rejected"], one["told"]) == (2, 1, 1)
    assert one["digest"] == two["digest"]
    report = (tmp_path / "report.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(report[0])["line"] == 2
    text = invoke(*words).output
    assert "rejected: facts.jsonl:2" in text
    assert "rejected            1" in text


def test_replay_writes_the_same_alerts_as_parquet_and_as_lines(tmp_path: Path) -> None:
    placed = {key: value for key, value in FACT.items() if key != "complete_to"}
    placed |= {"kind": "placed", "order_ref": "ACME/4711", "line": "10", "buyer": "ACME"}
    placed |= {"item": "VALVE", "quantity": "4", "unit": "PCE", "requested_on": "2026-03-09"}
    for name, facts in (("some", json.dumps(placed) + "\n"), ("none", "")):
        (tmp_path / f"{name}.jsonl").write_text(facts, encoding="utf-8")
        for output in (f"{name}-alerts.jsonl", f"{name}-alerts.parquet"):
            replayed = invoke("replay", f"{name}.jsonl", "--output", output)
            assert replayed.exit_code == Exit.OK, replayed.output
        lines = (tmp_path / f"{name}-alerts.jsonl").read_text(encoding="utf-8").splitlines()
        table = pl.read_parquet(tmp_path / f"{name}-alerts.parquet")
        assert table["alert_id"].to_list() == [json.loads(line)["alert_id"] for line in lines]
        assert (table.height > 0) == (name == "some")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay"], "name files"),
        (["replay", "--from-kafka", "f.jsonl"], "name files"),
        (["replay", "f.csv"], "--mapping"),
        (["replay", "f.jsonl", "--step", "soon"], "is no step"),
        (["replay", "f.jsonl", "--until", "soon"], "--until"),
        (["dead-letters", "retry"], "--all"),
        (["worker", "--clock-speed", "3"], "--clock-from"),
        (["send", "gone.jsonl"], "gone.jsonl"),
    ],
)
def test_what_is_not_understood_is_told_with_its_code(
    words: list[str], said: str, tmp_path: Path
) -> None:
    for name in ("f.jsonl", "f.csv"):
        (tmp_path / name).write_text("", encoding="utf-8")
    result = invoke(*words)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_run_gives_the_code_and_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "list", "--json"]) == Exit.OK
    capsys.readouterr()
    assert run(["alerts", "list", "--view-url", "http://127.0.0.1:1"]) == Exit.VIEW
    assert capsys.readouterr().err.startswith("slipwatch: no answer from the view at")
    assert run(["nothing"]) == Exit.USAGE
