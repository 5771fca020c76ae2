#!/usr/bin/env python3
"""Greedy continuations by SmolLM2-135M-Instruct, as transformers computes them in float32 from the widened Q4_1 weights.

    python tools/golden/smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf golden/smollm2/greedy.json

Needs torch, transformers, gguf. For each prompt: its ids, 128 new ids (an end token does not end them), and for each step by how
much the largest logit beats the second: where two implementations differ first, this says whether rounding explains it.
"""
import hashlib, json, pathlib, sys
import torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The capital of France is",
    "Once upon a time, 1234 dragons",
    "def fibonacci(n):\n    ",
    "Water boils at",
    "Dear Sir or Madam,\n\nI am writing to",
    "In 1969, Neil Armstrong",
    "日本語のテスト: こんにちは",
    "The three laws of motion are:\n1.",
    "<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\n",
    "She sells sea shells by the sea shore. She sells sea shells",
]

gguf, out = map(pathlib.Path, sys.argv[1:3])
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
cases = []
for prompt in PROMPTS:
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    made, margins, cache, step = [], [], None, ids
    with torch.no_grad():
        for _ in range(128):
            result = model(input_ids=step, past_key_values=cache, use_cache=True)
            cache = result.past_key_values
            top = result.logits[0, -1].topk(2)
            made.append(int(top.indices[0]))
            margins.append(float("%.3g" % (top.values[0] - top.values[1])))
            step = top.indices[:1][None]
    print(repr(prompt), ids[0].tolist(), "least margin", min(margins))
    cases.append({"prompt": prompt, "ids": ids[0].tolist(), "greedy": made, "margins": margins})
out.parent.mkdir(parents=True, exist_ok=True)
text = {"file": gguf.name, "sha256": hashlib.sha256(gguf.read_bytes()).hexdigest(),
        "reference": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "dtype": "float32",
                      "weights": "widened by transformers' GGUF loader"}, "cases": cases}
out.write_text(json.dumps(text, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")
