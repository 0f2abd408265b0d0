"""Inputs that broke a promise once, each with what it did; `test_doors` tries them for ever."""

from __future__ import annotations

_SHIPMENT = b'{"type": "record", "name": "ShipmentFact", "fields": [{"name": "a", "type": "%s"}]}'
_NESTED = b'{"notification_id":"x","recipient":' + b"[" * 1_500 + b"]" * 1_500 + b"}"
_ALERT = (
    b'{"alert_id":"a","episode":1,"state":"open","revision":1,"tick":%s,"at":"%s","aspect":"f",'
    b'"cause_kind":"feed","cause_id":"c","cause":"x","severity":"major","title":"t",'
    b'"next_step":"n","opened_at":"2026-01-08T00:00:00Z","updated_at":"2026-01-08T00:00:00Z"}'
)

FINDS: tuple[tuple[str, bytes], ...] = (
    # A registry's text with a lone surrogate could not be written into the dead letter.
    ("registry", b"\x01\n=== schema\n" + _SHIPMENT % b"\\ud800" + b"\n=== body\nx\n"),
    (
        "registry",
        b'\x00\n=== schema\n{"type": "record", "name": "OrderFact", "fields": ['
        + b",".join(
            b'{"name": "%s", "type": "string"}' % name
            for name in (b"event_id", b"source", b"kind", b"\\ud800")
        )
        + b',{"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}'
        b',{"name": "recorded_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}'
        b"]}\n=== body\nx\n",
    ),
    # ... and one of many fields was quoted whole.
    ("registry", b"\x00\n=== schema\n{" + b'"a": "' + b"x" * 5_000 + b'"}\n'),
    # A field whose name is a lone surrogate: an IndexError.
    ("json", b'{"event_id": "e", "kind": "rejected", "\\ud800": "ACME/4711"}'),
    # Objects with very many fields: minutes, as each unknown name was compared with all known ones.
    ("json", b'{"kind": "eta", ' + b",".join(b'"f%d": 1' % n for n in range(20_000)) + b"}"),
    # A name twice among very many: each was counted among all.
    ("json", b"{" + b",".join(b'"f%d": 1' % n for n in range(50_000)) + b',"f9": 1}'),
    # Every line an error: the lines before each were counted anew.
    ("json", b"{\n" * 60_000),
    # Names of columns and fields were quoted whole.
    ("network", b"=== stock_nodes.csv\nitem,site," + b"x" * 5_000 + b"\n"),
    ("config", b"[kafka]\n" + b"x" * 5_000 + b" = 1\n"),
    ("config", b"[log]\nlevel = '" + b"x" * 5_000 + b"'\n"),
    # A number of more digits than Python reads, and arrays deeper than it can go.
    ("config", b"[kafka]\ntimeout_seconds = " + b"9" * 5_000 + b"\n"),
    ("config", b"x = " + b"[" * 3_000 + b"\n"),
    ("config", b"=== environment\nSINKS=" + b"[" * 3_000 + b"\n"),
    ("config", b"[kafka]\nsecurity_protocol = 'SSL'\nssl_ca_file = '" + b"x" * 300 + b"'\n"),
    ("config", b"[kafka]\nssl_key_password_file = '\\u0000'\n"),
    ("config", b"a" + b".a" * 3_000 + b" = 1\n"),
    # Records on topics that workers read for themselves: errors without a place, or not foreseen.
    ("control", b'ticks \n{"'),
    ("control", b'ticks \n{"n":3,"at":"3:00:00Z"}'),
    (
        "control",
        b'progress worker/l\xebcal/0\n{"stage":"w","topic":"l","partition":0,"tick":0,"offset":0}',
    ),
    ("control", b'progress intake/0\n{"stage":"in\xc0ake"}'),
    ("control", b"networks x\n" + b"[" * 3_000),
    ("state", b"cells-rows \n\x94\x04\xa9[1]/0\x90\x98\x04\xcf\x00"),
    # A key that is no key was quoted whole.
    ("state", b"sources-state " + b"x" * 5_000 + b"\ny"),
    ("view", b"lines ACME/PO-002#10\n\x97\x01\xc0\x01\x91\xc4\x04\x93\xa1o\xc0\xc0\xc0\xc0\xc0"),
    ("view", b"lines x\n\x97\x01\xc0\x01\x91\xc4\x05\x92\xa1o\xa1\xff\x90\xc0\xc0"),
    ("view", b'order-status x\n{"tick":1,"line_id":' + b"[" * 1_500),
    # Numbers that no column holds, and times without a zone.
    ("view", b"alerts a\n" + _ALERT % (b"-9223372036854775809", b"2026-01-08T00:00:00Z")),
    ("view", b"alerts a\n" + (_ALERT % (b"1", b"2026-01-08T00:00:00Z")).replace(b"00Z", b"00")),
    ("owed", b"notifications operations\n" + _NESTED),
    # A query that is no UTF-8, where the path is not known.
    ("http", b"/nothing?\xff"),
    # A secret that is not ASCII.
    ("webhook", "whsec_ü".encode()),
)
