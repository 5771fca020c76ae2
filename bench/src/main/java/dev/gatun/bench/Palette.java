package dev.gatun.bench;

import java.util.ArrayList;
import java.util.List;

/** Who has which colour: the same in every chart. The style sheet says what each is, in light and in dark. */
final class Palette {
    private static final int COLOURS = 8;

    /** In this order, so that a backend looks the same in every report. */
    private final List<EngineKind> engines = new ArrayList<>(List.of(
            new EngineKind("openblas"),
            new EngineKind("vector"),
            new EngineKind("auto"),
            EngineKind.NETLIB_JAVA,
            EngineKind.NETLIB_JNI));

    Palette(Report report) {
        for (EngineKind kind : report.engines().keySet()) {
            if (!engines.contains(kind)) {
                engines.add(kind);
            }
        }
    }

    /** A CSS colour. */
    String colour(EngineKind engine) {
        return "var(--c" + Math.max(0, engines.indexOf(engine)) % COLOURS + ")";
    }
}
