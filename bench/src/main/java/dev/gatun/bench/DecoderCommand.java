package dev.gatun.bench;

import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun bench decoder}: tokens a second of decoder-only models, and the time to the first, beside llama.cpp. */
final class DecoderCommand implements Command {
    /** What {@code auto} ends at for weights in blocks and of 16 bits. */
    private static final List<Backend.Kind> BACKENDS = List.of(Backend.Kind.VECTOR);

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Measures prefill, decode and the time to the first token of GGUF files.")
                .description("Engines take turns in processes of their own, on the same file and with the same"
                        + " threads; a share is one of the read bandwidth (decode) or the FMA peak (prefill) as it was"
                        + " meanwhile. docs/BENCH.md says more.");
        spec.addOption(BenchCommand.many("--model", "FILE", Path.class)
                .required(true)
                .description("a GGUF file; may be repeated")
                .build());
        spec.addOption(CommonOptions.path(
                "--llama-cpp", "SCRIPT", "measure llama.cpp too, which bench/peers/llamacpp.sh starts"));
        spec.addOption(BenchCommand.many("--backend", "NAME", Backend.Kind.class)
                .converters(CommonOptions::kind)
                .description("measure this backend; may be repeated. Default: vector, and auto for first tokens")
                .build());
        spec.addOption(CommonOptions.flag("--quick", "fewer samples"));
        spec.addOption(CommonOptions.path("--html", "FILE", "write the report as a page with charts"));
        spec.addOption(CommonOptions.path("--json", "FILE", "write the report as JSON"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path html = BenchCommand.writable(invocation, "--html");
        Path json = BenchCommand.writable(invocation, "--json");
        @Nullable Path llamaCpp = invocation.option("--llama-cpp", Path.class);
        if (llamaCpp != null && !Files.isExecutable(llamaCpp)) {
            throw new Failure("--llama-cpp " + llamaCpp + ": is no program");
        }
        List<Integer> threads = threads(invocation);
        int most = threads.getLast();
        List<Case> cases = new ArrayList<>();
        List<Case> first = new ArrayList<>();
        for (Path model : BenchCommand.all(invocation, "--model", Path.class, List.of())) {
            for (int n : threads) {
                cases.addAll(DecoderCases.of(model.toAbsolutePath(), n));
                first.add(DecoderCases.firstToken(model.toAbsolutePath(), n));
            }
        }
        boolean asked = invocation.option("--backend", List.class) != null;
        List<Backend.Kind> backends = BenchCommand.all(invocation, "--backend", Backend.Kind.class, BACKENDS);
        List<EngineKind> kinds =
                new ArrayList<>(backends.stream().map(EngineKind::of).toList());
        if (llamaCpp != null) {
            kinds.add(EngineKind.LLAMA_CPP);
        }
        BenchRun run = new BenchRun(
                BenchRun.Settings.of(invocation.flag("--quick"), most, Caches.here()),
                kind -> kind.equals(EngineKind.LLAMA_CPP) && llamaCpp != null
                        ? new EngineProcess(
                                new ProcessBuilder(llamaCpp.toAbsolutePath().toString(), "engine"), kind, most)
                        : new EngineProcess(kind, most),
                BenchCommand.facts(most),
                new TextReport(invocation.results()));
        Report report = run.decoders(cases, first, kinds, llamaCpp, asked ? backends : List.of(Backend.Kind.AUTO));
        if (html != null) {
            Files.writeString(html, HtmlReport.of(report));
        }
        if (json != null) {
            JsonReport.write(report, json);
        }
        return 0;
    }

    /** As many as were asked for; else one, and as many as there are processors. */
    private static List<Integer> threads(Invocation invocation) {
        int threads = CommonOptions.threads(invocation);
        boolean asked = invocation.option("--threads", Integer.class) != null;
        return asked || threads == 1 ? List.of(threads) : List.of(1, threads);
    }
}
