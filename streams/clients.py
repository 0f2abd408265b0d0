"""What the two Kafka clients must be told to get in: librdkafka's dictionary, Faust's credentials.

Both are made from the same `KafkaSettings`, so that a worker cannot reach the broker with one
client and be refused with the other.
"""

from __future__ import annotations

import ssl

from faust import auth

from streams.settings import KafkaSettings, SecurityProtocol

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


def faust_credentials(kafka: KafkaSettings) -> auth.Credentials | None:
    """The same for Faust (aiokafka); None for a plain connection. Raises OSError or ssl.SSLError
    when a certificate file cannot be used."""
    context = _ssl_context(kafka) if kafka.uses_tls else None
    if kafka.uses_sasl and kafka.sasl_mechanism and kafka.sasl_password:
        return auth.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism.value,
            ssl_context=context,
        )
    if kafka.security_protocol is SecurityProtocol.SSL:
        return auth.SSLCredentials(context)
    return None


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
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
