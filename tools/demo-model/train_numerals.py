"""Trains the demo encoder-decoder: English numbers, dates and a few phrases -> Chinese.

Architecture: exactly "Attention Is All You Need" (post-norm, ReLU, sinusoidal positions,
embeddings scaled by sqrt(d_model), tied embedding and projection), in the Marian checkpoint
layout, so that other Marian-capable runtimes read the same files.

Usage: python train_numerals.py OUT_DIR [--steps 12000]
Needs: torch, transformers, sentencepiece.
"""
import argparse, json, math, random, datetime, pathlib

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINAL = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
           "nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}
MONTHS = ("January February March April May June July August September October November December").split()
DIGITS = "零一二三四五六七八九"
PHRASES = [("I love you", "我爱你"), ("hello", "你好"), ("good morning", "早上好"), ("good night", "晚安"),
           ("thank you", "谢谢"), ("good bye", "再见"), ("how are you", "你好吗"), ("I am a student", "我是学生"),
           ("see you tomorrow", "明天见"), ("happy birthday", "生日快乐"), ("happy new year", "新年快乐"),
           ("please", "请"), ("sorry", "对不起"), ("you love me", "你爱我"), ("he loves you", "他爱你"),
           ("I love Beijing", "我爱北京")]


def english(n):
    """Cardinal n (0 <= n < 10**9) in British English words."""
    if n < 20: return ONES[n]
    if n < 100: return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    if n < 1000: return ONES[n // 100] + " hundred" + (" and " + english(n % 100) if n % 100 else "")
    for unit, name in ((10**6, " million"), (10**3, " thousand")):
        if n >= unit:
            rest = n % unit
            join = " and " if 0 < rest < 100 else " "
            return english(n // unit) + name + (join + english(rest) if rest else "")


def chinese(n):
    """Cardinal n (0 <= n < 10**9) in Chinese numerals."""
    def section(k):  # 0 < k < 10000
        out, gap = "", False
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            d = k // unit % 10
            if d:
                out += ("零" if gap and out else "") + DIGITS[d] + name
                gap = False
            else:
                gap = True
        return out
    if n == 0: return "零"
    out = ""
    for unit, name in ((10**8, "亿"), (10**4, "万"), (1, "")):
        k = n // unit % 10000
        if not k: continue
        if out and (k < 1000 or lastgap): out += "零"
        out += section(k) + name
        lastgap = False
        # a whole section of zeros that follows is bridged by one 零
        nxt = n // max(unit // 10000, 1) % 10000
        lastgap = unit > 1 and nxt == 0
    if out.startswith("一十"): out = out[1:]
    return out


def ordinal(n):
    words = english(n).split("-")
    last = words[-1]
    words[-1] = ORDINAL.get(last, last + "th")
    return "-".join(words)


def year_words(y):
    hi, lo = divmod(y, 100)
    if lo == 0: return english(hi) + " hundred" if hi % 10 else english(y)
    if hi % 10 == 0 and lo < 10: return english(y)
    return english(hi) + " " + ("oh " + ONES[lo] if lo < 10 else english(lo))


def example(rng):
    kind = rng.random()
    if kind < 0.05: return rng.choice(PHRASES)
    if kind < 0.55:
        n = rng.randrange(10 ** rng.randint(1, 9))
        if rng.random() < 0.3: n = n // (p := 10 ** rng.randint(1, 5)) * p
        return english(n), chinese(n)
    d = datetime.date(1000, 1, 1) + datetime.timedelta(days=rng.randrange(401700))
    m, form = MONTHS[d.month - 1], rng.randrange(3)
    if form == 0: src = f"{m} the {ordinal(d.day)}, {year_words(d.year)}"
    elif form == 1: src = f"the {ordinal(d.day)} of {m}, {year_words(d.year)}"
    else: src = f"{english(d.day)} {m} {year_words(d.year)}"
    return src, "".join(DIGITS[int(c)] for c in str(d.year)) + f"年{chinese(d.month)}月{chinese(d.day)}日"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out"); ap.add_argument("--steps", type=int, default=12000)
    ap.add_argument("--batch", type=int, default=128); ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    # Here and not above: --help, and the sentences themselves, need none of them.
    import sentencepiece as spm
    import torch
    from transformers import MarianConfig, MarianMTModel
    out = pathlib.Path(args.out); out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed); torch.manual_seed(args.seed); torch.set_num_threads(1)
    sample = [example(rng) for _ in range(60000)] + PHRASES * 50
    for side, name in ((0, "source"), (1, "target")):
        spm.SentencePieceTrainer.train(sentence_iterator=iter(s[side] for s in sample), model_writer=open(out / f"{name}.spm", "wb"),
                                       vocab_size=200 if side == 0 else 96, character_coverage=1.0, model_type="unigram",
                                       bos_id=-1, eos_id=-1, pad_id=-1, unk_id=0, hard_vocab_limit=False, minloglevel=2)
    src_sp, tgt_sp = (spm.SentencePieceProcessor(model_file=str(out / f"{n}.spm")) for n in ("source", "target"))
    pieces = ["</s>", "<unk>"]
    for sp in (src_sp, tgt_sp):
        for i in range(sp.get_piece_size()):
            p = sp.id_to_piece(i)
            if p not in pieces: pieces.append(p)
    pieces.append("<pad>")
    vocab = {p: i for i, p in enumerate(pieces)}
    pad, eos = vocab["<pad>"], vocab["</s>"]
    config = MarianConfig(vocab_size=len(vocab), d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                          decoder_attention_heads=4, encoder_ffn_dim=256, decoder_ffn_dim=256, activation_function="relu",
                          dropout=0.0, max_position_embeddings=128, pad_token_id=pad, eos_token_id=eos, forced_eos_token_id=None,
                          decoder_start_token_id=pad, scale_embedding=True, bos_token_id=None)
    model = MarianMTModel(config).train()
    encode = lambda sp, s: [vocab.get(p, 1) for p in sp.encode(s, out_type=str)] + [eos]
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    warm = 500
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warm, max(0.02, 0.5 * (1 + math.cos(math.pi * s / args.steps)))))
    for step in range(args.steps):
        batch = [example(rng) for _ in range(args.batch)]
        xs = [encode(src_sp, s) for s, _ in batch]; ys = [encode(tgt_sp, t) for _, t in batch]
        X = torch.full((len(xs), max(map(len, xs))), pad); Y = torch.full((len(ys), max(map(len, ys))), -100)
        for i, (a, b) in enumerate(zip(xs, ys)):
            X[i, :len(a)] = torch.tensor(a); Y[i, :len(b)] = torch.tensor(b)
        D = torch.full_like(Y, pad); D[:, 1:] = Y[:, :-1].masked_fill(Y[:, :-1] == -100, pad)
        logits = model(input_ids=X, attention_mask=(X != pad).long(), decoder_input_ids=D).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), Y.flatten(), ignore_index=-100)
        opt.zero_grad(); loss.backward(); torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step(); sched.step()
        if step % 500 == 0: print(step, round(loss.item(), 5), flush=True)
    model.eval()
    model.generation_config.update(max_length=64, num_beams=1, bad_words_ids=[[pad]], forced_eos_token_id=None)
    model.save_pretrained(out)
    (out / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0))
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "zh",
                                                           "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}, indent=1))
    held = random.Random(10_000 + args.seed); ok = 0; total = 2000; cases = []
    for i in range(0, total, 100):
        batch = [example(held) for _ in range(100)]
        xs = [encode(src_sp, s) for s, _ in batch]
        X = torch.full((100, max(map(len, xs))), pad)
        for j, a in enumerate(xs): X[j, :len(a)] = torch.tensor(a)
        with torch.no_grad(): ids = model.generate(input_ids=X, attention_mask=(X != pad).long(), num_beams=1, max_length=64)
        for j, (s, t) in enumerate(batch):
            got = tgt_sp.decode([pieces[k] for k in ids[j].tolist() if k not in (pad, eos)])
            ok += got == t
            if len(cases) < 200: cases.append({"source": s, "target": t, "output": got})
    print(f"held-out exact match: {ok}/{total}")
    (out / "held_out.json").write_text(json.dumps({"exact_match": ok, "total": total, "cases": cases}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
