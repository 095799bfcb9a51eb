"""Configuration of the galaxy model: the numbers of the architecture and the table of variables."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .variables_galaxy import Variable, default_variables

SPECIAL_TOKENS = ("<pad>", "<unk>")

PRESETS = {
    "tiny": {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_question_layers": 2,
             "num_attention_heads": 4},
    "small": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 5, "num_question_layers": 2,
              "num_attention_heads": 8},
    "base": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_question_layers": 3,
             "num_attention_heads": 8},
}  # fmt: skip


@strict
class GalaxyConfig(PreTrainedConfig):
    """Configuration of a [`GalaxyModel`].

    Args:
        vocab_size (`int`, *optional*): Number of token ids: special tokens, then variables; derived when absent.
        variables (`list[dict]`, *optional*): The table of variables, [`Variable.to_dict`] each; the variable at
            position `i` has the id `i + len(SPECIAL_TOKENS)`. Default: J-PAS + GALEX bands and galaxy properties.
        hidden_size (`int`): Width of the residual stream.
        intermediate_size (`int`): Width of the feed-forward layers.
        num_hidden_layers (`int`): Layers of the encoder of the context.
        num_question_layers (`int`): Layers that a question passes, looking at the context and at earlier answers.
        num_attention_heads (`int`): Attention heads of every layer.
        value_features (`int`): Frequencies of the Fourier features of a value.
        wavelength_features (`int`): Frequencies of the Fourier features of a log wavelength.
        value_hidden_size (`int`): Width of the embedding of one value before it is gathered into its patch.
        num_components (`int`): Gaussian components of the density of an answer.
        min_log_scale (`float`): Natural logarithm of the narrowest component of a density, in token coordinates.
        reference_brightness (`float`): Brightness coordinate assumed of a galaxy of which no flux is known.
        simulation (`dict`, *optional*): Settings of the simulation that the model learnt from: its prior.
        training (`dict`, *optional*): What the model has seen: galaxies, data, ranges of the evidence.
        calibration (`dict`, *optional*): What was learnt of the surveys that the model was adapted to, by name:
            `zero_points`, mag to add to each band; `error_scale`, what to multiply its stated errors with.
        initializer_range (`float`): Factor of the standard deviation of the initial weights.
    """

    model_type = "hf_galaxy"

    vocab_size: int | None = None
    variables: list | None = None
    hidden_size: int = 128
    intermediate_size: int = 512
    num_hidden_layers: int = 4
    num_question_layers: int = 2
    num_attention_heads: int = 4
    value_features: int = 10
    wavelength_features: int = 32
    value_hidden_size: int = 64
    num_components: int = 24
    min_log_scale: float | int = -6.5
    reference_brightness: float | int = 3.0
    simulation: dict | None = None
    training: dict | None = None
    calibration: dict | None = None
    initializer_range: float | int = 1.0
    rms_norm_eps: float | int = 1e-6
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs):
        if self.variables is None:
            self.variables = [variable.to_dict() for variable in default_variables()]
        if self.vocab_size is None:
            self.vocab_size = len(SPECIAL_TOKENS) + len(self.variables)
        super().__post_init__(**kwargs)

    def validate_heads(self):
        """The heads share the width evenly."""
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of num_attention_heads={self.num_attention_heads}"
            )

    def validate_categories(self):
        """The components of a density serve as the values of a category."""
        for entry in self.variables:
            count = len(entry.get("categories", ()))
            if count > self.num_components:
                raise ValueError(
                    f"num_components={self.num_components} is too few for {entry['name']}, which has {count} categories"
                )

    @classmethod
    def preset(cls, size: str, **overrides) -> "GalaxyConfig":
        """A configuration by name: `"tiny"` (about 1 M parameters), `"small"` (5 M) or `"base"` (30 M)."""
        if size not in PRESETS:
            raise ValueError(f"size {size!r} is not one of {', '.join(PRESETS)}")
        return cls(**{**PRESETS[size], **overrides})

    def variable_table(self) -> dict[int, Variable]:
        """Token id to variable."""
        return {i + len(SPECIAL_TOKENS): Variable(**entry) for i, entry in enumerate(self.variables)}


__all__ = ["PRESETS", "SPECIAL_TOKENS", "GalaxyConfig"]
