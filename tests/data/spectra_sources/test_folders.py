from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
from astropy.io import fits

from hf_galaxy.data.spectra_sources import DesiFolder, SdssFolder, TextFolder, identifier, keys
from tests.spectra_files import write_desi, write_sdss


def readings(source, size=2):
    return [(p, list(source.read(pickle.loads(pickle.dumps(p))))) for p in source.pieces(size)]


def test_sdss_files_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path):
    for name in ("0266-51602-0010", "0266-51602-0009", "1000-52000-0001"):
        (tmp_path / name[:4]).mkdir(exist_ok=True)
        write_sdss(tmp_path / name[:4] / f"spec-{name}.fits", number=tuple(map(int, name.split("-"))))
    (tmp_path / "README.txt").write_text("not a spectrum")
    done = readings(SdssFolder(str(tmp_path)))
    assert [r.id for _, part in done for r in part] == ["266-51602-9", "266-51602-10", "1000-52000-1"]
    assert [p.count for p, _ in done] == [2, 1]
    spectrum = done[0][1][0].spectrum
    assert keys(spectrum) == {"plate-mjd-fiber": "266-51602-9"} and identifier(spectrum) == "266-51602-9"


def test_the_same_spectrum_twice_is_read_once_and_said(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_sdss(tmp_path / folder / "spec-0266-51602-0007.fits")
    ((piece, read),) = readings(SdssFolder(str(tmp_path)))
    assert len(read) == 1 and piece.count == 2
    ((name, reason),) = piece.skipped
    assert name == "266-51602-7" and reason.startswith("duplicate id: ") and "/b/" in reason and "/a/" in reason


def test_a_file_of_another_spectrum_than_its_name_says(tmp_path):
    write_sdss(tmp_path / "spec-0266-51602-0001.fits", number=(266, 51602, 2))
    ((_, (reading,)),) = readings(SdssFolder(str(tmp_path)))
    assert reading.spectrum is None and "its own table says 266-51602-2" in reading.reason


def test_a_damaged_file_comes_with_a_reason(tmp_path):
    path = write_sdss(tmp_path / "spec-0266-51602-0007.fits")
    path.write_bytes(path.read_bytes()[:9000])
    ((_, (reading,)),) = readings(SdssFolder(str(tmp_path)))
    assert reading.spectrum is None and "damaged or truncated" in reading.reason and "\n" not in reading.reason


@pytest.mark.parametrize("kind", [SdssFolder, DesiFolder, TextFolder])
def test_folders_without_spectra(kind, tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        kind(str(tmp_path / "nowhere")).pieces(2)
    with pytest.raises(ValueError, match=r"no .* in it"):
        kind(str(tmp_path)).pieces(2)


def test_desi_folders_as_the_archive_lays_them_out(tmp_path):
    inner = tmp_path / "healpix" / "main" / "bright" / "1"
    inner.mkdir(parents=True)
    write_desi(inner, n_target=3)
    done = readings(DesiFolder(str(tmp_path)))
    read = [r for _, part in done for r in part]
    assert [r.id for r in read] == ["39627000", "39627001", "39627002"] and [p.count for p, _ in done] == [2, 1]
    assert [r.spectrum.redshift for r in read] == pytest.approx([0.1, 0.15, 0.2])
    np.testing.assert_allclose(np.median(read[2].spectrum.flux), 3e-17, rtol=0.4)


def test_a_cut_coadd_is_refused(tmp_path):
    """It still opens, with the arms that are left, and would pass for a spectrum of half the wavelengths."""
    write_desi(tmp_path, n_target=2)
    (path,) = tmp_path.glob("coadd-*")
    path.write_bytes(path.read_bytes()[: int(0.8 * path.stat().st_size)])
    with pytest.raises(ValueError, match="not a DESI coadd.*download it again"):
        DesiFolder(str(tmp_path)).pieces(2)


def test_a_target_in_two_coadds_is_read_once(tmp_path):
    for folder in ("dark", "bright"):
        (tmp_path / folder).mkdir()
        write_desi(tmp_path / folder, n_target=2)
    done = readings(DesiFolder(str(tmp_path)), size=10)
    assert len(done) == 1 and len(done[0][1]) == 2
    assert [name for name, _ in done[0][0].skipped] == ["39627000", "39627001"]
    assert "dark" in done[0][0].skipped[0][1]


def test_sky_and_faulty_fibres_come_with_a_reason(tmp_path):
    path = write_desi(tmp_path, n_target=3)
    with fits.open(path) as hdus:
        columns = hdus["FIBERMAP"].columns + fits.ColDefs(
            [
                fits.Column("OBJTYPE", "3A", array=["TGT", "SKY", "TGT"]),
                fits.Column("COADD_FIBERSTATUS", "K", array=[0, 0, 8]),
            ]
        )
        others = [h.copy() for h in hdus if h.name not in ("FIBERMAP", "PRIMARY")]
        made = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="FIBERMAP"), *others]
        fits.HDUList(made).writeto(tmp_path / "new.fits")
    shutil.move(tmp_path / "new.fits", path)
    ((_, read),) = readings(DesiFolder(str(tmp_path)), size=10)
    assert read[0].spectrum is not None
    assert [r.reason.split(":")[0] for r in read[1:]] == ["OBJTYPE SKY", "COADD_FIBERSTATUS 8"]


def test_a_catalogue_whose_rows_do_not_match_is_told_target_by_target(tmp_path):
    coadds, other = tmp_path / "coadds", tmp_path / "other"
    coadds.mkdir(), other.mkdir()
    write_desi(coadds, n_target=3)
    write_desi(other, n_target=2)
    source = DesiFolder(str(coadds), str(other / "redrock-main-bright-1.fits"))
    ((_, read),) = readings(source, size=10)
    assert [r.spectrum is not None for r in read] == [True, True, False]
    assert "TARGETID 39627002 of row 2 is not in the redrock file" in read[2].reason


def test_coadds_without_redshifts(tmp_path):
    write_desi(tmp_path, redrock=False)
    with pytest.raises(ValueError, match=r"no redrock-\* or fastspec-\* file beside it; give a catalogue"):
        DesiFolder(str(tmp_path)).pieces(2)


def test_text_with_wavelengths_that_turn_back(tmp_path):
    (tmp_path / "good.txt").write_text("# z: 0.3\n" + "\n".join(f"{w} 1 0.1" for w in range(4000, 4050)))
    (tmp_path / "turned.txt").write_text("# z: 0.3\n4000 1 0.1\n4010 1 0.1\n4005 1 0.1\n")
    (tmp_path / "notes.md").write_text("mine")
    ((_, read),) = readings(TextFolder(str(tmp_path)), size=10)
    assert [r.id for r in read] == ["good", "turned"] and read[0].spectrum.redshift == 0.3
    assert "wavelengths must be positive and increase, but see pixel 2" in read[1].reason
