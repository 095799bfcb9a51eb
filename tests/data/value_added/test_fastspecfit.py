from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.data.value_added import read_labels
from hf_galaxy.data.value_added.fastspecfit import UNDETECTED_ERROR
from hf_galaxy.variables_galaxy import PROPERTIES

from .catalogue_files import FASTSPEC_LINES, fastspec_columns, value, write_fastspec, write_hdus


def read(tmp_path, **changes):
    """A v3 file with changes to the columns of its tables."""
    tables = dict(zip(("meta", "phot", "fast"), fastspec_columns(), strict=True))
    for name, column in changes.items():
        table = next(t for t in tables.values() if name in t)
        table[name] = column
    return read_labels(write_fastspec(tmp_path / "fastspec.fits", *tables.values()))


def test_every_property_in_our_units(tmp_path):
    table = read(tmp_path)
    assert (table.source, table.key, len(table)) == ("fastspecfit", "targetid", 4)
    # 1 / sqrt(ivar), and the error of the definition in quadrature
    expected = {
        "redshift": (0.1, np.hypot(1.7e-4, 1.7e-5)),
        "log_mstar": (10.5, np.hypot(0.05, 0.1)),
        "log_sfr": (np.log10(2.0), np.hypot(0.2 / 2.0 / np.log(10), 0.2)),
        "log_zstar": (-0.5, np.hypot(0.1, 0.2)),
        "av": (1.0857 * 0.5, np.hypot(0.10857, 0.1)),
        "dn4000": (1.4, np.hypot(0.02, 0.02)),
        "ew_halpha": (5.0, np.sqrt(0.5**2 + 0.2**2 + 0.25**2)),
        "flux_halpha": (2e-16, np.hypot(2e-17, 1e-17)),
        "ew_oii_3727": (10.0, np.sqrt(2 * 0.5**2 + 0.2**2 + 0.5**2)),
        "flux_sii_6717_6731": (4e-16, np.sqrt(2 * 2e-17**2 + 2e-17**2)),
    }
    for name, pair in expected.items():
        # table in float64 from small numbers; 1.0857 has five digits
        np.testing.assert_allclose(value(table, name), pair, rtol=1e-4, err_msg=name)


def test_light_weighted_age_is_not_ours(tmp_path):
    assert np.isnan(read(tmp_path).properties[:, PROPERTIES.index("log_age")]).all()


def test_v2_holds_properties_inside_fastspec(tmp_path):
    meta, phot, fast = fastspec_columns()
    inside = {k: v for k, v in phot.items() if not k.endswith("_IVAR") and k != "TAUV"}
    inside |= {"AV": (np.full(4, 0.5), "mag"), "DN4000_IVAR": phot["DN4000_IVAR"]}
    # v2 writes FASTSPEC first, and METADATA after it
    path = write_hdus(tmp_path / "v2.fits", FASTSPEC={**inside, **fast}, METADATA=meta)
    table = read_labels(path)
    np.testing.assert_allclose(value(table, "av"), (0.5, 0.1))
    np.testing.assert_allclose(value(table, "log_mstar"), (10.5, 0.1))
    np.testing.assert_allclose(value(table, "ew_hbeta")[0], 5.0)


def test_zero_inverse_variance_is_unknown(tmp_path):
    ivar = np.array([0.0, 400.0, np.nan, -1.0])
    table = read(tmp_path, LOGMSTAR_IVAR=(ivar, "1 / solMass2"), HALPHA_EW_IVAR=(ivar, "1 / Angstrom2"))
    for name in ("log_mstar", "ew_halpha"):
        np.testing.assert_array_equal(np.isfinite([value(table, name, row)[0] for row in range(4)]), ivar > 0)
    assert table.report.unknown["LOGMSTAR"] == {"without an error": 3}
    assert table.report.unknown["HALPHA_EW"] == {"without an error": 3}


def test_line_at_the_bound_is_zero_within_its_limit_and_one_out_of_the_spectrum_is_unknown(tmp_path):
    zero, none = (np.array([0.0, 0.0, 5.0, 5.0]), "Angstrom"), (np.array([0.0, 0.0, 4.0, 4.0]), "1 / Angstrom2")
    limit = (np.array([1.0, 0.0, 1.0, 1.0]), "erg / (cm2 s)")
    table = read(tmp_path, HALPHA_EW=zero, HALPHA_EW_IVAR=none, HALPHA_FLUX_LIMIT=limit)
    sigma = UNDETECTED_ERROR * 1.0 / (4.0 * 1.1)  # limit / (continuum (1 + z)), continuum of 4
    np.testing.assert_allclose(value(table, "ew_halpha", 0), (0.0, np.hypot(sigma, 0.2)))
    assert np.isnan(value(table, "ew_halpha", 1)).all()
    assert value(table, "ew_halpha", 2)[0] == 5.0


def test_half_of_a_doublet_is_no_doublet(tmp_path):
    half = (np.array([0.0, 4.0, 4.0, 4.0]), "1 / Angstrom2")
    table = read(tmp_path, OII_3726_EW_IVAR=half)
    assert np.isnan(value(table, "ew_oii_3727", 0)).all()
    assert value(table, "ew_oii_3727", 1)[0] == 10.0


def test_broad_component_is_added_where_there_is_one(tmp_path):
    meta, phot, fast = fastspec_columns()
    broad = np.array([0.0, 30.0, 0.0, 0.0])
    fast |= {"HALPHA_BROAD_EW": broad, "HALPHA_BROAD_EW_IVAR": np.where(broad > 0, 1.0, 0.0)}
    fast |= {"HALPHA_BROAD_FLUX": 4 * broad, "HALPHA_BROAD_FLUX_IVAR": np.where(broad > 0, 1.0, 0.0)}
    table = read_labels(write_fastspec(tmp_path / "a.fits", meta, phot, fast))
    assert [value(table, "ew_halpha", row)[0] for row in (0, 1)] == [5.0, 35.0]
    np.testing.assert_allclose(value(table, "flux_halpha", 1)[0], 1.4e-15)


def test_one_metallicity_for_all_was_not_fitted(tmp_path):
    table = read(tmp_path, ZZSUN=np.zeros(4))
    assert np.isnan(table.properties[:, PROPERTIES.index("log_zstar")]).all()
    assert any("ZZSUN is the same" in note for note in table.report.notes)


def test_no_star_formation_has_no_logarithm(tmp_path):
    table = read(tmp_path, SFR=(np.array([0.0, 2.0, 2.0, 2.0]), "solMass / yr"))
    assert np.isnan(value(table, "log_sfr")).all()
    assert table.report.unknown["SFR"] == {"not positive": 1}


def test_warned_redshifts_and_other_classes_are_left_out_with_their_ids(tmp_path):
    table = read(tmp_path, ZWARN=np.array([0, 4, 0, 0]), SPECTYPE=np.array(["GALAXY", "GALAXY", "QSO", "STAR"]))
    assert table.lookup([39627000, 39627001, 39627002]).matched.tolist() == [True, False, False]
    skipped = {reason: ids.tolist() for reason, ids in table.report.skipped.items()}
    assert skipped == {"ZWARN is set": [39627001], "SPECTYPE is not GALAXY": [39627002, 39627003]}


def test_shifted_tables_are_refused(tmp_path):
    meta, phot, fast = fastspec_columns()
    phot["TARGETID"] = np.roll(phot["TARGETID"], 1)
    with pytest.raises(ValueError, match=r"SPECPHOT\]: TARGETID differs from that of .*METADATA"):
        read_labels(write_fastspec(tmp_path / "a.fits", meta, phot, fast))


@pytest.mark.parametrize(
    ("column", "unit"),
    [("HALPHA_EW", "nm"), ("HALPHA_FLUX", "erg / (cm2 s)"), ("SFR", "kg / s"), ("HALPHA_EW_IVAR", "Angstrom")],
)
def test_another_unit_is_refused(tmp_path, column, unit):
    with pytest.raises(ValueError, match=f"column {column} is in .* is needed"):
        read(tmp_path, **{column: (np.full(4, 5.0), unit)})


def test_other_spellings_of_a_unit_are_understood_or_noted():
    from hf_galaxy.data.value_added.draft import check_unit
    from hf_galaxy.data.value_added.opening import Columns

    for said, unit, power, understood in (
        ("Ang", "Angstrom", 1, True),
        ("1e-17 erg/s/cm^2", "1e-17 erg / (cm2 s)", 1, True),
        ("10**34 cm4 s2 erg-2", "1e-17 erg / (cm2 s)", -2, True),
        ("10-20W/m2", "1e-17 erg / (cm2 s)", 1, True),
        ("dex(Msun)", "log10 solMass", 1, True),
        ("Log solar masses", "log10 solMass", 1, True),
        ("furlongs", "Angstrom", 1, False),
    ):
        columns = Columns("a", ["X"], 1, lambda name: np.zeros(1), lambda name, said=said: said)
        assert check_unit(columns, "X", unit, power) is understood, said


def test_a_galaxy_without_any_line(tmp_path):
    zero, limit = np.zeros(4), (np.full(4, 1.0), "erg / (cm2 s)")
    lines = {f"{line}_{kind}": zero for line in FASTSPEC_LINES for kind in ("EW", "EW_IVAR", "FLUX", "FLUX_IVAR")}
    table = read(tmp_path, **lines, HALPHA_FLUX_LIMIT=limit)
    assert value(table, "flux_halpha")[0] == 0 and value(table, "ew_oii_3727")[0] == 0


def test_fibre_and_galaxy_are_told_apart(tmp_path):
    fibre = dict(zip(PROPERTIES, read(tmp_path).fibre, strict=True))
    assert fibre["flux_halpha"] and fibre["ew_halpha"] and fibre["dn4000"]
    assert not fibre["log_mstar"] and not fibre["log_sfr"] and not fibre["redshift"]


def test_rows_in_another_order_are_the_same_labels(tmp_path):
    meta, phot, fast = fastspec_columns(6)
    rng = np.random.default_rng(0)
    fast["HALPHA_EW"] = (rng.uniform(1, 100, 6), "Angstrom")
    ids = meta["TARGETID"].copy()
    first = read_labels(write_fastspec(tmp_path / "a.fits", meta, phot, fast)).lookup(ids)
    order = rng.permutation(6)
    meta, phot, fast = (
        {k: (v[0][order], v[1]) if isinstance(v, tuple) else v[order] for k, v in t.items()} for t in (meta, phot, fast)
    )
    second = read_labels(write_fastspec(tmp_path / "b.fits", meta, phot, fast)).lookup(ids)
    np.testing.assert_array_equal(first.properties, second.properties)
    np.testing.assert_array_equal(first.errors, second.errors)


def test_real_widths_keep_sign_and_scale(tmp_path, real_data):
    """v3.1 widths of DESI: positive in emission; Hβ of star-forming galaxies is a fifth to a third of Hα."""
    import pandas as pd

    real = pd.read_parquet(real_data / "desi_bgs_ew" / "desi_sv3_bgs_binned_ew.parquet").dropna().head(500)
    n = len(real)
    meta, phot, fast = fastspec_columns(n)
    meta["TARGETID"] = phot["TARGETID"] = fast["TARGETID"] = real["targetid"].to_numpy()
    meta["Z"] = real["z"].to_numpy()
    for line in ("halpha", "hbeta", "oiii_5007", "nii_6584", "sii_6716", "sii_6731"):
        fast[f"{line.upper()}_EW"] = real[f"ew_{line}"].to_numpy()
        fast[f"{line.upper()}_EW_IVAR"] = real[f"ewivar_{line}"].to_numpy()
    table = read_labels(write_fastspec(tmp_path / "a.fits", meta, phot, fast))
    found = table.lookup(real["targetid"].to_numpy())
    assert found.matched.all()
    widths = found.properties[:, PROPERTIES.index("ew_halpha")]
    np.testing.assert_allclose(widths, real["ew_halpha"], rtol=1e-6)
    assert (widths > 0).all()
    assert 0.15 < np.median(found.properties[:, PROPERTIES.index("ew_hbeta")] / widths) < 0.45
