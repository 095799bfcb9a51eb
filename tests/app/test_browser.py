"""The page in a real browser: a headless Chromium, driven by playwright, against ``python app.py`` on loopback."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior

pytest.importorskip("gradio", reason='the page needs Gradio: pip install "hf-galaxy[app]"')
pytest.importorskip("matplotlib", reason='the page needs matplotlib: pip install "hf-galaxy[app]"')
playwright = pytest.importorskip(
    "playwright.sync_api", reason="driving a browser needs playwright: pip install playwright"
)

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "sdss_galaxies.ecsv"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 90_000  # ms; a slow machine with other tests on it
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"),
    pytest.mark.timeout(400),
]
QUANTILES = ("2.5", "16", "50", "84", "97.5")


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """A running page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder / "gradio"), "TMPDIR": str(folder)}
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--host", "127.0.0.1"]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(240):
            if server.poll() is not None:
                pytest.fail(f"the page ended: {(folder / 'log').read_text()[-2000:]}")
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield url
        assert "Traceback" not in (folder / "log").read_text()
    finally:
        server.terminate()
        server.wait(60)
    assert list(folder.glob("hf_galaxy_page_*")) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address) -> Iterator[Any]:
    """The page with its example answered; it must ask nothing of any other machine, and log no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page, foreign, errors = context.new_page(), [], []
    page.set_default_timeout(PATIENCE)
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or foreign.append(r.url))
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.goto(address)
    page.wait_for_selector(".hg-table")
    yield page
    context.close()
    assert foreign == []
    # The browser itself logs an upload that the server refuses.
    assert [text for text in errors if "413" not in text] == []


def quantiles(page: Any) -> dict[str, list[float]]:
    """The numbers of the table as shown, without the units."""
    rows = page.eval_on_selector_all(
        ".hg-table tbody tr",
        "rows => rows.map(r => [r.dataset.name, [...r.querySelectorAll('td')].slice(1, 6).map(c => c.innerText)])",
    )
    return {name: [float(cell.replace("−", "-")) for cell in cells] for name, cells in rows}


def answered(page: Any, text: str) -> None:
    """Wait until the page says what an answer rests on."""
    page.wait_for_function("t => document.querySelector('.hg-basis')?.innerText.includes(t)", arg=text)


def upload(page: Any, path: Path) -> None:
    page.locator("#hg-file input[type=file]").set_input_files(str(path))


def error(page: Any) -> str:
    page.wait_for_selector("#hg-notice .hg-error")
    return page.locator("#hg-notice .hg-error").inner_text()


def three_galaxies(path: Path, unit: str | None = "uJy") -> Path:
    """Three galaxies of the example under another unit and name."""
    example = Table.read(EXAMPLE)[:3]
    bands = [c for c in example.colnames if f"{c}_err" in example.colnames]
    table = Table({"name": ["first", "second", "third"]})
    for name in [form for band in bands for form in (band, f"{band}_err")]:
        table[name] = np.asarray(np.ma.filled(example[name], np.nan)) / 1000.0
        table[name].unit = unit
    table.write(path)
    return path


def test_bands_ticked_away_move_the_posterior(page):
    answered(page, "56 bands")
    before = quantiles(page)
    assert list(before) == ["redshift", "log_mstar", "log_sfr", "av", "dn4000", "ew_halpha"]
    assert all(values == sorted(values) for values in before.values())
    page.get_by_label("red narrow bands").click()
    answered(page, "24 bands; 32 ticked away")
    moved = quantiles(page)
    width = {name: values[3] - values[1] for name, values in moved.items()}
    assert width["redshift"] > before["redshift"][3] - before["redshift"][1]
    assert page.locator(".hg-key-before").count() == 1
    assert page.locator("th", has_text="median before").count() == 1
    page.locator("#hg-bands").get_by_label("J0660").click()
    answered(page, "25 bands; 31 ticked away")
    assert quantiles(page) != moved
    assert not page.get_by_label("red narrow bands").is_checked()


def test_upload_ask_see_download(page, tmp_path):
    upload(page, three_galaxies(tmp_path / "mine.fits"))
    page.wait_for_function("document.querySelector('#hg-report').innerText.includes('mine.fits: 3 galaxies')")
    page.locator("#hg-row input").fill("third")
    page.locator("#hg-row input").press("Enter")
    page.wait_for_function("document.querySelector('.hg-galaxy').innerText === '2 · third'")
    page.locator("#hg-asked input").fill("EW(Hβ)")
    page.locator("#hg-asked input").press("Enter")
    page.wait_for_selector("tr[data-name=ew_hbeta]")
    expected = GalaxyPosterior.from_pretrained().condition(Table.read(EXAMPLE)[:3])
    levels = [float(q) / 100 for q in QUANTILES]
    for name, shown in quantiles(page).items():
        exact = expected.quantiles(name, levels)[2]
        # two digits of the uncertainty are shown
        np.testing.assert_allclose(shown, exact, atol=0.06 * (exact[3] - exact[1]))
    page.get_by_label("broad bands").click()
    answered(page, "3 ticked away")
    page.locator("#hg-prepare").click()
    page.wait_for_selector("#hg-save", state="visible")
    with page.expect_download() as download:
        page.locator("#hg-save").click()
    assert download.value.suggested_filename == "mine_posteriors.ecsv"
    download.value.save_as(tmp_path / "answers.ecsv")
    answers = Table.read(tmp_path / "answers.ecsv")
    assert list(answers["name"]) == ["first", "second", "third"]
    for name, shown in quantiles(page).items():
        row = [answers[f"{name}_p{q}"][2] for q in ("02_5", "16", "50", "84", "97_5")]
        np.testing.assert_allclose(shown, row, atol=0.06 * (row[3] - row[1]))
    assert str(answers["ew_hbeta_p50"].unit) == "Angstrom"


def test_nonsense_is_one_line_in_the_page_and_the_next_table_is_read(page, tmp_path):
    path = tmp_path / "holiday.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    upload(page, path)
    text = error(page)
    assert text.startswith("holiday.csv: not a table") and "\n" not in text and "Traceback" not in page.content()
    assert page.locator(".hg-table").count() == 0, "what belongs to another table may not stay"
    page.get_by_text("Ten SDSS galaxies").click()
    answered(page, "56 bands")
    assert page.locator(".hg-error").count() == 0


def test_a_table_without_units_is_answered_once_they_are_chosen(page, tmp_path):
    upload(page, three_galaxies(tmp_path / "bare.csv", unit=None))
    assert re.match(r"bare.csv: column \w+ has no unit; choose it at", error(page))
    page.locator("#hg-unit input").click()
    page.get_by_role("option", name="uJy").click()
    page.wait_for_function("document.querySelector('#hg-report').innerText.includes('bare.csv: 3 galaxies')")
    assert page.locator(".hg-error").count() == 0


def test_a_bad_row_says_why_and_the_others_are_answered(page, tmp_path):
    table = Table.read(three_galaxies(tmp_path / "t.ecsv"))
    table["J0660_err"][0] = -1.0
    table.write(tmp_path / "bad.ecsv")
    upload(page, tmp_path / "bad.ecsv")
    answered(page, "Nothing is known of this galaxy")
    assert "This row cannot be read" in page.locator(".hg-warning").inner_text()
    assert "J0660_err" in page.locator(".hg-warning").inner_text()
    page.locator("#hg-row input").fill("1")
    page.locator("#hg-row input").press("Enter")
    answered(page, "bands")
    assert page.locator(".hg-warning").count() == 0


def test_a_gigabyte_is_refused(page, tmp_path):
    path = tmp_path / "large.fits"
    with open(path, "wb") as stream:
        stream.truncate(1024**3)
    upload(page, path)
    page.get_by_text(re.compile("maximum allowed size|too large|File size exceeds", re.IGNORECASE)).first.wait_for()
    assert "Traceback" not in page.content()
    assert "hf-galaxy predict" in page.locator("#hg-controls").inner_text()


def test_values_given_by_hand(page):
    page.locator("#hg-typed input, #hg-typed textarea").fill("redshift = 0.0175 ± 0.0001")
    page.keyboard.press("Enter")
    answered(page, "56 bands and on redshift")
    assert "redshift" not in quantiles(page)
    page.locator("#hg-typed input, #hg-typed textarea").fill("redshift is small")
    page.keyboard.press("Enter")
    assert "is not like redshift = 0.31" in error(page)


def test_nothing_overflows_a_phone_in_the_dark(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address + "?__theme=dark")
    page.wait_for_selector(".hg-table")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ink, card = (
        [int(x) for x in re.findall(r"\d+", page.evaluate(script))[:3]]
        for script in (
            "getComputedStyle(document.querySelector('.hg-median')).color",
            "getComputedStyle(document.querySelector('.hg-panel')).backgroundColor",
        )
    )
    assert min(ink) > 200 and max(card) < 60, "light on dark"
    context.close()
