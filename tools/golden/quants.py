"""Writes golden/ops/quants: blocks of the GGUF formats with the weights that gguf-py (MIT, on PyPI) makes of them, and
weights with the blocks that it makes of those. Run from the project's root: pip install gguf; python tools/golden/quants.py"""

import json
import pathlib
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

OUT = pathlib.Path("golden/ops/quants")
ROWS = 4
# Where in a block binary16 numbers lie; all other bytes may be anything.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
rng = np.random.default_rng(4)


def write(name, tensors):
    header, data = {}, b""
    for key, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        dtype = {"float32": "F32", "uint8": "U8"}[array.dtype.name]
        header[key] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (OUT / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


def random_blocks(name):
    """Any codes, and scales of all sizes that binary16 has: negative, subnormal, zero, the largest."""
    size, size_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    per_row = 512 // size
    blocks = rng.integers(0, 256, (ROWS * per_row, size_bytes), dtype=np.uint8)
    for at in HALVES[name]:
        scales = (rng.standard_normal(len(blocks)) * 2.0 ** rng.integers(-20, 3, len(blocks))).astype(np.float16)
        scales[:4] = np.array([6e-8, -0.0, 65504, -1e-6], dtype=np.float16) if at == HALVES[name][0] else scales[:4]
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, per_row * size_bytes)


def weights():
    values = (rng.standard_normal((ROWS, 128)) * 2.0 ** rng.integers(-12, 4, (ROWS, 4)).repeat(32, 1)).astype(np.float32)
    values[0, :32] = 0
    values[1, :32] = np.arange(32) - 16
    values[2, 32:64] = np.arange(32) / 2 - 7.75
    values[2, 64:96] *= np.float32(1e-9)
    return values


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = []
    for name in HALVES:
        blocks = random_blocks(name)
        expected = dequantize(blocks, GGMLQuantizationType[name])
        write(f"{name}.safetensors", {"blocks": blocks, "weights": expected})
        cases.append({"case": name, "file": f"{name}.safetensors", "title": f"blocks of {name} to F32", "to": "F32"})
    values = weights()
    for name in ("Q8_0", "Q4_0", "BF16"):
        blocks = quantize(values, GGMLQuantizationType[name])
        write(f"to-{name}.safetensors", {"weights": values, "blocks": blocks.reshape(ROWS, -1).view(np.uint8)})
        cases.append({"case": f"to-{name}", "file": f"to-{name}.safetensors", "title": f"F32 to {name}", "to": name})
    note = "blocks of GGUF's formats beside their weights, by gguf-py; made by tools/golden/quants.py; equal but for the sign of zero"
    (OUT / "cases.json").write_text(json.dumps({"op": "quants", "note": note, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
