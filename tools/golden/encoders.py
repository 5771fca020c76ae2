"""Makes the fixtures of encoders in golden/models that PyTorch's own data did not come with: tiny models with random weights,
and what transformers computes with them. Run in a venv with torch, transformers and safetensors:

    python tools/golden/encoders.py golden/models
"""

import json
import sys
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import save_file

SIZES = dict(
    vocab_size=128,
    hidden_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=96,
    max_position_embeddings=66,
    layer_norm_eps=1e-12,
)
LABELS = {i: name for i, name in enumerate(["O", "PER", "LOC"])}

# name, class, config, notes
MODELS = [
    ("xlm-roberta", tf.XLMRobertaForSequenceClassification, tf.XLMRobertaConfig(
        **SIZES, type_vocab_size=1, pad_token_id=1, id2label=LABELS),
     "positions start at pad_token_id + 1 = 2; dense + tanh + out_proj on the first token"),
    ("albert", tf.AlbertForMaskedLM, tf.AlbertConfig(
        **{**SIZES, "num_hidden_layers": 4}, embedding_size=24, num_hidden_groups=2, hidden_act="gelu_new"),
     "two layers, each gone through twice; embeddings of 24; masked-LM head of the embeddings' width"),
    ("electra", tf.ElectraForTokenClassification, tf.ElectraConfig(**SIZES, embedding_size=24, id2label=LABELS),
     "embeddings of 24, projected; a label for each token"),
    ("electra-mlm", tf.ElectraForMaskedLM, tf.ElectraConfig(**SIZES, embedding_size=24),
     "generator: masked-LM head of the embeddings' width"),
    ("modernbert", tf.ModernBertForMaskedLM, tf.ModernBertConfig(
        vocab_size=128, hidden_size=48, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=66, local_attention=8, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
        sep_token_id=2, global_attn_every_n_layers=3),
     "rotary positions with two bases, windows of 4 tokens on either side, GeGLU, no biases, pre-norm"),
    ("modernbert-classify", tf.ModernBertForSequenceClassification, tf.ModernBertConfig(
        vocab_size=128, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=66, local_attention=8, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
        sep_token_id=2, classifier_pooling="mean", id2label=LABELS),
     "judged by the mean of the tokens"),
    ("bert-qa", tf.BertForQuestionAnswering, tf.BertConfig(**SIZES), "start and end of an answer for each token"),
    ("bert-classify", tf.BertForSequenceClassification, tf.BertConfig(**SIZES, id2label={0: "LABEL_0"}),
     "pooler and one score, as cross-encoders have it"),
    ("deit", tf.DeiTForImageClassificationWithTeacher, tf.DeiTConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=32, patch_size=8,
        id2label=LABELS),
     "two class tokens, the mean of two classifiers"),
]


def randomise(model, seed):
    """Weights as large as a trained model's: biases and norms too, so that a forgotten one is seen."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 1 and ("norm" in name.lower() and name.endswith("weight")):
            parameter.data = 1 + 0.1 * noise
        elif parameter.dim() == 1:
            parameter.data = 0.1 * noise
        else:
            parameter.data = noise * (0.5 if "embedding" in name else parameter.shape[-1] ** -0.5)


def blocks(model):
    """The layers in the order they are gone through."""
    base = model.base_model
    if hasattr(base, "layers"):
        return list(base.layers)
    if hasattr(base.encoder, "albert_layer_groups"):
        return [group.albert_layers[0] for group in base.encoder.albert_layer_groups]
    return list(base.encoder.layer)


def run(model, inputs):
    """Outputs by name; hidden states are what goes into the first layer and comes out of each."""
    states = []

    def before(module, args, kwargs):
        if not states:
            states.append((args[0] if args else kwargs["hidden_states"]).detach())

    def after(module, args, kwargs, output):
        states.append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = []
    for block in blocks(model):
        hooks.append(block.register_forward_pre_hook(before, with_kwargs=True))
        hooks.append(block.register_forward_hook(after, with_kwargs=True))
    last = []
    hooks.append(model.base_model.register_forward_hook(lambda m, a, output: last.append(output)))
    with torch.no_grad():
        output = model(**inputs)
    for hook in hooks:
        hook.remove()
    result = {f"hidden_states.{i}": state for i, state in enumerate(states)}
    hidden = last[0].last_hidden_state
    result["last_hidden_state"] = hidden
    for key in ("logits", "start_logits", "end_logits"):
        if getattr(output, key, None) is not None:
            result[key] = getattr(output, key)
    mask = inputs.get("attention_mask")
    if mask is not None:
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        result["mean_pooled_normalized"] = torch.nn.functional.normalize(mean)
    result["cls_pooled"] = hidden[:, 0]
    result["cls_pooled_normalized"] = torch.nn.functional.normalize(hidden[:, 0])
    return result


def texts(lengths, vocab, seed, types):
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths)
    ids = torch.zeros(len(lengths), width, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    type_ids = torch.zeros_like(ids)
    for i, n in enumerate(lengths):
        ids[i, :n] = torch.randint(5, vocab, (n,), generator=generator)
        mask[i, :n] = 1
        type_ids[i, n // 2 : n] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    if types:
        inputs["token_type_ids"] = type_ids
    return inputs


def make(folder, name, kind, config, notes, seed):
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = kind(config).eval()
    randomise(model, seed)
    vision = hasattr(config, "image_size")
    cases = {}
    tensors = {}
    about = {}
    double = kind(config).eval().double()
    double.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    for case, lengths in (("batch", [12, 7]), ("single", [40])):
        if vision:
            generator = torch.Generator().manual_seed(seed + len(lengths))
            images = (len(lengths), 3, config.image_size, config.image_size)
            inputs = {"pixel_values": torch.randn(images, generator=generator)}
        else:
            types = getattr(config, "type_vocab_size", 0) > 1
            if getattr(config, "pad_token_id", 0) != 0:
                pad = config.pad_token_id
            else:
                pad = 0
            inputs = texts(lengths, config.vocab_size, seed + len(lengths), types)
            inputs["input_ids"][inputs["attention_mask"] == 0] = pad
        exact = run(double, {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
        outputs = run(model, inputs)
        for key, value in inputs.items():
            tensors[f"{case}.{key}"] = value
            about[f"{case}.{key}"] = {
                "role": "input",
                "dtype": "F32" if value.is_floating_point() else "I64",
                "shape": list(value.shape),
            }
        for key, value in outputs.items():
            entry = {"role": "output", "dtype": "F32", "shape": list(value.shape)}
            token_wise = not vision and value.dim() >= 2 and value.shape[1] == max(lengths)
            if token_wise:
                keep = inputs["attention_mask"].reshape(value.shape[:2] + (1,) * (value.dim() - 2)).bool()
                value = value.masked_fill(~keep, 0)
                exact[key] = exact[key].masked_fill(~keep, 0)
                entry["valid"] = {"mask": f"{case}.attention_mask", "axis": 1}
            difference = (value.double() - exact[key]).abs().max().item()
            entry["fp32_vs_fp64"] = float(f"{difference:.3g}")
            entry["tolerance"] = max(1e-5, float(f"{20 * difference:.3g}"))
            entry["max_abs"] = float(f"{value.abs().max().item():.4g}")
            tensors[f"{case}.{key}"] = value
            about[f"{case}.{key}"] = entry
        cases[case] = {
            "description": "images" if vision else "sequences of different length, padded" if len(lengths) > 1
            else "one sequence, no padding",
            "inputs": [f"{case}.{key}" for key in inputs],
            "outputs": [f"{case}.{key}" for key in outputs],
        }
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(target)
    (target / "generation_config.json").unlink(missing_ok=True)
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, target / "expected.safetensors")
    expected = {
        "family": name,
        "kind": "vision" if vision else "encoder",
        "architecture": kind.__name__,
        "notes": notes,
        "seed": seed,
        "made_by": "tools/golden/encoders.py",
        "reference": {
            "torch": torch.__version__.split("+")[0],
            "transformers": tf.__version__,
            "attention": "eager",
            "dtype": "float32",
        },
        "tolerance": max(entry.get("tolerance", 0) for entry in about.values()),
        "cases": cases,
        "tensors": about,
    }
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main():
    folder = Path(sys.argv[1])
    for i, (name, kind, config, notes) in enumerate(MODELS):
        make(folder, name, kind, config, notes, 500 + i)
        print(name)


if __name__ == "__main__":
    main()
