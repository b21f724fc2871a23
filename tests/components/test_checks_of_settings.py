"""Settings that are out of range or unknown are refused in one sentence that says what is allowed."""

import pytest

from components.checks import check_one_of, check_range
from components.errors import UserError


def test_settings_name_what_is_allowed() -> None:
    with pytest.raises(UserError, match="dim: 0 is not allowed; give a number at least 1"):
        check_range("dim", 0, 1)
    with pytest.raises(UserError, match="above 0"):
        check_range("lr", 0.0, 0, above=True)
    for wrong in ("8", True, None, float("nan")):
        with pytest.raises(UserError):
            check_range("dim", wrong, 1)  # type: ignore[arg-type]
    check_range("dim", None, 1, optional=True)


def test_open_ends_are_out() -> None:
    check_range("share", 0.5, 0, 1, above=True, below=True)
    for wrong in (0, 1):
        with pytest.raises(UserError, match="give a number above 0 and below 1"):
            check_range("share", wrong, 0, 1, above=True, below=True)


def test_unknown_names_list_the_known_ones() -> None:
    check_one_of("side", "left", ("left", "right"))
    with pytest.raises(UserError, match="side: 'top' is not allowed; choose from left, right"):
        check_one_of("side", "top", ("left", "right"))
