"""Every official source becomes a store of the same numbers; broken and wrong files are refused in one sentence."""

import gzip
import zipfile
from functools import partial

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from foundation.faults import Refused
from simulations import official
from simulations.__main__ import app
from simulations.check import check
from simulations.facts import read_declared
from simulations.official import import_official, tree
from tests.simulations import official_files as files

SOURCES = {
    "dsprites": ("dsprites", files.dsprites),
    "dsprites without colour": ("dsprites", partial(files.dsprites, columns=5)),
    "cars3d": ("cars3d", files.cars3d),
    "shapes3d": ("shapes3d", files.shapes3d),
    "smallnorb": ("smallnorb", files.smallnorb),
    "smallnorb packed": ("smallnorb", partial(files.smallnorb, ending=".gz")),
    "cifar10 batches": ("cifar10", files.cifar10),
    "cifar10 tar": ("cifar10", partial(files.cifar10, packed=True)),
    "cifar10 zip": ("cifar10", files.cifar10_images),
    "cifar10 folder": ("cifar10", partial(files.cifar10_images, zipped=False)),
    "cifar10 classes alone": ("cifar10", partial(files.cifar10_images, splits=("",))),
    "cifar10 test alone": ("cifar10", partial(files.cifar10_images, splits=("test",))),
    "tiny_imagenet zip": ("tiny_imagenet", files.tiny_imagenet),
    "tiny_imagenet folder": ("tiny_imagenet", partial(files.tiny_imagenet, zipped=False)),
    "mnist": ("mnist", files.mnist),
    "mnist unpacked": ("mnist", partial(files.mnist, ending="")),
    "mnist t10k alone": ("mnist", partial(files.mnist, parts=("t10k",))),
    "celeba zip": ("celeba", files.celeba),
    "celeba folder": ("celeba", partial(files.celeba, zipped=False, count=False)),
    "celeba without parts": ("celeba", partial(files.celeba, parts=("", "", ""))),
}
EXPECTED = {
    "dsprites": "imgs of (N, 64, 64)",
    "cars3d": "im of (128, 128, 3, 24, 4)",
    "shapes3d": "images of (N, 64, 64, 3)",
    "smallnorb": "N x 2 x 96 x 96 bytes",
    "cifar10": "(n, 3072) uint8",
    "tiny_imagenet": "images of 64 x 64 in train/<wnid>/images",
    "mnist": "N x 28 x 28 bytes",
    "celeba": "1 or -1 of each",
}
every_source = pytest.mark.parametrize("case", SOURCES)


def source_of(case, folder):
    """The name of a data set and an example of its source."""
    name, write = SOURCES[case]
    return name, write(folder)


def store_of(name, source, path, most=None, seed=0):
    import_official(name, source, path, most, seed)
    return xr.open_zarr(path)


def test_every_entry_of_the_table_is_tested():
    assert {name for name, _ in SOURCES.values()} == set(official.OFFICIAL) == set(EXPECTED)


@every_source
def test_a_store_holds_the_pixels_and_factors_of_its_source(tmp_path, case):
    name, example = source_of(case, tmp_path)
    store = store_of(name, example.source, tmp_path / "s.zarr")
    np.testing.assert_allclose(store["image"], example.images, atol=example.tolerance)
    assert store["image"].attrs["units"] == "1"
    for factor, values in example.factors.items():
        np.testing.assert_array_equal(store[factor], values)
    check(tmp_path / "s.zarr")
    facts = read_declared({"datasets": {"mine": {"store": str(tmp_path / "s.zarr")}}}, []).facts["mine"]
    assert facts.factors == tuple(example.factors)
    assert (facts.noise, facts.stamp) == ("none", example.images.shape[-1])
    assert facts.channels == (3 if example.images.ndim == 4 else 1)
    assert not (tmp_path / "executed").exists()


@every_source
def test_official_test_rows_stay_test_rows_and_the_others_are_divided_by_seed(tmp_path, case):
    name, example = source_of(case, tmp_path)
    split = store_of(name, example.source, tmp_path / "s.zarr")["split"].values
    rows = len(example.images)
    if example.test is None:
        training, validation = round(0.75 * rows), round(0.125 * rows)
        assert np.bincount(split).tolist() == [training, validation, rows - training - validation]
    else:
        np.testing.assert_array_equal(np.flatnonzero(split == 2), example.test)
        training = rows - len(example.test)
        assert (split == 1).sum() == round(training / 7)
    other = store_of(name, example.source, tmp_path / "other.zarr", seed=1)["split"].values
    assert (split != other).any() and np.array_equal(np.bincount(split), np.bincount(other))


@every_source
def test_a_subset_keeps_the_order_and_depends_on_its_seed(tmp_path, case):
    name, example = source_of(case, tmp_path)
    first, again, other = (
        store_of(name, example.source, tmp_path / f"{i}.zarr", most=16, seed=seed) for i, seed in enumerate((3, 3, 4))
    )
    distance = np.abs(first["image"].values[:, None] - example.images[None]).reshape(16, len(example.images), -1)
    rows = distance.max(axis=2).argmin(axis=1)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_allclose(first["image"], example.images[rows], atol=example.tolerance)
    for factor, values in example.factors.items():
        np.testing.assert_array_equal(first[factor], np.asarray(values)[rows])
    if example.test is not None:
        np.testing.assert_array_equal(first["split"] == 2, np.isin(rows, example.test))
    np.testing.assert_array_equal(first["image"], again["image"])
    assert not np.array_equal(first["image"], other["image"])


@every_source
def test_rows_read_alone_are_the_rows_read_together(tmp_path, case):
    name, example = source_of(case, tmp_path)
    with official.opened(name, example.source) as collection:
        rows = np.arange(0, collection.rows, 5)
        together = collection.read(rows)
        alone = np.concatenate([collection.read(rows[i : i + 1]) for i in reversed(range(len(rows)))])
    assert together.dtype == np.float32 and together.shape[1:] == collection.shape
    np.testing.assert_array_equal(together[::-1], alone)


def refusal(name, source, path):
    """The message of a refusal, which leaves neither a store nor a part of one."""
    with pytest.raises(Refused) as refused:
        import_official(name, source, path, None, 0)
    assert not path.exists() and not list(path.parent.glob("*.part.*"))
    return str(refused.value)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_absent_source_is_refused(tmp_path, name):
    sentence = refusal(name, tmp_path / "nowhere", tmp_path / "s.zarr")
    assert "nowhere: found no file" in sentence and EXPECTED[name] in sentence


@every_source
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path, case, share):
    name, example = source_of(case, tmp_path)
    file = example.main if example.main.is_file() else next(example.main.rglob("*.png"))
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert EXPECTED[name] in refusal(name, example.source, tmp_path / "s.zarr")


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    for source in (tmp_path / "text", tmp_path / "empty"):
        source.write_text("no images at all" if source.name == "text" else "")
        assert EXPECTED[name] in refusal(name, source, tmp_path / "s.zarr")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("chapter one")
    assert EXPECTED[name] in refusal(name, tmp_path / "folder", tmp_path / "s.zarr")


def without(name, write):
    """A writer that deletes the file of that name afterwards."""

    def incomplete(folder):
        example = write(folder)
        next(folder.rglob(name)).unlink()
        return example

    return incomplete


SMALL = np.zeros((40, 32, 32), np.uint8)
WRONG = {
    "dsprites: 32 pixels": ("dsprites", partial(files.dsprites, imgs=SMALL), "imgs: found (40, 32, 32)"),
    "dsprites: no images": ("dsprites", partial(files.dsprites, imgs=None), "imgs: found nothing"),
    "dsprites: 0 to 255": ("dsprites", partial(files.dsprites, imgs=np.full((40, 64, 64), 255, np.uint8)), "value 255"),
    "dsprites: values of fewer rows": (
        "dsprites",
        partial(files.dsprites, latents_values=np.ones((30, 6))),
        "latents_values: found (30, 6)",
    ),
    "dsprites: classes of one column": (
        "dsprites",
        partial(files.dsprites, latents_classes=np.ones((40, 1), int)),
        "latents_classes: found (40, 1)",
    ),
    "dsprites: values in a pickle": (
        "dsprites",
        partial(files.dsprites, latents_values=np.full((40, 6), None)),
        "cannot be read",
    ),
    "dsprites: not finite": ("dsprites", partial(files.dsprites, latents_values=np.full((40, 6), np.nan)), "finite"),
    "cars3d: another key": ("cars3d", partial(files.cars3d, key="image"), "im: found nothing"),
    "cars3d: fewer azimuths": ("cars3d", partial(files.cars3d, shape=(128, 128, 3, 20, 4)), "(128, 128, 3, 20, 4)"),
    "cars3d: no cars": ("cars3d", without("*.mat", files.cars3d), "*_mesh.mat: found no file"),
    "shapes3d: five labels": ("shapes3d", partial(files.shapes3d, labels=np.zeros((40, 5))), "labels: found (40, 5)"),
    "shapes3d: no images": ("shapes3d", partial(files.shapes3d, images=None), "images: found nothing"),
    "shapes3d: grey": ("shapes3d", partial(files.shapes3d, images=SMALL), "images: found (40, 32, 32)"),
    "smallnorb: the magic of integers": ("smallnorb", partial(files.smallnorb, magic=0x1E3D4C54), "0x1e3d4c54 and 4"),
    "smallnorb: fewer categories": (
        "smallnorb",
        partial(files.smallnorb, categories=9),
        "(9,) where the images need (28,)",
    ),
    "smallnorb: 48 pixels": ("smallnorb", partial(files.smallnorb, side=48), "(28, 2, 48, 48)"),
    "smallnorb: no info": ("smallnorb", without("*testing-info.mat", files.smallnorb), "testing-info.mat: found no"),
    "cifar10: a batch missing": ("cifar10", without("data_batch_2", files.cifar10), "data_batch_2: found no file"),
    "cifar10: 100 numbers": ("cifar10", partial(files.cifar10, data=np.zeros((8, 100), np.uint8)), "(8, 100)"),
    "cifar10: fewer images": (
        "cifar10",
        partial(files.cifar10, data=np.zeros((7, 3072), np.uint8)),
        "7 integers from 0 to 9",
    ),
    "cifar10: 28 pixels": ("cifar10", partial(files.cifar10_images, side=28), "28 x 28 pixels"),
    "cifar10: other classes": ("cifar10", partial(files.cifar10_images, classes=("whale",) * 10), "class 'whale'"),
    "cifar10: half split": ("cifar10", partial(files.cifar10_images, splits=("", "test")), "some in train or test"),
    "tiny_imagenet: 32 pixels": ("tiny_imagenet", partial(files.tiny_imagenet, side=32), "32 x 32 pixels"),
    "tiny_imagenet: half of the annotations": (
        "tiny_imagenet",
        partial(files.tiny_imagenet, annotated=False),
        "does not list",
    ),
    "tiny_imagenet: no annotations": (
        "tiny_imagenet",
        without("val_annotations.txt", partial(files.tiny_imagenet, zipped=False)),
        "val_annotations.txt: found no file",
    ),
    "celeba: no attributes": ("celeba", without("list_attr*", partial(files.celeba, zipped=False)), "no file"),
    "celeba: an attribute of 2": ("celeba", partial(files.celeba, line="{} 2 -1"), "a line for"),
    "celeba: an attribute missing": ("celeba", partial(files.celeba, line="{} 1"), "a line for"),
    "celeba: another image": ("celeba", partial(files.celeba, line="other{} 1 1"), "no line for the image"),
    "celeba: a side of 5,000 pixels": ("celeba", partial(files.celeba, wide=5000), "5000 x 2 pixels"),
    "celeba: a part of 3": ("celeba", partial(files.celeba, parts=("0", "3", "2")), "no part 0, 1 or 2"),
    "mnist: another magic": ("mnist", partial(files.mnist, magic=2052), "magic number 2052"),
    "mnist: 32 pixels": ("mnist", partial(files.mnist, side=32), "(28, 32, 32)"),
    "mnist: too many labels": ("mnist", partial(files.mnist, extra=2), "30 labels"),
    "mnist: no labels": ("mnist", without("t10k-labels*", files.mnist), "no file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_the_expected_layout(tmp_path, case):
    name, write, value = WRONG[case]
    sentence = refusal(name, write(tmp_path).source, tmp_path / "s.zarr")
    assert value in sentence and EXPECTED[name] in sentence
    assert "\n" not in sentence


def test_bytes_beyond_the_last_image_are_refused(tmp_path):
    example = files.mnist(tmp_path, ending="")
    example.main.write_bytes(example.main.read_bytes() + b"more")
    assert "need" in refusal("mnist", tmp_path, tmp_path / "s.zarr")


def test_a_flipped_bit_inside_a_packed_file_is_refused(tmp_path):
    example = files.mnist(tmp_path)
    raw = bytearray(gzip.decompress(example.main.read_bytes()))
    packed = bytearray(gzip.compress(bytes(raw), compresslevel=0))
    packed[len(packed) // 2] ^= 1
    example.main.write_bytes(bytes(packed))
    assert EXPECTED["mnist"] in refusal("mnist", tmp_path, tmp_path / "s.zarr")


@pytest.mark.parametrize("where", ["whole", "labels"])
def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path, where):
    example = files.cifar10(tmp_path)
    hostile = files.Hostile(tmp_path / "executed")
    batch = {b"data": np.zeros((8, 3072), np.uint8), b"labels": hostile}
    example.main.write_bytes(files.pickled(hostile if where == "whole" else batch))
    sentence = refusal("cifar10", example.source, tmp_path / "s.zarr")
    assert "open, which no array needs" in sentence and EXPECTED["cifar10"] in sentence
    assert not (tmp_path / "executed").exists()


def test_names_inside_a_zip_are_not_used_as_paths(tmp_path):
    example = files.cifar10_images(tmp_path, splits=("",))
    with zipfile.ZipFile(example.source, "a") as archive:
        archive.writestr("../../cat/9999.png", files.encoded(np.zeros((32, 32, 3), np.uint8)))
    before = set(tmp_path.parent.rglob("*.png"))
    store_of("cifar10", example.source, tmp_path / "s.zarr")
    assert set(tmp_path.parent.rglob("*.png")) == before


def test_a_file_too_large_for_an_image_is_not_unpacked(tmp_path, monkeypatch):
    example = files.cifar10_images(tmp_path)
    monkeypatch.setattr(tree, "LARGEST", 100)
    assert "bytes, but CIFAR-10" in refusal("cifar10", example.source, tmp_path / "s.zarr")


def test_an_unknown_name_and_an_existing_folder_are_refused(tmp_path):
    with pytest.raises(Refused, match="did you mean 'dsprites'"):
        import_official("dsprite", tmp_path / "x.npz", tmp_path / "s.zarr", None, 0)
    example = files.dsprites(tmp_path)
    with pytest.raises(Refused, match="they are never overwritten"):
        import_official("dsprites", example.source, tmp_path, None, 0)


def test_the_command_makes_a_store(tmp_path):
    example = files.mnist(tmp_path)
    command = ["official", "mnist", str(example.source), str(tmp_path / "s.zarr"), "--most", "20", "--seed", "2"]
    assert CliRunner().invoke(app, command).exit_code == 0
    store = xr.open_zarr(tmp_path / "s.zarr")
    assert store.sizes["galaxy"] == 20
    assert (store.attrs["official"], store.attrs["seed"], store.attrs["most"]) == ("mnist", 2, 20)
