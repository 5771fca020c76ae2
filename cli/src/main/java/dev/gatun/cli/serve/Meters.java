package dev.gatun.cli.serve;

import dev.gatun.cli.serve.ServedModel.Scores;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.ServedModel.Translations;
import dev.gatun.cli.serve.ServedModel.Vectors;
import dev.gatun.cli.serve.engine.EngineObserver;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** What a server counts and times, for Prometheus. */
public final class Meters implements AutoCloseable {
    private static final String PREFIX = "gatun.";

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

    /** Nothing yet but what the JVM says of its memory. */
    public Meters() {
        new JvmMemoryMetrics().bindTo(registry);
    }

    /** The backend that computes, as a label of a gauge that is 1. */
    public void backend(String name) {
        Gauge.builder(PREFIX + "backend", () -> 1).tag("backend", name).register(registry);
    }

    /** Bytes off the heap that something holds for as long as a model is open. */
    public void offHeap(String model, String what, long bytes) {
        Gauge.builder(PREFIX + "offheap.bytes", () -> bytes)
                .tag("model", model)
                .tag("arena", what)
                .register(registry);
    }

    private Timer timer(String name, String model, double... buckets) {
        Duration[] limits = new Duration[buckets.length];
        for (int i = 0; i < limits.length; i++) {
            limits[i] = Duration.ofNanos((long) (buckets[i] * 1e9));
        }
        return Timer.builder(PREFIX + name)
                .tag("model", model)
                .serviceLevelObjectives(limits)
                .register(registry);
    }

    private Counter counter(String name, String model, String kind) {
        return Counter.builder(PREFIX + name)
                .tag("model", model)
                .tag("kind", kind)
                .register(registry);
    }

    /** What is told of a model's texts. */
    public EngineObserver observer(String model) {
        Timer wait = timer("queue.wait", model, 0.01, 0.1, 1, 10);
        Timer first = timer("time.to.first.token", model, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30);
        Timer next = timer("time.per.token", model, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1);
        Counter prompt = counter("tokens", model, "prompt");
        Counter known = counter("tokens", model, "prompt_cached");
        Counter written = counter("tokens", model, "generated");
        Counter preempted =
                Counter.builder(PREFIX + "preemptions").tag("model", model).register(registry);
        DistributionSummary batch = DistributionSummary.builder(PREFIX + "step.texts")
                .tag("model", model)
                .register(registry);
        return new EngineObserver() {
            @Override
            public void started(long waited, int promptTokens, int knownTokens) {
                wait.record(waited, TimeUnit.NANOSECONDS);
                prompt.increment(promptTokens);
                known.increment(knownTokens);
            }

            @Override
            public void firstToken(long nanos) {
                first.record(nanos, TimeUnit.NANOSECONDS);
                written.increment();
            }

            @Override
            public void nextToken(long nanos) {
                next.record(nanos, TimeUnit.NANOSECONDS);
                written.increment();
            }

            @Override
            public void step(int texts) {
                batch.record(texts);
            }

            @Override
            public void preempted() {
                preempted.increment();
            }
        };
    }

    /** Shows what a model is doing now. */
    void watch(ServedModel model) {
        switch (model) {
            case Texts texts -> {
                gauge("texts", model, "active", () -> texts.engine().state().active());
                gauge("texts", model, "waiting", () -> texts.engine().state().waiting());
                gauge("cache.pages", model, "free", () -> texts.engine().state().freePages());
                gauge(
                        "cache.pages",
                        model,
                        "used",
                        () -> texts.engine().state().pages()
                                - texts.engine().state().freePages());
            }
            case Vectors vectors ->
                gauge(
                        "embedding.tokens",
                        model,
                        "waiting",
                        () -> vectors.engine().waitingTokens());
            case Scores scores ->
                gauge("requests", model, "waiting", () -> scores.gate().waiting());
            case Translations translations ->
                gauge("requests", model, "waiting", () -> translations.gate().waiting());
        }
    }

    private void gauge(String name, ServedModel model, String state, java.util.function.Supplier<Number> value) {
        Gauge.builder(PREFIX + name, value)
                .tag("model", model.name())
                .tag("state", state)
                .register(registry);
    }

    /** A request that has been answered. */
    void request(String route, int status, long nanos) {
        Timer.builder(PREFIX + "http.requests")
                .tag("route", route)
                .tag("status", Integer.toString(status))
                .register(registry)
                .record(nanos, TimeUnit.NANOSECONDS);
    }

    /** All, as Prometheus reads it. */
    String scrape() {
        return registry.scrape();
    }

    @Override
    public void close() {
        registry.close();
    }
}
