"""The look of the page: colours in light and dark, type, and the figures that follow both.

Fonts are those of the visitor's machine: nothing is fetched from elsewhere. Colours are those of Okabe & Ito (2008),
lighter in the dark.
"""

from __future__ import annotations

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
SERIF = '"STIX Two Text", "Charter", "Iowan Old Style", "Palatino Linotype", "Source Serif 4", Georgia, serif'

CSS = """
:root, .light {
  --hg-ink: #16191d; --hg-soft: #565d66; --hg-card: #ffffff; --hg-page: #f6f5f2; --hg-rule: #dcd9d2;
  --hg-blue: #0072b2; --hg-sky: #2b8cc4; --hg-vermilion: #c74f00; --hg-orange: #e69f00; --hg-purple: #b85a94;
  --hg-green: #00795a; --hg-grey: #6e6e6e; --hg-warn: #fff4d6; --hg-warn-ink: #5c4300; --hg-bad: #fdeae3;
  --hg-bad-ink: #8a2b06;
}
.dark {
  --hg-ink: #e9e7e2; --hg-soft: #a5abb3; --hg-card: #1a1d22; --hg-page: #111317; --hg-rule: #343940;
  --hg-blue: #6cc0f0; --hg-sky: #8fd0f5; --hg-vermilion: #ff9a5c; --hg-orange: #f2b84b; --hg-purple: #e5a8cb;
  --hg-green: #4fd0a8; --hg-grey: #a0a4aa; --hg-warn: #3a2f10; --hg-warn-ink: #f5dc94; --hg-bad: #40190c;
  --hg-bad-ink: #ffc3a8;
}
body, .gradio-container { background: var(--hg-page) !important; }
.gradio-container { width: 100%; max-width: min(1320px, 100vw) !important; margin: 0 auto !important; }
.gradio-container .main { width: 100%; padding: clamp(12px, 2.5vw, 30px) !important; }
footer { display: none !important; }
.gradio-container .main, .gradio-container main, .gradio-container .column { min-width: 0; max-width: 100%; }
.gradio-container .html-container { padding: 0 !important; }
#hg-notice { position: fixed; left: 50%; bottom: 14px; transform: translateX(-50%); width: min(760px, 94vw) !important;
  min-width: 0; z-index: 60; }
#hg-notice .hg-error { margin: 0; box-shadow: 0 6px 26px rgb(0 0 0 / 22%); }
#hg-notice:not(:has(.hg-error)) { display: none; }
#hg-head { border-bottom: 1px solid var(--hg-rule); padding: 2px 0 12px; }
#hg-head h1 { font-family: SERIF; font-size: clamp(1.55rem, 3.2vw, 2.15rem); font-weight: 600; line-height: 1.15;
  letter-spacing: -0.01em; margin: 0 0 6px; color: var(--hg-ink); }
#hg-head p { max-width: 74ch; font-size: .98rem; line-height: 1.5; margin: 0; color: var(--hg-soft); }
h3.hg-step { font-family: SERIF; font-weight: 600; font-size: 1.08rem; color: var(--hg-ink);
  margin: 0 0 2px; }
.hg-text { margin: 0; font-size: .84rem; line-height: 1.45; color: var(--hg-soft); }
.hg-text code { font-size: .8rem; }
.hg { color: var(--hg-ink); }
.hg-galaxy { font-family: SERIF; font-size: 1.35rem; font-weight: 600; margin: 0; color: var(--hg-ink);
  overflow-wrap: anywhere; }
.hg-basis, .hg-note { margin: 2px 0 8px; color: var(--hg-soft); font-size: .95rem; }
.hg-basis b { color: var(--hg-ink); }
.hg-warning, .hg-error { border-radius: 6px; padding: 9px 13px; margin: 6px 0 10px; line-height: 1.45;
  font-size: .95rem; overflow-wrap: anywhere; }
.hg-warning { background: var(--hg-warn); color: var(--hg-warn-ink); border-left: 4px solid var(--hg-orange); }
.hg-error { background: var(--hg-bad); color: var(--hg-bad-ink); border-left: 4px solid var(--hg-vermilion); }
.hg-error code { background: none; color: inherit; padding: 0; font-weight: 600; }
.hg-notes { margin: 0; padding-left: 1.1em; font-size: .84rem; line-height: 1.45; color: var(--hg-soft);
  overflow-wrap: anywhere; }
.hg-notes li { margin: 0; }
.hg svg { display: block; width: 100%; height: auto; fill: var(--hg-ink); overflow: visible; }
.hg figure { margin: 0; background: var(--hg-card); border: 1px solid var(--hg-rule); border-radius: 8px; }
.hg-sed { padding: 10px 12px 8px; }
.hg-sed figcaption { color: var(--hg-soft); font-size: .84rem; margin-top: 4px; line-height: 1.4; }
.hg-panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(225px, 1fr)); gap: 10px; }
.hg-panel { padding: 6px 10px 8px; display: flex; flex-direction: column-reverse; }
.hg-panel figcaption { font-size: .88rem; color: var(--hg-ink); font-weight: 600; padding: 2px 2px 0; }
.hg-panel figcaption::first-letter { text-transform: uppercase; }
.hg-legend { font-size: .84rem; color: var(--hg-soft); margin: 2px 0 8px; display: flex; flex-wrap: wrap;
  align-items: center; gap: 4px 8px; }
.hg-legend > span { display: inline-flex; align-items: center; gap: 7px; margin-right: 10px; }
.hg-key { flex: none; width: 22px; height: 0; border-top: 2px solid var(--hg-blue); }
.hg-key-now { height: 9px; background: color-mix(in srgb, var(--hg-blue) 30%, transparent); }
.hg-key-before { border-top: 2px dashed var(--hg-grey); }
.hg-key-truth { border-top: 2px dashed var(--hg-vermilion); }
.hg-scroll { overflow-x: auto; margin-top: 12px; background: var(--hg-card); border: 1px solid var(--hg-rule);
  border-radius: 8px; }
.hg-table, .hg-table thead, .hg-table tbody, .hg-table tr { border: 0 !important; background: none !important; }
.hg-table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums;
  margin: 0 !important; color: var(--hg-ink); }
.hg-table caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.hg-table th, .hg-table td { padding: 7px 12px; text-align: right; white-space: nowrap; border: 0 !important;
  border-bottom: 1px solid var(--hg-rule) !important; background: none; }
.hg-table tbody tr:last-child > * { border-bottom: 0 !important; }
.hg-table thead th { color: var(--hg-soft); font-weight: 500; font-size: .82rem; }
.hg-table th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--hg-card); }
.hg-table th small { display: block; color: var(--hg-soft); font-weight: 400; font-size: .78rem; }
.hg-table .hg-unit { text-align: left; color: var(--hg-soft); font-size: .84rem; }
.hg-table .hg-median { font-weight: 650; }
.hg-facts { display: grid; grid-template-columns: minmax(7em, max-content) 1fr; gap: 4px 14px; font-size: .84rem;
  margin: 0; }
.hg-facts dt { color: var(--hg-soft); } .hg-facts dd { margin: 0; max-height: 7.5em; overflow: auto;
  overflow-wrap: anywhere; color: var(--hg-ink); }
#hg-bands .wrap { gap: 4px; max-height: 190px; overflow: auto; }
#hg-bands label { padding: 2px 7px; font-size: .78rem; font-variant-numeric: tabular-nums; min-width: 76px; }
#hg-bands label span { margin-left: 5px; }
#hg-groups label { padding: 5px 10px; }
#hg-saving { align-items: center; } #hg-prepare, #hg-save { min-height: 48px; max-width: 420px; }
#hg-save { overflow-wrap: anywhere; }
@media (max-width: 700px) {
  #hg-main { flex-direction: column; } #hg-main > .column { min-width: 0 !important; width: 100%; }
  .hg-panels { grid-template-columns: repeat(2, 1fr); gap: 8px; }
  .hg-panel { padding: 4px 5px 6px; } .hg-panel figcaption { font-size: .78rem; }
  .hg-table :is(th, td):nth-child(3), .hg-table :is(th, td):nth-child(7) { display: none; }
  .hg-sed { padding: 6px; } .hg-table th, .hg-table td { padding: 6px 8px; }
  .hg-facts { grid-template-columns: 1fr; gap: 1px; } .hg-facts dd { margin-bottom: 6px; }
}
""".replace("SERIF", SERIF)


def theme() -> gr.themes.Base:
    """Gradio's plain theme in the colours and fonts of the page."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.gray,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        font=SANS,
        font_mono=("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"),
    ).set(
        body_background_fill="var(--hg-page)",
        body_background_fill_dark="var(--hg-page)",
        block_background_fill="var(--hg-card)",
        block_background_fill_dark="var(--hg-card)",
        block_border_color="var(--hg-rule)",
        block_border_color_dark="var(--hg-rule)",
        block_border_width="1px",
        button_primary_background_fill="#0072b2",
        button_primary_background_fill_hover="#005f95",
        button_primary_background_fill_dark="#0072b2",
        button_primary_background_fill_hover_dark="#1187c9",
        button_primary_text_color="#ffffff",
        checkbox_background_color_selected="#0072b2",
        checkbox_background_color_selected_dark="#0072b2",
        checkbox_border_color_selected="#0072b2",
        checkbox_border_color_selected_dark="#0072b2",
    )


__all__ = ["CSS", "theme"]
