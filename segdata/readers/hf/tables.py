"""The Parquet files of a data set for the `datasets` library: which there are, and of which split each is.

As the library finds them (https://huggingface.co/docs/datasets/repository_structure): by `configs` at the top of README.md, or
else by names, `train-00000-of-00001.parquet`, or a folder or file with a word for a split in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from segdata.errors import DataError, MissingDependency, OptionError, Problem
from segdata.files.listing import files_in
from segdata.files.places import read_start
from segdata.readers.source import read_text
from segdata.words import some

KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in names, by the split that the library calls them."""

SHARD = re.compile(r"(?P<split>\w+(?:\.\w+)*)-\d{5}-of-(?P<count>\d{5})")

ENDING = ".parquet"


class Found(NamedTuple):
    """A Parquet file, and its split."""

    split: str | None
    path: Path


def find_tables(root: Path, subset: str | None) -> list[Found]:
    """The Parquet files of a folder by split and name, or the one that is given.

    Raises `DataError` (`source.missing`, `hf.none`, `hf.readme`), `OptionError` for several configurations, or one that is not.
    """
    if not root.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=str(root)))
    if root.is_file():
        return [Found(split_of(root.name), root)]
    names = [name for name in files_in(root) if name.lower().endswith(ENDING)]
    if not names:
        raise DataError(Problem("hf.none", f"there is no file *{ENDING} in it", file=str(root)))
    declared = read_configs(root)
    if declared:
        found = [Found(split, root / name) for split, name in _declared(root, declared, subset, names)]
    elif subset is not None:
        raise OptionError(f"--subset {subset}: README.md names no configurations")
    else:
        found = [Found(split_of(name), root / name) for name in names]
    return sorted(found, key=lambda one: (one.split or "", str(one.path)))


def missing_shards(found: Iterable[Found]) -> Iterator[str]:
    """A line on each split of which files are missing, as names like `train-00000-of-00003` tell."""
    there: Counter[tuple[str, int]] = Counter()
    for one in found:
        if shard := SHARD.match(one.path.name):
            there[str(one.path.parent / shard["split"]), int(shard["count"])] += 1
    for (split, count), files in there.items():
        if files < count:
            yield f"{split}-*: {files} of {count} files are there: fetch the others, or their rows are missing"


def split_of(name: str) -> str | None:
    """The split that the path of a file tells; None for none."""
    *folders, file = name.split("/")
    if shard := SHARD.match(file):
        return shard["split"]
    told = (_keyword(part) for part in (*reversed(folders), file.rpartition(".")[0]))
    return next((split for split in told if split is not None), None)


def _keyword(name: str) -> str | None:
    words = re.split(r"[-._ 0-9]+", name)
    return next((split for split, known in KEYWORDS.items() for word in known if word in words), None)


# README.md


def read_configs(root: Path) -> dict[str, Mapping[str, Any]]:
    """The configurations that README.md declares, by name. Raises `DataError` (`hf.readme`), `MissingDependency`."""
    card = root / "README.md"
    if not card.is_file() or not read_start(card, 4).startswith(b"---"):
        return {}
    head = re.match(r"---[ \t]*\n(.*?)\n---", read_text(card, "hf.readme"), re.DOTALL)
    if head is None or not re.search(r"^configs\s*:", head[1], re.MULTILINE):
        return {}
    configs = _yaml(head[1]).get("configs")
    if not isinstance(configs, list) or not all(isinstance(one, dict) for one in configs):
        raise DataError(Problem("hf.readme", "configs is no list of configurations: correct it", "README.md"))
    named = {str(one.get("config_name", "default")): one for one in configs}
    return {name: one for name, one in named.items() if "data_files" in one or "data_dir" in one}


def _yaml(text: str) -> Mapping[str, Any]:
    try:
        import yaml

        from segdata.files.yaml_text import load_yaml
    except ImportError as error:
        raise MissingDependency('README.md declares files, and needs PyYAML: pip install "segdata[hf]"') from error
    try:
        data = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"what stands at its top is no YAML: {' '.join(str(error).split())}"
        raise DataError(Problem("hf.readme", message, "README.md")) from error
    return data if isinstance(data, dict) else {}


def _declared(
    root: Path, configs: Mapping[str, Mapping[str, Any]], subset: str | None, names: Sequence[str]
) -> Iterator[tuple[str | None, str]]:
    """Split and name of the files of a configuration."""
    if subset is None and len(configs) > 1:
        usual = [name for name, one in configs.items() if name == "default" or one.get("default") is True]
        if len(usual) != 1:
            raise OptionError(f"{root}: README.md declares several configurations: --subset {' or '.join(configs)}")
        subset = usual[0]
    chosen = next(iter(configs)) if subset is None else subset
    if chosen not in configs:
        raise OptionError(f"--subset {subset}: README.md declares {some(configs)}")
    for split, pattern in _patterns(configs[chosen]):
        if not (there := [name for name in names if _matches(name.split("/"), pattern.split("/"))]):
            raise DataError(
                Problem("hf.readme", f"no file {ENDING} is {pattern!r}: fetch it, or correct it", "README.md")
            )
        yield from ((split or split_of(name), name) for name in there)


def _patterns(config: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Split and pattern of the files of a configuration, as `data_files` and `data_dir` have them."""
    folder = str(config.get("data_dir") or "").strip("/")
    under = f"{folder}/" if folder not in ("", ".") else ""
    files = config.get("data_files", "**")
    if isinstance(files, dict):
        files = [{"split": split, "path": path} for split, path in files.items()]
    for one in files if isinstance(files, list) else [files]:
        split, paths = (one.get("split"), one.get("path")) if isinstance(one, dict) else (None, one)
        for path in paths if isinstance(paths, list) else [paths]:
            if not isinstance(path, str):
                raise DataError(Problem("hf.readme", f"data_files holds {path!r}, no path: correct it", "README.md"))
            yield None if split is None else str(split), under + path.removeprefix("./")


def _matches(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, of which `**` is any number of parts."""
    if not pattern or not name:
        return not pattern and not name
    if pattern[0] == "**":
        return len(pattern) == 1 or any(_matches(name[i:], pattern[1:]) for i in range(len(name)))
    return fnmatchcase(name[0], pattern[0]) and _matches(name[1:], pattern[1:])
