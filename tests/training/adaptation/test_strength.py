"""Redshifts that were held back decide how much of a calibration is kept."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_galaxy.data.catalogues import Catalogue, CatalogueReport, read_catalogue
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.training.adaptation.calibrated_model import CalibratedModel
from hf_galaxy.training.adaptation.settings import AdaptationSettings
from hf_galaxy.training.adaptation.strength import REDSHIFT, STRENGTHS, HeldBack, hold_back
from hf_galaxy.variables_galaxy import BANDS, SURVEYS
from tests.random_tables import write_table
from tests.training.adaptation.conftest import survey_table

ROOT = Path(__file__).resolve().parents[3]
SURVEY = SURVEYS.index("minijpas")


def posterior_of(galaxy: GalaxyPosterior, table) -> GalaxyPosterior:
    flux, error = table.flux.double().numpy(), table.flux_error.double().numpy()
    catalogue = Catalogue(flux, error, BANDS, CatalogueReport(), {"row": np.arange(len(flux))})
    return galaxy.condition(catalogue, survey="minijpas")


def with_redshifts(table):
    """Every labelled galaxy with a redshift of its own."""
    properties = table.properties.clone()
    labelled = torch.isfinite(properties).any(1)
    properties[labelled, REDSHIFT] = torch.linspace(0.1, 0.9, int(labelled.sum()))
    return replace(table, properties=properties)


@pytest.fixture(scope="module")
def galaxy() -> GalaxyPosterior:
    """The shipped checkpoint: redshifts of a model of random weights hardly depend on zero points."""
    return GalaxyPosterior.from_pretrained()


@pytest.fixture(scope="module")
def drawn(galaxy):
    """Real galaxies with more noise, their redshifts drawn from what the model says: it is right by construction."""
    catalogue = read_catalogue(ROOT / "examples" / "sdss_galaxies.ecsv")
    place = [catalogue.names.index(band) if band in catalogue.names else None for band in BANDS]
    columns = ((catalogue.values, np.nan), (catalogue.errors, np.nan))
    flux, error = (
        torch.tensor(np.stack([x[:, i] if i is not None else np.full(len(x), fill) for i in place], axis=1)).float()
        for x, fill in columns
    )
    repeats = -(-150 // len(flux))
    flux, error = (x.repeat(repeats, 1)[:150] for x in (flux, error))
    flux = flux + error * torch.randn(flux.shape, generator=torch.Generator().manual_seed(0))
    table = survey_table(150, 150, seed=4)
    table = replace(table, flux=flux, flux_error=error, property_error=torch.zeros_like(table.property_error))
    redshift = posterior_of(galaxy, table).sample(1, ["redshift"], seed=1)["redshift"][:, 0]
    properties = table.properties.clone()
    properties[:, REDSHIFT] = torch.as_tensor(redshift).float()
    return replace(table, properties=properties)


@pytest.fixture
def calibrated(galaxy) -> CalibratedModel:
    """Zero points of a tenth of a magnitude, some up and some down."""
    made = CalibratedModel(galaxy.model, galaxy.variables, BANDS, 1e4, AdaptationSettings(), lr=1e-3)
    sign = torch.randn(len(galaxy.variables), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        made.zero_point.copy_(0.1 * sign / made.unit)
    return made


def test_the_density_of_a_redshift_is_that_of_the_posterior(galaxy, drawn, calibrated):
    found = HeldBack(drawn).log_probs(calibrated, SURVEY)
    slope = galaxy._coordinates("redshift").log_slope(drawn.properties[:, [REDSHIFT]].double())[:, 0].numpy()
    truth = {"redshift": drawn.properties[:, REDSHIFT].numpy()}
    before = galaxy.model.config.calibration
    try:
        for strength in (0.0, 1.0):
            with calibrated.at(strength):
                galaxy.model.config.calibration = {"minijpas": calibrated.calibration().to_dict()}
            told = (posterior_of(galaxy, drawn).log_prob(truth) - slope).mean()
            assert found[strength] == pytest.approx(told, abs=2e-3)  # float32, and zero points rounded to 1e-5
    finally:
        galaxy.model.config.calibration = before


def test_a_calibration_that_makes_redshifts_worse_is_not_kept(drawn, calibrated):
    found = HeldBack(drawn).log_probs(calibrated, SURVEY)
    assert tuple(found) == STRENGTHS
    assert max(found, key=found.get) == 0.0
    assert calibrated.strength == 1.0


def test_a_calibration_that_is_right_is_kept_whole(drawn, calibrated):
    factor = 10 ** (0.4 * calibrated.magnitudes().detach()[: len(BANDS)])
    as_measured = replace(drawn, flux=drawn.flux * factor, flux_error=drawn.flux_error * factor)
    found = HeldBack(as_measured).log_probs(calibrated, SURVEY)
    assert max(found, key=found.get) == 1.0


def test_labels_that_are_held_back_are_not_learnt_from():
    table = with_redshifts(survey_table(200, 60))
    held = hold_back(table, 0.5, seed=2)
    assert len(held.table) == 30
    blanked = held.blank(table)
    assert int(torch.isfinite(blanked.properties[:, REDSHIFT]).sum()) == 30
    kept = set(blanked.properties[:60, REDSHIFT].tolist()) & set(held.table.properties[:, REDSHIFT].tolist())
    assert not kept
    assert torch.equal(blanked.flux.nan_to_num(), table.flux.nan_to_num()), "their photometry is learnt from"
    simulated = replace(table, noisy=torch.zeros_like(table.noisy))
    assert torch.equal(held.blank(simulated).properties.nan_to_num(), simulated.properties.nan_to_num())


def test_too_few_redshifts_check_nothing():
    assert hold_back(survey_table(200, 15), 0.5, seed=0) is None
    assert hold_back(survey_table(200, 60), 0.0, seed=0) is None
    assert len(hold_back(survey_table(900, 900), 0.5, seed=0).table) == 200


def test_the_record_says_what_was_borne_out(adapt, tmp_path):
    data = write_table(survey_table(100, 60), tmp_path / "sixty")
    loop = adapt(data, adaptation={"survey": "mine"})
    loop.run()
    config = json.loads((Path(loop.settings.out) / "config.json").read_text())
    adapted = config["training"]["adapted"]
    assert adapted["checked"]["redshifts"] >= 10
    borne_out = adapted["checked"]["log_prob"]
    assert borne_out[str(adapted["strength"])] == max(borne_out.values())
    with loop.average, loop.raw.at(adapted["strength"]):
        assert config["calibration"]["mine"] == loop.raw.calibration().to_dict()


@pytest.mark.parametrize("chosen, warned", [({}, True), ({"zero_points": False}, False)])
def test_zero_points_that_nothing_can_check_are_warned_of(adapt, chosen, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adapt("survey", adaptation={"survey": "mine", **chosen})
    assert any("too few redshifts" in str(w.message) for w in caught) == warned
