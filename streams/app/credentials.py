"""What Faust's client (aiokafka) must be told to get in; `streams.clients` has the other."""

from __future__ import annotations

from faust import auth

from streams.clients import tls_context
from streams.settings import KafkaSettings, SecurityProtocol


def faust_credentials(kafka: KafkaSettings) -> auth.Credentials | None:
    """None for a plain connection. Raises OSError or ssl.SSLError when a certificate file cannot be
    used."""
    context = tls_context(kafka) if kafka.uses_tls else None
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
