import numpy as np
import pytest

from skelblocks.pages import pack_array, pack_json, unpack

HOSTILE = ["</script><img src=x onerror=alert(1)>", "\u2028\u2029", "\"'`&amp;", "\ud800", "é" * 5000, "<!--"]


def test_json_comes_back_and_has_no_sign_that_ends_an_element():
    packed = pack_json({"names": HOSTILE, "none": None})
    assert unpack(packed) == {"names": HOSTILE, "none": None}
    assert set("<>&\"' ").isdisjoint(packed.text)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32"])
def test_arrays_come_back(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    found = unpack(pack_array(array.T))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array.T)


def test_what_javascript_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="array: expected one of int8"):
        pack_array(np.zeros(3))
    with pytest.raises(ValueError, match="JSON"):
        pack_json(float("nan"))
