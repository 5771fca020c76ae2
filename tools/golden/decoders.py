#!/usr/bin/env python3
"""Makes the golden folders of decoder families that the published set does not have, in the same format.

    python tools/golden/decoders.py golden/models

Needs torch, transformers, safetensors, numpy. Random weights; every expected value is computed by transformers (eager attention,
float32); tolerances come from the same network in float64: max(1e-5, 20 x the largest difference). See golden/README.md.
"""
import copy, json, pathlib, sys
import numpy as np, torch, transformers
from safetensors.torch import save_file

SMALL = dict(vocab_size=128, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None)
GQA = dict(num_key_value_heads=2)
GREEDY = 12


def families():
    t = transformers
    theta = {"rope_theta": 10000.0}
    yield ("phi", "parallel residual with one norm, partial rotary, biases everywhere, also on the head",
           t.PhiForCausalLM, t.PhiConfig(**{**SMALL, "hidden_size": 64, "intermediate_size": 256}, rope_parameters={**theta, "rope_type": "default",
                                         "partial_rotary_factor": 0.5}), {})
    yield ("phi-qk-norm", "as phi, with a layer norm on each head of q and k",
           t.PhiForCausalLM, t.PhiConfig(**SMALL, qk_layernorm=True, rope_parameters={**theta, "rope_type": "default",
                                         "partial_rotary_factor": 0.5}), {})
    yield ("phi3", "q, k, v in one matrix, gate and up in one; sliding window shorter than the context",
           t.Phi3ForCausalLM, t.Phi3Config(**SMALL, **GQA, sliding_window=5), {})
    yield ("phi3-longrope", "longrope: frequencies divided by short factors within the original context; partial rotary",
           t.Phi3ForCausalLM, t.Phi3Config(**{**SMALL, "max_position_embeddings": 128}, **GQA, sliding_window=None,
                                           original_max_position_embeddings=64,
                                           rope_parameters={**theta, "rope_type": "longrope", "partial_rotary_factor": 0.5,
                                                            "original_max_position_embeddings": 64,
                                                            "short_factor": [1.0, 1.25, 1.5],
                                                            "long_factor": [1.0, 2.5, 4.0]}), {})
    yield ("gpt-neox-sequential", "as gpt-neox, attention and feed-forward one after the other, no attention bias",
           t.GPTNeoXForCausalLM, t.GPTNeoXConfig(**{**SMALL, "hidden_size": 64}, use_parallel_residual=False,
                                                 attention_bias=False,
                                                 rope_parameters={**theta, "rope_type": "default",
                                                                  "partial_rotary_factor": 0.5}), {})
    yield ("gemma3", "norms of gemma2 and on each head of q and k, five local layers to a global one with rotary bases of their own",
           t.Gemma3ForCausalLM, t.Gemma3TextConfig(**{**SMALL, "num_hidden_layers": 6, "pad_token_id": 0}, **GQA, head_dim=16,
               query_pre_attn_scalar=16, sliding_window=5,
               rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}), {})
    yield ("smollm3", "every fourth layer without positions", t.SmolLM3ForCausalLM,
           t.SmolLM3Config(**{**SMALL, "num_hidden_layers": 4}, **GQA, rope_parameters={"rope_theta": 2000000.0,
                                                                                        "rope_type": "default"}), {})
    yield ("llama-linear", "rotary positions divided by 4; biases on attention and feed-forward", t.LlamaForCausalLM,
           t.LlamaConfig(**SMALL, **GQA, attention_bias=True, mlp_bias=True,
                         rope_parameters={**theta, "rope_type": "linear", "factor": 4.0}), {})
    yield ("llama-yarn", "YaRN", t.LlamaForCausalLM,
           t.LlamaConfig(**{**SMALL, "max_position_embeddings": 256}, **GQA, head_dim=16,
                         rope_parameters={**theta, "rope_type": "yarn", "factor": 4.0,
                                          "original_max_position_embeddings": 64}), {"single": 45})


def weights(model, seed):
    """Larger than an initialisation's, so that layers do something and generated ids vary."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if p.dim() >= 2:
                p.copy_(torch.randn(p.shape, generator=g) * ((0.15 if model.config.tie_word_embeddings else 1.0) if "embed" in name else 1.2 / p.shape[-1] ** 0.5))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=g) * 0.2)
            else:
                p.copy_(p + torch.randn(p.shape, generator=g) * 0.2)


def run(model, ids, mask):
    """Each row alone and without its padding, which by definition changes nothing; zeros where padding was."""
    rows = []
    for row, valid in zip(ids, mask):
        values = run_row(model, row[valid == 1][None])
        padding = int((valid == 0).sum())
        rows.append({k: v if k.startswith("greedy") else torch.nn.functional.pad(v, (0, 0, padding, 0))
                     for k, v in values.items()})
    return {k: torch.cat([row[k] for row in rows]) for k in rows[0]}, (mask.cumsum(1) - 1).clamp(min=0)


def run_row(model, ids):
    seen = {}
    body = model.model if hasattr(model, "model") else model.gpt_neox
    hooks = [layer.register_forward_hook(
        lambda m, a, out, i=i: seen.__setitem__(i + 1, out[0] if isinstance(out, tuple) else out))
        for i, layer in enumerate(body.layers)]
    hooks.append(body.layers[0].register_forward_pre_hook(
        lambda m, a, k: seen.__setitem__(0, a[0] if a else k["hidden_states"]), with_kwargs=True))
    out = model(input_ids=ids, output_hidden_states=True)
    for h in hooks:
        h.remove()
    values = {f"hidden_states.{i}": seen[i] for i in range(model.config.num_hidden_layers + 1)}
    values["last_hidden_state"] = out.hidden_states[-1]
    values["logits"] = out.logits
    # Greedy, every step a full forward: no cache of ours or theirs in the reference.
    produced, logits = [], []
    for _ in range(GREEDY):
        step = model(input_ids=ids, use_cache=False).logits[:, -1]
        logits.append(step)
        produced.append(step.argmax(-1))
        ids = torch.cat([ids, produced[-1][:, None]], 1)
    values["greedy_ids"] = torch.stack(produced, 1)
    values["greedy_logits"] = torch.stack(logits, 1)
    return values


MEANING = {"last_hidden_state": "body output after the final norm", "logits": "next-token logits at every prompt position",
           "greedy_ids": "new tokens of greedy decoding", "greedy_logits": "logits that chose greedy_ids[:, step]"}


def make(folder, name, notes, cls, config, lengths, seed):
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = cls(config).eval()
    weights(model, seed)
    model.tie_weights()
    double = copy.deepcopy(model).double()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    g = torch.Generator().manual_seed(seed + 1)
    tensors, about, cases = {}, {}, {}
    for case, shape in {"batch": (2, 12), "single": (1, lengths.get("single", 9))}.items():
        ids = torch.randint(3, 128, shape, generator=g)
        mask = torch.ones(shape, dtype=torch.long)
        if case == "batch":
            mask[1, :5] = 0
            ids[1, :5] = model.config.pad_token_id or 0
        with torch.no_grad():
            values, positions = run(model, ids, mask)
            exact, _ = run(double, ids, mask)
        top = exact["greedy_logits"].topk(2, -1).values
        margin = float((top[..., 0] - top[..., 1]).min())
        if margin < 0.02:  # generated ids must not hang on rounding
            return False
        assert (values["greedy_ids"] == exact["greedy_ids"]).all(), name
        varied = len(set(values["greedy_ids"].flatten().tolist()))
        print(name, case, "margin %.3g" % margin, "different ids", varied)
        for key, v in {"input_ids": ids, "attention_mask": mask, "position_ids": positions}.items():
            tensors[f"{case}.{key}"] = v
            about[f"{case}.{key}"] = {"role": "input", "dtype": "I64", "shape": list(v.shape), "dims": ["batch", "sequence"]}
        for key, v in values.items():
            full = f"{case}.{key}"
            tensors[full] = v.contiguous()
            about[full] = entry = {"role": "output", "dtype": "I64" if key == "greedy_ids" else "F32", "shape": list(v.shape),
                                   "meaning": MEANING.get(key, "input of the first layer" if key.endswith(".0")
                                                          else "output of a layer, before any final norm")}
            if not key.startswith("greedy"):
                entry["valid"] = {"mask": f"{case}.attention_mask", "axis": 1}
            if key != "greedy_ids":
                difference = float((v.double() - exact[key]).abs().max())
                entry["tolerance"] = max(1e-5, float("%.3g" % (20 * difference)))
                entry["fp32_vs_fp64"] = float("%.3g" % difference)
                entry["max_abs"] = float("%.6g" % v.abs().max())
        cases[case] = {
            "inputs": [f"{case}.{k}" for k in ("input_ids", "attention_mask", "position_ids")],
            "outputs": [f"{case}.{k}" for k in values],
            "generation": {"greedy": {"max_new_tokens": GREEDY, "do_sample": False, "eos_token_id": None}},
            "min_argmax_margin": float("%.4g" % margin)}
    save_file(tensors, folder / "expected.safetensors")
    worst = max(e.get("tolerance", 0) for e in about.values())
    text = {"family": name, "kind": "decoder", "architecture": cls.__name__, "notes": notes, "seed": seed,
            "reference": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
                          "attention": "eager", "dtype": "float32", "made_by": "tools/golden/decoders.py"},
            "tolerance": worst, "cases": cases, "tensors": about}
    (folder / "expected.json").write_text(json.dumps(text, indent=1) + "\n")
    return True


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    wanted = set(sys.argv[2:])
    for i, (name, notes, cls, config, lengths) in enumerate(families()):
        if not wanted or name in wanted:
            seed = 1000 * (i + 1)
            while not make(out / name, name, notes, cls, copy.deepcopy(config), lengths, seed):
                seed += 1
