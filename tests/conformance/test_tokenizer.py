"""transformers' own common tests of tokenizers, on the text side of `GalaxyTokenizer`."""

from __future__ import annotations

import unittest

import pytest
from hf_tests.test_tokenization_common import TokenizerTesterMixin

from hf_galaxy import GalaxyTokenizer

pytestmark = pytest.mark.conformance


class GalaxyTokenizerTest(TokenizerTesterMixin, unittest.TestCase):
    tokenizer_class = GalaxyTokenizer
    # There is no encoder-decoder, and no tokenizer.json of the tokenizers library to convert from.
    test_seq2seq = False
    test_tokenizer_from_extractor = False

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        GalaxyTokenizer().save_pretrained(cls.tmpdirname)

    def get_input_output_texts(self, tokenizer) -> tuple[str, str]:
        return "redshift log_mstar", "redshift log_mstar"
