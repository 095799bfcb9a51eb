"""Pickles are told by name and by contents; what only looks like one at its first bytes is not."""

from __future__ import annotations

import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from hf_galaxy.repositories.pickles import is_pickle, is_safetensors, pickle_names, refuse_pickles


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_any_name(tmp_path, protocol):
    path = tmp_path / "weights"
    path.write_bytes(pickle.dumps({"a": 1}, protocol))
    assert is_pickle(path) and not is_safetensors(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves(tmp_path, zipped):
    path = tmp_path / "model.safetensors"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)
    assert is_pickle(path) and not is_safetensors(path)


def test_names():
    names = ["model.safetensors", "pytorch_model.bin", "a/optimizer.PT", "README.md", "x.ckpt", "card.pt.md"]
    assert pickle_names(names) == ["pytorch_model.bin", "a/optimizer.PT", "x.ckpt"]
    with pytest.raises(ValueError, match=r"^org/x: refused for a\.bin and 1 more: a pickle can run any program"):
        refuse_pickles("org/x", ["a.bin", "b.pt"])


def test_what_is_none(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "sound.safetensors")
    # The length of this header is 0x0280, whose bytes begin like a pickle of protocol 2.
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(0x0280)
    (tmp_path / "like.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with zipfile.ZipFile(tmp_path / "plots", "w") as archive:
        archive.writestr("a.txt", "a")
    (tmp_path / "broken").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty").touch()
    (tmp_path / "card.md").write_text("text")
    assert not any(map(is_pickle, tmp_path.iterdir()))
    assert is_safetensors(tmp_path / "sound.safetensors") and is_safetensors(tmp_path / "like.safetensors")
    assert not is_safetensors(tmp_path / "card.md") and not is_safetensors(tmp_path / "empty")
