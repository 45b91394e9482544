"""The files that run in the browser: each is used, each import finds what it names, each class in CSS occurs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segdata.ops.view import app, guard

STATIC = Path(app.__file__).parent / "static"
SCRIPTS = {path.name: path.read_text() for path in STATIC.glob("*.js")}
SHEETS = {path.name: path.read_text() for path in STATIC.glob("*.css")}
PAGES = {"index.html": (STATIC / "index.html").read_text(), "door": Path(guard.__file__).read_text()}
"""The page, and that of whoever comes without the token."""

IMPORT = re.compile(r'^import (?:\* as \w+|\{([^}]*)\}) from "\./([\w.]+)";$', re.M)
EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.M)
LONGEST = 60
"""Lines of a function, as in Python."""


def imports(text: str) -> list[tuple[str, list[str]]]:
    """The files that a module imports, and the names of them."""
    return [
        (file, [name.split(" as ")[0].strip() for name in names.split(",") if name.strip()])
        for names, file in IMPORT.findall(text)
    ]


def reached(*scripts: str) -> set[str]:
    """The modules that these load, and those that they load."""
    seen: set[str] = set()
    todo = list(scripts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [file for file, _ in imports(SCRIPTS[name])]
    return seen


def functions(text: str) -> dict[int, int]:
    """Line of each block -> its length, as a brace that ends a line is closed at the same indent."""
    lines = text.splitlines()
    out = {}
    for start, line in enumerate(lines):
        if not re.search(r"(\)|=>) \{$", line):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        end = next(i for i in range(start + 1, len(lines)) if re.match(rf"{indent}[}}\]]", lines[i]))
        out[start + 1] = end - start + 1
    return out


def test_every_file_is_used() -> None:
    linked = {name for page in PAGES.values() for name in re.findall(r"static/([\w.]+)", page)}
    loaded = reached(*(name for name in linked if name.endswith(".js")))
    files = {path.name for path in STATIC.iterdir()}
    assert files == loaded | (linked & files) | {"index.html"}
    assert linked - files == {"look.css"}  # it lies with the templates of the pages, whose look it is


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_finds_what_it_names_and_is_used(name: str) -> None:
    text = SCRIPTS[name]
    found = imports(text)
    assert len(found) == len(re.findall(r"^import\b", text, re.M))
    for file, names in found:
        missing = set(names) - set(EXPORT.findall(SCRIPTS[file]))
        assert not missing, f"{file} does not export {missing}"
    head = "\n".join(re.findall(r"^import.*", text, re.M))
    body = re.sub(r"^import.*", "", text, flags=re.M)
    for word in re.findall(r"(\w+)(?=,| \}| from)", head):
        assert re.search(rf"\b{word}\b", body), f"{word} is imported and not used"


def test_every_export_is_imported_or_tested() -> None:
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_view_browser*.py"))
    for name, text in SCRIPTS.items():
        for word in EXPORT.findall(text):
            others = "\n".join(other for file, other in SCRIPTS.items() if file != name)
            assert re.search(rf"\b{word}\b", others + tests), f"{name} exports {word}, which nobody takes"


@pytest.mark.parametrize("name", SHEETS)
def test_every_class_and_id_of_a_sheet_occurs(name: str) -> None:
    rules = re.sub(r"/\*.*?\*/", "", SHEETS[name], flags=re.S)
    selectors = "\n".join(re.findall(r"([^{}]+)\{", rules))
    words = set(re.findall(r"[.#]([A-Za-z][\w-]*)", selectors))
    said = "\n".join(re.findall(r'"[^"\n]*"|`[^`]*`|^  \w+:.*', "\n".join([*SCRIPTS.values(), *PAGES.values()]), re.M))
    dead = {word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said)}
    assert not dead


@pytest.mark.parametrize("name", SCRIPTS)
def test_functions_are_short_and_files_say_what_they_are(name: str) -> None:
    text = SCRIPTS[name]
    assert text.startswith("// ")
    assert {line: length for line, length in functions(text).items() if length > LONGEST} == {}


def test_the_map_of_main_names_every_module() -> None:
    head = SCRIPTS["main.js"].split("\nimport ")[0]
    assert set(re.findall(r"\w+\.js", head)) == SCRIPTS.keys() - {"main.js"}


def test_the_page_asks_for_all_modules_at_once() -> None:
    """Otherwise each would wait for the one that imports it. door.js is of the page for those who lack the token."""
    asked = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', (STATIC / "index.html").read_text())
    assert asked == sorted(path.name for path in STATIC.glob("*.js") if path.name not in ("main.js", "door.js"))
