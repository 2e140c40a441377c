"""Old names of arguments work, warn, and do not hide a mistake."""

import pytest

from skelblocks._utils.deprecated import renamed_arguments


@renamed_arguments(old="new")
def double(x, *, new=1):
    return x * 2 * new


def test_old_name_works_and_warns():
    with pytest.warns(DeprecationWarning, match="double: the argument old is deprecated; use new"):
        assert double(3, old=5) == 30


def test_new_name_is_quiet(recwarn):
    assert double(3, new=5) == 30
    assert not recwarn


def test_both_names_are_an_error():
    with pytest.raises(TypeError, match="got both new and its old name old; omit old"):
        double(3, new=1, old=2)
