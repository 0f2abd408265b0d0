"""All doors, in one list. A new door is added here, and `test_registry` asks for it.

`weight` is the share of the inputs of a run; what costs little gets many.
"""

from __future__ import annotations

import re

from tests.fuzz import facts, files, inside, web, wire
from tests.fuzz.door import Door

DOORS: tuple[Door, ...] = (
    Door(
        name="wire",
        says="a record of a topic of facts, in single-object encoding or Confluent's format",
        loaders=("streams.stages.intake:take_in", "schemas.codec:FactDecoder"),
        enter=wire.enter_wire,
        seeds=wire.wire_seeds,
        place=wire.PLACE,
        weight=150,
    ),
    Door(
        name="wire-in-bulk",
        says="the same in the middle of many good records, decoded together",
        loaders=("schemas.bulk:decode_bodies",),
        enter=wire.enter_in_bulk,
        seeds=wire.wire_seeds,
        place=wire.PLACE,
        weight=2,
    ),
    Door(
        name="registry",
        says="a schema as a schema registry answers, and a record that names it",
        loaders=("schemas.writers:compile_writer",),
        enter=wire.enter_registry,
        seeds=wire.registry_seeds,
        place=wire.PLACE,
        weight=40,
    ),
    Door(
        name="registry-answer",
        says="what a schema registry, or whoever stands before it, answers over HTTP",
        loaders=("streams.registry:read_answer",),
        enter=web.enter_registry_answer,
        seeds=web.registry_answer_seeds,
        place=web.REGISTRY_PLACE,
        weight=60,
    ),
    Door(
        name="json",
        says="a file of facts as JSON, for send and for replay",
        loaders=(
            "schemas.json_facts:read_facts",
            "schemas.json_facts:parse_lines",
            "schemas.json_facts:parse_fact",
            "streams.replay.inputs:json_rows",
        ),
        enter=files.enter_json,
        seeds=files.json_seeds,
        place=files.LINE_PLACE,
        weight=80,
    ),
    Door(
        name="references",
        says="the numbers and lines that a fact names",
        loaders=("schemas.references:references", "schemas.facts:split_line_id"),
        enter=files.enter_references,
        seeds=files.references_seeds,
        place=files.FIELD_PLACE,
        weight=400,
    ),
    Door(
        name="mapping",
        says="a mapping file",
        loaders=("streams.replay.mapping_file:read_mapping",),
        enter=files.enter_mapping,
        seeds=files.mapping_seeds,
        place=files.FILE_PLACE,
        weight=25,
    ),
    Door(
        name="csv",
        says="rows of a CSV file, by a mapping",
        loaders=("streams.replay.inputs:csv_rows", "streams.replay.rows:map_file"),
        enter=files.enter_csv,
        seeds=files.csv_seeds,
        place=files.FILE_PLACE,
        weight=25,
    ),
    Door(
        name="network",
        says="a folder of network files, YAML and CSV",
        loaders=("topology.load:check", "topology.load:load", "topology.reading:read_file"),
        enter=files.enter_network,
        seeds=files.network_seeds,
        place=files.FILE_PLACE,
        weight=30,
    ),
    Door(
        name="policy",
        says="a policy file",
        loaders=("alerts.loading:load_policy", "alerts.loading:read_policy"),
        enter=files.enter_policy,
        seeds=files.policy_seeds,
        place=files.FILE_PLACE,
        weight=60,
    ),
    Door(
        name="config",
        says="settings from a file and the environment",
        loaders=("streams.config:load",),
        enter=files.enter_config,
        seeds=files.config_seeds,
        place=files.SETTING_PLACE,
        weight=40,
    ),
    Door(
        name="control",
        says="ticks, progress, and published networks and policies",
        loaders=(
            "streams.engine.control:Control",
            "streams.engine.control:read_schema",
            "streams.engine.recorded:copy_of",
            "streams.published:read_published",
            "streams.publishing:Assembler",
            "topology.network:decode",
            "alerts.policy:Policy",
        ),
        enter=inside.enter_control,
        seeds=inside.control_seeds,
        place=inside.RECORD_PLACE,
        weight=60,
    ),
    Door(
        name="state",
        says="changelogs and rows between stages, as a worker restores and reads them",
        loaders=("streams.engine.restore:Restoration", "streams.stages.rows:decode_batch"),
        enter=inside.enter_state,
        seeds=inside.state_seeds,
        place=inside.RECORD_PLACE,
        weight=5,
    ),
    Door(
        name="view",
        says="records of the output topics, as the view takes them",
        loaders=("console.rows:puts", "console.cut:tick_of", "schemas.ledger:decode_line"),
        enter=inside.enter_view,
        seeds=inside.view_seeds,
        place=inside.RECORD_PLACE,
        weight=40,
    ),
    Door(
        name="owed",
        says="notifications and receipts, as delivery reads them after a start",
        loaders=("streams.owed_log:read_notification", "streams.owed_log:read_receipt"),
        enter=inside.enter_owed,
        seeds=inside.owed_seeds,
        place=inside.RECORD_PLACE,
        weight=60,
    ),
    Door(
        name="http",
        says="questions to the view",
        loaders=("console.api:create_app",),
        enter=web.enter_http,
        seeds=web.http_seeds,
        place=web.HTTP_PLACE,
        weight=8,
        input_bytes_max=2_000,
    ),
    Door(
        name="webhook",
        says="a signing secret, and what a webhook's receiver answers",
        loaders=("alerts.sinks.webhook:Secret", "alerts.sinks.webhook:judge"),
        enter=web.enter_webhook,
        seeds=web.webhook_seeds,
        place=web.WEBHOOK_PLACE,
        weight=60,
        input_bytes_max=1_000,
    ),
    Door(
        name="engine",
        says="good facts, through every stage of a whole engine",
        loaders=("streams.engine.local:LocalEngine",),
        enter=facts.enter_engine,
        seeds=facts.engine_seeds,
        place=re.compile("^facts.jsonl:[0-9]+: "),
        weight=2,
    ),
)


def door_named(name: str) -> Door:
    """The door; KeyError when there is none of that name."""
    return {door.name: door for door in DOORS}[name]
