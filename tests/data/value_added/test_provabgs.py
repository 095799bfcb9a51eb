from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasets import Array2D, Dataset, Features, List, Value

from hf_galaxy.data.value_added import read_labels
from hf_galaxy.variables_galaxy import PROPERTIES

from .catalogue_files import value, write_hdus

N = 4


def columns():
    """The native table; mass 10.5 ± 0.05 of the draws, tau_ISM 0.4 ± 0.1."""
    step = np.tile([-1.0, 1.0], 50)
    draws = np.zeros((N, 100, 13), dtype=np.float32)
    draws[:, :, 0] = 10.7 + 0.05 * step
    draws[:, :, 10] = 0.4 + 0.1 * step
    return {
        "TARGETID": 39627000 + np.arange(N, dtype=np.int64),
        "RA": np.linspace(10, 11, N),
        "DEC": np.zeros(N),
        "Z_HP": np.full(N, 0.2),
        "ZERR": np.full(N, 2e-5),
        "PROVABGS_LOGMSTAR_BF": np.full(N, 10.5),
        "PROVABGS_MCMC": draws,
        "PROVABGS_THETA_BF": draws[:, 0],
        "Z_MW": np.full(N, 0.0095),
        "TAGE_MW": np.full(N, 5.0),
        "AVG_SFR": np.full(N, 1.0),
    }


def check(table):
    expected = {
        "redshift": (0.2, np.sqrt(2e-5**2 + 7e-5**2 + 1.4e-5**2)),
        "log_mstar": (10.5, np.hypot(0.05, 0.1)),
        "log_zstar": (np.log10(0.5), 0.3),
        "log_age": (np.log10(5e9), 0.2),
        "av": (1.085736 * 0.4, np.hypot(0.1085736, 0.1)),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(value(table, name), pair, rtol=2e-5, err_msg=name)  # draws in float32
    # AVG_SFR is of a Gyr, not of 100 Myr
    assert np.isnan(table.properties[:, PROPERTIES.index("log_sfr")]).all()


def test_native_fits(tmp_path):
    table = read_labels(write_hdus(tmp_path / "provabgs.fits", PROVABGS=columns()))
    assert (table.source, table.key, len(table)) == ("provabgs", "targetid", N)
    check(table)
    assert table.lookup(ra=[10.0], dec=[0.0]).matched.all()


def test_native_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py", reason="HDF5 files are written by h5py: pip install h5py")
    with h5py.File(tmp_path / "provabgs.hdf5", "w") as file:
        for name, column in columns().items():
            file.create_dataset(name, data=column)
    check(read_labels(tmp_path / "provabgs.hdf5"))


def hub_rows():
    given = columns()
    rows = {name: given[name] for name in ("Z_HP", "ZERR", "Z_MW", "TAGE_MW", "AVG_SFR", "PROVABGS_THETA_BF")}
    rows |= {"ra": given["RA"], "dec": given["DEC"], "LOG_MSTAR": given["PROVABGS_LOGMSTAR_BF"]}
    return rows | {"object_id": given["TARGETID"].astype(str), "PROVABGS_MCMC": given["PROVABGS_MCMC"]}


def hub_dataset():
    """The schema of MultimodalUniverse/desi_provabgs."""
    rows = {name: list(column) for name, column in hub_rows().items()}
    features = {name: Value("float32") for name in rows}
    features |= {"object_id": Value("string"), "PROVABGS_THETA_BF": List(Value("float32"))}
    features["PROVABGS_MCMC"] = Array2D(shape=(100, 13), dtype="float32")
    return Dataset.from_dict(rows, features=Features(features))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pandas with arrays of datasets
def test_hub_schema_in_parquet_and_in_memory(tmp_path):
    hub_dataset().to_parquet(tmp_path / "hub.parquet")
    plain = {name: column.tolist() for name, column in hub_rows().items()}
    parquet.write_table(pa.table(plain), tmp_path / "lists.parquet")
    for source in (tmp_path / "hub.parquet", tmp_path / "lists.parquet", hub_dataset()):
        table = read_labels(source)
        check(table)
        assert table.lookup(["39627003"]).matched.all()


def test_draws_of_the_mass_instead_of_the_best_fit(tmp_path):
    given = columns()
    given["PROVABGS_LOGMSTAR"] = given["PROVABGS_MCMC"][:, :, 0] - 0.2
    del given["PROVABGS_LOGMSTAR_BF"]
    np.testing.assert_allclose(
        value(read_labels(write_hdus(tmp_path / "a.fits", T=given)), "log_mstar"),
        (10.5, np.hypot(0.05, 0.1)),
        rtol=1e-5,
    )


def test_failed_fits_and_chains(tmp_path):
    given = columns()
    given["PROVABGS_LOGMSTAR_BF"] = np.array([10.5, -999.0, 0.0, 10.5])
    given["PROVABGS_MCMC"][3] = 0.0  # no chain: all draws the same
    table = read_labels(write_hdus(tmp_path / "a.fits", T=given))
    assert table.report.skipped["the fit failed"].tolist() == [39627001, 39627002]
    assert np.isnan(value(table, "log_mstar", 1)).all() and np.isnan(value(table, "av", 1)).all()
    assert np.isfinite(value(table, "log_age", 1)).all()
    given = columns()
    given["PROVABGS_MCMC"][0, 7] = -999.0
    table = read_labels(write_hdus(tmp_path / "b.fits", T=given))
    assert np.isnan(value(table, "log_mstar", 0)).all() and np.isfinite(value(table, "log_mstar", 1)).all()


def test_another_unit_or_shape_is_refused(tmp_path):
    given = columns()
    given["TAGE_MW"] = (np.full(N, 5e3), "Myr")
    with pytest.raises(ValueError, match="column TAGE_MW is in 'Myr'; Gyr is needed"):
        read_labels(write_hdus(tmp_path / "a.fits", T=given))
    given = columns()
    given["PROVABGS_MCMC"] = given["PROVABGS_MCMC"][:, :, :5]
    with pytest.raises(ValueError, match=r"PROVABGS_MCMC has the shape \(4, 100, 5\)"):
        read_labels(write_hdus(tmp_path / "b.fits", T=given))
