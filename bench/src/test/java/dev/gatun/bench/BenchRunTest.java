package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Results;
import dev.gatun.ops.Backend;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole run, on operations that would fit a cache of 16 KB, for no time at all. */
class BenchRunTest {
    private static final Caches SMALL = new Caches(1 << 12, 1 << 14);
    private static final Catalogue CATALOGUE = new Catalogue(SMALL, true, 64);
    private static final Comparison.Pace NO_TIME = new Comparison.Pace(1, 1, 1, Long.MAX_VALUE);
    private static final List<EngineKind> ENGINES = List.of(
            EngineKind.of(Backend.Kind.OPENBLAS),
            EngineKind.of(Backend.Kind.VECTOR),
            EngineKind.of(Backend.Kind.AUTO),
            EngineKind.NETLIB_JAVA,
            EngineKind.ONNX_RUNTIME,
            new EngineKind("missing"));

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    @TempDir
    private Path folder;

    private BenchRun run(int threads) {
        var settings = new BenchRun.Settings(CATALOGUE, threads, NO_TIME, new ColdStart.Pace(1, 0));
        return new BenchRun(
                settings,
                kind -> {
                    if (kind.id().equals("missing")) {
                        throw new UnsupportedOperationException("there is none");
                    }
                    // Which dies where a command line is as long as that of a JVM with tests.
                    return kind.equals(EngineKind.ONNX_RUNTIME)
                            ? new EngineProcess(kind, threads)
                            : new LocalEngine(kind.open(threads));
                },
                new LinkedHashMap<>(),
                new TextReport(new Results(out)));
    }

    @Test
    void everyOperationOfAQuickRunIsMeasuredByEveryEngineThatHasIt() throws Exception {
        List<Group> groups = List.of(
                Group.MATMUL, Group.MATVEC, Group.ATTENTION, Group.ENCODER, Group.ROWS, Group.CALLS, Group.COLD);
        Report report = run(2).run(groups, List.of(), ENGINES, List.of(), List.of(Backend.Kind.AUTO));

        List<Case> cases = new ArrayList<>();
        groups.forEach(group -> cases.addAll(CATALOGUE.cases(group)));
        assertThat(report.results()).extracting(Result::benchmark).containsExactlyElementsOf(cases);
        assertThat(report.limits()).containsOnlyKeys(Limit.values());
        for (Result result : report.results()) {
            int engines = switch (result.benchmark().op()) {
                case Op.Linear linear -> linear.weights().byteSize() == 4 ? 4 : 3;
                case Op.NativeCall _ -> 1;
                case Op.Encode _ -> 4;
                default -> 3;
            };
            assertThat(result.values()).as(result.benchmark().name()).hasSize(engines);
            assertThat(result.values().values()).allMatch(stats -> stats.median() > 0 && stats.samples() == 1);
            assertThat(result.calls()).hasSize(result.benchmark().op() instanceof Op.Encode ? engines : 0);
            assertThat(result.limit() == null).isEqualTo(result.benchmark().isTime());
        }
        assertThat(report.coldStarts())
                .singleElement()
                .satisfies(cold -> assertThat(cold.first().median()).isPositive());
        assertThat(report.notes()).anyMatch(note -> note.equals("not measured: missing, there is none"));
        assertThat(out.toString(UTF_8))
                .contains(
                        "FMA peak", "GPT-2 ffn up 64x768 M 128", "netlib-java", "MiniLM-L6-v2 32xmix", "first result");
        assertThatReportsAreWhole(report);
        assertThat(fields(folder.resolve("report.json"))).contains("calls"); // of the encoder's
    }

    private void assertThatReportsAreWhole(Report report) throws IOException {
        String html = HtmlReport.of(report);
        assertThat(html).doesNotContain("http", "src=", "<script").endsWith("</html>\n");
        assertThat(html.getBytes(UTF_8)).hasSizeLessThan(300_000);
        for (Result result : report.results()) {
            assertThat(html).contains(HtmlReport.escape(result.benchmark().name()));
        }
        Path json = folder.resolve("report.json");
        JsonReport.write(report, json);
        List<String> names = fields(json);
        assertThat(names)
                .contains("schema", "machine", "limits", "engines", "results", "coldStarts", "notes", "winner");
        assertThat(names.contains("share"))
                .isEqualTo(report.results().stream().anyMatch(result -> result.limit() != null));
    }

    /** The names of all fields; a file that is no JSON fails. */
    private static List<String> fields(Path json) throws IOException {
        List<String> names = new ArrayList<>();
        try (JsonParser parser = new JsonFactory().createParser(json.toFile())) {
            while (parser.nextToken() != null) {
                if (parser.currentName() != null) {
                    names.add(parser.currentName());
                }
            }
        }
        return names;
    }

    @Test
    void aDecoderIsMeasuredAndAFirstTokenThatFailsIsANote() throws Exception {
        Path file = Path.of("..", "golden", "gguf", "llama.gguf"); // without a vocabulary: nothing generates from it
        Case decode =
                new Case(Group.DECODER, "llama", "decode 4", new Op.Decoder(Op.Phase.DECODE, 4, 1, 1e6, 1e6, file));
        Case prefill =
                new Case(Group.DECODER, "llama", "prefill 8", new Op.Decoder(Op.Phase.PREFILL, 8, 2, 1e6, 1e6, file));
        Report report = run(2).decoders(
                        List.of(decode, prefill),
                        List.of(DecoderCases.firstToken(file, 1)),
                        List.of(EngineKind.of(Backend.Kind.VECTOR)),
                        null,
                        List.of(Backend.Kind.AUTO));
        assertThat(report.results()).hasSize(2);
        for (Result result : report.of(Group.DECODER)) {
            assertThat(result.benchmark().unit()).isEqualTo("tokens/s");
            assertThat(result.limit()).isNotNull();
            assertThat(result.values().values()).allMatch(stats -> stats.median() > 0);
        }
        assertThat(report.notes()).anyMatch(note -> note.startsWith("not measured: llama 1 thread of auto"));
        assertThatReportsAreWhole(report);
    }

    @Test
    void anEncoderDecoderIsMeasuredAndThePeakOfItsMemory() throws Exception {
        Path folder = Path.of("..", "golden", "models", "opus-mt");
        List<Case> cases = new ArrayList<>();
        for (int beams : new int[] {1, 3}) {
            cases.add(new Case(Group.SEQ2SEQ, "opus-mt", "beam " + beams, new Op.Translate(2, beams, 5, 6, 1, folder)));
            assertThat(Op.parse(cases.getLast().op().toString()))
                    .isEqualTo(cases.getLast().op());
        }
        Report report = run(2).translations(cases, List.of(EngineKind.of(Backend.Kind.VECTOR)));
        assertThat(report.of(Group.SEQ2SEQ)).hasSize(2);
        for (Result result : report.of(Group.SEQ2SEQ)) {
            assertThat(result.benchmark().unit()).isEqualTo("tokens/s");
            assertThat(result.limit()).isNull();
            assertThat(result.winner()).isEqualTo(EngineKind.of(Backend.Kind.VECTOR));
        }
        assertThat(report.facts()).containsKey("peak memory of vector");
        assertThatReportsAreWhole(report);
    }

    @Test
    void targetsOfATranslationHaveTheLengthThatIsAskedFor() {
        for (int beams : new int[] {1, 4}) {
            Op.Translate op = new Op.Translate(3, beams, 7, 9, 1, Path.of("..", "golden", "models", "opus-mt"));
            try (Seq2SeqWorkload workload =
                    Seq2SeqWorkload.open(op, new Backend.Options(Backend.Kind.VECTOR, 1, null))) {
                assertThat(workload.translate()).hasDimensions(3, 9);
            }
        }
    }

    @Test
    void theCasesOfADecoderCountItsWeights() throws Exception {
        Path file = Path.of("..", "golden", "gguf", "llama.gguf");
        List<Case> cases = DecoderCases.of(file, 2);
        assertThat(cases)
                .extracting(Case::name)
                .containsExactly(
                        "llama 2 threads decode 128", "llama 2 threads prefill 128", "llama 2 threads prefill 512");
        assertThat(cases)
                .allMatch(
                        benchmark -> benchmark.op().flop() > 0 && benchmark.op().bytes() > 0);
        for (Case benchmark : cases) {
            assertThat(Op.parse(benchmark.op().toString())).isEqualTo(benchmark.op());
        }
        Op first = new Op.FirstToken(2, Path.of("a folder", "a file.gguf"));
        assertThat(Op.parse(first.toString())).isEqualTo(first);
    }

    @Test
    void anEngineThatWasAskedForMustBeThere() {
        EngineKind missing = new EngineKind("missing");
        assertThatThrownBy(() -> run(1).run(List.of(), List.of(), List.of(missing), List.of(missing), List.of()))
                .isInstanceOf(Failure.class)
                .hasMessage("missing: there is none");
    }

    @Test
    void aModelsShapesAreMeasuredAtThreeNumbersOfRows() throws Exception {
        Path weights = folder.resolve("model.safetensors");
        MiniLmStack.write(weights);
        List<ModelShapes.Shaped> shapes = ModelShapes.of(weights, SMALL);
        assertThat(shapes).hasSize(9); // 384x384, 1536x384 and 384x1536
        assertThat(shapes).extracting(ModelShapes.Shaped::count).containsOnly(24, 6);

        Report report = run(1).run(List.of(), shapes, ENGINES, List.of(), List.of());
        assertThat(report.of(Group.MODEL))
                .hasSize(9)
                .allMatch(result -> result.values().size() == 4);
    }

    @Test
    void namesAreUnlikeEachOther() {
        Catalogue catalogue = new Catalogue(Caches.here(), false);
        List<String> names = Arrays.stream(Group.values())
                .filter(group -> group != Group.LONG) // its causal one is among ATTENTION as well
                .flatMap(group -> catalogue.cases(group).stream())
                .map(Case::name)
                .toList();
        assertThat(names).doesNotHaveDuplicates().hasSizeGreaterThan(70);
        assertThat(catalogue.cases(Group.LONG)).hasSize(4);
    }

    @Test
    void everyOperationIsReadAsItIsWritten() {
        Catalogue catalogue = new Catalogue(Caches.here(), false);
        for (Group group : Group.values()) {
            for (Case benchmark : catalogue.cases(group)) {
                assertThat(Op.parse(benchmark.op().toString())).isEqualTo(benchmark.op());
                assertThat(benchmark.op()).isEqualTo(Catalogue.named(benchmark.name()));
            }
        }
        Op probe = new Op.Probe(Limit.READ_WRITE, 1L << 33, 2);
        assertThat(Op.parse(probe.toString())).isEqualTo(probe);
    }

    @Test
    void thePageIsWholeWhereThereIsAlmostNothing() throws Exception {
        Report report = run(1).run(List.of(), List.of(), List.of(), List.of(), List.of());
        assertThat(HtmlReport.of(report)).contains("FMA peak").doesNotContain("Roofline");
    }
}
