package dev.gatun.bench;

import dev.gatun.cli.Failure;
import dev.gatun.memory.DType;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What one call computes. {@link Object#toString} is a line of words that {@link #parse} reads again: it is how an operation gets to
 * the process that times it.
 */
sealed interface Op {
    /** Floating-point operations that the result needs. */
    double flop();

    /** Bytes that must be read and written at least: each operand once, in the format it has. */
    double bytes();

    /** What bounds it; null for nothing but its own cost. */
    @Nullable
    Limit limit();

    /** How much of its limit's unit one call does. */
    default double work() {
        return limit() == Limit.FMA ? flop() : bytes();
    }

    /**
     * out[m, n] = x[m, k] W[n, k]<sup>T</sup>.
     *
     * @param weights type of W in the checkpoint; x and out are F32
     * @param copies of W that calls take in turn: as a model's layers follow each other, and so many that none is in a cache
     */
    record Linear(int m, int n, int k, DType weights, int copies) implements Op {
        @Override
        public double flop() {
            return 2.0 * m * n * k;
        }

        @Override
        public double bytes() {
            return (double) n * k * weights.byteSize() + 4.0 * m * (n + k);
        }

        @Override
        public Limit limit() {
            return m == 1 ? Limit.READ : Limit.FMA;
        }

        @Override
        public String toString() {
            return "linear " + m + " " + n + " " + k + " " + weights + " " + copies;
        }
    }

    /**
     * Attention of one sequence, q [1, heads, ctx, dK], k and v [1, kvHeads, ctx, dK].
     *
     * @param causal whether a query sees its own and earlier positions only; what it does not see counts nothing
     */
    record Attention(int heads, int kvHeads, int dK, int ctx, boolean causal) implements Op {
        @Override
        public double flop() {
            double pairs = causal ? ctx * (ctx + 1.0) / 2 : (double) ctx * ctx;
            return 4.0 * heads * dK * pairs;
        }

        @Override
        public double bytes() {
            return 4.0 * ctx * dK * (2.0 * heads + 2.0 * kvHeads);
        }

        @Override
        public Limit limit() {
            return Limit.FMA;
        }

        @Override
        public String toString() {
            return "attention " + heads + " " + kvHeads + " " + dK + " " + ctx + " " + causal;
        }
    }

    /** Functions of rows, with the operations that one element is counted as having; exp, erf and a root count as one. */
    enum RowFunction {
        /** Largest, difference, exp, sum, quotient. */
        SOFTMAX(5),
        /** Sum, difference, square, sum of squares, factor, weight, bias. */
        LAYER_NORM(7),
        /** Square, sum, factor, weight. */
        RMS_NORM(4),
        /** Quotient, erf, sum, half, product. */
        GELU(5);

        private final int flopPerElement;

        RowFunction(int flopPerElement) {
            this.flopPerElement = flopPerElement;
        }
    }

    /** A function of each row of x[rows, d], into another tensor. */
    record Rows(RowFunction function, int rows, int d) implements Op {
        @Override
        public double flop() {
            return (double) function.flopPerElement * rows * d;
        }

        @Override
        public double bytes() {
            return 2.0 * Float.BYTES * rows * d;
        }

        @Override
        public Limit limit() {
            return Limit.READ_WRITE;
        }

        @Override
        public String toString() {
            return "rows " + function + " " + rows + " " + d;
        }
    }

    /**
     * Sentence embeddings of MiniLM-L6-v2 from token ids: {@code sequences} texts of {@code from} to {@code to} tokens, as different
     * as that allows. What is done on padding counts nothing, nor do softmax, norms, GELU and pooling.
     */
    record Encode(int sequences, int from, int to) implements Op {
        private static final double LAYERS = 6;
        private static final double HIDDEN = 384;
        private static final double FFN = 1536;

        /** As {@link #toString} of the peers' cases: 8x128, or with lengths of every kind 32xmix, which is 8 to 128. */
        static Encode named(String name) {
            Matcher matcher =
                    Pattern.compile("([1-9]\\d{0,3})x(?:([1-9]\\d{0,2})|mix)").matcher(name);
            if (!matcher.matches()) {
                throw new Failure("case " + name + ": must be the number of texts, x, and their tokens or mix");
            }
            int sequences = Integer.parseInt(matcher.group(1));
            String tokens = matcher.group(2);
            return tokens == null
                    ? new Encode(sequences, 8, 128)
                    : new Encode(sequences, Integer.parseInt(tokens), Integer.parseInt(tokens));
        }

        /** Tokens of a text. */
        int length(int text) {
            return from + text * 13 % sequences * (to - from) / Math.max(1, sequences - 1);
        }

        /** Token ids, as in bench/peers: [CLS], words, [SEP]. */
        int[][] ids() {
            int[][] ids = new int[sequences][];
            for (int b = 0; b < sequences; b++) {
                int n = length(b);
                ids[b] = new int[n];
                for (int i = 0; i < n; i++) {
                    ids[b][i] = i == 0 ? 101 : i == n - 1 ? 102 : (int) (1000 + (i * 7919L + b * 104729L) % 20000);
                }
            }
            return ids;
        }

        @Override
        public double flop() {
            double flop = 0;
            for (int b = 0; b < sequences; b++) {
                double n = length(b);
                flop += LAYERS * (n * (8 * HIDDEN * HIDDEN + 4 * HIDDEN * FFN) + 4 * n * n * HIDDEN);
            }
            return flop;
        }

        @Override
        public double bytes() {
            return Float.BYTES * LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * FFN);
        }

        @Override
        public Limit limit() {
            return Limit.FMA;
        }

        @Override
        public String toString() {
            return "encode " + sequences + " " + from + " " + to;
        }
    }

    /** What is called, and how. */
    enum NativeFunction {
        /** openblas_get_num_threads: a load. */
        EMPTY,
        /** The same with Linker.Option.critical. */
        EMPTY_CRITICAL,
        /** cblas_sgemm of 1 x 1 x 1. */
        SGEMM,
        /** The same with Linker.Option.critical. */
        SGEMM_CRITICAL,
        /** The same through the bindings and their checks, as backends call it. */
        SGEMM_CHECKED,
        /** cblas_sgemv of 64 x 64. */
        SGEMV,
        /** The same with Linker.Option.critical. */
        SGEMV_CRITICAL,
        /** The same through the bindings and their checks. */
        SGEMV_CHECKED
    }

    /** What nothing but its own cost bounds. */
    sealed interface Unbounded extends Op {
        @Override
        default double flop() {
            return 0;
        }

        @Override
        default double bytes() {
            return 0;
        }

        @Override
        default @Nullable Limit limit() {
            return null;
        }
    }

    /** One call of native code, in which the call is the work. */
    record NativeCall(NativeFunction function) implements Unbounded {
        @Override
        public String toString() {
            return "call " + function;
        }
    }

    /** What a decoder does with tokens. */
    enum Phase {
        /** Takes them all at once, into an empty cache, and says what follows the last. */
        PREFILL,
        /** Makes them one by one, the most probable each, after {@link Decoder#PROMPT} others. */
        DECODE
    }

    /**
     * Tokens through a decoder.
     *
     * @param tokens of one call
     * @param threads that compute
     * @param flopPerCall of all products, attention included; of the vocabulary's once a prefill
     * @param bytesPerCall that weights take in the file, once a call of prefill and once a token of decode
     * @param file a GGUF file
     */
    record Decoder(Phase phase, int tokens, int threads, double flopPerCall, double bytesPerCall, Path file)
            implements Op {
        /** Tokens that a sequence has before {@link Phase#DECODE} begins. */
        static final int PROMPT = 32;

        @Override
        public double flop() {
            return flopPerCall;
        }

        @Override
        public double bytes() {
            return bytesPerCall;
        }

        @Override
        public Limit limit() {
            return phase == Phase.PREFILL ? Limit.FMA : Limit.READ;
        }

        @Override
        public String toString() {
            return "decoder " + phase + " " + tokens + " " + threads + " " + flopPerCall + " " + bytesPerCall + " "
                    + file;
        }

        private static Decoder parse(String line) {
            String[] words = line.split(" ", 7); // the file's name may have blanks
            return new Decoder(
                    Phase.valueOf(words[1]),
                    integer(words[2]),
                    integer(words[3]),
                    Double.parseDouble(words[4]),
                    Double.parseDouble(words[5]),
                    Path.of(words[6]));
        }
    }

    /**
     * Sources through an encoder-decoder, to targets of a given length.
     *
     * @param batch sources side by side
     * @param beams that beam search follows; 1 is greedy
     * @param source tokens of each source
     * @param target tokens of each target, whatever the model makes of its end
     * @param threads that compute
     * @param folder with config.json and safetensors
     */
    record Translate(int batch, int beams, int source, int target, int threads, Path folder) implements Unbounded {
        @Override
        public String toString() {
            return "translate " + batch + " " + beams + " " + source + " " + target + " " + threads + " " + folder;
        }

        private static Translate parse(String line) {
            String[] words = line.split(" ", 7); // the folder's name may have blanks
            return new Translate(
                    integer(words[1]),
                    integer(words[2]),
                    integer(words[3]),
                    integer(words[4]),
                    integer(words[5]),
                    Path.of(words[6]));
        }
    }

    /**
     * A fresh process until it has its first token of a prompt.
     *
     * @param file a GGUF file
     */
    record FirstToken(int threads, Path file) implements Unbounded {
        @Override
        public String toString() {
            return "first " + threads + " " + file;
        }
    }

    /** What a program has recorded: how much its calls did in the mean. Nobody runs it. */
    record Recorded(double flop, double bytes, Limit limit) implements Op {
        @Override
        public String toString() {
            return "recorded " + flop + " " + bytes + " " + limit;
        }
    }

    /**
     * What a limit is measured with.
     *
     * @param size bytes that all threads together walk through; for {@link Limit#FMA} operations that each thread does
     */
    record Probe(Limit limit, long size, int threads) implements Op {
        @Override
        public double flop() {
            return limit == Limit.FMA ? (double) size * threads : 0;
        }

        @Override
        public double bytes() {
            return limit == Limit.FMA ? 0 : size;
        }

        @Override
        public String toString() {
            return "probe " + limit + " " + size + " " + threads;
        }
    }

    /** Reads what {@link Object#toString} wrote. */
    static Op parse(String line) {
        String[] words = line.split(" ", -1);
        return switch (words[0]) {
            case "linear" ->
                new Linear(
                        integer(words[1]),
                        integer(words[2]),
                        integer(words[3]),
                        DType.valueOf(words[4]),
                        integer(words[5]));
            case "attention" ->
                new Attention(
                        integer(words[1]),
                        integer(words[2]),
                        integer(words[3]),
                        integer(words[4]),
                        Boolean.parseBoolean(words[5]));
            case "encode" -> new Encode(integer(words[1]), integer(words[2]), integer(words[3]));
            case "rows" -> new Rows(RowFunction.valueOf(words[1]), integer(words[2]), integer(words[3]));
            case "call" -> new NativeCall(NativeFunction.valueOf(words[1]));
            case "decoder" -> Decoder.parse(line);
            case "translate" -> Translate.parse(line);
            case "first" -> new FirstToken(integer(words[1]), Path.of(line.split(" ", 3)[2]));
            case "probe" -> new Probe(Limit.valueOf(words[1]), Long.parseLong(words[2]), integer(words[3]));
            default -> throw new IllegalArgumentException("no operation: " + line);
        };
    }

    private static int integer(String word) {
        return Integer.parseInt(word);
    }
}
