"""What Faust's client (aiokafka) must be told to get in; `streams.clients` has the other."""

from __future__ import annotations

import ssl

from faust import auth

from streams.settings import KafkaSettings, SecurityProtocol


def faust_credentials(kafka: KafkaSettings) -> auth.Credentials | None:
    """None for a plain connection. Raises OSError or ssl.SSLError when a certificate file cannot be
    used."""
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
