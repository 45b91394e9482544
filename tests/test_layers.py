"""The rules of the house that a machine can check: who imports whom, what is fenced in, what every module must have."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from segdata.readers import READERS
from segdata.writers import WRITERS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "segdata"

LAYERS = (
    ("errors", "version"),
    ("words", "windows", "caches"),
    ("kernels",),
    ("labels",),
    ("resize",),
    ("files",),
    ("executors",),
    ("dataset",),
    ("recipes", "refinement", "metrics", "tiling"),
    ("prediction",),
    ("readers", "writers"),
    ("terminal", "pages"),
    ("ops",),
    ("nn",),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up: a module imports from its own room, or from one in a lower line; types and functions count."""
FENCES = {
    "torch": ("nn",),
    "onnx": ("nn",),
    "onnxscript": ("nn",),
    "onnxruntime": ("prediction", "nn"),
    "albumentations": ("recipes",),
    "numba": ("kernels",),
    "llvmlite": ("kernels",),
    "rasterio": ("files",),
    "shapely": ("files",),
    "pyogrio": ("files",),
    "pyarrow": ("files",),
    "openslide": ("files",),
    "click": ("terminal", "cli", "command"),
    "fastapi": ("ops.serve",),
    "starlette": ("ops.serve", "ops.view"),
    "uvicorn": ("ops.serve", "ops.view"),
    "python_multipart": ("ops.serve",),
    "prometheus_client": ("ops.serve",),
}
"""Where a package may be imported: in these rooms or folders; `command`: in every file of that name."""
HEAVY = ("torch", "cv2", "numba", "albumentations", "numpy", "scipy", "PIL", "pycocotools")


@dataclass(frozen=True)
class Import:
    """`at_load`: it runs when the module is imported; False inside a function."""

    importer: str
    target: str
    name: str | None
    line: int
    at_load: bool
    for_types: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of segdata, by dotted name without `segdata.`; the package itself is the empty name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(), str(path))
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(i for module, tree in modules().items() for i in _imports(module, tree, True, False))


def _imports(module: str, node: ast.AST, at_load: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, None, child.lineno, at_load, for_types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: a relative import"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                is_module = whole.removeprefix("segdata.") in modules()
                target, name = (whole, None) if is_module else (str(child.module), alias.name)
                yield Import(module, target, name, child.lineno, at_load, for_types)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from _imports(module, ast.Module([part], []), at_load, True)
            for part in child.orelse:
                yield from _imports(module, ast.Module([part], []), at_load, for_types)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, at_load and not inside, for_types)


def own() -> list[Import]:
    """Imports of segdata's modules by segdata's modules, the names without `segdata.`."""
    return [
        Import(i.importer, i.target.removeprefix("segdata").lstrip("."), i.name, i.line, i.at_load, i.for_types)
        for i in imports()
        if i.target.split(".")[0] == "segdata"
    ]


def foreign() -> list[Import]:
    """Imports from other packages than segdata and the standard library."""
    known = {*sys.stdlib_module_names, "segdata", "__future__"}
    return [i for i in imports() if i.target.split(".")[0] not in known]


def room(module: str) -> str:
    """The room at the top that a module is in."""
    return module.split(".")[0]


def layer(module: str) -> int:
    """The line of `LAYERS` that a module's room is in."""
    return next(i for i, rooms in enumerate(LAYERS) if room(module) in rooms)


def test_the_parser_sees_the_imports_it_should() -> None:
    """The rules below are worth nothing if it does not."""
    tree = ast.parse(
        "import a.b\nfrom segdata import labels, __version__\nfrom segdata.kernels.count import c\n"
        "if TYPE_CHECKING:\n    import t\n"
        "class C:\n    import d\n    def f(self):\n        import e\n"
        "try:\n    import g\nexcept ImportError:\n    g = None\n"
    )
    seen = {(i.target, i.name): (i.at_load, i.for_types) for i in _imports("m", tree, True, False)}
    assert seen == {
        ("a.b", None): (True, False),
        ("segdata.labels", None): (True, False),
        ("segdata", "__version__"): (True, False),
        ("segdata.kernels.count", "c"): (True, False),
        ("t", None): (True, True),
        ("d", None): (True, False),
        ("e", None): (False, False),
        ("g", None): (True, False),
    }


def test_every_room_has_a_layer() -> None:
    assert {room(name) for name in modules()} - {""} == {name for rooms in LAYERS for name in rooms}


def test_there_are_few_rooms() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]) <= 25


def test_tests_mirror_the_tree() -> None:
    """The tests of a folder lie in the folder of its name; beside them only contracts, trials, and what tests share."""
    tests = ROOT / "tests"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")} - {
        Path("contracts"),
        Path("trials"),
    }
    assert not [str(folder) for folder in folders if not (PACKAGE / folder).is_dir()]
    assert not [str(path) for path in (tests / "helpers").rglob("test_*.py")]


def test_modules_import_only_from_lower_layers() -> None:
    wrong = [
        str(i)
        for i in own()
        if i.importer and i.target and room(i.importer) != room(i.target) and layer(i.target) >= layer(i.importer)
    ]
    assert not wrong


def test_nothing_is_taken_from_the_package_itself() -> None:
    """`from segdata import paint` would go round every layer."""
    assert not [str(i) for i in own() if i.importer and not i.target]


def test_there_is_no_import_cycle() -> None:
    """Imports inside functions and for types count: a cycle that is put off is one."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for i in own():
        if i.importer and i.target:
            graph[i.importer].add(i.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"an import cycle: {' -> '.join(error.args[1])}")


def test_no_command_imports_another() -> None:
    """The folders in `ops` are strangers, but for the viewer: it shows what the others find, and acts through them."""
    wrong = []
    for i in own():
        importer, target = i.importer.split("."), i.target.split(".")
        if importer[0] == target[0] == "ops" and len(target) > 1 and importer[1:2] not in (target[1:2], ["view"]):
            wrong.append(str(i))
    assert not wrong


@pytest.mark.parametrize("family", ["readers", "writers"])
def test_formats_are_strangers(family: str) -> None:
    """A format is a module or a folder; no other format imports it."""
    table = READERS if family == "readers" else WRITERS
    wrong = []
    for i in own():
        importer, target = i.importer.split("."), i.target.split(".")
        formats = {name for name in (*importer[1:2], *target[1:2]) if name in table}
        if importer[0] == target[0] == family and len(formats) == 2:
            wrong.append(str(i))
    assert not wrong


@pytest.mark.parametrize("package", FENCES)
def test_packages_are_fenced_in(package: str) -> None:
    inside = [i for i in foreign() if i.target.split(".")[0] == package]
    assert inside
    assert not [str(i) for i in inside if not fenced(i.importer, package)]


def fenced(module: str, package: str) -> bool:
    """Whether a module may import a package of `FENCES`."""
    return any(within(module, home) for home in FENCES.get(package, ()))


def within(module: str, home: str) -> bool:
    """Whether a module is in a place of `FENCES`."""
    return home in (room(module), module.split(".")[-1]) or f"{module}.".startswith(f"{home}.")


def test_kernels_hold_numba_functions_and_nothing_else() -> None:
    for name, tree in modules().items():
        if not name.startswith("kernels.") or name == "kernels.vector":  # which teaches numba a type
            continue
        for node in tree.body:
            assert not isinstance(node, ast.ClassDef | ast.AsyncFunctionDef), f"{name}:{node.lineno}"
            if isinstance(node, ast.FunctionDef):
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                assert marks == ["kernel"], f"{name}.{node.name}: {marks}"


def test_commands_import_operations_inside_their_bodies() -> None:
    commands = [i for i in own() if i.importer.split(".")[-1] == "command" and i.at_load and not i.for_types]
    assert commands
    assert not [
        str(i)
        for i in commands
        if room(i.target) in ("ops", "nn") and not i.target.endswith(("command", "text", "options"))
    ]


def test_the_package_itself_imports_nothing_at_load() -> None:
    early = [i for i in imports() if not i.importer and i.at_load and not i.for_types]
    assert {i.target for i in early} <= {"importlib", "typing", "__future__", "segdata.version"}


def test_every_foreign_package_is_declared() -> None:
    """No development-only import at run time; what is not in the base install is fenced or inside a function."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {k: v for k, v in project["optional-dependencies"].items() if k != "dev"}
    base = {_distribution(line) for line in project["dependencies"]}
    extra = {_distribution(line) for lines in extras.values() for line in lines}
    homes = {"yaml": ["PyYAML"], **packages_distributions()}  # the one package whose name is not its distribution's
    for i in foreign():
        if i.for_types:
            continue
        top = i.target.split(".")[0]
        declared = {_distribution(name) for name in homes.get(top, [top])}
        assert declared & (base | extra), f"{i}: not in pyproject.toml"
        assert declared & base or fenced(i.importer, top) or not i.at_load, (
            f"{i} at load, but the base install has it not"
        )


def _distribution(requirement: str) -> str:
    name = requirement.split("[")[0]
    for sign in "<>=!~; ":
        name = name.split(sign)[0]
    return name.lower().replace("_", "-")


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_keep_the_house_rules(name: str) -> None:
    tree = modules()[name]
    assert ast.get_docstring(tree), "a module without a docstring"
    for node in ast.walk(tree):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: `assert` vanishes under -O"
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "NotImplementedError" not in ast.unparse(node.exc), f"{where}: not implemented"
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            assert caught not in ("", "Exception", "BaseException"), f"{where}: hides bugs"


@pytest.mark.parametrize("name", sorted(modules()))
def test_public_functions_and_classes_have_docstrings(name: str) -> None:
    bare = []
    for node in modules()[name].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            methods = node.body if isinstance(node, ast.ClassDef) and not node.bases else []
            inner = [m for m in methods if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
            bare += [f"{n.name}:{n.lineno}" for n in (node, *inner) if not ast.get_docstring(n)]
    assert not bare


@pytest.mark.process
def test_every_module_can_be_imported() -> None:
    """Without a warning, and without the development packages having been imported by accident."""
    missing = {package for package in FENCES if find_spec(package) is None}
    closed = {home for package in missing for home in FENCES[package]}
    names = [
        f"segdata.{n}".rstrip(".") for n in modules() if not any(within(n, home) for home in closed) and n != "__main__"
    ]
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(*[m for m in ('pytest', 'hypothesis', 'mypy', '_pytest') if m in sys.modules])"
    )
    assert python(code, "-W", "error").split() == []


@pytest.mark.process
def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from click.testing import CliRunner  # noqa: E402
from segdata.cli import COMMANDS, main
for arguments in [], *[[name] for name in COMMANDS]:
    result = CliRunner().invoke(main, [*arguments, "--help"])
    if result.exit_code or "Usage:" not in result.output:
        sys.exit(f"{{arguments}} --help: {{result.output}}")
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""
    assert python(code).split() == []


@pytest.mark.process
def test_importing_segdata_loads_nothing_heavy() -> None:
    code = f"import sys, segdata; dir(segdata); print(*[n for n in {HEAVY!r} if n in sys.modules])"
    assert python(code).split() == []


def python(code: str, *options: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
