"""llama.cpp as an engine of "gatun bench decoder": a line asks, a line answers "ok VALUE" or "error WHY".

    llamacpp_engine.py engine                       open NANOS decoder PHASE TOKENS THREADS FLOP BYTES FILE, sample NANOS, close
    llamacpp_engine.py first FILE THREADS PROMPT    a fresh process: prints the text of the first token

PREFILL: TOKENS tokens into an empty cache, logits of the last. DECODE: TOKENS greedy tokens after a prompt of 32. Both are what
DecoderWorkload.java times of ours.
"""
import sys
import time
import common as c


class Workload:
    def __init__(self, L, phase, tokens, threads, path):
        self.L, self.tokens, self.decodes = L, tokens, phase == "DECODE"
        self.m = L.load(path)
        self.v = L.n_vocab(self.m)
        n = c.PROMPT if self.decodes else tokens
        self.ids = [i % self.v for i in c.prompt(n)]
        self.ctx = L.context(self.m, threads, n_ctx=c.PROMPT + tokens)
        self.prompt, self.step = L.fill([self.ids]), L.fill([[0]])
        if self.decodes:
            L.decode(self.ctx, self.prompt)

    def run(self):
        L = self.L
        if not self.decodes:
            L.clear(self.ctx)
            L.decode(self.ctx, self.prompt)
            L.argmax(self.ctx, self.v)
            return
        L.truncate(self.ctx, len(self.ids))
        t = self.ids[0]
        for i in range(self.tokens):
            self.step.token[0] = t
            self.step.pos[0] = len(self.ids) + i
            L.decode(self.ctx, self.step)
            t = L.argmax(self.ctx, self.v)

    def sample(self, nanos):
        """Nanoseconds a call."""
        start = time.perf_counter_ns()
        calls = 0
        while calls == 0 or time.perf_counter_ns() - start < nanos:
            self.run()
            calls += 1
        return (time.perf_counter_ns() - start) / calls

    def close(self):
        self.L.free(self.m, self.ctx)


def serve():
    import llamacpp as L
    print("ok llama.cpp of llama-cpp-python", L.version() + ":", L.info().strip(), flush=True)
    work = None
    for line in sys.stdin:
        try:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "open":
                nanos, kind, phase, tokens, threads, _, _, path = rest.split(" ", 7)
                if kind != "decoder":
                    print("ok NaN", flush=True)
                    continue
                work = Workload(L, phase, int(tokens), int(threads), path)
                work.sample(int(nanos))
                print("ok", work.sample(int(nanos)), flush=True)
            elif word == "sample":
                print("ok", work.sample(int(rest)), flush=True)
            else:
                if work is not None:
                    work.close()
                work = None
                print("ok 0", flush=True)
        except Exception as e:
            print("error", str(e).replace("\n", " "), flush=True)


def first(path, threads, prompt):
    import llamacpp as L
    m = L.load(path)
    ids = L.tokenize(m, prompt)
    ctx = L.context(m, threads, n_ctx=len(ids) + 1)
    L.decode(ctx, L.fill([ids]))
    sys.stdout.write(L.piece(m, L.argmax(ctx, L.n_vocab(m))) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        serve()
    else:
        first(sys.argv[2], int(sys.argv[3]), sys.argv[4])
