"""Tables between markers come from reports, and nothing else in the document changes."""

import pytest

from hf_galaxy.evaluation.tables import accuracy_text, filled, joint_table, markdown, property_table, redshift_table

DOCUMENT = "# A\n\n<!-- begin one -->\n| old |\n<!-- end one -->\n\nText.\n<!-- begin two -->\n<!-- end two -->\nend\n"


def statistics(scatter, n=10):
    return {"n": n, "sigma_nmad": scatter, "outliers_015": scatter}


def kind(scatter):
    rank, pair = {"deviation": scatter}, {"observed": 0.5, "lower": 0.1, "upper": 0.4}
    one = {"sigma_nmad": scatter, "sigma_nmad_coordinate": 2 * scatter, "nll": -1.0, "crps_coordinate": 0.3}
    one |= {"pit_deviation": scatter, "coverage_68": 0.7}
    return {
        "redshift": {
            "by_i": {"11-20": statistics(scatter), "20-21": statistics(0, n=0)},
            "all": statistics(2 * scatter),
        },
        "properties": dict.fromkeys(("redshift", "log_mstar", "av", "log_age", "log_sfr", "ew_halpha"), one),
        "joint": {
            "tarp_deviation": scatter,
            "sbc": {"log_sfr - log_mstar": rank},
            "sbc_independent": {"log_sfr - log_mstar": {"deviation": 0.25}},
            "correlation": {"redshift, log_mstar": pair, "av, log_sfr": {**pair, "observed": 0.3}},
            "balmer": {"joint": 0.01, "independent": 0.27, "truth": 0.0},
            "bpt": {"accuracy": 0.8, "brier": 0.3, "expected_brier": 0.31, "brier_of_frequencies": 0.6},
        },
    }


REPORT = {"metrics": {"nominal": kind(0.01), "as_trained": kind(0.03)}}


def test_marked_places_are_filled_and_the_rest_stays():
    text = filled(DOCUMENT, {"one": "| 1 |\n| 2 |", "two": "| 3 |\n"}, "A.md")
    assert text == (
        "# A\n\n<!-- begin one -->\n| 1 |\n| 2 |\n<!-- end one -->\n\nText.\n"
        "<!-- begin two -->\n| 3 |\n<!-- end two -->\nend\n"
    )
    assert filled(text, {"one": "| 1 |\n| 2 |", "two": "| 3 |"}, "A.md") == text


def test_backslashes_of_a_table_are_no_groups():
    assert r"\|Δz\|" in filled(DOCUMENT, {"one": r"\|Δz\|", "two": ""}, "A.md")


def test_redshifts_by_magnitude():
    assert redshift_table(REPORT).splitlines() == [
        "| noise | i 11–20 | 20–21 | all |",
        "|---|---|---|---|",
        "| assumed depths, perfect calibration | 0.0100 / 1.0% | – | **0.0200** / 2.0% |",
        "| as trained: calibration errors, wrong errors, outliers, missing bands, varying depths "
        "| 0.0300 / 3.0% | – | **0.0600** / 6.0% |",
    ]


def test_properties_take_the_columns_of_two_kinds_of_noise():
    lines = property_table(REPORT).splitlines()
    assert lines[2] == "| `redshift` | 0.010 | -1.00 | 0.300 | 0.010 | 0.030 | 0.70 |"
    assert lines[-1] == "| `ew_halpha` | 0.020 (coordinate) | -1.00 | 0.300 | 0.010 | 0.030 | 0.70 |"
    renamed = {"metrics": {"nominal": kind(0.01), "survey": kind(0.03)}}
    assert property_table(renamed) == property_table(REPORT)


def test_one_kind_of_noise_has_its_own_columns():
    lines = property_table({"metrics": {"none": kind(0.01)}}).splitlines()
    assert lines[0] == "| property | scatter | NLL | CRPS | PIT deviation, noise none | 68 % holds, noise none |"
    assert lines[2] == "| `redshift` | 0.010 | -1.00 | 0.300 | 0.010 | 0.70 |"
    assert "| joint draws | nominal |" in joint_table({"metrics": {"nominal": kind(0.01)}})
    with pytest.raises(ValueError, match="the report is of noise none; this text needs nominal and survey noise"):
        accuracy_text({"metrics": {"none": kind(0.01)}})


def test_joint_draws():
    text = joint_table(REPORT)
    assert "| TARP, largest deviation | 1.0 % | 3.0 % |" in text
    assert "| 1.0 % (25.0 %) | 3.0 % (25.0 %) |" in text
    assert "| 0.50 (0.10 to 0.40) | 0.50 (0.10 to 0.40) |" in text
    assert "| 1 of 2 | 1 of 2 |" in text and "| 1.0 % / 27.0 % / 0.0 % |" in text


def test_prose_quotes_the_same_figures():
    text = accuracy_text(REPORT)
    assert "σ(log M*) is 0.01 dex" in text and "the PIT of 0 of 6 properties" in text
    assert "in 1.0 % of the joint draws, in 27.0 % of draws from the marginals" in text


def test_empty_cells_of_a_header_are_one_space():
    assert markdown(["", "n"], [["a", "1"]]) == "| | n |\n|---|---|\n| a | 1 |"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOCUMENT.replace("end two", "end tow"), "markers of two must come once"),
        ("<!-- end one -->\n<!-- begin one -->\n", "markers of one must come once"),
        (DOCUMENT + "<!-- begin one -->\n<!-- end one -->\n", "markers of one must come once"),
        (DOCUMENT.replace("two", "three"), "no table is named three; there are one, two"),
    ],
)
def test_broken_markers_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        filled(text, {"one": "", "two": ""}, "A.md")
