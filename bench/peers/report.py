"""Markdown tables of what run.py has measured.

GFLOP/s is useful work over median time: encoder_flop() of common.py, flop() of attention.py.
"""
import json
import os
import common as c


def load(raw, table):
    p = os.path.join(raw, table + ".json")
    if not os.path.exists(p):
        return {}
    with open(p) as f:
        d = json.load(f)
    out = {}
    for k, v in d.items():
        peer, th = k.rsplit("|", 1)
        out.setdefault(int(th), {})[peer] = v
    return out


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|")
    for r in rows:
        print("| " + " | ".join(str(x) for x in r) + " |")
    print()


def order(d, known):
    return sorted(d, key=lambda p: (known.index(p) if p in known else 99, p))


def g(x):
    return f"{x:.0f}" if x >= 1000 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def others(cell):
    """Share of one core that other processes used meanwhile; runs before the check existed have none."""
    f = cell.get("foreign")
    return "-" if f is None else f"{f:.0%}"


def encoder(raw, known):
    for th, d in sorted(load(raw, "encoder").items()):
        print(f"**MiniLM-L6-v2, {th} thread{'s' if th > 1 else ''}: median ms / tokens per second / GFLOP/s**\n")
        rows = []
        for p in order(d, known):
            cs = [v["cos"] for v in d[p].values() if isinstance(v, dict) and "cos" in v]
            row = [p]
            for k in c.ENCODER_CASES:
                r = d[p].get(k)
                if not r or not r.get("ms"):
                    row.append("-")
                    continue
                m = c.quantile(r["ms"], .5)
                row.append(f"{g(m)} / {sum(c.lengths(k)) / m * 1e3:.0f} / {c.encoder_flop(k) / m / 1e6:.1f}")
            for k in ("1x16", "1x128", "1x256"):
                r = d[p].get(k)
                row.append(g(c.quantile(r["ms"], .99)) if r and r.get("ms") else "-")
            rows.append(row + [f"{min(cs):.5f}" if cs else "-", f"{d[p].get('rss_mb', 0):.0f}", others(d[p])])
        table(["peer"] + c.ENCODER_CASES + ["p99 1x16", "p99 1x128", "p99 1x256", "min cos", "RSS MB", "others"], rows)


def decoder(raw, known):
    for th, d in sorted(load(raw, "decoder").items()):
        print(f"**SmolLM2-135M, {th} thread{'s' if th > 1 else ''}: tokens per second (median)**\n")
        rows = []
        for p in order(d, known):
            row = [p]
            for k in c.DECODER_CASES:
                r = d[p].get(k)
                row.append(f"{r['tokens'] / c.quantile(r['s'], .5):.1f}" if r and r.get("s") else "-")
            f = d[p].get("first")
            row.append(f"{c.quantile(f['first_s'], .5):.2f}" if f else "-")
            row.append(f"{f['rss_mb']:.0f}" if f else "-")
            rows.append(row + [f"{d[p].get('rss_mb', 0):.0f}", others(d[p])])
        table(["peer"] + c.DECODER_CASES + ["first token s", "RSS MB first token", "RSS MB all cases", "others"], rows)


def attention(raw, known):
    import attention as a
    for th, d in sorted(load(raw, "attention").items()):
        print(f"**Causal attention, d_k 64, {th} thread{'s' if th > 1 else ''}: median ms / GFLOP/s / peak RSS MB**\n")
        rows = []
        for p in order(d, known):
            row = [p]
            for k in a.CASES:
                r = d[p].get(k)
                if r and r.get("ms"):
                    m = c.quantile(r["ms"], .5)
                    row.append(f"{g(m)} / {a.flop(k) / m / 1e6:.1f} / {r['rss_mb']:.0f}" + (" (loop)" if r.get("loop") else ""))
                else:
                    row.append(r["skipped"] if r else "-")
            rows.append(row)
        table(["peer"] + a.CASES, rows)


def startup(raw, known):
    for th, d in sorted(load(raw, "startup").items()):
        print(f"**Fresh process to the first MiniLM embedding (16 ids), {th} thread{'s' if th > 1 else ''}**\n")
        rows = []
        for p in order(d, known):
            f = d[p].get("first")
            if f:
                s = f["first_s"]
                rows.append([p, f"{c.quantile(s, .5) * 1e3:.0f}", f"{min(s) * 1e3:.0f}", f"{max(s) * 1e3:.0f}",
                             f"{c.quantile(f['wall_s'], .5) * 1e3:.0f}", f"{f['rss_mb']:.0f}",
                             f"{f['cos']:.5f}" if "cos" in f else "-"])
        table(["peer", "median ms", "min", "max", "to exit ms", "RSS MB", "cos"], rows)


def print_table(name, folder):
    import run
    tables = dict(encoder=encoder, decoder=decoder, startup=startup, attention=attention)
    tables[name](folder, run.defaults(name)[0])
