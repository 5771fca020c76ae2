#!/usr/bin/env python3
"""Converts golden decoder folders to GGUF with llama.cpp's own converter, to test that we read what it writes.

    python tools/golden/convert_gguf.py LLAMA_CPP golden/models golden/gguf

LLAMA_CPP is a checkout, or vendor/llama.cpp of the llama-cpp-python source distribution. Needs its requirements (torch, gguf,
transformers). The tiny models have no tokenizer, so vocabularies are left out; everything else is the converter's: names,
permuted rows, gains with 1 added, metadata. All f32, so that the folders' expected values hold.
"""
import json, logging, pathlib, sys, tempfile, shutil

llama, models, out = map(pathlib.Path, sys.argv[1:4])
sys.path[:0] = [str(llama), str(llama / "gguf-py")]
import gguf, torch  # noqa: E402
from conversion import get_model_class  # noqa: E402
from conversion.base import ModelBase, ModelType, get_model_architecture  # noqa: E402

load_hparams = ModelBase.load_hparams


def with_older_keys(*args, **more):
    """The converters of GPT-NeoX and GPT-2 know the keys of transformers 4."""
    hparams = load_hparams(*args, **more)
    if hparams["model_type"] == "gpt_neox":
        hparams |= {"rotary_pct": hparams["rope_parameters"]["partial_rotary_factor"], "rotary_emb_base": 10000}
    if hparams["model_type"] == "gpt2":
        hparams |= {"n_ctx": hparams["n_positions"]}
    return hparams


ModelBase.load_hparams = staticmethod(with_older_keys)
logging.basicConfig(level=logging.WARNING)
FOLDERS = ["llama", "llama3-rope", "llama-linear", "llama-yarn", "qwen2", "qwen3", "smollm3", "gemma2", "gemma3", "phi", "phi3",
           "gpt-neox", "gpt-neox-sequential", "gpt2"]
out.mkdir(parents=True, exist_ok=True)
for name in FOLDERS:
    with tempfile.TemporaryDirectory() as tmp, torch.inference_mode():
        folder = pathlib.Path(tmp) / "model"
        shutil.copytree(models / name, folder)
        (folder / "expected.safetensors").unlink()  # the converter takes every safetensors file for weights
        vocab = {str(i): i for i in range(128)}
        (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": {"vocab": vocab}}))
        hparams = ModelBase.load_hparams(folder, False)
        cls = get_model_class(get_model_architecture(hparams, ModelType.TEXT))
        cls.set_vocab = lambda self: None
        cls.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
        file = out / f"{name}.gguf"
        cls(folder, gguf.LlamaFileType.ALL_F32, file, model_name=name).write()
        print(name, file.stat().st_size)
