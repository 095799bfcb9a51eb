"""One commit makes a repository what was meant, or nothing happens and a line says why."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi

from hf_galaxy.repositories.committing import Manner, Upload, check_upload, commit_files, confirm, look, tag_commit

CARD = b"---\nlicense: apache-2.0\n---\n# A\n"
NAME = "tester/a"


def upload(**files: bytes) -> Upload:
    contents = {name.replace("_", "."): data for name, data in files.items()}
    return Upload("model", NAME, {"README.md": CARD, **contents})


PLAIN = Manner()


def publish(what: Upload, manner: Manner = PLAIN) -> str:
    check_upload(what)
    api = HfApi()
    commit = commit_files(api, what, manner, look(api, what, manner))
    confirm(api, what, commit)
    return commit


def commits(hub, branch: str = "main") -> int:
    return len(hub.repositories["model", NAME].branches[branch]) - 1


def test_files_and_contents_go_in_one_commit(hub, tmp_path):
    (tmp_path / "w").write_bytes(b"\0" * 100)
    what = Upload("model", NAME, {"README.md": CARD, "w.safetensors": tmp_path / "w", "plots/a.png": b"png"})
    commit = publish(what)
    assert hub.files("model", NAME) == {"README.md": CARD, "w.safetensors": b"\0" * 100, "plots/a.png": b"png"}
    assert commits(hub) == 1 and hub.repositories["model", NAME].at(commit)
    assert what.sizes() == {"README.md": len(CARD), "w.safetensors": 100, "plots/a.png": 3}


def test_the_same_again_is_no_new_commit(hub):
    assert publish(upload(a_txt=b"1")) == publish(upload(a_txt=b"1"))
    assert commits(hub) == 1


def test_what_would_be_left_beside_is_refused_or_removed_in_the_same_commit(hub):
    publish(upload(old_bin=b"1"))
    with pytest.raises(ValueError, match=r"tester/a: holds 1 files besides, such as old\.bin; --replace removes them"):
        publish(upload(new_txt=b"2"))
    assert set(hub.files("model", NAME)) == {"README.md", "old.bin"}
    publish(upload(new_txt=b"2"), Manner(replace=True))
    assert set(hub.files("model", NAME)) == {"README.md", "new.txt"} and commits(hub) == 2


def test_a_branch_leaves_main_alone(hub):
    publish(upload(a_txt=b"1"))
    publish(upload(a_txt=b"2"), Manner(branch="trial"))
    publish(upload(a_txt=b"3"), Manner(branch="trial"))
    repository = hub.repositories["model", NAME]
    assert repository.files["a.txt"] == b"1" and repository.at("trial")[1]["a.txt"] == b"3"
    assert [len(commits) for commits in repository.branches.values()] == [2, 3]


def test_a_tag_is_not_moved(hub):
    tag_commit(HfApi(), upload(), first := publish(upload(a_txt=b"1")), "v1")
    with pytest.raises(ValueError, match="has a tag v1 already"):
        publish(upload(a_txt=b"2"), Manner(tag="v1"))
    assert hub.repositories["model", NAME].tags == {"v1": first} and commits(hub) == 1


def test_private(hub):
    publish(upload(), Manner(private=True))
    assert hub.repositories["model", NAME].private
    publish(upload(a_txt=b"1"), Manner(private=True))
    hub.repositories["model", NAME].private = False
    with pytest.raises(ValueError, match="exists and is public; make it private in its settings, or leave --private"):
        publish(upload(a_txt=b"2"), Manner(private=True))


def test_a_commit_of_somebody_else_in_between(hub):
    publish(upload(a_txt=b"1"))
    api, mine = HfApi(), upload(a_txt=b"2")
    before = look(api, mine, PLAIN)
    publish(upload(a_txt=b"3"))
    with pytest.raises(ValueError, match=r"was changed by somebody else meanwhile \(a commit has happened since\)"):
        commit_files(api, mine, PLAIN, before)
    assert hub.files("model", NAME)["a.txt"] == b"3"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("license: [", "header"),
        ("model-index:\n- name: a\n  results:\n  - dataset: {name: x}\n    metrics: []", "need task.type"),
    ],
)
def test_a_header_that_the_hub_refuses_ends_before_anything_is_made(hub, header, why):
    with pytest.raises(ValueError, match="the Hub would refuse the header of its README.md") as error:
        publish(Upload("model", NAME, {"README.md": f"---\n{header}\n---\n".encode()}))
    assert why in str(error.value) and "\n" not in str(error.value)
    assert hub.repositories == {}


def test_a_wrong_token_and_none(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(
        ValueError, match="tester/a: the Hub does not accept the token .* hf auth login, or set HF_TOKEN"
    ):
        publish(upload())
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match="tester/a: nobody is logged in; hf auth login, or set HF_TOKEN"):
        publish(upload())
    assert hub.repositories == {}


def test_an_organisation_of_others(hub):
    with pytest.raises(ValueError, match="closed/a: this login may not do that .*You don't have the rights"):
        publish(Upload("model", "closed/a", {"README.md": CARD}))


def test_no_connection(hub):
    hub.__exit__()
    with pytest.raises(ValueError, match="tester/a: http://.* cannot be reached"):
        publish(upload())


def test_what_is_there_is_compared_with_what_was_meant(hub, tmp_path):
    (tmp_path / "w").write_bytes(b"12")
    what = Upload("model", NAME, {"README.md": CARD, "a.txt": b"1", "w.safetensors": tmp_path / "w"})
    commit = publish(what)
    files = hub.repositories["model", NAME].files
    for path, wrong in (("a.txt", b"2"), ("w.safetensors", b"21")):
        right, files[path] = files[path], wrong
        with pytest.raises(ValueError, match=f"{path} of commit {commit} is not what was uploaded"):
            confirm(HfApi(), what, commit)
        files[path] = right
    del files["a.txt"]
    with pytest.raises(ValueError, match=r"lacks a\.txt; publish it again"):
        confirm(HfApi(), what, commit)


@pytest.mark.parametrize(
    ("name", "files", "why"),
    [
        ("a", {}, "tester/a|a: is no Hub id"),
        ("a/b/c", {}, "is no Hub id"),
        ("a b/c", {}, "is no Hub id"),
        ("a/b", {"x y": b"1"}, "x y: file names are letters, digits"),
        ("a/b", {"../x": b"1"}, "file names are letters, digits"),
        ("a/b", {"x": b""}, "x has 0 bytes"),
    ],
)
def test_names_and_sizes(name, files, why):
    with pytest.raises(ValueError, match=why):
        check_upload(Upload("model", name, files))
