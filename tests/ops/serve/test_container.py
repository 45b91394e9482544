"""The Dockerfile, where no Docker is: what it copies is there, what it runs exists, and it is no root's."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from click.testing import CliRunner

from segdata.cli import main

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "tools/docker/Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments in one line. (docs.docker.com/reference/dockerfile)"""
    lines = [line for line in FILE.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [re.sub(r"\s+", " ", one) for one in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines()]
    return [(name, rest) for name, _, rest in (one.strip().partition(" ") for one in found)]


def of(name: str) -> list[str]:
    return [rest for kind, rest in instructions() if kind == name]


def ignored() -> list[str]:
    return FILE.with_name("Dockerfile.dockerignore").read_text().split()


def test_it_has_known_instructions_alone() -> None:
    known = {
        "ARG",
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert {name for name, _ in instructions()} <= known


def test_what_it_copies_is_there_and_is_sent() -> None:
    rules = ignored()
    assert rules[0] == "*", "nothing goes along that is not named"
    for rest in of("COPY"):
        if rest.startswith("--from="):
            continue
        for name in rest.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in rules, name


def test_a_wheel_can_be_built_of_what_is_copied() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {name for rest in of("COPY") for name in rest.split()[:-1]}
    wanted = {build["project"]["readme"], *build["project"]["license-files"], "pyproject.toml"}
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wanted | {*wheel["packages"], *wheel["force-include"]} <= copied
    assert not any(
        fnmatch(name, rule[1:]) for name in (".git", "tests", ".venv") for rule in ignored() if rule[0] == "!"
    )


def test_its_bases_are_slim_and_of_a_version_that_segdata_takes() -> None:
    (given,) = of("ARG")
    name, _, version = given.partition("=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]
    assert [one.split()[0] for one in of("FROM")] == [f"python:${{{name}}}-slim"] * 2


def test_it_installs_what_serves_and_no_torch() -> None:
    (install,) = [one for one in of("RUN") if "pip install" in one]
    (extras,) = re.findall(r"\[(.*?)\]", install)
    assert extras.split(",") == ["onnx", "serve"]
    assert "--constraint" in install
    assert "--no-cache-dir" in install


def test_it_does_not_run_as_root() -> None:
    names = [name for name, _ in instructions()]
    (user,) = of("USER")
    assert int(user) > 1000
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN"), "after all that root must do"
    assert any(f"--uid {user}" in run for run in of("RUN"))


def test_what_it_starts_is_a_command_with_these_options() -> None:
    entry, arguments = json.loads(of("ENTRYPOINT")[0]), json.loads(of("CMD")[0])
    assert entry[0] == "segdata"
    command = main.get_command(None, entry[1])  # type: ignore[arg-type]
    assert command is not None
    context = command.make_context(entry[1], arguments)
    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", int(of("EXPOSE")[0]))
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert CliRunner().invoke(main, [entry[1], "--help"]).exit_code == 0


@pytest.mark.process
@pytest.mark.net
def test_its_health_check_is_right(tmp_path: Path) -> None:
    """It fails where nothing listens, and passes where a service does."""
    import subprocess
    import sys

    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from serving import serving

    (check,) = of("HEALTHCHECK")
    program, *arguments = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    code = arguments[1]
    with serving("colour") as service:
        there = code.replace(":8000/", f":{service.port}/")
        assert subprocess.run([sys.executable, arguments[0], there], capture_output=True).returncode == 0
        service.stop()
        assert subprocess.run([sys.executable, arguments[0], there], capture_output=True).returncode == 1
