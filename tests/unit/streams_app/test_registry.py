"""What a registry's answers mean, what counts of them at which tick, and the settings and commands
that go with it. `tests/contract/test_registry.py` has a worker and a registry that is away."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyHttpUrl, SecretStr

from schemas import limits
from schemas.codec import FactDecoder, schema_id_of
from schemas.facts import Family
from schemas.refusals import Reason, Refused
from schemas.registered import KnownSchemas, RegisteredSchema
from schemas.writers import schema_text
from streams.cli.root import run, slipwatch
from streams.registry import HttpAnswer, RegistryHttp, RegistryTrouble, read_answer
from streams.settings import RegistrySettings
from tests.registry_double import RegistryDouble

TEXT = schema_text(Family.ORDERS)
ABSENT = RegisteredSchema(id=7, reason=Reason.UNKNOWN_SCHEMA_ID, error="not there")
FOUND = RegisteredSchema(id=7, schema=TEXT)


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    with RegistryDouble(password="of-the-registry") as double:
        yield double


def http(registry: RegistryDouble, **more: object) -> RegistryHttp:
    given = {
        "url": AnyHttpUrl(registry.url),
        "username": "slipwatch",
        "password": SecretStr("of-the-registry"),
        "timeout_seconds": 5,
        **more,
    }
    return RegistryHttp(RegistrySettings(**given))


def known(*answers: RegisteredSchema) -> KnownSchemas:
    """Of records at the offsets 0, 2, 4: a marker lies behind each."""
    made = KnownSchemas()
    for number, answer in enumerate(answers):
        made.take(2 * number, answer)
    return made


@pytest.mark.parametrize(
    ("answers", "upto", "text"),
    [
        ((FOUND,), 0, TEXT),
        ((FOUND,), 2, TEXT),
        ((ABSENT,), 0, None),
        ((ABSENT, FOUND), 0, None),
        ((ABSENT, FOUND), 2, None),
        ((ABSENT, FOUND), 3, TEXT),
        ((ABSENT, ABSENT, FOUND), 3, None),
        ((ABSENT, ABSENT, FOUND), 6, TEXT),
        ((FOUND, ABSENT), 4, TEXT),
        ((FOUND, RegisteredSchema(id=7, schema="{}")), 9, TEXT),
    ],
)
def test_the_first_answer_counts_and_a_schema_found_later_from_the_tick_that_has_it(
    answers: tuple[RegisteredSchema, ...], upto: int, text: str | None
) -> None:
    schemas = known(*answers)
    schemas.stand_at(upto)
    said = schemas.get(7)
    assert said == (text or Refused(Reason.UNKNOWN_SCHEMA_ID, "not there"))


def test_ticks_of_a_release_without_the_topic_know_no_id_and_wait_for_none() -> None:
    schemas = known(FOUND)
    schemas.stand_at(None)
    assert schemas.is_settled(8)
    assert schemas.get(7) is None


@given(st.lists(st.sampled_from([ABSENT, FOUND]), max_size=6), st.integers(0, 12))
def test_what_an_id_means_at_a_tick_does_not_depend_on_how_much_came_later(
    answers: list[RegisteredSchema], upto: int
) -> None:
    at_the_time = known(*answers[: max(1, (upto + 1) // 2)])
    afterwards = known(*answers)
    for each in (at_the_time, afterwards):
        each.stand_at(upto)
    assert at_the_time.get(7) == afterwards.get(7)


def test_an_id_may_be_so_high_and_no_higher() -> None:
    def refused(schema_id: int) -> str:
        value = b"\0" + schema_id.to_bytes(4, "big") + b"body"
        (said,) = FactDecoder(registry={}).decode(Family.ORDERS, [value])
        assert isinstance(said, Refused)
        assert said.reason is Reason.UNKNOWN_SCHEMA_ID
        assert (schema_id_of(value) is None) == (schema_id > limits.SCHEMA_ID_MAX)
        return said.error

    assert "one that the schema registry knows" in refused(limits.SCHEMA_ID_MAX)
    assert f"expected at most {limits.SCHEMA_ID_MAX}" in refused(limits.SCHEMA_ID_MAX + 1)


def test_a_schema_may_have_so_many_characters_and_no_more() -> None:
    def said(length: int) -> RegisteredSchema | None:
        text = TEXT.ljust(length)
        return read_answer(7, HttpAnswer(200, json.dumps({"schema": text}).encode()))

    at_it, past_it = said(limits.SCHEMA_CHARS_MAX), said(limits.SCHEMA_CHARS_MAX + 1)
    assert at_it is not None
    assert at_it.schema is not None
    assert past_it is not None
    assert past_it.schema is None
    assert past_it.reason is Reason.SCHEMA_MISMATCH


def test_an_answer_may_have_so_many_bytes_and_no_more(registry: RegistryDouble) -> None:
    room = limits.REGISTRY_ANSWER_BYTES_MAX - len(json.dumps({"schema": TEXT, "more": ""}))
    registry.put(1, TEXT, more="x" * room)
    registry.put(2, TEXT, more="x" * (room + 1))
    at_it, past_it = http(registry).schema(1), http(registry).schema(2)
    assert at_it == RegisteredSchema(id=1, schema=TEXT)
    assert past_it is not None
    assert past_it.reason is Reason.SCHEMA_MISMATCH
    assert "longer than" in past_it.error


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HttpAnswer(404, b"<html>"), "without saying that the schema is unknown"),
        (HttpAnswer(404, b'{"error_code": 404}'), "without saying that the schema is unknown"),
        (HttpAnswer(401, b""), "other credentials"),
        (HttpAnswer(302, b""), "answered 302"),
        (HttpAnswer(500, b'{"error_code": 50001, "message": "store"}'), "answered 500: store"),
        (HttpAnswer(200, b"<html>"), "answered what is no schema"),
        (HttpAnswer(200, b'{"schema": 3}'), "answered what is no schema"),
    ],
)
def test_what_does_not_say_that_a_schema_is_unknown_is_a_trouble(
    answer: HttpAnswer, says: str
) -> None:
    with pytest.raises(RegistryTrouble, match=says):
        read_answer(7, answer)


def test_only_the_registrys_own_word_means_that_there_is_no_such_schema() -> None:
    assert read_answer(7, HttpAnswer(404, b'{"error_code": 40403, "message": "no"}')) is None


def test_a_schema_that_rests_on_others_is_none_of_facts() -> None:
    body = {"schema": TEXT, "references": [{"name": "x", "subject": "y", "version": 1}]}
    said = read_answer(7, HttpAnswer(200, json.dumps(body).encode()))
    assert said is not None
    assert "refers to other schemas" in said.error


def test_the_password_goes_with_every_question_and_into_no_error(registry: RegistryDouble) -> None:
    registry.put(1, TEXT)
    assert http(registry).schema(1) == RegisteredSchema(id=1, schema=TEXT)
    assert "of-the-registry" not in repr(http(registry))
    with pytest.raises(RegistryTrouble) as caught:
        http(registry, password=SecretStr("a-wrong-one")).schema(1)
    assert "a-wrong-one" not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_in_no_error(registry: RegistryDouble) -> None:
    settings = RegistrySettings(url=AnyHttpUrl(registry.url), token=SecretStr("s3cret\nfollows"))
    with pytest.raises(RegistryTrouble) as refused:
        RegistryHttp(settings).subjects()
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_our_schemas_are_registered_once_under_the_subjects_of_their_topics(
    registry: RegistryDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("of-the-registry\n", encoding="utf-8")
    monkeypatch.setenv("SLIPWATCH_REGISTRY__URL", registry.url)
    monkeypatch.setenv("SLIPWATCH_REGISTRY__USERNAME", "slipwatch")
    monkeypatch.setenv("SLIPWATCH_REGISTRY__PASSWORD_FILE", "password")
    monkeypatch.setenv("SLIPWATCH_TOPICS__PREFIX", "north.")

    first = CliRunner().invoke(slipwatch, ["schemas", "register", "--json"])
    again = CliRunner().invoke(slipwatch, ["schemas", "register", "--json"])

    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert registry.subjects.keys() == {f"north.{family}-value" for family in Family}
    for family in Family:
        schema_id = registry.subjects[f"north.{family}-value"]
        decoder = FactDecoder(registry={schema_id: registry.schemas[schema_id]["schema"]})
        (said,) = decoder.decode(family, [b"\0" + schema_id.to_bytes(4, "big")])
        assert isinstance(said, Refused)
        assert said.reason is Reason.BAD_BODY, "the schema is read, and the body is empty"


def test_a_registry_that_is_away_is_named_and_one_that_is_not_configured_is_said(
    registry: RegistryDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["schemas", "register"]) == 3
    registry.stop()
    monkeypatch.setenv("SLIPWATCH_REGISTRY__URL", registry.url)
    assert run(["schemas", "register"]) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"username": "u"}, "only good together"),
        ({"password": "p"}, "only good together"),
        ({"username": "u", "password": "p", "token": "t"}, "one must go"),
        ({"url": "http://u:p@registry:8081"}, "settings of their own"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RegistrySettings(**{"url": "http://registry:8081", **given})


def test_what_was_answered_keeps_its_shape() -> None:
    """Records of the topic outlive a release."""
    old = b'{"id":7,"schema":"{}"}'
    assert msgspec.json.decode(old, type=RegisteredSchema) == RegisteredSchema(id=7, schema="{}")
