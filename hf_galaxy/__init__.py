"""hf_galaxy: one model for redshifts, stellar populations, emission lines and photometry of galaxies.

Importing this package registers its classes with the Auto factories of transformers, and does nothing else.
"""

from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_galaxy import GalaxyConfig
from .modeling_galaxy import GalaxyModel
from .pipeline_galaxy import TASK, GalaxyInferencePipeline
from .posterior import GalaxyPosterior
from .tokenization_galaxy import GalaxyTokenizer
from .variables_galaxy import BANDS, PROPERTIES, Variable

AutoConfig.register(GalaxyConfig.model_type, GalaxyConfig, exist_ok=True)
AutoModel.register(GalaxyConfig, GalaxyModel, exist_ok=True)
AutoTokenizer.register(GalaxyConfig, GalaxyTokenizer, exist_ok=True)
PIPELINE_REGISTRY.register_pipeline(TASK, GalaxyInferencePipeline, pt_model=AutoModel, type="multimodal")

# Saved folders carry the code of these classes, so that they load where this package is not installed.
GalaxyConfig.register_for_auto_class()
GalaxyModel.register_for_auto_class("AutoModel")
GalaxyTokenizer.register_for_auto_class("AutoTokenizer")

__version__ = "0.1.0"

__all__ = ["BANDS", "PROPERTIES", "GalaxyConfig", "GalaxyModel", "GalaxyPosterior", "GalaxyTokenizer", "Variable"]
