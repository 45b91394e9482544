"""The classes of ADE20K: the 150 of the scene parsing benchmark, and how a table of classes is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from segdata.errors import OptionError
from segdata.files.remote import Place
from segdata.labels import BACKGROUND, IGNORE, RGB, Labels
from segdata.readers.classes.files import given_classes
from segdata.readers.classes.named import Background, NamedClass, name_classes
from segdata.readers.source import Input, Receipt, SourceClass

OWN_FILES = ("objectInfo150.txt", "objectInfo150.csv")
"""Where ADEChallengeData2016 says which index is which class."""

NOTHING = {BACKGROUND, IGNORE, "other", "others", "unlabeled", "unlabelled", "void", "unknown", "none", "nothing"}
"""What a class file may call index 0, which is no class."""

NAMES = """
wall; building, edifice; sky; floor, flooring; tree; ceiling; road, route; bed; windowpane, window; grass; cabinet;
sidewalk, pavement; person, individual, someone, somebody, mortal, soul; earth, ground; door, double door; table;
mountain, mount; plant, flora, plant life; curtain, drape, drapery, mantle, pall; chair;
car, auto, automobile, machine, motorcar; water; painting, picture; sofa, couch, lounge; shelf; house; sea; mirror;
rug, carpet, carpeting; field; armchair; seat; fence, fencing; desk; rock, stone; wardrobe, closet, press; lamp;
bathtub, bathing tub, bath, tub; railing, rail; cushion; base, pedestal, stand; box; column, pillar; signboard, sign;
chest of drawers, chest, bureau, dresser; counter; sand; sink; skyscraper; fireplace, hearth, open fireplace;
refrigerator, icebox; grandstand, covered stand; path; stairs, steps; runway; case, display case, showcase, vitrine;
pool table, billiard table, snooker table; pillow; screen door, screen; stairway, staircase; river; bridge, span;
bookcase; blind, screen; coffee table, cocktail table; toilet, can, commode, crapper, pot, potty, stool, throne;
flower; book; hill; bench; countertop; stove, kitchen stove, range, kitchen range, cooking stove; palm, palm tree;
kitchen island;
computer, computing machine, computing device, data processor, electronic computer, information processing system;
swivel chair; boat; bar; arcade machine; hovel, hut, hutch, shack, shanty;
bus, autobus, coach, charabanc, double-decker, jitney, motorbus, motorcoach, omnibus, passenger vehicle; towel;
light, light source; truck, motortruck; tower; chandelier, pendant, pendent; awning, sunshade, sunblind;
streetlight, street lamp; booth, cubicle, stall, kiosk;
television, television receiver, television set, tv, tv set, idiot box, boob tube, telly, goggle box;
airplane, aeroplane, plane; dirt track; apparel, wearing apparel, dress, clothes; pole; land, ground, soil;
bannister, banister, balustrade, balusters, handrail; escalator, moving staircase, moving stairway;
ottoman, pouf, pouffe, puff, hassock; bottle; buffet, counter, sideboard;
poster, posting, placard, notice, bill, card; stage; van; ship; fountain;
conveyer belt, conveyor belt, conveyer, conveyor, transporter; canopy; washer, automatic washer, washing machine;
plaything, toy; swimming pool, swimming bath, natatorium; stool; barrel, cask; basket, handbasket; waterfall, falls;
tent, collapsible shelter; bag; minibike, motorbike; cradle; oven; ball; food, solid food; step, stair;
tank, storage tank; trade name, brand name, brand, marque; microwave, microwave oven; pot, flowerpot;
animal, animate being, beast, brute, creature, fauna; bicycle, bike, wheel, cycle; lake;
dishwasher, dish washer, dishwashing machine; screen, silver screen, projection screen; blanket, cover; sculpture;
hood, exhaust hood; sconce; vase; traffic light, traffic signal, stoplight; tray;
ashcan, trash can, garbage can, wastebin, ash bin, ash-bin, ashbin, dustbin, trash barrel, trash bin; fan;
pier, wharf, wharfage, dock; crt screen; plate; monitor, monitoring device; bulletin board, notice board; shower;
radiator; glass, drinking glass; clock; flag
"""
"""The names of objectInfo150.txt, from index 1 on: https://github.com/CSAILVision/sceneparsing."""

COLORS = """
787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33 ff0652
8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0
ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff
8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff
00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff
ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 000aff 0070ff 3300ff 00c2ff 007aff
00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070
5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500
0abed4 d6ff00 00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff
b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
"""
"""Their colours in color150.mat, there too."""


def benchmark() -> list[NamedClass]:
    """The 150 classes by index, with their colours."""
    names = [" ".join(name.split()) for name in NAMES.split(";")]
    colors = [bytes.fromhex(color) for color in COLORS.split()]
    return [NamedClass(i, name, (c[0], c[1], c[2])) for i, (name, c) in enumerate(zip(names, colors, strict=True), 1)]


def benchmark_classes(root: Place, receipt: Receipt) -> tuple[list[NamedClass], tuple[Input, ...]]:
    """The classes of the set's own table, or else the 150. Raises `DataError` (`classes.*`) for a table that is none."""
    own = next((root / name for name in OWN_FILES if (root / name).is_file()), None)
    if own is None:
        receipt.notes.append(f"there is no {OWN_FILES[0]}: the classes are its 150, as they were published")
        return benchmark(), ()
    colors = {(one.id, one.name): one.color for one in benchmark()}
    entries, inputs = given_classes(str(own), root, Receipt())
    named = [NamedClass(one.value, one.source_name, one.color) for one in entries if one.value]
    return [one._replace(color=one.color or colors.get((one.id, one.name.replace(";", ", ")))) for one in named], inputs


class Table(NamedTuple):
    """The classes, the class id by index and by name (None: ignored), and the receipt's table."""

    labels: Labels
    values: Mapping[int, int | None]
    names: Mapping[str, int | None]
    classes: tuple[SourceClass, ...]


def own_table(
    classes: str | Path | Sequence[str], background: Background, root: Place, receipt: Receipt
) -> tuple[Table, tuple[Input, ...]]:
    """What `--classes` says each index means; a warning tells if index 0 is a class. Raises `DataError` (`classes.*`)."""
    entries, inputs = given_classes(classes, root, receipt)
    zero = entries[0].value == 0
    if zero and not {entries[0].name.strip(" _").casefold(), entries[0].source_name.strip(" _").casefold()} & NOTHING:
        what = f"index 0, which is what is not labelled, is the class {entries[0].name!r}"
        receipt.warnings.append(
            f"{what}: if that is class 1, begin the names with `ignore`, or give ids (rows id,name)"
        )
    colors: dict[str, RGB | None] = {BACKGROUND: (0, 0, 0)} if background == "class" and not zero else {}
    colors |= {entry.name: entry.color for entry in entries if entry.is_class}
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(colors)}
    rows = tuple(SourceClass(entry.value, entry.source_name, ids.get(entry.name)) for entry in entries)
    return table_of(labels, rows, background), inputs


def class_table(named: Sequence[NamedClass], background: Background, receipt: Receipt) -> Table:
    """What each index means, of classes of which several may have one name. Raises `OptionError` if there is no class."""
    if not named and background == "ignore":
        raise OptionError("no class is named: --background class makes what is not labelled a class")
    return table_of(*name_classes(named, background, receipt), background)


def table_of(labels: Labels, rows: tuple[SourceClass, ...], background: Background) -> Table:
    """The table of classes. If no row is of index 0, that is ignored, or the class background."""
    if all(row.source_id != 0 for row in rows):
        rows = (SourceClass(0, "unlabelled", labels.id(BACKGROUND) if background == "class" else None), *rows)
    values = {row.source_id: row.class_id for row in rows if isinstance(row.source_id, int)}
    return Table(labels, values, {row.name: row.class_id for row in rows if row.source_id != 0}, rows)
