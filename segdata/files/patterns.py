"""File names by their form: `{stem}_mask.png` is the mask of the image `{stem}`. Every command speaks this one language.

- `{stem}` is what two files share: of `a.jpg` and `a_mask.png` it is `a`. `{name}` is the same with the ending: the mask of
  `a.jpg` may be `{name}.png`, which is `a.jpg.png`.
- `*` is any text that they do not share. Alone it stands for `{stem}`: `mask_*` is `mask_{stem}`.
- A pattern without an ending takes files of every ending that is asked for.
- A pattern may have folders, `{stem}/masks/*.png`. It is compared with the last parts of a path; what lies above is the same
  for both files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from posixpath import basename, dirname, join, splitext

from segdata.errors import OptionError
from segdata.files.endings import IMAGE_ENDINGS
from segdata.files.forms import SAID

STEM, NAME = "{stem}", "{name}"


@dataclass(frozen=True)
class Pattern:
    """A form of file names; `endings` are those that are taken where the pattern has none."""

    text: str = STEM
    endings: tuple[str, ...] = IMAGE_ENDINGS

    @classmethod
    def of(cls, text: str | None, option: str, endings: tuple[str, ...] = IMAGE_ENDINGS) -> Pattern:
        """The pattern that a user has typed. Raises `OptionError` where it has no `{stem}`, or leads out of its folder."""
        text = text or STEM
        if "{" not in text and text.count("*") == 1:
            text = text.replace("*", STEM)
        words = re.findall(r"\{[^{}]*\}", text)
        if not words or words[0] not in (STEM, NAME) or len(set(words)) > 1:
            raise OptionError(f"--{option} {text}: is no file name with one {STEM} in it, such as {STEM}_mask.png")
        if "\\" in text or not all(part not in ("", ".", "..") for part in text.split("/")):
            raise OptionError(f"--{option} {text}: is no path below its folder, such as {STEM}/mask.png")
        return cls(text, (*endings, *SAID) if text.lower().endswith(SAID) else endings)

    def key(self, path: str) -> str | None:
        """What a POSIX path below its folder stands for: the folder above and `{stem}`; None where it has another form."""
        base, ending = splitext(path)
        if ending.lower() not in self.endings:
            return None
        parts = (path if self._ending or self.text.endswith(NAME) else base).split("/")
        depth = self.text.count("/") + 1
        found = self._form.fullmatch("/".join(parts[-depth:]))
        return None if found is None else "/".join((*parts[:-depth], found["key"]))

    def key_beside(self, path: str, other: Pattern) -> str | None:
        """The key of a file that lies in one folder with files of another pattern: a path of both is of the longer one."""
        key = self.key(path)
        taken = key is not None and len(other.text) > len(self.text) and other.key(path) is not None
        return None if taken else key

    def fill(self, key: str) -> str:
        """The path, without ending, that ids are made from: the file's, or the key where the pattern has folders."""
        if "/" in self.text:
            return key
        name = self.text.replace(STEM, basename(key)).replace(NAME, splitext(basename(key))[0]).replace("*", "")
        return join(dirname(key), name.removesuffix(self._ending))

    @property
    def of_name(self) -> bool:
        """Whether it speaks of `{name}`, so that keys have endings."""
        return NAME in self.text

    @property
    def _ending(self) -> str:
        ending = splitext(self.text)[1]
        return ending if ending.lower() in self.endings else ""

    @cached_property
    def _form(self) -> re.Pattern[str]:
        texts = [".*".join(map(re.escape, part.split("*"))) for part in re.split(r"\{stem\}|\{name\}", self.text)]
        form = texts[0] + "(?P<key>[^/]*)" + "(?P=key)".join(texts[1:])
        return re.compile(form.replace(".*", "[^/]*"), re.DOTALL)
