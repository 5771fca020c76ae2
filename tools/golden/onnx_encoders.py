"""Exports golden/models/bert to ONNX, as a float32 file, with its weights in a file beside it, and dynamically quantised. The
float exports keep the expected values of the checkpoint they came from. Run in a venv with torch, transformers, onnx and
onnxruntime:

    python tools/golden/onnx_encoders.py golden/models
"""

import shutil
import sys
from pathlib import Path

import onnx
import torch
import transformers as tf
from onnxruntime.quantization import QuantType, quantize_dynamic


class Hidden(torch.nn.Module):
    """What is exported: hidden states of the last layer, and what the pooler makes of them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return output.last_hidden_state, output.pooler_output


def main():
    folder = Path(sys.argv[1])
    source = folder / "bert"
    model = tf.BertModel.from_pretrained(source, attn_implementation="eager").eval()
    target = folder / "bert-onnx"
    target.mkdir(exist_ok=True)
    ids = torch.randint(5, 100, (2, 9))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    wrapped = Hidden(model)
    torch.onnx.export(
        wrapped,
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        str(target / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state", "pooler_output"],
        dynamic_axes={name: {0: "batch", 1: "ctx"} for name in names + ["last_hidden_state"]},
        opset_version=14,
        dynamo=False,
    )
    exported = onnx.load(target / "model.onnx")
    for initializer in exported.graph.initializer:  # the wrapper's own prefix
        rename(exported, initializer.name, initializer.name.removeprefix("model."))
    for node in exported.graph.node:
        node.name = node.name.replace("/model/", "/")
    onnx.save(exported, target / "model.onnx")
    for name in ("config.json", "expected.json", "expected.safetensors"):
        shutil.copyfile(source / name, target / name)

    beside = folder / "bert-onnx-external"
    beside.mkdir(exist_ok=True)
    onnx.save(
        exported, beside / "model.onnx", save_as_external_data=True, all_tensors_to_one_file=True,
        location="model.onnx_data", size_threshold=1024)
    for name in ("config.json", "expected.json", "expected.safetensors"):
        shutil.copyfile(source / name, beside / name)

    quantised = Path(sys.argv[1]).parent / "onnx" / "bert-int8"
    quantised.mkdir(exist_ok=True, parents=True)
    quantize_dynamic(target / "model.onnx", quantised / "model.onnx", weight_type=QuantType.QInt8, per_channel=True)


def rename(model, old, new):
    if old == new:
        return
    for initializer in model.graph.initializer:
        if initializer.name == old:
            initializer.name = new
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


if __name__ == "__main__":
    main()
