"""The page: Gradio's components and which function answers which of them. The work is done by the files beside it."""

from __future__ import annotations

import functools
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from hf_galaxy.app import texts
from hf_galaxy.app.answers import Answer, answer, answer_all, observed_bands
from hf_galaxy.app.labels import label
from hf_galaxy.app.look import CSS, theme
from hf_galaxy.app.pictures import PHONE
from hf_galaxy.app.questions import ASKED, MAX_ASKED, Question, groups, parse_typed, tick_groups, whole_groups
from hf_galaxy.app.rendering import error_html, facts_html, galaxy_html, notes_html, posterior_html
from hf_galaxy.app.uploads import MAX_BYTES, UNITS, Loaded, load_table
from hf_galaxy.posterior import GalaxyPosterior

FORMATS = {"ECSV": ".ecsv", "FITS": ".fits", "VOTable": ".vot", "CSV": ".csv", "Parquet": ".parquet"}
EXAMPLE_ROW = 4  # a star-forming galaxy with strong lines
AS_IT_IS = "every column has its unit"
AT_ONCE = 2  # questions answered at a time; more would only share the same processors
WAITING = 40  # visitors in the queue; a further one is told to come back
FILES_LIVE = 3600  # seconds that an uploaded file or an answer to download is kept
SESSION_LIVES = 3600  # seconds that a table is kept in memory for a visitor who does nothing

Updates = dict[Any, Any]
log = logging.getLogger(__name__)


def build(galaxy: GalaxyPosterior, example: Path | None = None) -> gr.Blocks:
    """The page over one model, loaded once, and the table of its example."""
    return _Page(galaxy, example).blocks


def launch(blocks: gr.Blocks, **options: Any) -> Any:
    """Serve a page, with the limits and the look that belong to it; ``options`` are those of ``Blocks.launch``."""
    blocks.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE, api_open=False)
    fixed = {"max_file_size": MAX_BYTES, "share": False, "ssr_mode": False, "footer_links": [], "run_history": False}
    return blocks.launch(**{**fixed, "theme": theme(), "css": CSS, "enable_monitoring": False, **options})


def _guarded(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """A handler whose errors are a line in the page."""

    @functools.wraps(handler)
    def wrapper(self: _Page, *values: Any) -> Updates:
        try:
            return {self.notice: "", **handler(self, *values)}
        except (ValueError, OSError) as error:
            return {self.notice: error_html(str(error) or type(error).__name__)}
        except Exception:
            log.exception("%s failed", handler.__name__)
            return {self.notice: error_html(texts.UNEXPECTED)}

    return wrapper


def _there(loaded: Loaded | None) -> Loaded:
    """The table; after an hour without a question it is gone."""
    if loaded is None:
        raise ValueError("there is no table here (any more); upload one, or choose the example")
    return loaded


class _Page:
    def __init__(self, galaxy: GalaxyPosterior, example: Path | None) -> None:
        self.galaxy, self.example = galaxy, example
        self.variables = {v.name: v for v in galaxy.variables if v.kind != "category"}
        with gr.Blocks(
            title="hf_galaxy", analytics_enabled=False, delete_cache=(FILES_LIVE // 6, FILES_LIVE)
        ) as self.blocks:
            self._states()
            gr.HTML(texts.HEAD, elem_id="hg-head")
            self.notice = gr.HTML(elem_id="hg-notice")
            with gr.Row(equal_height=False, elem_id="hg-main"):
                with gr.Column(scale=4, min_width=300, elem_id="hg-controls"):
                    self._controls()
                with gr.Column(scale=10, min_width=330):
                    self._answers()
            self._events()

    @functools.cached_property
    def outbox(self) -> tempfile.TemporaryDirectory:
        """Where files of answers are until Gradio has its copy; removed with the process."""
        return tempfile.TemporaryDirectory(prefix="hf_galaxy_page_")

    # ---- layout

    def _states(self) -> None:
        self.loaded = gr.State(None, time_to_live=SESSION_LIVES)
        self.answer = gr.State(None, time_to_live=SESSION_LIVES)
        self.written = gr.State(None)
        self.window = gr.Number(1280, visible=False)

    def _controls(self) -> None:
        gr.HTML(texts.STEP_TABLE)
        self.file = gr.File(label="A table of your galaxies", height=136, elem_id="hg-file")
        self.unit = gr.Dropdown(
            [AS_IT_IS, *UNITS], value=AS_IT_IS, label="Unit of flux columns without one", elem_id="hg-unit"
        )
        self.show_example = gr.Button("Ten SDSS galaxies (example)", size="sm", visible=self.example is not None)
        self.report = gr.HTML(elem_id="hg-report")
        self.row = gr.Dropdown(
            [], label="Galaxy", info="or type a row number, from 0, or an identity", allow_custom_value=True,
            filterable=True, elem_id="hg-row"
        )  # fmt: skip
        gr.HTML(texts.STEP_QUESTION)
        choices = [(label(v).line, name) for name, v in self.variables.items() if v.kind == "property"]
        choices += [(f"flux in {name} [nJy]", name) for name, v in self.variables.items() if v.kind == "flux"]
        asked = [name for name in ASKED if name in self.variables]
        self.asked = gr.Dropdown(
            choices, value=asked or [choices[0][1]], multiselect=True, max_choices=MAX_ASKED, label="Asked",
            elem_id="hg-asked"
        )  # fmt: skip
        self.given = gr.CheckboxGroup([], label="Given, from columns of the table", visible=False, elem_id="hg-given")
        self.typed = gr.Textbox(
            label="Given, of this galaxy", placeholder="redshift = 0.31 ± 0.002, log_mstar = 10.5", max_lines=1,
            info="Enter to apply. Without ±, exact.", elem_id="hg-typed"
        )  # fmt: skip

    def _answers(self) -> None:
        self.galaxy_box = gr.HTML(elem_id="hg-galaxy-box")
        self.groups = gr.CheckboxGroup(
            [], label="Bands that the model sees: untick, and watch the posteriors move", elem_id="hg-groups"
        )
        with gr.Accordion("Band by band", elem_id="hg-band-by-band") as self.band_by_band:
            self.bands = gr.CheckboxGroup([], show_label=False, container=False, elem_id="hg-bands")
        self.posterior_box = gr.HTML(elem_id="hg-posterior-box")
        gr.HTML(texts.STEP_SAVE)
        with gr.Row(elem_id="hg-saving"):
            self.format = gr.Dropdown(list(FORMATS), value="ECSV", label="Format", min_width=120, elem_id="hg-format")
            self.prepare = gr.Button(
                "Answer every galaxy", variant="primary", min_width=200, scale=2, elem_id="hg-prepare"
            )
            self.save = gr.DownloadButton("Save", visible=False, min_width=260, scale=3, elem_id="hg-save")
        with gr.Accordion("The model", open=False):
            gr.HTML(facts_html(self.galaxy.facts()))
        gr.HTML(texts.FOOT)

    def _events(self) -> None:
        question = [self.loaded, self.answer, self.row, self.given, self.typed, self.bands, self.asked, self.window]
        table = [self.file, self.unit, self.asked, self.window]
        on = self._on
        on(self.file.upload, self.open_file, table)
        on(self.unit.input, self.open_file, table)
        on(self.show_example.click, self.open_example, [self.asked, self.window])
        on(self.row.input, self.change_row, question)
        on(self.bands.input, self.change_bands, question)
        on(self.groups.input, self.change_groups, [self.groups, *question])
        for event in (self.asked.input, self.given.input, self.typed.submit):
            on(event, self.ask, question)
        self.file.clear(lambda: {self.notice: ""}, None, [self.notice], api_visibility="private")
        arrived = self.blocks.load(None, None, [self.window], js="() => window.innerWidth", api_visibility="private")
        arrived.then(
            lambda width: gr.Accordion(open=width >= PHONE),
            [self.window],
            [self.band_by_band],
            api_visibility="private",
        )
        arrived.then(
            self.open_example,
            [self.asked, self.window],
            self._outputs(),
            concurrency_id="ask",
            api_visibility="private",
        )
        self.prepare.click(
            self.write_all, [self.loaded, self.answer, self.format], [self.notice, self.save, self.written],
            concurrency_id="all", concurrency_limit=1, show_progress_on=self.save, api_visibility="private"
        ).then(self.forget, [self.written], [self.written], api_visibility="private")  # fmt: skip

    def _on(self, event: Callable, handler: Callable, inputs: Sequence[Any]) -> None:
        event(
            handler, inputs, self._outputs(), concurrency_id="ask", concurrency_limit=AT_ONCE,
            trigger_mode="always_last", show_progress="minimal", show_progress_on=self.posterior_box,
            api_visibility="private"
        )  # fmt: skip

    def _outputs(self) -> list[Any]:
        return [
            self.loaded, self.answer, self.notice, self.report, self.file, self.unit, self.row, self.given, self.typed,
            self.groups, self.bands, self.galaxy_box, self.posterior_box, self.save
        ]  # fmt: skip

    # ---- what happens

    @_guarded
    def open_file(self, path: str | None, unit: str, asked: list[str], window: float) -> Updates:
        """The table that was uploaded."""
        if path is None:
            return {}
        try:
            loaded = load_table(path, None if unit == AS_IT_IS else unit, self.galaxy.variables)
        except ValueError as error:  # what is shown belongs to another table: nothing of it may stay
            return {**self._nothing(), self.notice: error_html(str(error))}
        return self._opened(loaded, 0, asked, window)

    @_guarded
    def open_example(self, asked: list[str], window: float) -> Updates:
        """The table that comes with the page."""
        if self.example is None:
            return {}
        loaded = load_table(self.example, None, self.galaxy.variables)
        row = min(EXAMPLE_ROW, len(loaded) - 1)
        return {**self._opened(loaded, row, asked, window), self.file: None, self.unit: AS_IT_IS}

    @_guarded
    def change_row(self, loaded: Loaded | None, previous: Answer | None, row: str, *rest: Any) -> Updates:
        """Another galaxy: the same bands stay hidden, values typed for the one before go."""
        given, _, _, asked, window = rest
        loaded = _there(loaded)
        found = loaded.row(row)
        hidden = previous.question.hidden if previous and previous.key == loaded.key else ()
        question = Question(found, tuple(asked), tuple(given), (), hidden)
        shown = self._shown(answer(self.galaxy, loaded, question), window)
        labels = loaded.labels()
        return {self.row: labels[found], self.typed: "", **self._band_choices(loaded, found, hidden), **shown}

    @_guarded
    def change_bands(self, *question: Any) -> Updates:
        """Bands ticked one by one."""
        return self._asked(*question)

    @_guarded
    def change_groups(self, chosen: list[str], *question: Any) -> Updates:
        """Bands ticked by groups."""
        loaded, row, (ticked, asked, window) = question[0], question[2], question[5:]
        loaded = _there(loaded)
        ticked = tick_groups(chosen, ticked, observed_bands(loaded, loaded.row(row)))
        return {**self._asked(*question[:5], ticked, asked, window), self.bands: ticked}

    @_guarded
    def ask(self, *question: Any) -> Updates:
        """Other variables asked or given."""
        return self._asked(*question)

    @_guarded
    def write_all(
        self,
        loaded: Loaded | None,
        shown: Answer | None,
        kind: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Updates:
        """A file with the answers of all galaxies of the table to the question that the page shows."""
        loaded = _there(loaded)
        if shown is None:
            raise ValueError("there is no answer yet; ask something first")
        self._sweep()
        folder = Path(tempfile.mkdtemp(dir=self.outbox.name))
        path = folder / f"{Path(loaded.name).stem}_posteriors{FORMATS[kind]}"
        try:
            n = answer_all(self.galaxy, loaded, shown.question, path, lambda done: progress(done, "answering"))
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, (ValueError, OSError)):
                raise ValueError(str(error).replace(str(path), path.name)) from None
            raise
        size = path.stat().st_size / 1024
        text = f"Save {path.name} ({n:,} galaxies, {size:,.0f} kB)"
        return {self.save: gr.DownloadButton(text, value=path, visible=True), self.written: folder}

    def forget(self, folder: Path | None) -> None:
        """Remove the file that Gradio has taken a copy of."""
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what visitors left who went before their file was served."""
        for folder in Path(self.outbox.name).iterdir():
            if time.time() - folder.stat().st_mtime > FILES_LIVE:
                shutil.rmtree(folder, ignore_errors=True)

    # ---- pieces

    def _opened(self, loaded: Loaded, row: int, asked: list[str], window: float) -> Updates:
        labels = loaded.labels()
        try:
            shown = self._shown(answer(self.galaxy, loaded, Question(row, tuple(asked))), window)
        except ValueError as error:  # the table is there, and the question has no meaning
            shown = {**self._no_answer(), self.notice: error_html(str(error))}
        count = f"{loaded.name}: {len(loaded):,} galaxies" if len(loaded) > 1 else f"{loaded.name}: one galaxy"
        given = [(label(self.variables[name]).line, name) for name in loaded.givable if name in self.variables]
        return {
            self.loaded: loaded,
            self.report: notes_html([count, *loaded.catalogue.report.lines()]),
            self.row: gr.Dropdown(labels, value=labels[row]),
            self.given: gr.CheckboxGroup(given, value=[], visible=bool(given)),
            self.typed: "",
            **self._band_choices(loaded, row, ()),
            **shown,
        }

    def _asked(
        self, loaded: Loaded | None, previous: Answer | None, row: str, given: list[str], typed: str,
        ticked: list[str], asked: list[str], window: float
    ) -> Updates:  # fmt: skip
        loaded = _there(loaded)
        found = loaded.row(row)
        bands = observed_bands(loaded, found)
        hidden = tuple(b.name for b in bands if b.name not in ticked)
        question = Question(found, tuple(asked), tuple(given), parse_typed(typed, self.galaxy.variables), hidden)
        answered = answer(self.galaxy, loaded, question, previous)
        return {self.groups: whole_groups(ticked, bands), **self._shown(answered, window)}

    def _shown(self, answered: Answer, window: float) -> Updates:
        return {
            self.answer: answered,
            self.galaxy_box: galaxy_html(answered, window or 1280),
            self.posterior_box: posterior_html(answered, self.variables, window or 1280),
            self.save: gr.DownloadButton(visible=False),
        }

    def _band_choices(self, loaded: Loaded, row: int, hidden: Sequence[str]) -> Updates:
        bands = observed_bands(loaded, row)
        ticked = [b.name for b in bands if b.name not in hidden]
        counted = [(f"{group} ({len(names)})", group) for group, names in groups(bands).items()]
        return {
            self.bands: gr.CheckboxGroup([b.name for b in bands], value=ticked),
            self.groups: gr.CheckboxGroup(counted, value=whole_groups(ticked, bands)),
        }

    def _nothing(self) -> Updates:
        return {
            self.loaded: None,
            self.report: "",
            self.row: gr.Dropdown([], value=None),
            self.given: gr.CheckboxGroup([], value=[], visible=False),
            self.groups: gr.CheckboxGroup([], value=[]),
            self.bands: gr.CheckboxGroup([], value=[]),
            **self._no_answer(),
            self.galaxy_box: texts.EMPTY,
        }

    def _no_answer(self) -> Updates:
        empty = {self.answer: None, self.galaxy_box: "", self.posterior_box: ""}
        return {**empty, self.save: gr.DownloadButton(visible=False)}


__all__ = ["build", "launch"]
