"""Who may read which topic of a partner: users, their passwords and rights on Apache Kafka.

A party's user, its topic and its consumer groups bear one name, `partner_topic` of the party behind
the installation's prefix; its groups go on with `/`, which no such name holds, so that the groups
of one party are never those of another. Everything here can be repeated: what is there stays, and
each call says what it changed.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from schemas.topics import partner_topic
from streams.broker.topics import CLIENT_GRACE_SECONDS, BrokerUnreachable, Faults, full_name
from streams.clients import librdkafka_config
from streams.settings import KafkaSettings, SaslMechanism

MECHANISM = SaslMechanism.SCRAM_SHA_512
SCRAM_ITERATIONS = 8_192
"""Twice the least that Apache Kafka takes; the password has 256 random bits anyway."""
PASSWORD_BYTES = 32
GROUPS_MARK = "/"
PARTNERS = partner_topic("")
"""How every partner's topic begins, behind the installation's prefix."""

T = TypeVar("T")


class AccessNames(msgspec.Struct, frozen=True):
    """What a party's access is called on the broker; a group of its begins with `group_prefix`."""

    user: str
    topic: str
    group_prefix: str

    @property
    def principal(self) -> str:
        """The user as rights name it."""
        return f"User:{self.user}"


def names_of(party: str, prefix: str) -> AccessNames:
    """The names for a party of the installation whose topics have this prefix."""
    return names_of_user(full_name(prefix, partner_topic(party)))


def names_of_user(user: str) -> AccessNames:
    """The names of whoever has this user."""
    return AccessNames(user, user, user + GROUPS_MARK)


class Right(NamedTuple):
    """One right of a principal, in the words of Apache Kafka."""

    kind: ResourceType
    name: str
    pattern: ResourcePatternType
    principal: str
    host: str
    operation: AclOperation
    permission: AclPermissionType

    def __str__(self) -> str:
        mark = "*" if self.pattern is ResourcePatternType.PREFIXED else ""
        allows = "" if self.permission is AclPermissionType.ALLOW else "not "
        words = f"{self.operation.name} {self.kind.name}".lower()
        return f"{allows}{words} {self.name}{mark}"


def rights_of(names: AccessNames) -> tuple[Right, ...]:
    """All that a party may do: read and describe its own topic, and use groups of its own."""
    allowed = (
        (ResourceType.TOPIC, names.topic, ResourcePatternType.LITERAL),
        (ResourceType.GROUP, names.group_prefix, ResourcePatternType.PREFIXED),
    )
    return tuple(
        Right(kind, name, pattern, names.principal, "*", operation, AclPermissionType.ALLOW)
        for kind, name, pattern in allowed
        for operation in (AclOperation.READ, AclOperation.DESCRIBE)
    )


def new_password() -> str:
    """A password that nobody can guess, without characters that a settings file would mind."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


class AccessAdmin:
    """Reads and writes users and rights. Every call raises BrokerUnreachable when the broker does
    not answer, refuses, or has no authorizer."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._faults = Faults()
        quiet: dict[str, Any] = {"log_level": 0, "error_cb": self._faults.remember}
        self._admin = AdminClient(librdkafka_config(kafka) | quiet)
        self._address = kafka.bootstrap_servers
        self._timeout_seconds = kafka.timeout_seconds

    def topics(self) -> set[str]:
        """The topics that are there."""
        try:
            return set(self._admin.list_topics(timeout=self._timeout_seconds).topics)
        except KafkaException as error:
            raise self._refusal(error.args[0]) from error

    def rights(self) -> dict[str, set[Right]]:
        """Every right that is given, by principal."""
        every = _filter(None)
        found: dict[str, set[Right]] = {}
        for each in self._result(self._admin.describe_acls(every, **self._limit)):
            right = Right(
                each.restype, each.name, each.resource_pattern_type, each.principal, each.host,
                each.operation, each.permission_type,
            )  # fmt: skip
            found.setdefault(right.principal, set()).add(right)
        return found

    def grant(self, names: AccessNames) -> int:
        """Gives the party its rights and takes away every other of its user's; how many changed."""
        wanted = set(rights_of(names))
        there = self.rights().get(names.principal, set())
        missing = [AclBinding(*right) for right in sorted(wanted - there, key=str)]
        beyond = [AclBindingFilter(*right) for right in sorted(there - wanted, key=str)]
        if missing:
            self._results(self._admin.create_acls(missing, **self._limit))
        if beyond:
            self._results(self._admin.delete_acls(beyond, **self._limit))
        return len(missing) + len(beyond)

    def revoke(self, names: AccessNames) -> int:
        """Takes away all rights of the party's user; how many there were. It ends what is connected
        too, where a password alone would not."""
        filters = [_filter(names.principal)]
        return len(self._results(self._admin.delete_acls(filters, **self._limit))[0])

    def users(self) -> set[str]:
        """The users with a password of the mechanism that parties get."""
        asked = self._admin.describe_user_scram_credentials(request_timeout=self._timeout_seconds)
        described = self._result(cast("Future[dict[str, Any]]", asked))
        return {
            user
            for user, each in described.items()
            if any(info.mechanism is _mechanism() for info in each.scram_credential_infos)
        }

    def set_password(self, user: str, password: str) -> None:
        """Gives the user this password, and no other. Connections made before stay."""
        info = ScramCredentialInfo(_mechanism(), SCRAM_ITERATIONS)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self._results(self._admin.alter_user_scram_credentials([change], **self._limit))

    def remove_password(self, user: str) -> bool:
        """Whether there was one; now there is none."""
        if user not in self.users():
            return False
        change = UserScramCredentialDeletion(user, _mechanism())
        self._results(self._admin.alter_user_scram_credentials([change], **self._limit))
        return True

    @property
    def _limit(self) -> dict[str, float]:
        return {"request_timeout": self._timeout_seconds}

    def _results(self, futures: dict[Any, Future[T]]) -> list[T]:
        return [self._result(each) for each in futures.values()]

    def _result(self, future: Future[T]) -> T:
        try:
            return future.result(self._timeout_seconds + CLIENT_GRACE_SECONDS)
        except KafkaException as error:
            raise self._refusal(error.args[0]) from error
        except TimeoutError as error:
            raise BrokerUnreachable(f"no answer from the broker at {self._address}") from error

    def _refusal(self, reason: KafkaError) -> BrokerUnreachable:
        match reason.name():
            case "SECURITY_DISABLED":
                return BrokerUnreachable(
                    f"the broker at {self._address} has no authorizer (authorizer.class.name), so "
                    "that everybody may read everything: no partner may be let in"
                )
            case "CLUSTER_AUTHORIZATION_FAILED":
                return BrokerUnreachable(
                    f"the broker at {self._address} does not let this user give access: it takes "
                    "Alter, Describe, AlterConfigs and DescribeConfigs on the cluster"
                )
            case _:
                told = self._faults.last or reason.str()
                return BrokerUnreachable(f"the broker at {self._address} refuses: {told}")


def _mechanism() -> ScramMechanism:
    return ScramMechanism.SCRAM_SHA_512


def _filter(principal: str | None) -> AclBindingFilter:
    """Every right of the principal, or of all; None stands for anything, which the stubs of
    confluent-kafka 2.16 do not know."""
    anything: Any = None
    return AclBindingFilter(
        ResourceType.ANY, anything, ResourcePatternType.ANY, principal or anything, anything,
        AclOperation.ANY, AclPermissionType.ANY,
    )  # fmt: skip
