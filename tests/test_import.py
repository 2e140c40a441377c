"""`import skelblocks` is quiet, light and leaves the process as it was."""

import subprocess
import sys
import textwrap

ALLOWED = {"skelblocks", "torch", "numpy", "einops", "typing_extensions"}


def run(program):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )


def test_importing_raises_no_warning_and_loads_only_the_core_packages():
    result = run(
        f"""
        import importlib.metadata, sys
        import einops, numpy, torch, typing_extensions
        before = set(sys.modules)
        import skelblocks
        tops = {{name.partition(".")[0] for name in set(sys.modules) - before}}
        owners = importlib.metadata.packages_distributions()
        print(sorted(top for top in tops if top in owners and top not in {ALLOWED!r}))
        """
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_importing_works_where_every_extra_is_missing():
    result = run(
        """
        import sys
        for name in ("sklearn", "scipy", "matplotlib", "PIL", "lightning_fabric", "tqdm", "jsonargparse", "tensorboard",
                     "yaml", "pandas", "h5py", "umap", "safetensors", "huggingface_hub", "onnx", "onnxruntime",
                     "jinja2"):
            sys.modules[name] = None  # any import of it fails from here on
        import skelblocks
        import skelblocks.evaluation, skelblocks.viz, skelblocks.interop, skelblocks.pages, skelblocks.cli
        """
    )
    assert result.returncode == 0, result.stderr


def test_importing_changes_nothing_global():
    result = run(
        """
        import random, numpy, torch
        random.seed(0); numpy.random.seed(0); torch.manual_seed(0)
        def state():
            return (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
                    torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled())
        before = state()
        import skelblocks
        assert state() == before
        """
    )
    assert result.returncode == 0, result.stderr
