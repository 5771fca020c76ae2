package dev.gatun.bench;

import dev.gatun.cli.Failure;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A run of {@code gatun bench}: starts engines, measures, prints as it goes, and collects the report. */
final class BenchRun {
    /**
     * How a run measures.
     *
     * @param threads that compute
     */
    record Settings(Catalogue catalogue, int threads, Comparison.Pace pace, ColdStart.Pace coldPace) {
        static Settings of(boolean quick, int threads, Caches caches) {
            Catalogue catalogue = new Catalogue(caches, quick);
            return quick
                    ? new Settings(catalogue, threads, Comparison.Pace.QUICK, ColdStart.Pace.QUICK)
                    : new Settings(catalogue, threads, Comparison.Pace.FULL, ColdStart.Pace.FULL);
        }
    }

    private final Settings settings;
    private final Function<EngineKind, Engine> starter;
    private final SequencedMap<String, String> facts;
    private final TextReport text;
    private final List<String> notes = new ArrayList<>();
    private final List<Result> results = new ArrayList<>();
    private final List<ColdStart.Result> coldStarts = new ArrayList<>();

    /**
     * @param starter starts an engine, or throws an UnsupportedOperationException that says why it cannot
     * @param facts of the machine
     */
    BenchRun(
            Settings settings,
            Function<EngineKind, Engine> starter,
            SequencedMap<String, String> facts,
            TextReport text) {
        this.settings = settings;
        this.starter = starter;
        this.facts = facts;
        this.text = text;
    }

    /**
     * Measures.
     *
     * @param shapes of a model
     * @param kinds the engines to compare, as far as they are there
     * @param needed of these, those without which the user does not want to go on
     * @param backends for cold starts
     */
    Report run(
            List<Group> groups,
            List<ModelShapes.Shaped> shapes,
            List<EngineKind> kinds,
            List<EngineKind> needed,
            List<Backend.Kind> backends)
            throws IOException {
        Report report = measure(kinds, needed, comparison -> {
            if (!shapes.isEmpty()) {
                text.title(Group.MODEL);
                shapes.forEach(shape -> add(comparison.run(shape.benchmark(), shape.count())));
            }
            for (Group group : groups) {
                List<Case> cases = settings.catalogue.cases(group);
                if (!cases.isEmpty()) {
                    text.title(group);
                    cases.forEach(benchmark -> add(comparison.run(benchmark, 1)));
                }
            }
        });
        if (groups.contains(Group.COLD)) {
            text.title(Group.COLD);
            coldStarts.addAll(new ColdStart(settings.coldPace, settings.threads, this::note).run(backends));
            coldStarts.forEach(text::coldStart);
        }
        return report;
    }

    /**
     * Measures decoders.
     *
     * @param cases of {@link Group#DECODER}
     * @param first of {@link Group#FIRST_TOKEN}
     * @param kinds the engines to compare
     * @param llamaCpp the script that starts the peer, or null
     * @param backends for fresh processes
     */
    Report decoders(
            List<Case> cases,
            List<Case> first,
            List<EngineKind> kinds,
            @Nullable Path llamaCpp,
            List<Backend.Kind> backends)
            throws IOException {
        Report report = measure(kinds, kinds, comparison -> {
            text.title(Group.DECODER);
            cases.forEach(benchmark -> add(comparison.run(benchmark, 1)));
        });
        text.title(Group.FIRST_TOKEN);
        FirstToken fresh = new FirstToken(settings.coldPace.processes(), backends, llamaCpp, this::note);
        for (Case benchmark : first) {
            add(fresh.run(benchmark));
        }
        return report;
    }

    /** Measures the limits of this machine, and places under them what a program has recorded. */
    Report recorded(OperatorLog log) throws IOException {
        Report report = measure(List.of(), List.of(), _ -> {});
        text.title(Group.RECORDED);
        text.lines(log.lines());
        text.line();
        log.results(report.limits()).forEach(result -> {
            result.values().keySet().forEach(kind -> report.engines().put(kind, "as recorded"));
            add(result);
        });
        return report;
    }

    /**
     * Measures encoder-decoders, and what memory each process had at its peak.
     *
     * @param cases of {@link Group#SEQ2SEQ}
     * @param kinds the engines to compare
     */
    Report translations(List<Case> cases, List<EngineKind> kinds) throws IOException {
        return measure(kinds, kinds, comparison -> {
            text.title(Group.SEQ2SEQ);
            cases.forEach(benchmark -> add(comparison.run(benchmark, 1)));
            comparison.peaks().forEach((kind, bytes) -> {
                String peak = TextReport.number(bytes / (1 << 20)) + " MB";
                facts.put("peak memory of " + kind.title(), peak);
                text.fact("peak " + kind.title(), peak);
            });
        });
    }

    private Report measure(List<EngineKind> kinds, List<EngineKind> needed, Consumer<Comparison> cases)
            throws IOException {
        facts.forEach(text::fact);
        SequencedMap<EngineKind, Engine> engines = new LinkedHashMap<>();
        SequencedMap<EngineKind, String> descriptions = new LinkedHashMap<>();
        SequencedMap<Limit, Stats> limits = new LinkedHashMap<>();
        try (Engine machine = starter.apply(EngineKind.LIMITS)) {
            for (EngineKind kind : kinds) {
                start(kind, needed, engines);
            }
            engines.forEach((kind, engine) -> {
                descriptions.put(kind, engine.description());
                text.fact(kind.title(), engine.description());
            });
            Disturbance others = Disturbance.start();
            Comparison comparison = new Comparison(
                    settings.pace, settings.threads, settings.catalogue.caches(), machine, engines, this::note);
            for (Limit limit : Limit.values()) {
                limits.put(limit, comparison.limit(limit));
                text.limit(limit, limits.get(limit));
            }
            cases.accept(comparison);
            String used = others.text();
            facts.put("others used", used);
            text.fact("others used", used);
        } finally {
            engines.values().forEach(Engine::close);
        }
        return new Report(
                Instant.now(),
                settings.catalogue.quick(),
                settings.threads,
                facts,
                limits,
                descriptions,
                results,
                coldStarts,
                notes);
    }

    private void start(EngineKind kind, List<EngineKind> needed, SequencedMap<EngineKind, Engine> engines) {
        try {
            engines.put(kind, starter.apply(kind));
        } catch (UnsupportedOperationException e) {
            if (needed.contains(kind)) {
                throw new Failure(kind.title() + ": " + e.getMessage(), e);
            }
            note("not measured: " + kind.title() + ", " + e.getMessage());
        }
    }

    private void add(Result result) {
        if (!result.values().isEmpty()) {
            results.add(result);
            text.result(result);
        }
    }

    private void note(String note) {
        notes.add(note);
        text.note(note);
    }
}
