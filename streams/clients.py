"""What librdkafka's clients must be told, and the log that is made of them.

`streams.app.credentials` tells the same to Faust's client, from the same settings, so that a worker
cannot reach the broker with one and be refused with the other.
"""

from __future__ import annotations

import ssl

from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Log
from streams.settings import KafkaSettings, Settings

LibrdkafkaConfig = dict[str, str | int | float | bool]


def librdkafka_config(kafka: KafkaSettings) -> LibrdkafkaConfig:
    """The connection part of a confluent-kafka client's configuration; it holds the password."""
    config: LibrdkafkaConfig = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": kafka.client_id,
        "security.protocol": kafka.security_protocol.value,
    }
    if kafka.uses_sasl and kafka.sasl_mechanism and kafka.sasl_password:
        config["sasl.mechanism"] = kafka.sasl_mechanism.value
        config["sasl.username"] = kafka.sasl_username or ""
        config["sasl.password"] = kafka.sasl_password.get_secret_value()
    if kafka.uses_tls:
        config["ssl.endpoint.identification.algorithm"] = (
            "https" if kafka.ssl_check_hostname else "none"
        )
        if kafka.ssl_ca_file:
            config["ssl.ca.location"] = str(kafka.ssl_ca_file)
        if kafka.ssl_certificate_file and kafka.ssl_key_file:
            config["ssl.certificate.location"] = str(kafka.ssl_certificate_file)
            config["ssl.key.location"] = str(kafka.ssl_key_file)
        if kafka.ssl_key_password:
            config["ssl.key.password"] = kafka.ssl_key_password.get_secret_value()
    return config


def tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """What aiokafka must be told of certificates. Raises OSError or ssl.SSLError when a file cannot
    be used."""
    context = ssl.create_default_context(
        ssl.Purpose.SERVER_AUTH, cafile=str(kafka.ssl_ca_file) if kafka.ssl_ca_file else None
    )
    context.check_hostname = kafka.ssl_check_hostname
    if kafka.ssl_certificate_file and kafka.ssl_key_file:
        password = kafka.ssl_key_password
        context.load_cert_chain(
            kafka.ssl_certificate_file,
            kafka.ssl_key_file,
            password.get_secret_value() if password else None,
        )
    return context


def engine_group(settings: Settings) -> str:
    """The consumer group of the engine; other groups of ours begin with it."""
    return settings.topics.prefix + settings.engine.application_id


def kafka_log(settings: Settings) -> Log:
    """A connection to the log, as the settings say; each thread that blocks gets its own."""
    engine = settings.engine
    return KafkaLog(
        KafkaLogSettings(
            client=librdkafka_config(settings.kafka),
            prefix=settings.topics.prefix,
            group_protocol=engine.group_protocol.value,
            session_timeout_ms=engine.session_timeout_ms,
            heartbeat_ms=engine.heartbeat_ms,
            transaction_timeout_ms=engine.transaction_timeout_ms,
        )
    )
