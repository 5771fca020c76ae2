package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.R15;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VBROADCASTSS;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMAXPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPADDD;
import static dev.gatun.ops.machine.VectorInstruction.VPBROADCASTD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * Attention of a few queries that read the same keys, as in decoding, tile of keys by tile. Queries, scores and context are rows:
 * lanes are keys in the first product and dimensions in the second, where columns of queries would leave most of a vector empty.
 *
 * <pre>
 * begin:    q' = q * scale; context = 0; max = -inf; sum = 0
 * scores:   score[key] = sum over d, ascending from 0, of k[key][d] * q'[d]
 * weights:  score = -inf where key is below low or not below high
 *           before = max; max = greatest of max and the scores; shift = max, but 0 where that is -inf
 *           weight = exp(score - shift); correction = exp(before - shift)
 *           sum = sum * correction + ((weights 0, 4, 8 ...) + (weights 2, 6 ...)) + ((weights 1, 5 ...) + (weights 3, 7 ...))
 * context:  context[d] = context[d] * correction + sum over keys, ascending from 0, of v[key][d] * weight[key]
 * end:      out = context * (1 / sum) + 0, but 0 where the sum is 0
 * </pre>
 *
 * <p>Rows of keys and values lie anywhere. Keys are transposed by squares of 16 ({@link Square}), 16 dimensions at a time: dK is at least
 * that; the last ones are read with those before them again. For AVX-512. Thread-safe; its owner closes it after the last call.
 */
public final class FewQueries implements AutoCloseable {
    /** Most queries. */
    public static final int MOST_QUERIES = 8;

    /** Most keys of a tile. */
    public static final int MOST_KEYS = 128;

    /** Least dK. */
    public static final int LEAST_DIMENSIONS = Square.SIDE;

    /** Most dimensions of a query and of a value. */
    public static final int MOST_DIMENSIONS = 512;

    /** Bytes from one query's scores to the next's. */
    public static final int SCORE_ROW = MOST_KEYS * Float.BYTES + 64;

    private static final int VECTOR = 64;
    private static final int LANES = 16;

    /** Vectors of keys, and of dimensions, whose sums are in registers; of two queries. */
    private static final int WIDTH = 4;

    /** Bytes from one query to the next: with room for a vector that ends beyond the last dimension. */
    private static final int ROW = MOST_DIMENSIONS * Float.BYTES + VECTOR;

    // The area, in bytes from its start.
    private static final int Q = 0;
    private static final int CONTEXT = Q + MOST_QUERIES * ROW;
    private static final int SCORES = CONTEXT + MOST_QUERIES * ROW;
    private static final int STRIP = SCORES + MOST_QUERIES * SCORE_ROW;
    private static final int MAX = STRIP + Square.SIDE * SCORE_ROW;
    private static final int SUM = MAX + MOST_QUERIES * VECTOR;
    private static final int CORRECTION = SUM + MOST_QUERIES * VECTOR;
    private static final int LOW = CORRECTION + MOST_QUERIES * VECTOR;
    private static final int HIGH = LOW + MOST_QUERIES * Integer.BYTES;
    private static final int IOTA = HIGH + MOST_QUERIES * Integer.BYTES;

    /** Bytes of memory, aligned to 64, that queries, scores and context are in from {@link #begin} to {@link #end}. */
    public static final long AREA_BYTES = IOTA + VECTOR;

    // Parameters.
    private static final int AREA = 0;
    private static final int QUERIES = 8;
    private static final int KEYS = 16;
    private static final int FULL = 24;
    private static final int REST = 32;
    private static final int MASK = 40;
    private static final int WINDOW = 48;
    private static final int SKIP = 56;
    private static final int SKIP_STRIP = 64;
    private static final int SCALE = 72;
    private static final int FIRST_KEY = 80;
    private static final int ROWS = 88;

    /** Bytes of memory, aligned to 8, that a call needs for itself. */
    public static final long PARAMETER_BYTES = ROWS + MOST_KEYS * Long.BYTES;

    private enum Function {
        BEGIN,
        SCORES,
        WEIGHTS,
        CONTEXT,
        END
    }

    private final CodeMemory code;

    private FewQueries(MachineHost host, ScoreSoftmax.Exp exp) {
        var written = new NamedCode("attention of few queries");
        for (Function function : Function.values()) {
            new Writer(written.begin(function.name())).write(function, exp);
        }
        code = host.load(written);
    }

    /**
     * Writes the code.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static FewQueries open(MachineHost host, ScoreSoftmax.Exp exp) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException(
                    "machine code: the kernels for attention of few queries need AVX-512");
        }
        return new FewQueries(host, exp);
    }

    /** Where the scores of the first query are, between {@link #scores} and {@link #weights}. */
    public static long scoresAt(long area) {
        return area + SCORES;
    }

    /**
     * Reads queries. All offsets in bytes.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @param area of {@code memory}
     * @param rows where the queries are in {@code q}
     * @throws IndexOutOfBoundsException if one of them is not within its segment, here as in the other methods
     */
    public void begin(
            MemorySegment parameters,
            MemorySegment memory,
            long area,
            int queries,
            int dK,
            int dV,
            float scale,
            MemorySegment q,
            long[] rows) {
        prepare(parameters, memory, area, queries);
        checkDimensions(dK);
        checkDimensions(dV);
        rows(parameters, q, rows, queries, queries, dK);
        for (int i = 0; i < LANES; i++) {
            memory.set(JAVA_INT, area + IOTA + i * (long) Integer.BYTES, i);
        }
        parameters.set(JAVA_LONG, FULL, dK / LANES);
        parameters.set(JAVA_LONG, MASK, tail(dK));
        parameters.set(JAVA_LONG, REST, (dV + LANES - 1) / LANES);
        parameters.set(JAVA_FLOAT, SCALE, scale);
        call(Function.BEGIN, parameters, q, memory);
    }

    /** Scores of a tile. */
    public void scores(
            MemorySegment parameters,
            MemorySegment memory,
            long area,
            int queries,
            int dK,
            int keys,
            MemorySegment k,
            long[] rows) {
        prepare(parameters, memory, area, queries);
        checkDimensions(dK);
        if (dK < LEAST_DIMENSIONS) {
            throw new IndexOutOfBoundsException("attention of few queries: " + dK + " dimensions of keys");
        }
        checkKeys(keys);
        rows(parameters, k, rows, keys, (keys + LANES - 1) / LANES * LANES, dK);
        int rest = dK % LANES;
        parameters.set(JAVA_LONG, KEYS, keys);
        parameters.set(JAVA_LONG, FULL, dK / LANES);
        parameters.set(JAVA_LONG, REST, rest);
        parameters.set(JAVA_LONG, WINDOW, (dK - LANES) * (long) Float.BYTES);
        parameters.set(JAVA_LONG, SKIP, (LANES - rest) * (long) Float.BYTES);
        parameters.set(JAVA_LONG, SKIP_STRIP, (LANES - rest) * (long) SCORE_ROW);
        call(Function.SCORES, parameters, k, memory);
    }

    /**
     * Weights of a tile from its scores.
     *
     * @param firstKey number of the tile's first key
     * @param low the first key that a query sees; {@code high} the one after the last
     */
    public void weights(
            MemorySegment parameters,
            MemorySegment memory,
            long area,
            int queries,
            int keys,
            int firstKey,
            int[] low,
            int[] high) {
        prepare(parameters, memory, area, queries);
        checkKeys(keys);
        for (int i = 0; i < queries; i++) {
            memory.set(JAVA_INT, area + LOW + i * (long) Integer.BYTES, low[i]);
            memory.set(JAVA_INT, area + HIGH + i * (long) Integer.BYTES, Math.min(high[i], firstKey + keys));
        }
        parameters.set(JAVA_LONG, KEYS, keys);
        parameters.set(JAVA_LONG, FIRST_KEY, firstKey);
        call(Function.WEIGHTS, parameters, MemorySegment.NULL, memory);
    }

    /** Adds the values of a tile by their weights. */
    public void context(
            MemorySegment parameters,
            MemorySegment memory,
            long area,
            int queries,
            int dV,
            int keys,
            MemorySegment v,
            long[] rows) {
        prepare(parameters, memory, area, queries);
        checkDimensions(dV);
        checkKeys(keys);
        rows(parameters, v, rows, keys, keys, dV);
        parameters.set(JAVA_LONG, KEYS, keys);
        parameters.set(JAVA_LONG, FULL, dV / (WIDTH * LANES));
        parameters.set(JAVA_LONG, REST, dV % (WIDTH * LANES) / LANES);
        parameters.set(JAVA_LONG, MASK, tail(dV));
        call(Function.CONTEXT, parameters, v, memory);
    }

    /** Writes the result. */
    public void end(
            MemorySegment parameters,
            MemorySegment memory,
            long area,
            int queries,
            int dV,
            MemorySegment out,
            long[] rows) {
        prepare(parameters, memory, area, queries);
        checkDimensions(dV);
        rows(parameters, out, rows, queries, queries, dV);
        parameters.set(JAVA_LONG, FULL, dV / LANES);
        parameters.set(JAVA_LONG, MASK, tail(dV));
        call(Function.END, parameters, out, memory);
    }

    @SuppressWarnings("EnumOrdinal") // functions are in the order of the code's
    private void call(Function function, MemorySegment parameters, MemorySegment rows, MemorySegment memory) {
        FunctionCall.call(code.entry(function.ordinal()), parameters, rows, memory);
    }

    /** Lanes of the dimensions after the last whole vector. */
    private static long tail(int dimensions) {
        return (1L << dimensions % LANES) - 1;
    }

    private static void prepare(MemorySegment parameters, MemorySegment memory, long area, int queries) {
        if (queries < 1 || queries > MOST_QUERIES || area < 0 || area > memory.byteSize() - AREA_BYTES) {
            throw new IndexOutOfBoundsException("attention of few queries: " + queries + " queries, area at " + area
                    + " of " + memory.byteSize() + " bytes");
        }
        parameters.set(JAVA_LONG, AREA, area);
        parameters.set(JAVA_LONG, QUERIES, queries);
    }

    private static void checkDimensions(int dimensions) {
        if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
            throw new IndexOutOfBoundsException("attention of few queries: " + dimensions + " dimensions");
        }
    }

    private static void checkKeys(int keys) {
        if (keys < 1 || keys > MOST_KEYS) {
            throw new IndexOutOfBoundsException("attention of few queries: " + keys + " keys");
        }
    }

    /** Offsets of rows, the last one again up to {@code padded}. */
    private static void rows(
            MemorySegment parameters, MemorySegment segment, long[] rows, int count, int padded, int dimensions) {
        long least = rows[0];
        long most = least;
        for (int i = 0; i < padded; i++) {
            long row = rows[Math.min(i, count - 1)];
            least = Math.min(least, row);
            most = Math.max(most, row);
            parameters.set(JAVA_LONG, ROWS + i * (long) Long.BYTES, row);
        }
        if (least < 0 || most > segment.byteSize() - dimensions * (long) Float.BYTES) {
            throw new IndexOutOfBoundsException("attention of few queries: rows of " + dimensions + " floats from "
                    + least + " to " + most + " of " + segment.byteSize() + " bytes");
        }
    }

    @Override
    public void close() {
        code.close();
    }

    /** RDI parameters, RSI the segment of rows, RDX the area. */
    private record Writer(Assembler asm) {
        private static final Vec ZERO = Vec.zmm(31);
        private static final Mask TAIL = Mask.K1;

        void write(Function function, ScoreSoftmax.Exp exp) {
            CallFrame.enter(asm);
            asm.add(RDX, at(RDI, AREA));
            switch (function) {
                case BEGIN -> begin();
                case SCORES -> scores();
                case WEIGHTS -> weights(exp);
                case CONTEXT -> context();
                case END -> end();
            }
            CallFrame.leave(asm);
        }

        private interface Body {
            void write();
        }

        /** The body as often as {@code count} says, which it leaves alone; perhaps never. */
        private void repeat(Gpr count, Body body) {
            var done = new Label();
            asm.test(count, count);
            asm.j(Condition.EQUAL, done);
            Label next = asm.here();
            body.write();
            asm.sub(count, 1);
            asm.j(Condition.NOT_EQUAL, next);
            asm.bind(done);
        }

        private void loadTail() {
            asm.mov(RAX, at(RDI, MASK));
            asm.kmovw(TAIL, RAX);
        }

        private void begin() {
            Vec scale = Vec.zmm(30);
            Vec hidden = Vec.zmm(29);
            Vec x = Vec.zmm(0);
            asm.op(VPXORD, ZERO, ZERO, ZERO);
            ExpCode.load(asm, hidden, Float.NEGATIVE_INFINITY);
            asm.op(VBROADCASTSS, scale, at(RDI, SCALE));
            loadTail();
            asm.lea(R8, at(RDI, ROWS));
            asm.lea(R9, at(RDX, Q));
            asm.lea(R10, at(RDX, MAX));
            asm.mov(RCX, at(RDI, QUERIES));
            repeat(RCX, () -> {
                asm.mov(RAX, at(R8));
                asm.add(RAX, RSI);
                asm.mov(R11, R9);
                asm.mov(RBX, at(RDI, FULL));
                repeat(RBX, () -> {
                    asm.op(VMULPS, x, scale, at(RAX));
                    asm.store(at(R11), x);
                    asm.add(RAX, VECTOR);
                    asm.add(R11, VECTOR);
                });
                asm.opOrZero(VMOVUPS, x, TAIL, at(RAX));
                asm.op(VMULPS, x, x, scale);
                asm.store(at(R11), x);
                asm.lea(R11, at(R9, CONTEXT - Q));
                asm.mov(RBX, at(RDI, REST));
                repeat(RBX, () -> {
                    asm.store(at(R11), ZERO);
                    asm.add(R11, VECTOR);
                });
                asm.store(at(R10), hidden);
                asm.store(at(R10, SUM - MAX), ZERO);
                asm.add(R8, Long.BYTES);
                asm.add(R9, ROW);
                asm.add(R10, VECTOR);
            });
        }

        /** R13 the first dimension's offset, R12 chunks of dimensions left. */
        private void scores() {
            asm.op(VPXORD, ZERO, ZERO, ZERO);
            asm.lea(R8, at(RDX, SCORES));
            asm.mov(RCX, at(RDI, QUERIES));
            repeat(RCX, () -> {
                for (int i = 0; i < MOST_KEYS / LANES; i++) {
                    asm.store(at(R8, i * VECTOR), ZERO);
                }
                asm.add(R8, SCORE_ROW);
            });
            asm.mov(R13, 0);
            asm.mov(R12, at(RDI, FULL));
            repeat(R12, () -> {
                transpose();
                asm.mov(R14, LANES);
                asm.lea(R15, at(RDX, STRIP));
                asm.mov(RBP, R13);
                products();
                asm.add(R13, VECTOR);
            });
            asm.mov(RCX, at(RDI, REST));
            var done = new Label();
            asm.test(RCX, RCX);
            asm.j(Condition.EQUAL, done);
            asm.mov(R13, at(RDI, WINDOW));
            transpose();
            asm.mov(R14, at(RDI, REST));
            asm.lea(R15, at(RDX, STRIP));
            asm.add(R15, at(RDI, SKIP_STRIP));
            asm.mov(RBP, R13);
            asm.add(RBP, at(RDI, SKIP));
            products();
            asm.bind(done);
        }

        /** Sixteen dimensions of all keys to the strip, [dimension][key]. */
        private void transpose() {
            asm.lea(R8, at(RDI, ROWS));
            asm.lea(R9, at(RDX, STRIP));
            groups(RAX);
            repeat(RAX, () -> {
                for (int row = 0; row < Square.SIDE; row++) {
                    asm.mov(R10, at(R8, row * Long.BYTES));
                    asm.add(R10, R13);
                    Square.read(asm, row, at(RSI, R10, 1));
                }
                for (int quarter = 0; quarter < Square.QUARTER; quarter++) {
                    Square.exchange(asm, quarter);
                    for (int j = 0; j < Square.QUARTER; j++) {
                        asm.store(at(R9, (quarter * Square.QUARTER + j) * SCORE_ROW), Square.exchanged(j));
                    }
                }
                asm.add(R8, Square.SIDE * Long.BYTES);
                asm.add(R9, VECTOR);
            });
        }

        /** Vectors of keys. */
        private void groups(Gpr to) {
            asm.mov(to, at(RDI, KEYS));
            asm.add(to, LANES - 1);
            asm.shr(to, 4);
        }

        /** Goes on with the chains: R14 dimensions, R15 their strip, RBP where they are in a query. */
        private void products() {
            asm.push(R12);
            asm.push(R13);
            asm.mov(RAX, at(RDI, KEYS));
            asm.add(RAX, WIDTH * LANES - 1);
            asm.shr(RAX, 6);
            asm.mov(R10, 0);
            repeat(RAX, () -> {
                asm.lea(R8, at(RDX, SCORES));
                asm.add(R8, R10);
                asm.lea(R9, at(RDX, Q));
                asm.add(R9, RBP);
                pairs(() -> {
                    second(new Second(R11, R8, SCORE_ROW), new Second(RBX, R9, ROW));
                    for (int j = 0; j < WIDTH; j++) {
                        asm.op(VMOVUPS, sum(0, j), at(R8, j * VECTOR));
                        asm.op(VMOVUPS, sum(1, j), at(R11, j * VECTOR));
                    }
                    asm.push(R9);
                    asm.mov(R12, R14);
                    asm.mov(R13, R15);
                    asm.add(R13, R10);
                    repeat(R12, () -> {
                        multiply(at(R9), at(RBX), at(R13), WIDTH, Mask.K0);
                        asm.add(R9, Float.BYTES);
                        asm.add(RBX, Float.BYTES);
                        asm.add(R13, SCORE_ROW);
                    });
                    asm.pop(R9);
                    for (int j = 0; j < WIDTH; j++) {
                        asm.store(at(R11, j * VECTOR), sum(1, j));
                        asm.store(at(R8, j * VECTOR), sum(0, j));
                    }
                    asm.add(R8, 2 * SCORE_ROW);
                    asm.add(R9, 2 * ROW);
                });
                asm.add(R10, WIDTH * VECTOR);
            });
            asm.pop(R13);
            asm.pop(R12);
        }

        /** For every two queries; RCX has how many are left. Of an odd number the last is computed twice. */
        private void pairs(Body body) {
            asm.mov(RCX, at(RDI, QUERIES));
            Label next = asm.here();
            body.write();
            asm.sub(RCX, 2);
            asm.j(Condition.GREATER, next);
        }

        /** Where a pair's second query has something: {@code step} after that of the first. */
        private record Second(Gpr to, Gpr first, int step) {}

        /** Of a single query, the second is the first. */
        private void second(Second... pointers) {
            for (Second pointer : pointers) {
                asm.mov(pointer.to, pointer.first);
            }
            var single = new Label();
            asm.cmp(RCX, 1);
            asm.j(Condition.EQUAL, single);
            for (Second pointer : pointers) {
                asm.add(pointer.to, pointer.step);
            }
            asm.bind(single);
        }

        /** A sum of a pair's query 0 or 1. */
        private static Vec sum(int query, int j) {
            return Vec.zmm(query * WIDTH + j);
        }

        /** Adds the products of some vectors with a float of each query. */
        private void multiply(Address first, Address second, Address vectors, int count, Mask mask) {
            Vec x = Vec.zmm(2 * WIDTH);
            Vec y = Vec.zmm(2 * WIDTH + 1);
            asm.op(VBROADCASTSS, x, first);
            asm.op(VBROADCASTSS, y, second);
            for (int j = 0; j < count; j++) {
                Vec read = Vec.zmm(2 * WIDTH + 2 + j);
                if (mask == Mask.K0) {
                    asm.op(VMOVUPS, read, vectors.plus(j * VECTOR));
                } else {
                    asm.opOrZero(VMOVUPS, read, mask, vectors.plus(j * VECTOR));
                }
                asm.op(VFMADD231PS, sum(0, j), read, x);
                asm.op(VFMADD231PS, sum(1, j), read, y);
            }
        }

        private void weights(ScoreSoftmax.Exp constants) {
            var exp = new ExpCode(asm, 22);
            Vec hidden = Vec.zmm(31);
            Vec iota = Vec.zmm(21);
            Vec sixteen = Vec.zmm(20);
            Vec low = Vec.zmm(19);
            Vec high = Vec.zmm(18);
            Vec key = Vec.zmm(17);
            Vec before = Vec.zmm(16);
            Vec shift = Vec.zmm(15);
            Vec x = Vec.zmm(4);
            Vec partial = Vec.xmm(13);
            Vec other = Vec.xmm(12);
            exp.load(constants);
            ExpCode.load(asm, hidden, Float.NEGATIVE_INFINITY);
            asm.mov(RAX, LANES);
            asm.vpbroadcastd(sixteen, RAX);
            asm.op(VPBROADCASTD, iota, at(RDI, FIRST_KEY));
            asm.op(VPADDD, iota, iota, at(RDX, IOTA));
            asm.lea(R8, at(RDX, SCORES));
            asm.lea(R9, at(RDX, MAX));
            asm.lea(R10, at(RDX, LOW));
            groups(RBX);
            asm.mov(RCX, at(RDI, QUERIES));
            repeat(RCX, () -> {
                asm.op(VPBROADCASTD, low, at(R10));
                asm.op(VPBROADCASTD, high, at(R10, HIGH - LOW));
                asm.op(VMOVUPS, before, at(R9));
                asm.op(VMOVAPS, Vec.zmm(0), before);
                asm.op(VMOVAPS, key, iota);
                asm.mov(R11, R8);
                asm.mov(RAX, RBX);
                repeat(RAX, () -> {
                    asm.op(VMOVUPS, x, at(R11));
                    asm.vpcmpled(Mask.K1, high, key);
                    asm.vpcmpnled(Mask.K2, low, key);
                    asm.op(VMOVAPS, x, Mask.K1, hidden);
                    asm.op(VMOVAPS, x, Mask.K2, hidden);
                    asm.store(at(R11), x);
                    asm.op(VMAXPS, Vec.zmm(0), x, Vec.zmm(0)); // the second where one is NaN or they are equal
                    asm.op(VPADDD, key, key, sixteen);
                    asm.add(R11, VECTOR);
                });
                ExpCode.fold(asm, VMAXPS, Vec.zmm(0), Vec.zmm(1));
                asm.store(at(R9), Vec.zmm(0));
                asm.vcmpps(Mask.K1, Vec.zmm(0), Comparison.NOT_EQUAL, hidden);
                asm.opOrZero(VMOVAPS, shift, Mask.K1, Vec.zmm(0));
                asm.op(VPXORD, Vec.zmm(13), Vec.zmm(13), Vec.zmm(13));
                asm.mov(R11, R8);
                asm.mov(RAX, RBX);
                repeat(RAX, () -> {
                    asm.op(VMOVUPS, x, at(R11));
                    exp.write(x, shift);
                    asm.store(at(R11), x);
                    for (int quarter = 0; quarter < Square.QUARTER; quarter++) {
                        asm.op(VADDPS, partial, partial, at(R11, quarter * Square.QUARTER * Float.BYTES));
                    }
                    asm.add(R11, VECTOR);
                });
                asm.op(VMOVAPS, x, before);
                exp.write(x, shift);
                asm.store(at(R9, CORRECTION - MAX), x);
                asm.vpshufd(other, partial, 0x4E);
                asm.op(VADDPS, partial, partial, other);
                asm.vpshufd(other, partial, 0xB1);
                asm.op(VADDPS, partial, partial, other);
                asm.op(VBROADCASTSS, Vec.zmm(13), partial);
                asm.op(VFMADD231PS, Vec.zmm(13), x, at(R9, SUM - MAX));
                asm.store(at(R9, SUM - MAX), Vec.zmm(13));
                asm.add(R8, SCORE_ROW);
                asm.add(R9, VECTOR);
                asm.add(R10, Integer.BYTES);
            });
        }

        /** R13 the first dimension's offset, R12 blocks of dimensions left. */
        private void context() {
            loadTail();
            asm.mov(R13, 0);
            asm.mov(R12, at(RDI, FULL));
            repeat(R12, () -> values(WIDTH, Mask.K0));
            asm.mov(R12, at(RDI, REST));
            repeat(R12, () -> values(1, Mask.K0));
            var done = new Label();
            asm.mov(RAX, at(RDI, MASK));
            asm.test(RAX, RAX);
            asm.j(Condition.EQUAL, done);
            values(1, TAIL);
            asm.bind(done);
        }

        private void values(int vectors, Mask mask) {
            asm.lea(R8, at(RDX, SCORES));
            asm.lea(R9, at(RDX, CONTEXT));
            asm.add(R9, R13);
            asm.lea(RBX, at(RDX, CORRECTION));
            pairs(() -> {
                second(new Second(R10, R8, SCORE_ROW), new Second(R11, R9, ROW), new Second(RBP, RBX, VECTOR));
                for (int j = 0; j < vectors; j++) {
                    asm.op(VPXORD, sum(0, j), sum(0, j), sum(0, j));
                    asm.op(VPXORD, sum(1, j), sum(1, j), sum(1, j));
                }
                asm.push(R8);
                asm.lea(R14, at(RDI, ROWS));
                asm.mov(R15, at(RDI, KEYS));
                repeat(R15, () -> {
                    asm.mov(RAX, at(R14));
                    asm.add(RAX, R13);
                    multiply(at(R8), at(R10), at(RSI, RAX, 1), vectors, mask);
                    asm.add(R14, Long.BYTES);
                    asm.add(R8, Float.BYTES);
                    asm.add(R10, Float.BYTES);
                });
                asm.pop(R8);
                Vec correction = Vec.zmm(2 * WIDTH);
                for (int query = 1; query >= 0; query--) {
                    asm.op(VMOVUPS, correction, at(query == 0 ? RBX : RBP));
                    for (int j = 0; j < vectors; j++) {
                        asm.op(VFMADD231PS, sum(query, j), correction, at(query == 0 ? R9 : R11, j * VECTOR));
                    }
                }
                for (int j = 0; j < vectors; j++) {
                    asm.store(at(R11, j * VECTOR), sum(1, j));
                    asm.store(at(R9, j * VECTOR), sum(0, j));
                }
                asm.add(R8, 2 * SCORE_ROW);
                asm.add(R9, 2 * ROW);
                asm.add(RBX, 2 * VECTOR);
            });
            asm.add(R13, vectors * VECTOR);
        }

        private void end() {
            Vec one = Vec.zmm(30);
            Vec inverse = Vec.zmm(1);
            Vec x = Vec.zmm(0);
            Mask counts = Mask.K2;
            asm.op(VPXORD, ZERO, ZERO, ZERO);
            ExpCode.load(asm, one, 1f);
            loadTail();
            asm.lea(R8, at(RDI, ROWS));
            asm.lea(R9, at(RDX, CONTEXT));
            asm.lea(R10, at(RDX, SUM));
            asm.mov(RCX, at(RDI, QUERIES));
            repeat(RCX, () -> {
                asm.op(VMOVUPS, inverse, at(R10));
                asm.vcmpps(counts, inverse, Comparison.NOT_EQUAL, ZERO);
                asm.opOrZero(VDIVPS, inverse, counts, one, inverse);
                asm.mov(RAX, at(R8));
                asm.add(RAX, RSI);
                asm.mov(R11, R9);
                asm.mov(RBX, at(RDI, FULL));
                repeat(RBX, () -> {
                    asm.op(VMULPS, x, inverse, at(R11));
                    asm.opOrZero(VADDPS, x, counts, x, ZERO);
                    asm.store(at(RAX), x);
                    asm.add(RAX, VECTOR);
                    asm.add(R11, VECTOR);
                });
                asm.op(VMULPS, x, inverse, at(R11));
                asm.opOrZero(VADDPS, x, counts, x, ZERO);
                asm.store(at(RAX), x, TAIL);
                asm.add(R8, Long.BYTES);
                asm.add(R9, ROW);
                asm.add(R10, VECTOR);
            });
        }
    }
}
