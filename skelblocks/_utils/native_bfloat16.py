"""Find out whether a device computes in bfloat16 natively, so that half precision saves time."""

from __future__ import annotations

import torch

_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # of x86 processors


def native_bfloat16(device: torch.device) -> str | None:
    """Name the hardware that computes in bfloat16 on a device.

    Other devices emulate bfloat16 with float32, and the conversions cost time.

    Args:
        device: A CPU or a CUDA device. Other kinds of devices are not known.

    Returns:
        The processor's instructions, such as ``"avx512_bf16"``, or the name of the GPU. None if there is no support.

    Example:
        >>> native_bfloat16(torch.device("meta")) is None
        True
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cuda.get_device_name(device) if native else None
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    return next((name for name in _INSTRUCTIONS if _has(name)), None)


def _has(instructions: str) -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        return bool(capabilities().get(instructions, False))
    # For torch before 2.11. Every processor with AMX tiles has their bfloat16 instructions.
    names = {"amx_bf16": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported"}
    probe = getattr(torch.cpu, names[instructions], None)
    return probe is not None and bool(probe())
