"""Public names are imported on first use, and keep their meaning whatever was imported before."""

import importlib
import subprocess
import sys

import pytest

import skelblocks

DEPRECATED = ["skelblocks.eadm", "skelblocks.d3m_loss_from_embeddings", "skelblocks.data.write_nw_ucla"]


def test_function_is_not_replaced_by_the_module_of_its_name():
    program = (
        "import skelblocks.encoders.pool, skelblocks\n"
        "assert callable(skelblocks.encoders.pool) and callable(skelblocks.pool)\n"
        "from skelblocks.encoders import pool\n"
        "assert callable(pool)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", DEPRECATED)
def test_old_place_works_and_warns(name):
    package, _, symbol = name.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{symbol} is deprecated; use skelblocks"):
        assert callable(getattr(importlib.import_module(package), symbol))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skelblocks' has no attribute 'nonsense'"):
        skelblocks.nonsense  # noqa: B018


def test_import_loads_nothing_that_is_not_used():
    loaded = "sum(name.startswith('skelblocks') for name in sys.modules), 'torch' in sys.modules"
    program = f"import sys, skelblocks; print({loaded})"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    count, torch_loaded = done.stdout.split()
    assert int(count) <= 5
    assert torch_loaded == "False"


def test_dir_lists_the_public_names():
    assert {"MsMAttention", "losses", "__version__"} <= set(dir(skelblocks))
