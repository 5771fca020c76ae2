#!/usr/bin/env python3
"""Writes the cross-attention of golden models as transformers computes it (eager attention, float32): for the source and the target of
case "single", the mean over all heads of the last layer, and of two heads of different layers.

    python tools/golden/alignment.py golden/models OUT.json

Needs torch, transformers, safetensors. OUT.json is a resource of CrossAttentionTest.
"""
import json, pathlib, sys
import torch, transformers
from safetensors.torch import load_file

FAMILIES = {"marian": transformers.MarianMTModel, "bart": transformers.BartForConditionalGeneration,
            "t5": transformers.T5ForConditionalGeneration}


def main():
    golden, out = map(pathlib.Path, sys.argv[1:])
    cases = {}
    for name, cls in FAMILIES.items():
        model = cls.from_pretrained(golden / name, attn_implementation="eager").eval()
        tensors = load_file(golden / name / "expected.safetensors")
        source, target = tensors["single.input_ids"], tensors["single.greedy_ids"]
        start = torch.tensor([[model.generation_config.decoder_start_token_id or model.config.decoder_start_token_id]])
        with torch.no_grad():
            layers = model(input_ids=source, decoder_input_ids=torch.cat([start, target[:, :-1]], 1), output_attentions=True,
                           use_cache=False).cross_attentions
        cases[name] = {"source": source[0].tolist(), "start": int(start), "target": target[0].tolist(),
                       "last_layer": layers[-1][0].mean(0).tolist(),
                       "heads_0_1_and_1_0": ((layers[0][0, 1] + layers[1][0, 0]) / 2).tolist()}
    out.write_text(json.dumps({"made_by": "tools/golden/alignment.py", "reference": f"transformers {transformers.__version__}",
                               "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
