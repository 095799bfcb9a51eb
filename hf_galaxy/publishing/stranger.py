"""What a model answers to somebody who has torch and transformers alone: run as a file, in a process of its own.

    python -I stranger.py SOURCE REVISION THREADS ANSWERS

hf_galaxy cannot be imported there, so that what is loaded is the code of the folder or repository. ANSWERS is written
as safetensors. ``answers`` is the same questions for the process at home.
"""

import sys

TASK = "galaxy-inference"
LEVELS = (0.16, 0.5, 0.84)
PACKAGE = "hf_galaxy"


class _Absent:
    """A finder that has never heard of the package."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == PACKAGE:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)


def questions(tokenizer) -> tuple[list[dict], list[str]]:
    """Three galaxies (many bands, two bands, nothing), and every property: of the model's own table of variables."""
    fluxes = [v.name for v in tokenizer.variables if v.kind == "flux"]
    asked = [v.name for v in tokenizer.variables if v.kind == "property"]
    many = {name: (4000.0 + 150.0 * i, 100.0 + 3.0 * i) for i, name in enumerate(fluxes)}
    few = {name: (-20.0 + 2000.0 * i, 140.0) for i, name in enumerate(fluxes[:2])}
    return [many, few, {}], asked


def answers(model, tokenizer, pipe) -> dict:
    """Tensors by name: the densities of all answers as the model gives them, and the quantiles of the pipeline.

    Args:
        model, tokenizer: As `AutoModel` and `AutoTokenizer` load them.
        pipe: Of the task "galaxy-inference".
    """
    import torch

    records, asked = questions(tokenizer)
    with torch.no_grad():
        outputs = model.eval()(**tokenizer(records, query=asked, return_tensors="pt"))
    piped = [
        [[one[name]["quantiles"][level] for level in LEVELS] for name in asked]
        for one in pipe(records, ask=asked, quantiles=list(LEVELS))
    ]
    quantiles = tokenizer.decode_quantiles(outputs, LEVELS)
    return {"logits": outputs.logits, "quantiles": quantiles, "piped": torch.tensor(piped, dtype=torch.float64)}


def main(source: str, revision: str, threads: str, out: str) -> None:
    """Load by the Auto classes, ask, write."""
    sys.meta_path.insert(0, _Absent())
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModel, AutoTokenizer, pipeline

    torch.set_num_threads(int(threads))
    how = {"trust_remote_code": True, "revision": revision}
    tokenizer = AutoTokenizer.from_pretrained(source, **how)
    model = AutoModel.from_pretrained(source, **how)
    pipe = pipeline(TASK, model=source, device="cpu", **how)
    if any(type(part).__module__.partition(".")[0] == PACKAGE for part in (tokenizer, model, pipe)):
        raise SystemExit(f"{source}: carries no code of its own; save it again")
    found = answers(model, tokenizer, pipe)
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
