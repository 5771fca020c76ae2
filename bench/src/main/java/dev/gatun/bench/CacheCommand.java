package dev.gatun.bench;

import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.cli.Results;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.Tensor;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun bench cache}: what it costs, and saves, to store keys and values in fewer bits. */
final class CacheCommand implements Command {
    private static final int DEFAULT_CTX = 2048;
    private static final int CHUNK = 128;
    private static final int GREEDY = 128;
    private static final int TIMED = 9;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Compares the formats of the key/value cache on a text.")
                .description(
                        "A line a format: bytes of the cache; perplexity of the text; largest and mean difference of"
                                + " a logit from those with a cache of f32; how often the most probable token is the"
                                + " same; how many of " + GREEDY + " greedy tokens after half the text are the same"
                                + " before the first that is not; milliseconds a token decoded after the whole text.");
        spec.addOption(CommonOptions.path("--model", "FILE|DIR", "a decoder with its tokenizer"));
        spec.addOption(CommonOptions.path("--text", "FILE", "of at least --ctx tokens"));
        spec.addOption(CommonOptions.option("--ctx", "N", Integer.class, "tokens to take; default: " + DEFAULT_CTX));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path model = invocation.option("--model", Path.class);
        Path text = invocation.option("--text", Path.class);
        if (model == null || text == null) {
            throw new Failure("cache: give a model with --model and a text with --text");
        }
        Integer asked = invocation.option("--ctx", Integer.class);
        int ctx = asked == null ? DEFAULT_CTX : asked;
        Backend.Kind kind = invocation.option("--backend", Backend.Kind.class);
        var options =
                new Backend.Options(kind == null ? Backend.Kind.VECTOR : kind, CommonOptions.threads(invocation), null);
        try (Backend backend = Backend.open(options);
                TextGenerator generator = TextGenerator.open(model, backend)) {
            int[] ids = generator.tokenizer().encodeIds(Files.readString(text), true);
            if (ctx < 2 * CHUNK
                    || ids.length < ctx
                    || ctx > generator.decoder().config().nPositions()) {
                throw new Failure("cache: --ctx " + ctx + " must be at least " + 2 * CHUNK + ", and at most the text's "
                        + ids.length + " tokens and the model's positions");
            }
            Results results = invocation.results();
            results.line("format bytes perplexity largest mean same-top greedy ms-a-token");
            int[] greedy = greedy(generator.decoder(), ids, ctx / 2, RowFormat.F32);
            for (RowFormat format : RowFormat.values()) {
                results.line(line(generator.decoder(), ids, ctx, format, greedy));
                results.flush();
            }
        }
        return 0;
    }

    private static String line(Decoder decoder, int[] ids, int ctx, RowFormat format, int[] expected) {
        SessionSize size = new SessionSize(1, ctx + TIMED, CHUNK, CHUNK);
        CacheSettings settings = CacheSettings.DEFAULT.with(format);
        double largest = 0;
        double sum = 0;
        double nats = 0;
        int sameTop = 0;
        long bytes = decoder.plan(size, settings).items().getFirst().bytes();
        double best = Double.MAX_VALUE;
        try (DecoderSession plain = decoder.newSession(size);
                DecoderSession session = decoder.newSession(size, settings)) {
            Sequence plainSequence = plain.newSequence();
            Sequence sequence = session.newSequence();
            for (int from = 0; from < ctx; from += CHUNK) {
                int to = Math.min(ctx, from + CHUNK);
                plain.prefillKeepingAll(plainSequence, ids, from, to);
                session.prefillKeepingAll(sequence, ids, from, to);
                for (int i = from; i < to; i++) {
                    float[] a = plain.logits(i - from).toFloats();
                    float[] b = session.logits(i - from).toFloats();
                    double most = 0;
                    double all = 0;
                    for (int j = 0; j < a.length; j++) {
                        double difference = Math.abs((double) a[j] - b[j]);
                        most = Math.max(most, difference);
                        all += difference;
                    }
                    largest = Math.max(largest, most);
                    sum += all / a.length;
                    sameTop += plain.argMax(i - from) == session.argMax(i - from) ? 1 : 0;
                    nats += i + 1 < ctx ? surprise(session.logits(i - from), ids[i + 1]) : 0;
                }
            }
            for (int i = 0; i < TIMED; i++) {
                long start = System.nanoTime();
                session.decode(sequence, ids[i]);
                best = Math.min(best, (System.nanoTime() - start) / 1e6);
            }
        }
        int[] greedy = greedy(decoder, ids, ctx / 2, format);
        int same = Arrays.mismatch(greedy, expected);
        return String.format(
                Locale.ROOT,
                "%-5s %,d %.4f %.4f %.5f %.2f%% %d %.2f",
                format,
                bytes,
                Math.exp(nats / (ctx - 1)),
                largest,
                sum / ctx,
                100.0 * sameTop / ctx,
                same < 0 ? GREEDY : same,
                best);
    }

    /** Nats of the probability that the logits give to {@code id}. */
    private static double surprise(Tensor logits, int id) {
        float[] values = logits.toFloats();
        double max = Double.NEGATIVE_INFINITY;
        for (float value : values) {
            max = Math.max(max, value);
        }
        double sum = 0;
        for (float value : values) {
            sum += Math.exp(value - max);
        }
        return max + Math.log(sum) - values[id];
    }

    private static int[] greedy(Decoder decoder, int[] ids, int prompt, RowFormat format) {
        SessionSize size = SessionSize.forOne(prompt + GREEDY);
        try (DecoderSession session = decoder.newSession(size, CacheSettings.DEFAULT.with(format))) {
            Sequence sequence = session.newSequence();
            session.prefill(sequence, ids, 0, prompt);
            int[] greedy = new int[GREEDY];
            for (int i = 0; i < GREEDY; i++) {
                greedy[i] = session.argMax(0);
                session.decode(sequence, greedy[i]);
            }
            return greedy;
        }
    }
}
