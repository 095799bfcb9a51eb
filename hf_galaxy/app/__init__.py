"""The page: a table in, posteriors and figures in the browser. Everything but ``page`` works without Gradio."""
