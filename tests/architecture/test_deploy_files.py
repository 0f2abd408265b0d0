"""The container file, compose and the Kubernetes manifests name only what exists: settings, ports,
pages, commands, files; and they give a worker the time that it needs to stop."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from streams.app.process import STOP_SECONDS
from streams.config import load
from streams.settings import Settings
from tests.architecture.sources import PACKAGES
from tests.architecture.test_commands import misunderstood

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = (ROOT / "deploy/container/Containerfile").read_text(encoding="utf-8")
COMPOSE: Any = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text(encoding="utf-8"))
WITH_POSTGRESQL: Any = yaml.safe_load(
    (ROOT / "deploy/compose/postgresql.yaml").read_text(encoding="utf-8")
)
SERVICES = {
    name: each for name, each in COMPOSE["services"].items() if each["image"] == "slipwatch"
}
KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAY: Any = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
"""The view's database in PostgreSQL, beside what is there without it."""
MANIFESTS: list[Any] = [
    each
    for name in OVERLAY["resources"]
    for each in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
]
POSTGRESQL = "slipwatch-postgresql"
WORKLOADS = [
    each
    for each in MANIFESTS
    if each["kind"] in {"StatefulSet", "Deployment", "Job"}
    and each["metadata"]["name"] != POSTGRESQL
]
LONG_RUNNING = [each for each in WORKLOADS if each["kind"] != "Job"]
PORTS = {
    "worker": Settings.model_fields["web"].default.port,
    "view": Settings.model_fields["view"].default.port,
    "door": Settings.model_fields["door"].default.port,
}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


def instructions(word: str) -> list[str]:
    joined = CONTAINER.replace("\\\n", " ")
    return [
        line.removeprefix(word).strip()
        for line in joined.splitlines()
        if line.startswith(f"{word} ")
    ]


def image_environment() -> dict[str, str]:
    (said,) = instructions("ENV")
    return dict(pair.split("=", maxsplit=1) for pair in said.split())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings but those that a test gives."""
    for name in list(os.environ):
        if name.startswith("SLIPWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], file: Path | None
) -> Settings:
    for name, value in given.items():
        if name.startswith("SLIPWATCH_") and name != "SLIPWATCH_CONFIG":
            monkeypatch.setenv(name, value)
    found = load(file)
    assert not found.warnings
    return found.settings


# The image.


def test_the_image_copies_what_exists_and_all_packages() -> None:
    copied = [
        each.split()[:-1] for each in instructions("COPY") if not each.startswith("--from=build")
    ]
    names = [name for names in copied for name in names]
    assert set(PACKAGES) <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name
    kept = (ROOT / "deploy/container/Containerfile.dockerignore").read_text(encoding="utf-8")
    assert {line[1:] for line in kept.splitlines() if line.startswith("!")} == set(names)


def test_the_image_is_made_from_the_lock_and_does_not_run_as_root() -> None:
    installs = [each for each in instructions("RUN") if "pip install" in each]
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert all("--no-deps" in each for each in installs[1:])
    assert "--index-url" not in CONTAINER
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.split(':')[0]}" in CONTAINER
    assert CONTAINER.index("USER ") > CONTAINER.index("useradd")


def test_the_image_sets_what_exists_and_its_base_has_a_python_that_is_allowed(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = loaded(monkeypatch, image_environment(), None)
    assert settings.web.host == settings.view.host == settings.door.host == "0.0.0.0"
    home = instructions("WORKDIR")[-1]
    assert settings.view.database == f"sqlite:///{home}/view.db"
    assert f"--home-dir {home} " in CONTAINER
    assert [int(port) for port in instructions("EXPOSE")[0].split()] == list(PORTS.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = project["requires-python"].removeprefix(">=")
    assert re.search(r"python:(\d+\.\d+)-", CONTAINER)[1] >= least  # type: ignore[index]
    entry = yaml.safe_load(instructions("ENTRYPOINT")[0])
    assert entry == list(project["scripts"])
    assert misunderstood(yaml.safe_load(instructions("CMD")[0])) is None


# Compose.


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_command_with_settings_that_exist(
    name: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = SERVICES[name]
    assert misunderstood(service["command"]) is None
    settings = loaded(monkeypatch, image_environment() | service["environment"], None)
    assert settings.topics.replication_factor == 1
    host, port = settings.kafka.bootstrap_servers.split(":")
    assert host in COMPOSE["services"]
    assert f"PLAINTEXT://{host}:{port}" == broker()["KAFKA_ADVERTISED_LISTENERS"]
    assert settings.view_url.host in COMPOSE["services"]
    assert settings.view_url.port == PORTS["view"]
    file = ROOT / "deploy/compose" / service["build"]["context"] / service["build"]["dockerfile"]
    assert file.is_file()
    assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
    for volume in service.get("volumes", ()):
        kept = volume.split(":")[0]
        assert kept in COMPOSE["volumes"] or (ROOT / "deploy/compose" / kept).is_dir()


def test_the_overlay_gives_the_views_one_database_and_no_password(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = WITH_POSTGRESQL
    server = overlay["services"]["postgres"]["environment"]
    assert set(overlay["secrets"]) == {"view_database_password"}
    for name, follows in (("view", True), ("view-answers", False)):
        service = overlay["services"][name]
        environment = dict(service["environment"])
        assert service["secrets"] == ["view_database_password"]
        given = environment.pop("SLIPWATCH_VIEW__DATABASE_PASSWORD_FILE")
        assert given == server["POSTGRES_PASSWORD_FILE"] == "/run/secrets/view_database_password"
        settings = loaded(monkeypatch, image_environment() | environment, None)
        assert settings.view.follow is follows
        address = make_url(settings.view.database)
        assert (address.username, address.database) == (
            server["POSTGRES_USER"],
            server["POSTGRES_DB"],
        )
        assert address.host in overlay["services"]
        assert address.password is None
    assert misunderstood(overlay["services"]["view-answers"]["command"]) is None


def test_no_two_services_are_published_on_one_port() -> None:
    published = [
        mapping.rsplit(":", maxsplit=1)[0]
        for services in (COMPOSE["services"], WITH_POSTGRESQL["services"])
        for service in services.values()
        for mapping in service.get("ports", ())
    ]
    assert len(published) >= 3
    assert len(set(published)) == len(published), published


def broker() -> dict[str, str]:
    environment = COMPOSE["services"]["kafka"]["environment"]
    assert all(isinstance(value, str) for value in environment.values())
    return dict(environment)


@pytest.mark.parametrize("name", [name for name in SERVICES if "healthcheck" in SERVICES[name]])
def test_a_service_is_asked_for_its_health_where_it_answers(name: str) -> None:
    service = SERVICES[name]
    asked = " ".join(service["healthcheck"]["test"])
    port, path = re.search(r"127\.0\.0\.1:(\d+)(/\w+)", asked).groups()  # type: ignore[union-attr]
    assert int(port) == PORTS[service["command"][0]]
    assert path in pages(service["command"][0])
    assert float(service["stop_grace_period"].removesuffix("s")) > STOP_SECONDS


def test_every_long_running_service_has_a_name_of_its_own_and_a_health_check() -> None:
    running = {name: each for name, each in SERVICES.items() if each["command"][0] in PORTS}
    assert all("healthcheck" in each for each in running.values())
    names = [each["command"][2] for each in running.values() if each["command"][0] == "worker"]
    assert len(names) == len(set(names)) >= 2
    for name in ("view", "door"):
        for port in running[name]["ports"]:
            assert port.split(":")[-1] == str(PORTS[name])


def test_the_broker_is_the_one_that_is_tested_in_kraft_mode() -> None:
    tested = (ROOT / "tests/kafka/pom.xml").read_text(encoding="utf-8")
    version = COMPOSE["services"]["kafka"]["image"].split(":")[1]
    assert f"<version>{version}</version>" in tested
    assert set(broker()["KAFKA_PROCESS_ROLES"].split(",")) == {"broker", "controller"}
    volume, place = COMPOSE["services"]["kafka"]["volumes"][0].split(":")
    assert volume in COMPOSE["volumes"]
    assert place == broker()["KAFKA_LOG_DIRS"]


# Kubernetes.


def pages(command: str) -> set[str]:
    """The paths that a worker or the view answers, from where they are made."""
    file, pattern = {
        "worker": ("streams/app/pages.py", r'@app\.page\("(/[\w/]+)"'),
        "view": ("console/api.py", r'@app\.get\(\s*"(/[\w/]+)"'),
        "door": ("streams/door/server.py", r'@app\.get\("(/[\w/]+)"'),
    }[command]
    return set(re.findall(pattern, (ROOT / file).read_text(encoding="utf-8")))


def containers() -> Iterator[tuple[Any, Any, Any]]:
    for workload in WORKLOADS:
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield workload, pod, container


def named(workload: Any) -> str:
    return str(workload["metadata"]["name"])


def config_file(folder: Path) -> Path:
    """The configuration of the manifests, with its secrets where they are mounted moved to here."""
    (config,) = [each for each in MANIFESTS if each["kind"] == "ConfigMap"]
    text = config["data"]["slipwatch.toml"]
    for name in set(re.findall(r'_file = "/run/secrets/slipwatch/([\w-]+)"', text)):
        (folder / name).write_text("whsec_" + "c2VjcmV0" * 4, encoding="utf-8")
    made = folder / "slipwatch.toml"
    made.write_text(text.replace("/run/secrets/slipwatch", str(folder)), encoding="utf-8")
    return made


def test_the_configuration_is_one_and_holds_no_secret(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = loaded(monkeypatch, image_environment(), config_file(alone))
    assert settings.kafka.uses_sasl
    assert settings.kafka.sasl_password is not None
    assert settings.topics.replication_factor == 3
    for manifest in MANIFESTS:
        assert manifest["kind"] != "Secret"
    for name in re.findall(r"^(\w*(?:password|secret)\w*) =", text_of_config(), re.MULTILINE):
        assert name.endswith("_file")


def text_of_config() -> str:
    (config,) = [each for each in MANIFESTS if each["kind"] == "ConfigMap"]
    return str(config["data"]["slipwatch.toml"])


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_a_pod_runs_a_command_that_exists_as_the_images_user(workload: Any) -> None:
    pod = workload["spec"]["template"]["spec"]
    (user,) = instructions("USER")
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == user
    for container in pod["containers"]:
        assert misunderstood(container["args"]) is None
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        volumes = {each["name"] for each in pod["volumes"]}
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert set(mounts) == volumes
        assert mounts["scratch"] == instructions("WORKDIR")[-1]
        for each in container["env"]:
            is_file = each["name"].endswith("_FILE") and each["value"].startswith(
                f"{mounts['secrets']}/"
            )
            assert not SECRET.search(each["name"]) or is_file or "valueFrom" in each
        given = {each["name"]: each.get("value") for each in container["env"]}
        assert given["SLIPWATCH_CONFIG"] == f"{mounts['config']}/slipwatch.toml"
        assert all(
            name in given for name in re.findall(r"\$\((\w+)\)", " ".join(container["args"]))
        )
        assert f"{mounts['secrets']}/" in text_of_config()


@pytest.mark.parametrize("workload", LONG_RUNNING, ids=named)
def test_a_pod_is_probed_where_it_answers_and_has_time_to_stop(workload: Any) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > STOP_SECONDS
    for container in pod["containers"]:
        command = container["args"][0]
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert list(ports.values()) == [PORTS[command]]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["port"] in ports
            assert asked["path"] in pages(command)
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(PORTS[command])
        assert annotations["prometheus.io/path"] in pages(command)


@pytest.mark.parametrize("workload", LONG_RUNNING, ids=named)
def test_a_workload_has_a_service_and_a_disruption_budget_that_choose_its_pods(
    workload: Any,
) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == labels
    budgets = [each for each in MANIFESTS if each["kind"] == "PodDisruptionBudget"]
    chosen = [each for each in budgets if each["spec"]["selector"]["matchLabels"] == labels]
    assert [each["spec"]["maxUnavailable"] for each in chosen] == [1]
    services = [each for each in MANIFESTS if each["kind"] == "Service"]
    (service,) = [each for each in services if each["spec"]["selector"] == labels]
    port = PORTS[workload["spec"]["template"]["spec"]["containers"][0]["args"][0]]
    assert [each["port"] for each in service["spec"]["ports"]] == [port]
    if workload["kind"] == "StatefulSet":
        assert workload["spec"]["serviceName"] == named(service)


def test_images_are_this_version_and_workers_are_named_by_their_pods() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = {container["image"] for _, _, container in containers()}
    assert images == {f"slipwatch:{project['version']}"}
    (worker,) = [c for _, _, c in containers() if c["args"][0] == "worker"]
    assert worker["args"] == ["worker", "--name", "$(POD_NAME)"]


def environment_of(name: str) -> dict[str, str]:
    """The variables of the one container of that name's pods, the overlay's patches included."""
    (workload,) = [each for each in MANIFESTS if named(each) == name and "template" in each["spec"]]
    patches = [yaml.safe_load(each["patch"]) for each in OVERLAY["patches"]]
    said = [workload, *(each for each in patches if named(each) == name)]
    pods = [each["spec"]["template"]["spec"]["containers"] for each in said]
    assert len({container["name"] for (container,) in pods}) == 1
    return {each["name"]: each["value"] for (container,) in pods for each in container["env"]}


def test_the_overlay_patches_what_is_there() -> None:
    for each in OVERLAY["patches"]:
        patch = yaml.safe_load(each["patch"])
        assert each["target"] == {"kind": patch["kind"], "name": named(patch)}
        assert (patch["kind"], named(patch)) in {(m["kind"], named(m)) for m in MANIFESTS}


@pytest.mark.parametrize(
    ("name", "follows"), [("slipwatch-view", True), ("slipwatch-view-answers", False)]
)
def test_the_overlay_gives_the_pods_of_the_views_one_database_and_no_password(
    name: str, follows: bool, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = environment_of(POSTGRESQL)
    environment = environment_of(name)
    password = Path(environment.pop("SLIPWATCH_VIEW__DATABASE_PASSWORD_FILE"))
    given = image_environment() | environment
    settings = loaded(monkeypatch, given, config_file(alone))
    assert settings.view.follow is follows
    address = make_url(settings.view.database)
    assert (address.username, address.database) == (server["POSTGRES_USER"], server["POSTGRES_DB"])
    assert address.password is None
    (service,) = [m for m in MANIFESTS if m["kind"] == "Service" and named(m) == address.host]
    assert address.port in {each["port"] for each in service["spec"]["ports"]}
    # All of the secret is mounted for the views, and this one part of it for the server.
    assert Path(server["POSTGRES_PASSWORD_FILE"]).name == password.name
    assert f"{password.name}=" in (KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8")


def test_the_servers_pod_has_its_password_its_probes_and_a_volume() -> None:
    (server,) = [m for m in MANIFESTS if m["kind"] == "StatefulSet" and named(m) == POSTGRESQL]
    (service,) = [m for m in MANIFESTS if m["kind"] == "Service" and named(m) == POSTGRESQL]
    assert service["spec"]["selector"] == server["spec"]["template"]["metadata"]["labels"]
    assert server["spec"]["serviceName"] == named(service)
    pod = server["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    compose = yaml.safe_load((ROOT / "deploy/compose/postgresql.yaml").read_text(encoding="utf-8"))
    assert container["image"] == compose["services"]["postgres"]["image"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    claims = {each["metadata"]["name"] for each in server["spec"]["volumeClaimTemplates"]}
    assert set(mounts) == {each["name"] for each in pod["volumes"]} | claims
    environment = environment_of(POSTGRESQL)
    assert environment["PGDATA"].startswith(f"{mounts['data']}/")
    (secret,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
    files = {f"{mounts['password']}/{each['path']}" for each in secret["items"]}
    assert files == {environment["POSTGRES_PASSWORD_FILE"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert f"--username={environment['POSTGRES_USER']}" in container[probe]["exec"]["command"]
