"""Rows of many spectra with labels of catalogues and GALEX."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table

from hf_galaxy.data.features import observed_features
from hf_galaxy.data.observed_spectra import SpectraSettings, SpectrumObserver, observe_readings
from hf_galaxy.data.observed_spectra.imaging import normal_id, read_imaging
from hf_galaxy.data.spectra_sources import Reading
from hf_galaxy.data.value_added.galex import read_galex
from hf_galaxy.data.value_added.identifiers import id_codes
from hf_galaxy.data.value_added.tables import LabelReport, LabelTable
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.photometry import synthesize
from hf_galaxy.physics.redshifting import dimming
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

PLAIN = SpectraSettings(extrapolate=False, signal_to_noise_min=1.0)
R = BANDS.index("rSDSS")


def spectrum(number=1, redshift=0.1, **facts):
    wave = np.arange(3800.0, 9200.0, 4.0)
    flux = 3e-16 * (wave / 6000.0) ** -1
    facts = {"plate": 266, "mjd": 51602, "fiberid": number, "ra": 150.0, "dec": 2.0 + number, "z_err": 1e-5} | facts
    lines, widths = {"halpha": (5e-15, 1e-16)}, {"halpha": (20.0, 0.5)}
    return Spectrum(wave, flux, np.full(wave.shape, 1e34), redshift, f"s{number}", facts, widths, "sdss", lines)


def table(ids, fibre=(), **columns):
    """A catalogue of labels by plate-mjd-fiber with errors of a tenth."""
    values = np.full((len(ids), len(PROPERTIES)), np.nan)
    for name, column in columns.items():
        values[:, PROPERTIES.index(name)] = column
    codes = {"plate-mjd-fiber": id_codes(np.array(ids), "plate-mjd-fiber")}
    nowhere = np.full(len(ids), np.nan)
    flags = np.isin(PROPERTIES, fibre)
    return LabelTable(
        "made-up",
        "plate-mjd-fiber",
        codes,
        nowhere,
        nowhere,
        values,
        0.1 * np.abs(values),
        flags,
        LabelReport(len(ids)),
    )


def rows(spectra, settings=PLAIN, labels=(), galex=None, imaging=None):
    readings = [Reading(f"266-51602-{s.facts['fiberid']}", s) for s in spectra]
    return observe_readings(readings, SpectrumObserver(settings, imaging=imaging), labels, galex)


def value(made, i, name, column="properties"):
    return getattr(made, column)[i, PROPERTIES.index(name)]


def test_rows_fit_the_schema_and_say_where_they_are_from():
    made, skipped = rows([spectrum(1), spectrum(2)])
    assert made.table().schema == observed_features().arrow_schema and not skipped
    assert list(made.id) == ["266-51602-1", "266-51602-2"] and list(made.draw) == [0, 0]
    assert list(made.survey) == ["sdss", "sdss"] and not made.noisy.any()
    assert made.source[0] == "sdss,spzline" and made.dec[1] == 4.0


def test_nothing_at_all_is_an_empty_table():
    made, skipped = rows([spectrum(1, redshift=None)])
    assert len(made) == 0 and made.table().num_rows == 0 and skipped == [("266-51602-1", "no redshift")]
    assert made.table().schema == observed_features().arrow_schema


def test_unread_and_double_spectra_are_counted():
    readings = [Reading("a", None, "damaged"), Reading("b", spectrum(1)), Reading("b", spectrum(2))]
    taken = set()
    made, skipped = observe_readings(readings, SpectrumObserver(PLAIN), taken=taken)
    assert len(made) == 1 and taken == {"b"}
    assert skipped == [("a", "damaged"), ("b", "duplicate id: the spectrum before it is kept")]


def test_labels_of_catalogues_fill_what_the_spectrum_does_not_say():
    made, _ = rows(
        [spectrum(1), spectrum(2)], labels=[table(["0266-51602-0002"], ("log_mstar",), log_mstar=10.5, ew_halpha=99.0)]
    )
    assert np.isnan(value(made, 0, "log_mstar")) and value(made, 1, "log_mstar") == 10.5
    assert value(made, 1, "ew_halpha") == 20.0  # of the spectrum itself
    assert made.source[1] == "sdss,spzline,made-up" and made.source[0] == "sdss,spzline"


def test_a_catalogue_of_another_redshift_is_left_out_and_said():
    made, _ = rows([spectrum(1)], labels=[table(["266-51602-1"], redshift=0.3, log_mstar=10.5)])
    assert np.isnan(value(made, 0, "log_mstar")) and made.source[0].endswith(",redshift-conflict")


def test_moved_galaxies_keep_what_is_theirs():
    settings = replace(PLAIN, redshift_draws=2, draw_fewest_bands=30)
    made, _ = rows([spectrum(1)], settings, [table(["266-51602-1"], ("log_mstar",), log_mstar=10.5, flux_hbeta=2e-15)])
    assert list(made.draw) == [0, 1, 2] and made.source[1].endswith(",moved") and made.id[1] == made.id[0]
    for i in (1, 2):
        z = value(made, i, "redshift")
        assert z != 0.1 and value(made, i, "redshift", "property_error") == pytest.approx(1e-5 * (1 + z) / 1.1)
        for name in ("log_mstar", "ew_halpha", "dn4000"):
            assert value(made, i, name) == value(made, 0, name)
        for name in ("flux_halpha", "flux_hbeta"):
            assert value(made, i, name) == pytest.approx(dimming(0.1, z) * value(made, 0, name), rel=1e-6, abs=0)


def test_labels_of_the_fibre_become_those_of_the_galaxy():
    flux = synthesize(spectrum(1), FilterSet.embedded().subset(BANDS)).flux[R]
    images = read_imaging({"id": ["0266-51602-0001"], "r": [4 * flux] * u.nJy})
    labels = table(
        ["266-51602-1", "266-51602-2"], fibre=("flux_hbeta", "log_sfr"), flux_hbeta=2e-15, log_sfr=0.0, log_mstar=10.5
    )
    made, _ = rows([spectrum(1), spectrum(2)], labels=[labels], imaging=images)
    factor = made.flux[0, R] / made.flux[1, R]
    assert factor == pytest.approx(4.0, rel=0.01)
    assert value(made, 0, "flux_hbeta") == pytest.approx(factor * 2e-15, rel=1e-6, abs=0)
    assert value(made, 0, "flux_hbeta", "property_error") == pytest.approx(factor * 2e-16, rel=1e-6, abs=0)
    assert value(made, 0, "log_sfr") == pytest.approx(np.log10(factor)) and value(made, 0, "log_mstar") == 10.5
    assert value(made, 1, "flux_hbeta") == 2e-15 and value(made, 1, "log_sfr") == 0.0
    # a mass of the whole galaxy is not that of the light in the fibre
    assert np.isnan(value(made, 1, "log_mstar")) and np.isnan(value(made, 1, "log_mstar", "property_error"))
    # lines of the spectrum's own file were scaled once, with the light
    assert value(made, 0, "flux_halpha") == pytest.approx(factor * 5e-15, rel=1e-6, abs=0)


def test_galex_needs_the_light_of_the_whole_galaxy():
    flux = synthesize(spectrum(1), FilterSet.embedded().subset(BANDS)).flux[R]
    images = read_imaging(
        {"id": ["266-51602-1", "266-51602-3"], "r": [4 * flux, 4 * flux] * u.nJy, "ebv": [0.1, np.nan]}
    )
    seen = Table({"RA": [150.0, 150.0], "DEC": [3.0, 4.0], "FUVmag": [20.0, 20.0], "e_FUVmag": [0.1, 0.1],
                  "NUVmag": [19.0, -999.0], "e_NUVmag": [0.1, -999.0]})  # fmt: skip
    settings = replace(PLAIN, redshift_draws=1, draw_fewest_bands=30)
    made, _ = rows([spectrum(1), spectrum(2), spectrum(3)], settings, galex=read_galex(seen), imaging=images)
    first = made.draw == 0
    nuv = made.flux[first, BANDS.index("NUV")]
    # dust of our Galaxy: A_NUV = 7.95 E(B-V)
    assert nuv[0] == pytest.approx(10 ** (0.4 * (31.4 - 19.0 + 0.795)), rel=1e-3)
    assert np.isnan(nuv[1])  # in GALEX, but its spectrum is that of a fibre
    assert np.isnan(nuv[2])  # not in GALEX
    assert np.isnan(made.flux[~first][:, BANDS.index("NUV")]).all()  # no GALEX at another redshift
    assert "galex" in made.source[0] and "galex" not in made.source[2]
    assert not made.extrapolated[:, :2].any()


def test_tables_of_images():
    made = read_imaging(
        QTable({"TARGETID": [5, 6], "G": [20.0, 99.0] * u.ABmag, "R": [19.0, -9999.0] * u.ABmag}), "legacy"
    )
    assert made["5"].flux == pytest.approx({"g": 10 ** (0.4 * 11.4), "r": 10 ** (0.4 * 12.4)})
    assert made["6"].flux == {} and made["5"].ebv is None and made["5"].system == "legacy"
    assert normal_id(b" 0266-51602-0007 ") == "266-51602-7"
    plain = {"id": ["a"], "r": [20.0]}
    assert read_imaging(plain, unit="mag")["a"].flux["r"] == pytest.approx(10 ** (0.4 * 11.4))
    for wrong, said in (
        (plain, "column r has no unit"),
        ({"id": ["a", "a"], "r": [20.0, 21.0] * u.ABmag}, "id a stands twice"),
        ({"id": ["a"], "y": [20.0] * u.ABmag}, "needs a column id .* and g, r, i or z"),
        ({"id": ["a"], "r": [20.0] * u.m}, "column r: unit 'm'"),
    ):
        with pytest.raises(ValueError, match=said):
            read_imaging(wrong)
    with pytest.raises(ValueError, match="bands of 'sloan' are not known"):
        read_imaging(plain, "sloan")
