"""An Apache Kafka that asks who you are: SASL/SCRAM over TLS, and an authorizer that lets nobody do
anything that was not given. Its plain listener is for the cluster itself and the first user."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.units import instant
from streams.broker.access import AccessAdmin
from streams.config import load
from streams.publishing import Publication
from streams.sending import Sender
from streams.settings import KafkaSettings
from tests.kafka.cluster import KafkaCluster
from tests.scenario import START, network
from topology.network import build, encode

OURS, WORKERS = "slipwatch", "slipwatch-workers"
"""Who gives access, and who runs workers and views with the rights of docs/operations.md."""
PREFIX = "north."
PASSWORD = "of-the-engine"


@dataclass(frozen=True)
class Secured:
    """The broker as its clients see it."""

    bootstrap: str
    plain_bootstrap: str
    ca_file: Path

    def environment(self, prefix: str, user: str = OURS) -> dict[str, str]:
        """The settings of our own processes, by which they get in over TLS with SCRAM."""
        return {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "SLIPWATCH_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "SLIPWATCH_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
            "SLIPWATCH_KAFKA__SASL_USERNAME": user,
            "SLIPWATCH_KAFKA__SASL_PASSWORD": PASSWORD,
            "SLIPWATCH_KAFKA__SSL_CA_FILE": str(self.ca_file),
            "SLIPWATCH_TOPICS__PREFIX": prefix,
            "SLIPWATCH_TOPICS__ENGINE_PARTITIONS": "1",
            "SLIPWATCH_TOPICS__FACT_PARTITIONS": "1",
        }


@contextmanager
def secured_cluster(directory: Path) -> Iterator[Secured]:
    """One node, with our own user as a super user."""
    directory.mkdir(parents=True, exist_ok=True)
    key, certificate = directory / "key.pem", directory / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip

    def settings(ports: Sequence[int]) -> dict[str, str]:
        plain, controller, secured = ports
        return {
            "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},"
            f"SECURED://127.0.0.1:{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "SECURED:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.name.secured.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.secured.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": _one_line(key),
            "ssl.keystore.certificate.chain": _one_line(certificate),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{OURS}",
            "connection.failed.authentication.delay.ms": "0",
        }

    with KafkaCluster(directory / "cluster", secured=settings) as cluster:
        users = AccessAdmin(KafkaSettings(bootstrap_servers=cluster.bootstrap))
        users.set_password(OURS, PASSWORD)
        users.set_password(WORKERS, PASSWORD)
        _give_prefix(cluster.bootstrap)
        yield Secured(f"127.0.0.1:{cluster.spare_port}", cluster.bootstrap, certificate)


def _give_prefix(bootstrap: str) -> None:
    """To the workers' user: all that begins with the prefix, and to describe the cluster."""
    kinds = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
    patterns = [
        *((kind, PREFIX, ResourcePatternType.PREFIXED, AclOperation.ALL) for kind in kinds),
        (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL, AclOperation.DESCRIBE),
    ]
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    rights = [
        AclBinding(kind, name, pattern, f"User:{WORKERS}", "*", operation, AclPermissionType.ALLOW)
        for kind, name, pattern, operation in patterns
    ]
    for future in admin.create_acls(rights).values():
        future.result(30.0)


def _one_line(file: Path) -> str:
    """The text as the value of a Java property."""
    return file.read_text(encoding="ascii").strip().replace("\n", "\\n")


def publish_network(environment: dict[str, str]) -> None:
    """The chain of `tests.scenario`, with ACME subscribed, by the settings in these variables."""
    document = network().document
    parties = tuple(
        msgspec.structs.replace(each, subscribed=each.id == "ACME") for each in document.parties
    )
    published = build(msgspec.structs.replace(document, parties=parties))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load().settings
    data = encode(published)
    Sender(settings).publish("networks", Publication(published.version, data, instant(START)))
