"""Run one table of the peer benchmarks, merge the samples into <out>/<table>.json, and print it.

    ./run.sh attention [--peers a,b] [--threads 1,2] [--cases ..] [--rounds 2]
    ./run.sh encoder | decoder | startup
    ./run.sh encoder --only-cmd --cmd 'mine=java -cp app.jar Bench'   # an engine of your own

Where "gatun bench peer" knows the table, our backends are columns of it.

Every child runs under the machine lock, one child per (peer, threads[, case]).
A --cmd child gets "--threads N --cases a,b" or "--threads N --first" appended and speaks the
protocol of common.py, so it lands in the same tables.
"""
import argparse
import fcntl
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import common as c
import report

HERE = os.path.dirname(os.path.abspath(__file__))
GATUN = os.path.join(HERE, "..", "..", "gatun")
OURS = {table: ["gatun-vector", "gatun-openblas", "gatun-auto"] for table in ("attention", "encoder")}
OURS["encoder"] += ["gatun-machine", "gatun-machine-int8"]
SETTLE = float(os.environ.get("PEERS_SETTLE", "0.8"))


def java_ort(*args):
    return [c.java(), "--enable-native-access=ALL-UNNAMED", "-Xmx1g",
            "-cp", f"{c.home('classes')}{os.pathsep}{c.home('javalib')}{os.sep}*", "EncoderOrt",
            "--model", c.models("minilm", "onnx", "all-minilm-l6-v2.onnx"), *args]


def java_jlama(*args):
    return [c.java(), "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx4g",
            "-cp", f"{c.home('classes')}{os.pathsep}{c.home('javalib')}{os.sep}*", "DecoderJlama", *args]


def argv(table, peer, cmds):
    if peer in cmds:
        return shlex.split(cmds[peer])
    if peer in OURS.get(table, []):
        backend, _, compute = peer[len("gatun-"):].partition("-")
        return [GATUN, "bench", "peer", table, "--backend", backend, "--compute", compute or "f32"]
    if peer == "ort-java":
        return java_ort()
    if peer.startswith("jlama-"):
        d, q = {"jlama-f32": ("hf-f32", "F32"), "jlama-bf16": ("hf-bf16", "BF16"),
                "jlama-q4": ("jlama-q4", "I8")}[peer]
        return java_jlama("--model", c.models("smollm2", d), "--work", q)
    if peer == "llamacpp-c":
        return [c.home("llama_first"), c.models("minilm", "gguf", "minilm-f32.gguf")]
    return [sys.executable, os.path.join(HERE, table + ".py"), "--peer", peer]


def defaults(table):
    if table in ("encoder", "startup"):
        import encoder
        peers = OURS["encoder"] + encoder.PEERS[:1] + ["ort-java"] + encoder.PEERS[1:]
        if table == "startup":
            peers = ["ort", "ort-java", "torch-sdpa", "ct2-f32", "llamacpp-f32", "llamacpp-c"]
        return peers, c.ENCODER_CASES
    if table == "decoder":
        import decoder
        return decoder.PEERS, c.DECODER_CASES
    import attention
    return OURS["attention"] + attention.PEERS, attention.CASES


def busy():
    """CPU seconds that the whole machine has spent outside idle and iowait."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


NOISE = 0.10        # share of one core that others may use before a measurement counts as disturbed


def wait_quiet(seconds):
    """Give the machine up to so many seconds to fall silent, without holding the lock."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        b, t = busy(), time.monotonic()
        time.sleep(2)
        if (busy() - b) / (time.monotonic() - t) < NOISE:
            return


def quiet_child(cmd, threads, lock, limit, tries, wait):
    """child(), again while someone else was too busy meanwhile; the quietest attempt counts."""
    best = None
    for _ in range(tries):
        wait_quiet(wait)
        r = child(cmd, threads, lock, limit)
        if best is None or r["foreign"] < best["foreign"]:
            best = r
        if r["rc"] != 0 or r["foreign"] < NOISE:
            break
        print(f"  disturbed: others used {r['foreign']:.0%} of a core", flush=True)
    return best


def child(cmd, threads, lock, limit):
    """Run cmd under the lock. Returns rows, seconds to the first row, wall, peak RSS, rc, stderr tail,
    and the share of one core that processes other than cmd used."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), PYTHONPATH=HERE)
    with open(lock, "a") as lk:
        fcntl.flock(lk, fcntl.LOCK_EX)
        time.sleep(SETTLE)                       # background jobs that yield to the lock poll it
        rows, err, first = [], [], None
        b0, own0 = busy(), time.process_time()
        t0 = time.perf_counter()
        p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        e = threading.Thread(target=lambda: err.extend(p.stderr.read().splitlines()[-6:]))
        e.start()
        killer = threading.Timer(limit, p.kill)
        killer.start()
        for line in p.stdout:
            r = c.parse(line)
            if r is not None:
                if first is None:
                    first = time.perf_counter() - t0
                rows.append(r)
        _, status, ru = os.wait4(p.pid, 0)
        wall = time.perf_counter() - t0
        other = busy() - b0 - (ru.ru_utime + ru.ru_stime) - (time.process_time() - own0)
        p.returncode = os.waitstatus_to_exitcode(status)
        killer.cancel()
        e.join()
    return dict(rows=rows, first_s=first, wall_s=wall, rss_mb=ru.ru_maxrss / 1024, rc=p.returncode, err=err,
                foreign=round(max(0.0, other / wall), 3))


class Store:
    def __init__(self, path):
        self.path = path
        self.d = {}
        if os.path.exists(path):
            with open(path) as f:
                self.d = json.load(f)

    def cell(self, peer, threads):
        return self.d.setdefault(f"{peer}|{threads}", {})

    def save(self):
        tmp = self.path + ".tmp"
        with open(tmp, "w") as f:
            json.dump(self.d, f, indent=1, sort_keys=True)
        os.replace(tmp, self.path)


def cos(a, b):
    na = sum(x * x for x in a) ** 0.5
    nb = sum(x * x for x in b) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / (na * nb)


def trim(r):
    """Keep raw samples small: six significant digits."""
    for k in ("ms", "s"):
        if k in r:
            r[k] = [float(f"{x:.6g}") for x in r[k]]
    return r


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("table", choices=["encoder", "decoder", "attention", "startup"])
    ap.add_argument("--peers")
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--cases")
    ap.add_argument("--rounds", type=int, default=1, help="repeat the whole list; samples are joined")
    ap.add_argument("--fresh", action="store_true", help="drop older samples of the cells measured now")
    ap.add_argument("--reps", type=int, default=7, help="fresh processes (startup, first token)")
    ap.add_argument("--out", default=c.home("results"))
    ap.add_argument("--lock", default=os.environ.get("PEERS_LOCK", os.path.join(tempfile.gettempdir(), "bench.lock")))
    ap.add_argument("--limit", type=float, default=110, help="seconds a child may hold the lock")
    ap.add_argument("--tries", type=int, default=2, help="attempts while others disturb the measurement")
    ap.add_argument("--wait-quiet", type=float, default=0, help="seconds to wait for a silent machine before each child")
    ap.add_argument("--cmd", action="append", default=[], metavar="NAME=COMMAND")
    ap.add_argument("--only-cmd", action="store_true")
    ap.add_argument("--no-first", action="store_true", help="decoder: skip the first-token processes")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    cmds = dict(x.split("=", 1) for x in a.cmd)
    peers, cases = defaults(a.table)
    peers = a.peers.split(",") if a.peers else peers
    peers = list(cmds) if a.only_cmd else peers + list(cmds)
    cases = a.cases.split(",") if a.cases else cases
    if any(p in OURS.get(a.table, []) for p in peers):
        subprocess.run([GATUN, "bench", "--version"], check=True)    # builds it, if need be, before anything is timed
    st = Store(os.path.join(a.out, a.table + ".json"))
    ref_path = os.path.join(a.out, "encoder-ref.json")
    ref = {}
    if os.path.exists(ref_path):
        with open(ref_path) as f:
            ref = json.load(f)
    dropped = set()
    for rnd in range(a.rounds):
        for th in map(int, a.threads.split(",")):
            for peer in peers:
                base = argv("encoder" if a.table == "startup" else a.table, peer, cmds)
                cell = st.cell(peer, th)
                if a.fresh and (peer, th) not in dropped:
                    for k in cases if a.table != "startup" else list(cell):
                        cell.pop(k, None)
                    dropped.add((peer, th))
                firsts = []
                if a.table == "startup" or (a.table == "decoder" and not a.no_first and rnd == 0):
                    for i in range(a.reps + 1 if a.table == "startup" else 4):
                        r = child(base + ["--threads", str(th), "--first"], th, a.lock, a.limit)
                        if r["rc"] != 0 or r["first_s"] is None:
                            cell["error"] = f"rc {r['rc']}: " + " / ".join(r["err"][-2:])[:300]
                            print(peer, th, cell["error"], flush=True)
                            break
                        if i:                      # the first one fills the page cache
                            firsts.append(r)
                    if firsts:
                        cell["first"] = dict(first_s=[round(r["first_s"], 4) for r in firsts],
                                             foreign=[r["foreign"] for r in firsts],
                                             wall_s=[round(r["wall_s"], 4) for r in firsts],
                                             rss_mb=round(max(r["rss_mb"] for r in firsts), 1))
                        got = firsts[0]["rows"][0]
                        if "emb" in got and ref.get("1x16"):
                            cell["first"]["cos"] = cos(got["emb"], ref["1x16"])
                        print(peer, th, "first", cell["first"], flush=True)
                    st.save()
                    if a.table == "startup" or not firsts:
                        continue
                for group in ([[k] for k in cases] if a.table == "attention" else [cases]):
                    r = quiet_child(base + ["--threads", str(th), "--cases", ",".join(group)], th, a.lock, a.limit, a.tries, a.wait_quiet)
                    for row in map(trim, r["rows"]):
                        k = row.pop("case")
                        emb = row.pop("emb", None)
                        if emb is not None:
                            if peer == "ort" and k not in ref:
                                ref[k] = emb
                                with open(ref_path, "w") as f:
                                    json.dump(ref, f)
                            if k in ref:
                                row["cos"] = cos(emb, ref[k])
                        old = cell.get(k)
                        if old and "ms" in old and "ms" in row:
                            row["ms"] = old["ms"] + row["ms"]
                        if old and "s" in old and "s" in row:
                            row["s"] = old["s"] + row["s"]
                        cell[k] = row
                    if r["rc"] != 0:
                        cell["error"] = f"rc {r['rc']} at {','.join(group)}: " + " / ".join(r["err"][-2:])[:300]
                        print(peer, th, cell["error"], flush=True)
                    elif len(r["rows"]) == len(group):
                        cell.pop("error", None)
                    cell["rss_mb"] = round(r["rss_mb"], 1)
                    cell["foreign"] = r["foreign"]
                    print(f"{peer:18} {th}t wall {r['wall_s']:.1f}s rss {r['rss_mb']:.0f}MB foreign {r['foreign']:.1%}", brief(cell, group), flush=True)
                    st.save()
    report.print_table(a.table, a.out)


def brief(cell, group):
    out = []
    for k in group:
        r = cell.get(k, {})
        if r.get("ms"):
            out.append(f"{k}={c.quantile(r['ms'], .5):.2f}ms")
        elif r.get("s"):
            out.append(f"{k}={r['tokens'] / c.quantile(r['s'], .5):.1f}tok/s")
        elif r.get("skipped"):
            out.append(f"{k}: {r['skipped']}")
    return " ".join(out)


if __name__ == "__main__":
    main()
