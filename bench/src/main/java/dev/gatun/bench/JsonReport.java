package dev.gatun.bench;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/** A report for programs: docs/BENCH.md describes its structure. */
final class JsonReport {
    /** Changes where a reader would have to. */
    private static final String SCHEMA = "gatun-bench/1";

    private final JsonGenerator json;

    private JsonReport(JsonGenerator json) {
        this.json = json;
    }

    static void write(Report report, Path file) throws IOException {
        try (JsonGenerator json = new JsonFactory()
                .createGenerator(file.toFile(), JsonEncoding.UTF8)
                .useDefaultPrettyPrinter()) {
            new JsonReport(json).write(report);
        }
    }

    private void write(Report report) throws IOException {
        json.writeStartObject();
        json.writeStringField("schema", SCHEMA);
        json.writeStringField("created", report.created().toString());
        json.writeBooleanField("quick", report.quick());
        json.writeNumberField("threads", report.threads());
        json.writeObjectFieldStart("machine");
        for (Map.Entry<String, String> fact : report.facts().entrySet()) {
            json.writeStringField(fact.getKey(), fact.getValue());
        }
        json.writeEndObject();
        json.writeObjectFieldStart("limits");
        for (Map.Entry<Limit, Stats> limit : report.limits().entrySet()) {
            stats(
                    limit.getKey().name().toLowerCase(Locale.ROOT),
                    limit.getValue(),
                    limit.getKey().unit());
        }
        json.writeEndObject();
        json.writeArrayFieldStart("engines");
        for (Map.Entry<EngineKind, String> engine : report.engines().entrySet()) {
            json.writeStartObject();
            json.writeStringField("id", engine.getKey().id());
            json.writeStringField("description", engine.getValue());
            json.writeEndObject();
        }
        json.writeEndArray();
        json.writeArrayFieldStart("results");
        for (Result result : report.results()) {
            result(result);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("coldStarts");
        for (ColdStart.Result cold : report.coldStarts()) {
            json.writeStartObject();
            json.writeStringField("engine", cold.backend().id());
            stats("first", cold.first(), "ms");
            stats("fullSpeed", cold.fullSpeed(), "ms");
            stats("call", cold.call(), "ms");
            json.writeEndObject();
        }
        json.writeEndArray();
        json.writeArrayFieldStart("notes");
        for (String note : report.notes()) {
            json.writeString(note);
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    private void result(Result result) throws IOException {
        Case benchmark = result.benchmark();
        json.writeStartObject();
        json.writeStringField("group", benchmark.group().toString());
        json.writeStringField("name", benchmark.name());
        json.writeStringField("family", benchmark.family());
        json.writeStringField("variant", benchmark.variant());
        json.writeStringField("op", benchmark.op().toString());
        json.writeNumberField("flop", benchmark.op().flop());
        json.writeNumberField("bytes", benchmark.op().bytes());
        json.writeNumberField("count", result.weight());
        Limit limit = benchmark.op().limit();
        if (limit != null && result.limit() != null) {
            json.writeStringField("limitedBy", limit.name().toLowerCase(Locale.ROOT));
            stats("limit", result.limit(), benchmark.unit());
        }
        EngineKind winner = result.winner();
        if (winner != null) {
            json.writeStringField("winner", winner.id());
        }
        json.writeObjectFieldStart("engines");
        for (Map.Entry<EngineKind, Stats> value : result.values().entrySet()) {
            json.writeObjectFieldStart(value.getKey().id());
            stats("value", value.getValue(), benchmark.unit());
            number("share", result.share(value.getValue()));
            Result.Calls calls = result.calls().get(value.getKey());
            if (calls != null) {
                json.writeObjectFieldStart("calls");
                number("median", calls.median());
                number("p99", calls.p99());
                json.writeNumberField("samples", calls.count());
                json.writeStringField("unit", "ms");
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        json.writeEndObject();
        json.writeEndObject();
    }

    private void stats(String name, Stats stats, String unit) throws IOException {
        json.writeObjectFieldStart(name);
        number("median", stats.median());
        number("p10", stats.p10());
        number("p90", stats.p90());
        json.writeNumberField("samples", stats.samples());
        json.writeStringField("unit", unit);
        json.writeEndObject();
    }

    /** JSON has no NaN: what there is not, is left out. */
    private void number(String name, double value) throws IOException {
        if (!Double.isNaN(value)) {
            json.writeNumberField(name, Math.round(value * 1e4) / 1e4);
        }
    }
}
