"""What is open: editions, predictions under other names, and images that a dataset's maker would have us read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError
from segdata.files.images import write_image
from segdata.files.reading import Reading

pytest.importorskip("starlette")

from segdata.ops.view.answers import Refusal
from segdata.ops.view.layers import layer_of
from segdata.ops.view.roots import FEW, Fenced, _url_below, fewest
from segdata.ops.view.session import Session
from viewing import Page

MASK = np.repeat(np.array([0, 1, 255], np.uint8), 4)[None, :].repeat(8, 0)


def opened(root: Any, preds: Sequence[Any] = (), **options: Any) -> Session:
    """A session that has read all it reads."""
    session = Session.open(root, preds, writable=True, **options)
    session.opened.loading.join(20)
    return session


# Editions


@pytest.mark.parametrize("part", [None, 1])
def test_a_dataset_that_changes_is_seen_and_opened_anew(tmp_path: Path, part: int | None) -> None:
    dataset = make(tmp_path / "data", {"a": MASK, "b": MASK})
    dataset.save(part=part)
    pred = make(tmp_path / "pred", {"a": MASK, "b": MASK})
    session, heard = opened(tmp_path / "data", [tmp_path / "pred"]), []
    session.reopened.append(lambda: heard.append(session.edition))
    assert not session.changed
    Dataset(dataset.root, dataset.labels, list(dataset)[:1], {}, "none").save(part=part)
    assert session.changed
    session.refuse_old("1")
    session.reload()
    assert (session.edition, heard, session.changed) == (2, [2], False)
    assert list(session.index.ids) == ["a"]
    session.refuse_old(None)
    with pytest.raises(Refusal, match="reload the page") as refused:
        session.refuse_old("1")
    assert refused.value.status == 409
    Dataset(pred.root, pred.labels, list(pred)[:1], {}, "none").save()
    assert session.changed


def test_an_answer_is_of_one_edition(tmp_path: Path) -> None:
    make(tmp_path / "data", {"a": MASK})
    session = opened(tmp_path / "data")
    page = Page(session)
    session.fields["late"] = lambda row: session.reload()  # as another request would
    answer = page.get("/api/samples")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "edition")
    assert page.post("/api/reload").json()["edition"] == 3


def test_classes_of_the_edition_before_are_no_filters(tmp_path: Path) -> None:
    make(tmp_path / "data", {"a": MASK}, names=("road", "old"))
    make(tmp_path / "pred", {"a": MASK}, names=("road", "old"))
    session = opened(tmp_path / "data", [tmp_path / "pred"])
    Page(session)
    session.filters["mine"] = lambda value: np.ones(1, np.bool_)
    assert "iou.old" in session.filters
    make(tmp_path / "data", {"a": MASK}, names=("road", "new"))
    make(tmp_path / "pred", {"a": MASK}, names=("road", "new"))
    session.reload()
    assert {"iou.new", "mine"} <= session.filters.keys()
    assert not {"iou.old"} & {*session.filters, *session.orders, *session.columns}


def test_a_dataset_that_is_gone_stays_open_and_is_told(tmp_path: Path) -> None:
    make(tmp_path / "data", {"a": MASK})
    session = opened(tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    assert session.changed
    with pytest.raises(DatasetError, match="no such folder"):
        session.reload()
    assert (session.edition, len(session.index)) == (1, 1)


def test_an_object_of_python_is_not_opened_anew(tmp_path: Path) -> None:
    session = opened(make(tmp_path / "data", {"a": MASK, "b": MASK}).select(lambda s: s.id == "a"))
    assert list(session.index.ids) == ["a"]
    with pytest.raises(Refusal, match="call view again"):
        session.reload()


def test_rows_that_there_are_not(tmp_path: Path) -> None:
    session = opened(make(tmp_path / "data", {"a": MASK}), [make(tmp_path / "pred", {"b": MASK})])
    for row in (-1, 1, 10**9):
        with pytest.raises(Refusal, match="no sample number"):
            session.sample(row)
    for number in (0, 1, -1):
        with pytest.raises(Refusal, match="no such prediction"):
            session.pred(number, 0)
    with pytest.raises(Refusal, match="has no image"), layer_of(session, 0, "image").opened():
        pass


# Predictions


def test_predictions_are_found_if_some_are_missing_or_renamed(tmp_path: Path) -> None:
    dataset = make(tmp_path / "data", {"a": MASK, "b": MASK, "c": MASK}, images="reference")
    pred = make(tmp_path / "pred", {"train/a": MASK, "c": MASK, "z": MASK})
    image = {sample.id: sample.image for sample in dataset}
    samples = [msgspec.structs.replace(s, image=image.get(s.id[-1])) for s in pred]
    Dataset(pred.root, pred.labels, samples, {}, "reference").save()
    session = opened(tmp_path / "data", [tmp_path / "pred", tmp_path / "data"])
    assert [places.tolist() for places in session.index.preds] == [[0, -1, 1], [0, 1, 2]]
    assert [session.pred(0, row)[1].mask for row in (0, 2)] == ["masks/train/a.png", "masks/c.png"]
    assert session.pred(0, 0)[1].id == "a"


def test_mask_files_of_another_program_are_predictions(tmp_path: Path) -> None:
    make(tmp_path / "data", {"val/a": MASK, "val/b": MASK})
    (tmp_path / "masks").mkdir()
    Image.fromarray(MASK).save(tmp_path / "masks" / "b.png")
    session = opened(tmp_path / "data", [tmp_path / "masks"])
    assert [places.tolist() for places in session.index.preds] == [[-1, 0]]
    dataset, sample = session.pred(0, 1)
    assert sample.size == MASK.shape
    assert np.array_equal(dataset.read_mask(sample), MASK)


def test_predictions_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="segdata remap"):
        opened(make(tmp_path / "data", {"a": MASK}), [make(tmp_path / "pred", {"a": MASK}, names=["x", "y"])])


# Images


def crafted(root: Path, image: str, images: str = "reference", **card: Any) -> Path:
    """A dataset of one sample whose image is what somebody wrote into the manifest."""
    dataset = make(root, {"a": MASK}, images="copy")
    (sample,) = dataset
    changed = [msgspec.structs.replace(sample, image=image)]
    replace(dataset, samples=changed, images=images, **card).save()
    return root


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((8, 12, 3), 77, np.uint8))
    return path


def read(session: Session) -> int:
    """A value of the image, if it is read."""
    with layer_of(session, 0, "image").opened() as image:
        return int(image.read()[0, 0, 0])


def refused(session: Session) -> str:
    with pytest.raises((DataError, DatasetError)) as error:
        read(session)
    return str(error.value)


def test_a_folder_that_the_manifest_names_is_read_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / "pool" / "a.png")
    session = opened(crafted(tmp_path / "data", "../pool/a.png"))
    assert read(session) == 77
    assert session.roots == (str(tmp_path / "pool"),)
    told = capsys.readouterr().err
    assert f"images are also read from {tmp_path / 'pool'} (--image-root" in told


def test_a_folder_s_name_does_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened(crafted(tmp_path / "data", "../\x1b[2J\nnote: all is well/a.png"))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\\x1b[2J\\nnote: all is well" in told
    assert told.count("\n") == 1


def test_images_in_the_dataset_are_told_of_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = opened(make(tmp_path / "data", {"a": MASK}, images="copy"))
    read(session)
    assert (session.roots, capsys.readouterr().err) == ((), "")


def test_given_roots_restrict(tmp_path: Path) -> None:
    picture(tmp_path / "pool" / "a.png")
    picture(tmp_path / "pool2" / "a.png")
    for image in ("../pool2/a.png", str(tmp_path / "pool2" / "a.png"), "../pool/../pool2/a.png"):
        root = crafted(tmp_path / "data", image)
        assert "--image-root" in refused(opened(root, image_roots=[str(tmp_path / "pool")]))
        assert read(opened(root, image_roots=[str(tmp_path / "pool"), str(tmp_path / "pool2")])) == 77
        assert read(opened(root, image_roots=[str(tmp_path)])) == 77
    with pytest.raises(OptionError, match="no such folder"):
        opened(root, image_roots=[str(tmp_path / "nowhere")])


def test_a_link_that_leads_on_is_not_followed(tmp_path: Path) -> None:
    secret = picture(tmp_path / "private" / "secret.png")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.png").symlink_to(secret)
    (tmp_path / "pool" / "b.png").symlink_to("a.png")
    for image in ("../pool/a.png", "../pool/b.png", str(tmp_path / "pool" / "a.png")):
        root = crafted(tmp_path / "data", image)
        text = refused(opened(root))
        assert "is a link out of its folder" in text
        assert f"--image-root {secret.parent}" in text
        assert "outside the dataset" in refused(opened(root, image_roots=[str(tmp_path / "pool")]))
        assert read(opened(root, image_roots=[str(secret.parent)])) == 77


def test_links_of_the_dataset_itself(tmp_path: Path) -> None:
    """`--images link` made them: they lead where the person said, which is told; from there no further."""
    secret = picture(tmp_path / "private" / "secret.png")
    root = crafted(tmp_path / "data", "images/b.png", "link")
    (root / "images" / "b.png").symlink_to("../../private/secret.png")
    session = opened(root)
    assert read(session) == 77
    assert session.roots == (str(secret.parent),)
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "hop.png").symlink_to(secret)
    (root / "images" / "b.png").unlink()
    (root / "images" / "b.png").symlink_to(tmp_path / "pool" / "hop.png")
    assert "is a link out of its folder" in refused(opened(root))
    # the same without the card's word: no link of a dataset with copies leads out
    assert "outside the dataset" in refused(opened(crafted(tmp_path / "copied", "../private/secret.png", "copy")))
    copied = crafted(tmp_path / "copied", "images/b.png", "copy")
    (copied / "images" / "b.png").symlink_to(secret)
    assert "outside the dataset" in refused(opened(copied))


def test_a_linked_folder_of_images_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "private" / "secret.png")
    for images in ("reference", "link"):
        root = crafted(tmp_path / images, "inner/secret.png", images)
        (root / "inner").symlink_to(tmp_path / "private")
        session = opened(root)
        assert read(session) == 77
        assert session.roots == (str(tmp_path / "private"),)


URLS = [
    "http://127.0.0.1:9/a.png", "https://example.org/a.png", "s3://bucket/a.png", "gs://bucket/a.png", "az://b/a.png",
    "file:///etc/passwd", "zip:///tmp/a.zip!a.png", "zip+https://example.org/a.zip!a.png", "ftp://example.org/a.png",
    "HTTP://example.org/a.png", "vsicurl://example.org", "memory://a.png",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("images", ["reference", "link"])
def test_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, images: str
) -> None:
    """Not even opened: what would open it is not called."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("opened")

    monkeypatch.setattr("segdata.dataset.dataset.open_image", never)
    session = opened(crafted(tmp_path / "data", url, images))
    text = refused(session)
    assert "is fetched only if you name where it is" in text
    assert session.roots == ()
    assert "are not fetched" in capsys.readouterr().err
    assert "fetched only" in refused(opened(tmp_path / "data", image_roots=["https://example.com/", "s3://other"]))


@pytest.mark.parametrize(
    ("url", "root", "is_below"),
    [
        ("https://a.org/x/b.png", "https://a.org/x", True), ("https://a.org/x/b.png", "https://a.org/x/", True),
        ("https://a.org/x/b.png", "https://a.org", True), ("HTTPS://A.org/x/b.png", "https://a.org/x", True),
        ("https://a.org/xy/b.png", "https://a.org/x", False), ("https://a.org/x/../y.png", "https://a.org/x", False),
        ("https://a.org/x/%2e%2e/y.png", "https://a.org/x", False),
        ("https://a.org/x/%252e%252E/y.png", "https://a.org/x", False),
        ("https://a.org/x\\..\\y.png", "https://a.org/", False), ("https://a.org@b.org/x/y.png", "https://a.org/x", False),
        ("https://a.org:81/x/y.png", "https://a.org/x", False), ("http://a.org/x/y.png", "https://a.org/x", False),
        ("https://a.org\n.b.org/x/y.png", "https://a.org.b.org/x", False), ("s3://a/x.png", "s3://a", True),
        ("s3://ab/x.png", "s3://a", False), ("zip+https://a.org/x.zip!y.png", "https://a.org", False),
        ("https://a.org/x.png", "/home", False),
    ],
)  # fmt: skip
def test_a_url_is_below_another(url: str, root: str, is_below: bool) -> None:
    assert _url_below(url, root) == is_below


def test_the_storage_of_a_dataset_is_its_own() -> None:
    """Without roots its bucket; with roots, the dataset's own folder and they."""
    from segdata.dataset.sample import Sample
    from segdata.files.remote import Remote
    from segdata.labels import Labels

    def path_of(image: str, *roots: str, images: str = "reference") -> str:
        sample = Sample(id="a", image=image, mask="m", height=1, width=1, counts={}, sha256="")
        dataset = Dataset(Remote("s3://mine/data"), Labels.of(["a"]), [sample], {}, images)  # type: ignore[arg-type]
        return Fenced.around(dataset, roots).image_path(sample)

    assert path_of("../pool/a.png") == path_of("s3://mine/pool/a.png") == "s3://mine/pool/a.png"
    assert path_of("images/a.png", "s3://other", images="copy") == "s3://mine/data/images/a.png"
    assert path_of("../pool/a.png", "s3://mine/pool") == "s3://mine/pool/a.png"
    for image, roots in (("s3://theirs/a.png", ()), ("../pool/a.png", ("s3://mine/other",)), ("http://a/b.png", ())):
        with pytest.raises(DataError, match="fetched only"):
            path_of(image, *roots)


def test_members_of_shards_are_files_too(tmp_path: Path) -> None:
    secret = picture(tmp_path / "private" / "secret.png")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.tar").symlink_to(tmp_path / "private" / "b.tar")
    shutil.copy(secret, tmp_path / "private" / "b.tar")
    member = f"#0+{secret.stat().st_size}.png"
    assert read(opened(crafted(tmp_path / "data", f"../private/b.tar{member}"))) == 77
    assert "is a link out of its folder" in refused(opened(crafted(tmp_path / "data", f"../pool/a.tar{member}")))


def test_a_vrt_takes_the_word_of_the_person_not_of_the_card(tmp_path: Path) -> None:
    secret = picture(tmp_path / "data2" / "secret.tif")
    band = (
        '<VRTRasterBand dataType="Byte" band="{}"><SimpleSource><SourceFilename relativeToVRT="1">{}</SourceFilename>'
    )
    band += "<SourceBand>{}</SourceBand></SimpleSource></VRTRasterBand>"

    def vrt(source: str) -> Path:
        root = crafted(tmp_path / "data", "images/a.vrt", "copy", reading=Reading(vrt=True))
        bands = "".join(band.format(n, source, n) for n in (1, 2, 3))
        (root / "images" / "a.vrt").write_text(f'<VRTDataset rasterXSize="12" rasterYSize="8">{bands}</VRTDataset>')
        return root

    shutil.copy(secret, crafted(tmp_path / "data", "a") / "images" / "s.tif")
    root = vrt("s.tif")
    assert "--vrt" in refused(opened(root))
    assert read(opened(root, vrt=True)) == 77
    assert "image" in refused(opened(vrt("../../data2/secret.tif"), vrt=True))


def test_what_analyses_read_is_fenced_too(tmp_path: Path) -> None:
    """They take `session.truth`, a copy of it, or a part: each keeps the fence, also in another process."""
    import pickle

    session = opened(crafted(tmp_path / "data", "http://example.org/a.png"))
    (sample,) = session.truth
    for dataset in (
        session.truth.select(lambda s: True),
        session.truth.read_as(),
        pickle.loads(pickle.dumps(session.truth)),
    ):
        with pytest.raises(DataError, match="fetched only"):
            dataset.read_image(sample)


def test_many_folders_are_told_as_what_they_have_in_common() -> None:
    assert fewest(["/a", "/a b", "/a/b", "/a/b/c", "/ab"]) == ["/a", "/a b", "/ab"]
    many = [f"/data/{i % 3}/{i}/images" for i in range(100)]
    assert fewest(many) == ["/data/0", "/data/1", "/data/2"]
    assert fewest([f"/data/{i}" for i in range(FEW)]) == sorted(f"/data/{i}" for i in range(FEW))
    assert fewest([]) == []
    for one in many:
        assert any(one.startswith(f"{told}{os.sep}") for told in fewest(many))
