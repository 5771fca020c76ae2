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

/** {@code gatun bench seq2seq}: tokens a second of encoder-decoders, and the memory they take, beside CTranslate2. */
final class Seq2SeqCommand implements Command {
    private static final List<Backend.Kind> BACKENDS = List.of(Backend.Kind.AUTO);
    private static final int[] BATCHES = {1, 32};
    private static final int[] BEAMS = {1, 4};
    private static final int TOKENS = 32;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Measures translation of 1 and of 32 sources, greedily and with 4 beams.")
                .description("Engines take turns in processes of their own, with the same weights, sources and threads;"
                        + " each target has exactly as many tokens as are asked for. Peak memory is that of each"
                        + " process, all cases of all models together. docs/BENCH.md says more.");
        spec.addOption(BenchCommand.many("--model", "DIR", Path.class)
                .required(true)
                .description("folder of an encoder-decoder, for CTranslate2 a Marian; may be repeated")
                .build());
        spec.addOption(CommonOptions.path(
                "--ctranslate2", "SCRIPT", "measure CTranslate2 too, which bench/peers/ctranslate2.sh starts"));
        spec.addOption(BenchCommand.many("--backend", "NAME", Backend.Kind.class)
                .converters(CommonOptions::kind)
                .description("measure this backend; may be repeated. Default: auto")
                .build());
        spec.addOption(CommonOptions.option(
                "--tokens", "N", Integer.class, "tokens of each source and target, at least 2. Default: " + TOKENS));
        spec.addOption(CommonOptions.flag("--quick", "fewer samples"));
        spec.addOption(CommonOptions.path("--html", "FILE", "write the report as a page with charts"));
        spec.addOption(CommonOptions.path("--json", "FILE", "write the report as JSON"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path html = BenchCommand.writable(invocation, "--html");
        Path json = BenchCommand.writable(invocation, "--json");
        @Nullable Path peer = invocation.option("--ctranslate2", Path.class);
        if (peer != null && !Files.isExecutable(peer)) {
            throw new Failure("--ctranslate2 " + peer + ": is no program");
        }
        Integer asked = invocation.option("--tokens", Integer.class);
        int tokens = asked == null ? TOKENS : asked;
        if (tokens < 2) {
            throw new Failure("--tokens " + tokens + ": must be at least 2");
        }
        int threads = CommonOptions.threads(invocation);
        List<Case> cases = new ArrayList<>();
        for (Path model : BenchCommand.all(invocation, "--model", Path.class, List.of())) {
            if (!Files.isRegularFile(model.resolve("config.json"))) {
                throw new Failure("--model " + model + ": has no config.json");
            }
            cases.addAll(cases(model.toAbsolutePath().normalize(), tokens, threads));
        }
        List<EngineKind> kinds =
                new ArrayList<>(BenchCommand.all(invocation, "--backend", Backend.Kind.class, BACKENDS).stream()
                        .map(EngineKind::of)
                        .toList());
        if (peer != null) {
            kinds.add(EngineKind.CTRANSLATE2);
        }
        BenchRun run = new BenchRun(
                BenchRun.Settings.of(invocation.flag("--quick"), threads, Caches.here()),
                kind -> kind.equals(EngineKind.CTRANSLATE2) && peer != null
                        ? new EngineProcess(
                                new ProcessBuilder(peer.toAbsolutePath().toString(), "engine"), kind, threads)
                        : new EngineProcess(kind, threads),
                BenchCommand.facts(threads),
                new TextReport(invocation.results()));
        Report report = run.translations(cases, kinds);
        if (html != null) {
            Files.writeString(html, HtmlReport.of(report));
        }
        if (json != null) {
            JsonReport.write(report, json);
        }
        return 0;
    }

    private static List<Case> cases(Path model, int tokens, int threads) {
        List<Case> cases = new ArrayList<>();
        String family = model.getFileName() + (threads == 1 ? " 1 thread" : " " + threads + " threads");
        for (int batch : BATCHES) {
            for (int beams : BEAMS) {
                cases.add(new Case(
                        Group.SEQ2SEQ,
                        family,
                        "batch " + batch + (beams == 1 ? " greedy" : " beam " + beams),
                        new Op.Translate(batch, beams, tokens, tokens, threads, model)));
            }
        }
        return cases;
    }
}
