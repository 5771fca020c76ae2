package dev.gatun.bench;

import dev.gatun.bench.StreamLoad.Seen;
import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.cli.Results;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun bench serve}: many streams at once, beside one stream, and beside llama.cpp's server. */
final class ServeCommand implements Command {
    private static final long SEED = 10;
    private static final int PARTS = 6; // warming up, and one stream alone, take one each of what the load takes

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Streams many texts at once from gatun serve, and says how they come.")
                .description("Servers are processes of their own, one after another; the clients share their"
                        + " processors. Each warms up under the load, then writes one stream, then all. Exit code 1"
                        + " where a request failed. docs/BENCH.md says more.");
        spec.addOption(CommonOptions.path("--model", "FILE", "a GGUF file of a decoder"));
        spec.addOption(CommonOptions.option("--streams", "N", Integer.class, "at once; default: 64"));
        spec.addOption(CommonOptions.option("--seconds", "S", Integer.class, "that the load lasts; default: 60"));
        spec.addOption(CommonOptions.option("--words", "N", Integer.class, "of a prompt at most; default: 128"));
        spec.addOption(CommonOptions.option("--tokens", "N", Integer.class, "of a text at most; default: 64"));
        spec.addOption(CommonOptions.path(
                "--llama-cpp",
                "SCRIPT",
                "measure llama.cpp's server too, which bench/peers/llamacpp_server.sh starts"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path model = invocation.option("--model", Path.class);
        if (model == null || !Files.isRegularFile(model)) {
            throw new Failure("serve: no model; give a GGUF file with --model");
        }
        @Nullable Path llamaCpp = invocation.option("--llama-cpp", Path.class);
        if (llamaCpp != null && !Files.isExecutable(llamaCpp)) {
            throw new Failure("--llama-cpp " + llamaCpp + ": is no program");
        }
        Backend.Kind kind = invocation.option("--backend", Backend.Kind.class);
        String backend = (kind == null ? Backend.Kind.VECTOR : kind).name().toLowerCase(Locale.ROOT);
        int threads = CommonOptions.threads(invocation);
        var load = new Load(
                CommonOptions.number(invocation, "--streams", 64),
                CommonOptions.number(invocation, "--seconds", 60),
                CommonOptions.number(invocation, "--words", 128),
                CommonOptions.number(invocation, "--tokens", 64),
                invocation.results());
        int ctx = load.ctx();
        try {
            boolean well;
            try (ServerProcess server =
                    ServerProcess.gatun(model.toAbsolutePath(), backend, threads, load.streams(), ctx)) {
                well = load.on("gatun " + backend, server);
            }
            if (llamaCpp != null) {
                try (ServerProcess server = ServerProcess.llamaCpp(llamaCpp, model.toAbsolutePath(), threads, ctx)) {
                    well &= load.on("llama.cpp", server);
                }
            }
            return well ? 0 : 1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 1;
        }
    }

    /** The same work for each server. */
    private record Load(int streams, int seconds, int words, int tokens, Results results) {
        /** Room for the longest text with its prompt: words have some one and a half tokens. */
        int ctx() {
            return 4 * words + tokens + 32;
        }

        /** Whether no request failed. */
        boolean on(String name, ServerProcess server) throws IOException, InterruptedException {
            double part = (double) seconds / PARTS;
            var many = new StreamLoad(server.place(), streams, words, tokens);
            many.run(part, SEED, () -> {});
            var alone = new StreamLoad(server.place(), 1, words, tokens);
            alone.run(part / 2, SEED + 3, () -> {}); // while the server finds out that the others are gone
            Seen one = alone.run(part, SEED + 1, () -> {});
            List<Long> megabytes = new ArrayList<>();
            long descriptors = ProcStatus.exists() ? server.descriptors() : 0;
            Seen all = many.run(seconds, SEED + 2, () -> {
                if (ProcStatus.exists()) {
                    megabytes.add(server.megabytes());
                }
            });
            line(String.format(Locale.ROOT, "%s, 1 stream: %.1f tokens/s; %s", name, one.rate(), times(one)));
            line(String.format(
                    Locale.ROOT,
                    "%s, %d streams: %.1f tokens/s, %.2f times one stream's; %s",
                    name,
                    streams,
                    all.rate(),
                    all.rate() / one.rate(),
                    times(all)));
            line(String.format(
                    Locale.ROOT,
                    "  %d texts and %d tokens in %.1f s, %d errors; resident MB: %s; descriptors: %d before",
                    all.texts(),
                    all.tokens(),
                    all.seconds(),
                    all.errors().size(),
                    megabytes,
                    descriptors));
            one.errors().stream().limit(2).forEach(error -> line(String.format(Locale.ROOT, "  error: %s", error)));
            all.errors().stream()
                    .distinct()
                    .limit(3)
                    .forEach(error -> line(String.format(Locale.ROOT, "  error: %s", error)));
            results.flush();
            return one.errors().isEmpty() && all.errors().isEmpty();
        }

        private static String times(Seen seen) {
            double median = Seen.quantile(seen.gaps(), 0.5);
            double longest = Seen.quantile(seen.gaps(), 1);
            return String.format(
                    Locale.ROOT,
                    "first text ms: median %.0f, 99%% %.0f; between pieces ms: median %.1f, 99%% %.1f, longest %.1f,"
                            + " %.2f times the median",
                    Seen.quantile(seen.first(), 0.5),
                    Seen.quantile(seen.first(), 0.99),
                    median,
                    Seen.quantile(seen.gaps(), 0.99),
                    longest,
                    longest / median);
        }

        private void line(String line) {
            results.line(line);
        }
    }
}
