"""How much a user may take from the broker: Apache Kafka's client quotas.

confluent-kafka 2.16 (librdkafka) has no call for quotas, so this sends the two requests by
aiokafka, which knows how to ask for them and carries any request (KIP-546, version 0, which brokers
from 2.6 to 4.1 answer). It can go when librdkafka has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from streams.broker.topics import BrokerUnreachable
from streams.clients import tls_context
from streams.settings import KafkaSettings

Quotas = dict[str, float]
"""The value by the name that the broker gives a quota, such as `consumer_byte_rate`."""

BYTES_PER_SECOND = "consumer_byte_rate"
REQUEST_PERCENT = "request_percentage"

_USER = "user"
_ANY_NAME = 2
T = TypeVar("T")


class _AlterResponse(Response):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", Array(("type", String("utf-8")), ("name", String("utf-8")))),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("type", String("utf-8")), ("name", String("utf-8")))),
                (
                    "ops",
                    Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean)),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterRequest(Request[_AlterStruct]):  # type: ignore[misc]
    API_KEY = 49

    def __init__(self, user: str, values: Mapping[str, float | None]) -> None:
        self._user, self._values = user, values

    def build(self, request_struct_class: type[_AlterStruct]) -> _AlterStruct:
        """One entity with all its changes; a value of None takes the quota away."""
        changes = [
            (name, 0.0 if value is None else value, value is None)
            for name, value in sorted(self._values.items())
        ]
        return request_struct_class([([(_USER, self._user)], changes)], False)


class QuotaAdmin:
    """Reads and sets the quotas of users. Every call raises BrokerUnreachable when the broker does
    not answer or refuses."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def of_users(self) -> dict[str, Quotas]:
        """The quotas of every user that has some of its own."""

        async def ask(client: AIOKafkaClient) -> dict[str, Quotas]:
            answer = await self._send(
                client, DescribeClientQuotasRequest([(_USER, _ANY_NAME, None)], True)
            )
            self._check(answer.error_code, answer.error_message)
            return {
                name: {quota: float(value) for quota, value in values}
                for entity, values in answer.entries or []
                for kind, name in entity
                if kind == _USER and name is not None
            }

        return self._run(ask)

    def set(self, user: str, values: Mapping[str, float | None]) -> None:
        """Sets the quotas of the user; a value of None takes one away."""

        async def ask(client: AIOKafkaClient) -> None:
            answer = await self._send(client, _AlterRequest(user, values))
            for code, message, _ in answer.entries:
                self._check(code, message)

        self._run(ask)

    def _run(self, ask: Callable[[AIOKafkaClient], Awaitable[T]]) -> T:
        return asyncio.run(self._ask(ask))

    async def _ask(self, ask: Callable[[AIOKafkaClient], Awaitable[T]]) -> T:
        kafka = self._kafka
        client = AIOKafkaClient(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            client_id=kafka.client_id,
            request_timeout_ms=int(kafka.timeout_seconds * 1000),
            security_protocol=kafka.security_protocol.value,
            **_credentials(kafka),
        )
        try:
            async with asyncio.timeout(kafka.timeout_seconds):
                await client.bootstrap()
                return await ask(client)
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnreachable(
                f"no answer about quotas from the broker at {kafka.bootstrap_servers}: "
                f"{str(error) or type(error).__name__}"
            ) from error
        finally:
            await client.close()

    @staticmethod
    async def _send(client: AIOKafkaClient, request: Request[Any]) -> Any:
        return await client.send(client.get_random_node(), request)

    def _check(self, code: int, message: str | None) -> None:
        if code:
            raise BrokerUnreachable(
                f"the broker at {self._kafka.bootstrap_servers} refuses to tell or set quotas: "
                f"{message or code}; it takes DescribeConfigs and AlterConfigs on the cluster"
            )


def _credentials(kafka: KafkaSettings) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if kafka.uses_tls:
        given["ssl_context"] = tls_context(kafka)
    if kafka.uses_sasl and kafka.sasl_mechanism and kafka.sasl_password:
        given["sasl_mechanism"] = kafka.sasl_mechanism.value
        given["sasl_plain_username"] = kafka.sasl_username
        given["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    return given
