"""Settings from files and flags: numbers however they are written, groups, and a plain word about what does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hf_galaxy.data.settings_input import read_mapping, settings_of


@dataclass(frozen=True)
class Inner:
    share: float = 0.5
    limits: tuple = (1.0, 2.0)

    def __post_init__(self):
        if self.share > 1:
            raise ValueError(f"share {self.share} is above 1")


@dataclass(frozen=True)
class Outer:
    name: str = "mixed"
    step: float = 1e-3
    count: int = 3
    floor: float | None = None
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.yaml", "step: 1e-4\ninner:\n  limits: [3, 4]\n"),
        ("a.json", '{"step": 1e-4,\n\t"inner": {"limits": [3, 4]}}'),
    ],
)
def test_files_give_settings(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    made = settings_of(Outer, read_mapping(tmp_path / file), file)
    assert made == Outer(step=1e-4, inner=Inner(limits=(3, 4)))
    assert isinstance(made.step, float) and hash(made) == hash(Outer(step=1e-4, inner=Inner(limits=(3, 4))))


def test_a_whole_number_is_a_number_and_nothing_stays_nothing():
    made = settings_of(Outer, {"step": 1, "floor": None}, "x")
    assert made.step == 1.0 and isinstance(made.step, float) and made.floor is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stepp": 1}, r"^f: unknown setting 'stepp'; did you mean 'step'\?"),
        ({"zzzz": 1}, "^f: unknown setting 'zzzz'; known are name, step, count, floor, inner"),
        ({"inner": {"shre": 1}}, r"^f: inner: unknown setting 'shre'; did you mean 'share'"),
        ({"inner": {"share": 2}}, "^f: inner: share 2.0 is above 1"),
        ({"inner": 3}, "^f: inner is 3; a group of settings is wanted"),
        ({"step": "fast"}, "^f: step is 'fast'; a number is wanted"),
        ({"step": True}, "^f: step is True; a number is wanted"),
        ({"count": 2.5}, "^f: count is 2.5; a whole number is wanted"),
        ({"name": 5}, "^f: name is 5; a word is wanted"),
        ({"inner": {"limits": 1}}, "^f: inner: limits is 1; a list is wanted"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        settings_of(Outer, given, "f")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "a mapping of settings is wanted, not a list"), ("a: [", "not valid YAML"), (None, "cannot be read")],
)
def test_files_that_are_no_settings_are_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.yaml: {message}"):
        read_mapping(tmp_path / "a.yaml")
