package dev.gatun.cli;

import dev.gatun.cli.serve.ApiServer;
import dev.gatun.cli.serve.Meters;
import dev.gatun.cli.serve.ModelLoader;
import dev.gatun.cli.serve.ServeSettings;
import dev.gatun.cli.serve.ServedModel;
import dev.gatun.model.TextGenerator;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** {@code gatun serve}: models over HTTP, until the process is told to end. */
final class ServeCommand implements Command {
    private static final String DEMO = "demo";
    private static final String KEYS = "GATUN_API_KEYS";
    private static final Set<String> LOOPBACK = Set.of("127.0.0.1", "localhost", "::1", "[::1]");
    private static final int TEXTS = 16;
    private static final int QUEUE = 64;
    private static final int DRAIN_SECONDS = 30;
    private static final Duration LAST_WORDS = Duration.ofSeconds(5);

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Serves models over HTTP, as clients of OpenAI, Cohere and Jina expect them.")
                .description(
                        "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/rerank, /translate, /v1/models,"
                                + " /health, /ready, /metrics, and a page for people at /. " + KEYS
                                + " in the environment, and --api-key-file, have keys of which clients need one.");
        spec.addOption(OptionSpec.builder("--model")
                .paramLabel("[NAME=]M")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description(
                        "GGUF file or folder of a decoder, an encoder, a cross-encoder or a translator, or org/name"
                                + " from the Hugging Face Hub; " + NamedModel.DEFAULT + " and " + DEMO
                                + ", a translator, come with us; may be given several times")
                .build());
        spec.addOption(CommonOptions.option(
                "--host",
                "ADDRESS",
                String.class,
                "to listen at; default: 127.0.0.1, which only this machine reaches"));
        spec.addOption(number("--port", "to listen at, 0 for any that is free; default: 8080"));
        spec.addOption(CommonOptions.path("--api-key-file", "FILE", "keys of clients, one a line"));
        spec.addOption(number("--ctx", "tokens of a text, prompt included; default: " + TextGenerator.DEFAULT_CTX));
        spec.addOption(number("--parallel", "texts that a model writes at once; default: " + TEXTS));
        spec.addOption(number("--cache-tokens", "tokens that all of them have in the cache; default: 4 times --ctx"));
        spec.addOption(number("--queue", "requests that wait for a model; more are refused; default: " + QUEUE));
        spec.addOption(number("--queue-seconds", "that a request waits for its turn; default: 60"));
        spec.addOption(number("--request-seconds", "that a request takes in all; default: 600"));
        spec.addOption(number("--max-body", "bytes of a request; default: 8388608"));
        spec.addOption(number("--drain-seconds", "for requests under way at the end; default: " + DRAIN_SECONDS));
        spec.addOption(CommonOptions.path(
                "--chat-template", "FILE", "a Jinja template that is used instead of the models' own"));
        spec.addOption(GenerationOptions.weights());
        spec.addOption(GenerationOptions.cache());
        return spec;
    }

    private static OptionSpec number(String name, String description) {
        return CommonOptions.option(name, "N", Integer.class, description);
    }

    private static int value(Invocation invocation, String name, int min, int max, int fallback) {
        Integer value = invocation.option(name, Integer.class);
        if (value != null && (value < min || value > max)) {
            throw new Failure(name + " " + value + ": must be " + min + " to " + max);
        }
        return value == null ? fallback : value;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<?> asked = invocation.option("--model", List.class);
        if (asked == null) {
            throw new Failure("serve: no model; give a GGUF file, a folder, or a name on the Hub with --model");
        }
        ServeSettings settings = settings(invocation);
        Path template = invocation.option("--chat-template", Path.class);
        int drain = value(invocation, "--drain-seconds", 0, 3600, DRAIN_SECONDS);
        List<ServedModel> models = new ArrayList<>();
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Meters meters = new Meters()) {
            meters.backend(backend.toString());
            var loader = new ModelLoader(
                    backend,
                    meters,
                    value(invocation, "--parallel", 1, 1024, TEXTS),
                    value(invocation, "--ctx", 2, 1 << 24, TextGenerator.DEFAULT_CTX),
                    value(invocation, "--cache-tokens", 1, Integer.MAX_VALUE, 0),
                    value(invocation, "--queue", 0, 1 << 20, QUEUE),
                    GenerationOptions.format(invocation),
                    GenerationOptions.cache(invocation),
                    template == null ? null : Files.readString(template));
            try {
                for (Object model : asked) {
                    models.add(open(String.valueOf(model), loader, models, invocation));
                }
                serve(settings, models, meters, Duration.ofSeconds(drain), invocation);
            } finally {
                models.forEach(ServedModel::close);
            }
        }
        return 0;
    }

    private static ServeSettings settings(Invocation invocation) throws IOException {
        String host = invocation.option("--host", String.class);
        ServeSettings base = ServeSettings.DEFAULT;
        ServeSettings settings = base.at(
                        host == null ? base.host() : host, value(invocation, "--port", 0, 65535, base.port()))
                .withKeys(keys(invocation))
                .withLimits(value(invocation, "--max-body", 1, 1 << 30, base.maxBody()), base.maxConnections())
                .withTimes(
                        null,
                        Duration.ofSeconds(value(invocation, "--queue-seconds", 1, 86400, 60)),
                        Duration.ofSeconds(value(invocation, "--request-seconds", 1, 86400, 600)),
                        null);
        if (settings.keys().isEmpty() && !LOOPBACK.contains(settings.host())) {
            invocation
                    .log()
                    .println("WARNING: anybody who reaches " + settings.host() + " is served; keys in " + KEYS
                            + " or --api-key-file keep others out");
        }
        return settings;
    }

    private static List<String> keys(Invocation invocation) throws IOException {
        List<String> keys = new ArrayList<>();
        String environment = System.getenv(KEYS);
        if (environment != null) {
            keys.addAll(List.of(environment.split(",")));
        }
        Path file = invocation.option("--api-key-file", Path.class);
        if (file != null) {
            keys.addAll(Files.readAllLines(file));
        }
        List<String> all =
                keys.stream().map(String::strip).filter(key -> !key.isEmpty()).toList();
        if (all.isEmpty() && (file != null || environment != null)) {
            throw new Failure((file == null ? KEYS : file) + ": has no key"); // which must not open the server to all
        }
        return all;
    }

    private static ServedModel open(String asked, ModelLoader loader, List<ServedModel> before, Invocation invocation)
            throws IOException {
        int equals = asked.indexOf('=');
        String model = asked.substring(equals + 1);
        String name = equals > 0 ? asked.substring(0, equals) : name(model);
        if (before.stream().anyMatch(other -> other.name().equals(name))) {
            throw new Failure(
                    "--model " + asked + ": there is another " + name + "; give one another name, NAME=" + model);
        }
        if (model.equals(DEMO)) {
            return loader.openDemo(name);
        }
        NamedModel named = NamedModel.of(model);
        if (named != null) {
            return loader.openVectors(name, named.folder());
        }
        return loader.open(name, ModelOption.path(model, invocation));
    }

    /** What clients call a model unless a name is given: its file or folder, or its name on the Hub. */
    private static String name(String model) {
        if (!Files.exists(Path.of(model))) {
            return model;
        }
        Path file = Path.of(model).toAbsolutePath().normalize().getFileName();
        String name = file == null ? model : file.toString();
        return name.endsWith(".gguf") ? name.substring(0, name.length() - ".gguf".length()) : name;
    }

    private static void serve(
            ServeSettings settings, List<ServedModel> models, Meters meters, Duration drain, Invocation invocation)
            throws IOException {
        var told = new CountDownLatch(1);
        var done = new CountDownLatch(1);
        Thread hook = Thread.ofPlatform().name("gatun-end").unstarted(() -> {
            told.countDown();
            await(done, drain.plus(LAST_WORDS).plus(LAST_WORDS));
        });
        try (ApiServer server = ApiServer.start(settings, models, meters)) {
            Runtime.getRuntime().addShutdownHook(hook);
            String host = settings.host().contains(":") ? "[" + settings.host() + "]" : settings.host();
            invocation
                    .log()
                    .println("serving "
                            + new TreeSet<>(
                                    models.stream().map(ServedModel::name).toList()) + " at http://" + host + ":"
                            + server.port());
            told.await();
            if (!server.drain(drain)) {
                models.forEach(ServedModel::end); // who waits is told
                server.drain(LAST_WORDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            done.countDown();
        }
    }

    private static void await(CountDownLatch latch, Duration atMost) {
        try {
            latch.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
