"""transformers' own common tests of models and configurations, on `GalaxyModel`."""

from __future__ import annotations

import unittest

import pytest
import torch
from hf_tests.test_configuration_common import ConfigTester
from hf_tests.test_modeling_common import ModelTesterMixin, floats_tensor

from hf_galaxy import GalaxyConfig, GalaxyModel, GalaxyTokenizer
from hf_galaxy.variables_galaxy import Variable, default_variables

pytestmark = pytest.mark.conformance

# Two bands of one patch among them; the last one is known of no galaxy.
KNOWN = ("FUV", "J0378", "J0390", "rSDSS", "redshift", "survey", "J0900")
ASKED = ("log_mstar", "J0500", "redshift", "survey")
# One test takes fifteen tokens away and asks as before.
SPARE = [Variable(f"spare_{i}").to_dict() for i in range(15)]


class GalaxyModelTester:
    """A small model, and galaxies of which the same is known, each in its own order."""

    batch_size = 13
    is_training = True
    hidden_size = 32
    num_hidden_layers = 2
    num_attention_heads = 4
    seq_length = len(KNOWN)
    # The encoder sees a summary, the patches of KNOWN, and one place for what is not known.
    encoder_seq_length = key_length = 1 + 5 + 1

    def get_config(self) -> GalaxyConfig:
        return GalaxyConfig(
            variables=[*(v.to_dict() for v in default_variables()), *SPARE],
            hidden_size=self.hidden_size,
            intermediate_size=48,
            num_hidden_layers=self.num_hidden_layers,
            num_question_layers=2,
            num_attention_heads=self.num_attention_heads,
            value_hidden_size=16,
            num_components=8,
        )

    def prepare_config_and_inputs_for_common(self) -> tuple[GalaxyConfig, dict[str, torch.Tensor]]:
        shape = (self.batch_size, len(KNOWN))
        order = torch.rand(shape).argsort(-1)
        ids = torch.tensor(GalaxyTokenizer().convert_tokens_to_ids(list(KNOWN)))[order]
        asked = torch.tensor(GalaxyTokenizer().convert_tokens_to_ids(list(ASKED)))
        inputs = {
            "input_ids": ids,
            "values": floats_tensor(shape),
            "errors": floats_tensor(shape).abs(),
            "attention_mask": (order != len(KNOWN) - 1).long(),
            "query_ids": asked.repeat(self.batch_size, 1),
            "query_errors": floats_tensor((self.batch_size, len(ASKED))).abs(),
        }
        return self.get_config(), inputs


class GalaxyModelTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (GalaxyModel,)
    test_resize_embeddings = True

    def setUp(self) -> None:
        self.model_tester = GalaxyModelTester()
        self.config_tester = ConfigTester(self, config_class=GalaxyConfig, hidden_size=32)

    def test_config(self) -> None:
        self.config_tester.run_common_tests()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels=return_labels)
        if return_labels:
            inputs["labels"] = torch.full(inputs["query_ids"].shape, 0.5)
        return inputs
