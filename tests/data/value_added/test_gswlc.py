from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.value_added import read_labels
from hf_galaxy.data.value_added.gswlc import COLUMNS
from hf_galaxy.variables_galaxy import PROPERTIES

from .catalogue_files import value, write_hdus

ROWS = """\
1237648720142401611 2412207857374629888 266 51602 1 146.71421 -1.0413 0.02128 1.22 10.50 0.05 0.30 0.10 1.5 0.2 0.6 0.1 0.40 0.10 0 1 3 1 1
1237648720142401612 -99 266 51602 2 146.80000 -1.0413 0.05128 1.22 -99 -99 -99 -99 -99 -99 -99 -99 -99 -99 0 1 0 0 1
1237648720142401613 -99 266 51602 3 146.90000 -1.0413 0.07128 99.0 10.90 0.05 0.90 0.10 1.5 0.2 0.6 0.1 0.40 0.10 2 3 0 0 1
1237648720142401614 -99 266 51602 4 147.00000 -1.0413 0.09128 1.00 10.90 0.05 0.90 -99 1.5 0.2 0.6 0.1 0.40 0.10 0 3 0 0 1
"""  # noqa: E501 - as published


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "GSWLC-X2.dat"
    path.write_text(ROWS)
    return path


def test_published_file_without_a_header(published):
    table = read_labels(published)
    assert (table.source, table.key, len(table)) == ("gswlc", "plate-mjd-fiber", 3)
    expected = {
        "redshift": (0.02128, np.hypot(1e-4, 2.128e-6)),
        "log_mstar": (10.5, np.hypot(0.05, 0.1)),
        "log_sfr": (0.3, np.hypot(0.1, 0.15)),
        "av": (0.4, np.hypot(0.1, 0.2)),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(value(table, name), pair, err_msg=name)
    assert table.lookup([[266, 51602, 4], [266, 51602, 3]]).matched.tolist() == [True, False]
    assert table.lookup(ra=[146.71421], dec=[-1.0413]).matched.all()


def test_missing_values_and_bad_fits(published):
    table = read_labels(published)
    assert list(table.report.skipped["FLAG_SED is not 0"]) == ["266-51602-3"]
    assert np.isnan(value(table, "log_mstar", 1)).all() and np.isnan(value(table, "av", 1)).all()
    assert np.isnan(value(table, "log_sfr", 2)).all() and value(table, "log_mstar", 2)[0] == 10.9
    assert table.report.unknown["LOGSFRSED"] == {"sentinel": 1, "without an error": 1}


@pytest.mark.parametrize(
    "names",
    [
        {"mass": "logMstar", "mass_error": "logMstarErr", "rate": "logSFRsed", "rate_error": "logSFRsedErr"},
        {"mass": "log_mstar", "mass_error": "log_mstar_err", "rate": "log_sfr_sed", "rate_error": "log_sfr_sed_err"},
        {"mass": "LOGMSTAR", "mass_error": "LOGMSTARERR", "rate": "LOGSFRSED", "rate_error": "LOGSFRSEDERR"},
    ],
)
def test_spellings_of_its_copies(tmp_path, names):
    flag = {"logMstar": "flag_sed", "log_mstar": "flag_sed", "LOGMSTAR": "FLAG_SED"}[names["mass"]]
    columns = {"RA": [10.0], "DECL": [0.0], flag: [0]}
    columns |= {names["mass"]: [10.5], names["mass_error"]: [0.05], names["rate"]: [0.3], names["rate_error"]: [0.1]}
    table = read_labels(Table(columns))
    assert table.key == "position"
    labels = table.lookup(ra=[10.0], dec=[0.0])
    assert (value(labels, "log_mstar")[0], value(labels, "log_sfr")[0]) == (10.5, 0.3)
    with pytest.raises(ValueError, match="has no ids of kind plate-mjd-fiber; it has positions alone"):
        table.lookup([[1, 2, 3]], by="plate-mjd-fiber")


def test_a_mass_that_is_no_logarithm_is_refused(tmp_path):
    n = 20
    columns = {name: np.zeros(n) for name in COLUMNS}
    columns |= {
        "PLATE": np.full(n, 266),
        "MJD": np.full(n, 51602),
        "FIBER_ID": np.arange(1, n + 1),
        "Z": np.full(n, 0.1),
    }
    columns |= {"LOGMSTAR": np.full(n, 3e10), "LOGMSTARERR": np.full(n, 1e9)}
    with pytest.raises(ValueError, match=r"LOGMSTAR gives log_mstar = 3e\+10 in the median of 20 rows"):
        read_labels(write_hdus(tmp_path / "a.fits", GSWLC=columns))


def test_integers_of_a_null_value_are_missing(tmp_path):
    from astropy.io import fits

    path = tmp_path / "null.fits"
    fits.BinTableHDU.from_columns(
        [
            fits.Column("PLATE", "J", array=np.array([266, -2147483648]), null=-2147483648),
            fits.Column("MJD", "J", array=np.array([51602, 51602])),
            fits.Column("FIBER", "J", array=np.array([1, 2])),
            fits.Column("LOGMSTAR", "E", array=np.array([10.0, 11.0])),
            fits.Column("LOGMSTARERR", "E", array=np.array([0.1, 0.1])),
            fits.Column("LOGSFRSED", "E", array=np.array([0.0, 0.0])),
            fits.Column("LOGSFRSEDERR", "E", array=np.array([0.1, 0.1])),
            fits.Column("FLAG_SED", "I", array=np.array([0, 0])),
        ]
    ).writeto(path)
    table = read_labels(path)
    assert len(table) == 1 and np.isfinite(table.properties[0, PROPERTIES.index("log_mstar")])
